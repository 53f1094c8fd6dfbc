"""retrieval.knowledge_gaps: what people ask again and again and nothing answers well, found by meaning.

Here belongs when questions are one, and when one is a gap. Which questions are looked at, and what is a sign that one was
not answered, is sql/retrieval/gap_questions.sql; the model is the embedder's, which is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.service.intervals import wilson

Vectors = NDArray[np.float32]
Embed = Callable[[list[str]], tuple[Vectors, str]]
"""Texts -> a vector of length 1 for each, and the short name of what made them."""
ALIKE = 0.65
"""Cosine from which questions are one: the mean over all pairs of a cluster, and that of an answered one with its middle."""
FEWEST = 3
"""Questions with a sign that make a gap: two are a coincidence."""
SURELY_UNANSWERED = 1 / 3
"""Lower end of the interval of the share with a sign, of a gap: three of three are one, three of four not yet."""
MOST = 2000
"""Questions of a feature that are compared with each other; of more, those that come first by the digest of their id."""
SIGNS = ("empty", "weak", "declined", "made_up", "complained_of")
_SHOWN = 5
COLUMNS = {"retrieval.knowledge_gaps": ["feature", "gap", "since_day", "request_id", "more_request_ids"]}
_SCHEMA = {
    "day": pl.Date, "feature": pl.String, "gap": pl.String, "since_day": pl.Date, "request_id": pl.String,
    "more_request_ids": pl.String, "requests": pl.Float64, "share": pl.Float64, "share_low": pl.Float64,
    "share_high": pl.Float64, "unanswered_share": pl.Float64, "unanswered_share_low": pl.Float64,
    "unanswered_share_high": pl.Float64, "n": pl.Int64, "unanswered": pl.Int64, **dict.fromkeys(SIGNS, pl.Int64),
    "users": pl.Int64, "nearest_document_id": pl.String, "similarity": pl.Float64, "embedder": pl.String,
}  # fmt: skip


def knowledge_gaps(day: date, gap_questions: pl.DataFrame, knowledge_gaps: pl.DataFrame, embed: Embed) -> pl.DataFrame:
    """The gaps of the week up to `day`. `gap_questions`: rows of [-6, 0]; `knowledge_gaps`: this table's of [-1, -1]."""
    found: list[dict[str, Any]] = []
    for (feature,), asked in gap_questions.sort("request_id").group_by("feature", maintain_order=True):
        before = knowledge_gaps.filter(pl.col("feature").eq_missing(pl.lit(feature, dtype=pl.String)))
        gaps = sorted(_gaps(asked, embed), key=lambda gap: (-gap["requests"], gap["request_id"]))
        found += [{"day": day, "feature": feature, **gap} for gap in _named(day, gaps, before)]
    # Rounded: vectors made in another batch differ in their last digits, and the day is the same.
    return pl.DataFrame(found, schema=_SCHEMA).with_columns(pl.col(pl.Float64).round(4))


def _gaps(asked: pl.DataFrame, embed: Embed) -> Iterator[dict[str, Any]]:
    """The gaps among one feature's questions, without their names; `members` are the requests of each."""
    missed, answered = (_some(asked.filter(pl.col("is_unanswered") == is_missed)) for is_missed in (True, False))
    if missed.height < FEWEST:
        return
    vectors, embedder = embed(missed["text"].to_list())
    clusters = _clusters(vectors)
    if not clusters:
        return
    middles = np.stack([_unit(vectors[inside].mean(axis=0)) for inside in clusters])
    near = _nearest(embed(answered["text"].to_list())[0] if answered.height else vectors[:0], middles)
    weights = _weights(asked)
    for number, inside in enumerate(clusters):
        own, good = missed[inside.tolist()], answered[np.flatnonzero(near == number).tolist()]
        both = np.concatenate([_weights(own), _weights(good)])
        in_vain = _share("unanswered_share", _weights(own), both)
        if in_vain["unanswered_share"] < 0.5 or in_vain["unanswered_share_low"] < SURELY_UNANSWERED:
            continue
        cosines = vectors[inside] @ middles[number]
        nearest_first = own["request_id"].gather(np.lexsort((inside, -cosines.round(4))).tolist()).to_list()
        yield {
            "members": set(own["request_id"]), "request_id": nearest_first[0],
            "more_request_ids": ",".join(nearest_first[1:_SHOWN]) or None, "requests": float(both.sum()),
            **_share("share", both, weights), **in_vain,
            "n": own.height + good.height, "unanswered": own.height,
            **{sign: int(own[f"is_{sign}"].sum()) for sign in SIGNS}, "users": own["user_token"].drop_nulls().n_unique(),
            "nearest_document_id": _commonest(own["first_document_id"]), "similarity": float(cosines.mean()),
            "embedder": embedder,
        }  # fmt: skip


def _some(questions: pl.DataFrame) -> pl.DataFrame:
    if questions.height <= MOST:
        return questions
    digests = pl.Series([sha256(name.encode()).hexdigest() for name in questions["request_id"]])
    kept = questions.with_columns(digest=digests).sort("digest").head(MOST).drop("digest").sort("request_id")
    return kept.with_columns(pl.col("inclusion_probability") * (MOST / questions.height))


def _clusters(vectors: Vectors) -> list[NDArray[np.intp]]:
    """The places of each group of FEWEST or more whose pairs are ALIKE in the mean."""
    from sklearn.cluster import AgglomerativeClustering

    cut = AgglomerativeClustering(n_clusters=None, distance_threshold=1 - ALIKE, metric="cosine", linkage="average")
    labels = cut.fit_predict(vectors)
    return [np.flatnonzero(labels == label) for label, n in enumerate(np.bincount(labels)) if n >= FEWEST]


def _nearest(vectors: Vectors, middles: Vectors) -> NDArray[np.intp]:
    """The middle that each is nearest to; -1: it is ALIKE to none."""
    likeness = vectors @ middles.T
    return np.where(likeness.max(axis=1) >= ALIKE, likeness.argmax(axis=1), -1)


def _named(day: date, gaps: list[dict[str, Any]], before: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The gaps under their names: that of yesterday's which shares a request with it, else a new one."""
    known = [
        (name, since, {request_id, *(more or "").split(",")})
        for name, since, request_id, more in before.sort("since_day", "gap")
        .select("gap", "since_day", "request_id", "more_request_ids")
        .iter_rows()
    ]
    for gap in gaps:
        members = gap.pop("members")
        same = next((place for place, (_, _, shown) in enumerate(known) if members & shown), None)
        name, since = known.pop(same)[:2] if same is not None else (sha256(gap["request_id"].encode()).hexdigest()[:12], day)
        yield {"gap": name, "since_day": since, **gap}


def _weights(questions: pl.DataFrame) -> NDArray[np.float64]:
    """How many questions each stands for."""
    return 1.0 / questions["inclusion_probability"].to_numpy()


def _share(name: str, part: NDArray[np.float64], whole: NDArray[np.float64]) -> dict[str, float]:
    """A share of weighted questions under its name, and its interval on the effective number of them."""
    share, effective = float(min(part.sum() / whole.sum(), 1.0)), _effective(whole)
    low, high = wilson(share * effective, effective)
    return {name: share, f"{name}_low": float(low), f"{name}_high": float(high)}


def _effective(weights: NDArray[np.float64]) -> float:
    """How many equally weighted questions know as much (Kish): (sum of w)^2 / sum of w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _unit(vector: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)


def _commonest(documents: pl.Series) -> str | None:
    found = documents.drop_nulls().value_counts().sort(["count", documents.name], descending=[True, False])
    return None if found.is_empty() else str(found[documents.name][0])
