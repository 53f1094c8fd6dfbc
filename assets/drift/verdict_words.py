"""drift.verdict_words: the words by which the cluster that grew differs from the segment's other texts.

Here belongs what makes a word distinctive. These are words that people wrote: the table is kept and shown as texts are.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

FEWEST_TEXTS_OF_A_WORD = 5
NAMED_WORDS = 8
SUREST_CHANCE = 3.0
"""In standard deviations: a word that stands out by less may do so by chance."""
_WORD = r"[\p{L}\p{M}]{3,}"
COLUMNS = {
    "drift.drift_verdicts": ["segment_kind", "segment", "family", "metric", "grown_bin"],
    "drift.text_sample": ["day", "request_id", "part", "text"],
    "drift.text_topics": ["day", "request_id", "part", "feature", "model", "tenant", "reference", "cluster"],
}
_SCHEMA = {
    "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "metric": pl.String, "cluster": pl.Int64, "n": pl.Int64,
    "n_others": pl.Int64, "words": pl.String,
}  # fmt: skip


def verdict_words(
    day: date, drift_verdicts: pl.DataFrame, text_sample: pl.DataFrame, text_topics: pl.DataFrame
) -> pl.DataFrame:
    """One row per verdict on meaning of `day` (`drift_verdicts`) whose cluster that grew is known; the texts and their
    topics are of [-2, 0]."""
    rows = []
    asked = drift_verdicts.filter((pl.col("family") == "embedding") & pl.col("grown_bin").is_not_null())
    texts = text_topics.join(text_sample, on=["day", "request_id", "part"]) if asked.height else text_topics
    for verdict in asked.sort("segment_kind", "segment", "metric").iter_rows(named=True):
        kind, cluster = verdict["segment_kind"], int(verdict["grown_bin"])
        is_in = pl.lit(True) if kind == "all" else pl.col(kind) == verdict["segment"]
        some = texts.filter(is_in & ((pl.col("part") + "_embedding." + pl.col("reference")) == verdict["metric"]))
        inside, outside = some.filter(pl.col("cluster") == cluster), some.filter(pl.col("cluster") != cluster)
        words = ", ".join(distinctive(inside["text"], outside["text"])) or None
        rows.append((day, kind, verdict["segment"], verdict["metric"], cluster, inside.height, outside.height, words))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def distinctive(texts: pl.Series, others: pl.Series) -> list[str]:
    """Up to NAMED_WORDS words that more of `texts` have than of `others`, the surest first.

    A word counts once in a text. How sure: the root of the likelihood ratio that it is as common in both (Dunning, Accurate
    methods for the statistics of surprise and coincidence, Computational Linguistics 19, 1993). Languages that put no
    spaces between words have phrases instead.
    """
    n, n_others = len(texts), len(others)
    counts = _texts_with(texts).join(_texts_with(others), on="word", how="left", suffix="_others").fill_null(0)
    counts = counts.filter(pl.col("texts") >= FEWEST_TEXTS_OF_A_WORD)
    if counts.is_empty() or not n_others:
        return []
    inside, outside = counts["texts"].to_numpy(), counts["texts_others"].to_numpy()
    pooled = (inside + outside) / (n + n_others)
    ratio = sum(
        _times_log(x, share * size)
        for share, x_in, x_out in ((pooled, inside, outside), (1 - pooled, n - inside, n_others - outside))
        for x, size in ((x_in, n), (x_out, n_others))
    )
    sure = np.where(inside / n > outside / n_others, np.sqrt(np.maximum(2 * ratio, 0)), 0)
    ranked = counts.with_columns(sure=pl.Series(sure)).filter(pl.col("sure") >= SUREST_CHANCE)
    found: list[str] = ranked.sort("sure", "word", descending=[True, False])["word"].head(NAMED_WORDS).to_list()
    return found


def _times_log(x: NDArray[np.int64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """x log(x / expected), 0 where x is."""
    return np.asarray(x * np.log(np.divide(x, expected, out=np.ones(len(x)), where=x > 0)))


def _texts_with(texts: pl.Series) -> pl.DataFrame:
    words = pl.DataFrame({"word": texts.cast(pl.String).str.to_lowercase().str.extract_all(_WORD).list.unique()})
    return words.explode("word").drop_nulls().group_by("word").agg(texts=pl.len().cast(pl.Int64))
