"""quality.agreement: how well people agree on each verdict, over four weeks, and whether their labels can be used.

Here belongs the shape of the table and which responses are compared; the statistics are raters.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.quality.inclusion import Ints
from assets.quality.judged import VERDICTS, Opinions, opinions
from assets.quality.raters import FEWEST_DOUBLED, Raters, alpha, dawid_skene, doubled, warning

BANDS = 3
"""Bands of the score in which the truth differs, so that raters' errors can be told from it."""
COLUMNS = {
    "quality.labels": ["day", "label_id", "request_id", "annotator", "labelled_at", *VERDICTS],
    "quality.label_frame": ["day", "request_id", "score"],
}  # fmt: skip
_SCHEMA = {
    "day": pl.Date, "verdict": pl.String, "annotators": pl.Int64, "n_labels": pl.Int64, "n_labelled": pl.Int64,
    "n_doubled": pl.Int64, "double_share": pl.Float64, "alpha": pl.Float64, "sensitivity": pl.Float64,
    "specificity": pl.Float64, "warning": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """The opinions on one verdict, the band of the score that each response is in, how many two or more judged, and the
    raters' errors; None: too few to say."""

    opinions: Opinions
    bands: Ints
    n_doubled: int
    raters: Raters | None


def judged(labels: pl.DataFrame, label_frame: pl.DataFrame, verdict: str) -> Judged | None:
    """What the rows of some days say of one verdict; None where nobody judged it."""
    said = opinions(labels, verdict)
    if not said.responses:
        return None
    twice = doubled(said.verdicts)
    bands = _bands(said, label_frame)
    return Judged(said, bands, twice, dawid_skene(said.verdicts, bands) if twice >= FEWEST_DOUBLED else None)


def agreement(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame) -> pl.DataFrame:
    """One row per verdict that somebody judged. `labels`, `label_frame`: rows of the days [-27, 0]."""
    rows = []
    for verdict in VERDICTS:
        found = judged(labels, label_frame, verdict)
        if found is None:
            continue
        said = np.isfinite(found.opinions.verdicts)
        weight = said.sum(axis=1) / said.sum()
        agreed = alpha(found.opinions.verdicts)
        sensitivity, specificity = None, None
        if found.raters is not None:
            sensitivity, specificity = (float(r @ weight) for r in (found.raters.sensitivity, found.raters.specificity))
        rows.append(
            {
                "day": day,
                "verdict": verdict,
                "annotators": len(found.opinions.annotators),
                "n_labels": int(said.sum()),
                "n_labelled": len(found.opinions.responses),
                "n_doubled": found.n_doubled,
                "double_share": found.n_doubled / len(found.opinions.responses),
                "alpha": _rounded(agreed),
                "sensitivity": _rounded(sensitivity),
                "specificity": _rounded(specificity),
                # Without raters the first answer is that too few were judged twice.
                "warning": warning(agreed, found.n_doubled, sensitivity or 0.0, specificity or 0.0),
            }
        )
    return pl.DataFrame(rows, schema=_SCHEMA)


def _bands(said: Opinions, label_frame: pl.DataFrame) -> Ints:
    """The band of the score [response]: equally many labelled responses each; unscored ones are a band of their own."""
    known = {(day, request): score for day, request, score in label_frame.select("day", "request_id", "score").iter_rows()}
    score = np.array([known.get(response) for response in said.responses], dtype=np.float64)
    is_scored = np.isfinite(score)
    if not is_scored.any():
        return np.zeros(len(score), dtype=np.int64)
    edges = np.unique(np.quantile(score[is_scored], np.arange(1, BANDS) / BANDS))
    bands = np.where(is_scored, np.searchsorted(edges, score, side="left"), BANDS)
    return np.unique(bands, return_inverse=True)[1].astype(np.int64)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
