"""What people said, as arrays: the newest label of each annotator counts, and two annotators are two opinions.

Here belongs how rows of quality.labels become verdicts; what follows from them stands in raters.py and estimator.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.quality.inclusion import Floats

VERDICTS = ("hallucinated", "grounded", "safety_pass", "toxic", "instruction_followed", "policy_followed")
_RESPONSE = ["day", "request_id"]


def newest(labels: pl.DataFrame) -> pl.DataFrame:
    """Of rows of quality.labels, the newest of each response and annotator: those of quality.labels_now."""
    ordered = labels.sort("labelled_at", "label_id", descending=[True, False])
    return ordered.unique([*_RESPONSE, "annotator"], keep="first", maintain_order=True).sort(*_RESPONSE, "annotator")


def mean_of_each(labels: pl.DataFrame) -> pl.DataFrame:
    """One row per day and request id: the mean of what the annotators say of each verdict, from 0 to 1; nobody could say:
    NULL. `labels`: rows of quality.labels, all of them."""
    return newest(labels).group_by(_RESPONSE).agg(pl.col(VERDICTS).cast(pl.Float64).mean())


def mean_verdicts(labels: pl.DataFrame, verdict: str) -> dict[tuple[date, str], float]:
    """The same of one verdict, by day and request id; nobody could say: no entry."""
    means = mean_of_each(labels).select(*_RESPONSE, verdict).drop_nulls(verdict)
    return {(day, request): mean for day, request, mean in means.iter_rows()}


@dataclass(frozen=True)
class Opinions:
    """Verdicts [annotator, response]: 0, 1, or NaN where one did not judge or could not say; both sides in sorted order."""

    annotators: list[str]
    responses: list[tuple[date, str]]
    verdicts: Floats


def opinions(labels: pl.DataFrame, verdict: str) -> Opinions:
    """The verdicts of one kind of all that judged it. `labels`: rows of quality.labels, all of them."""
    said = newest(labels).filter(pl.col(verdict).is_not_null())
    annotators = sorted(said["annotator"].unique())
    responses = sorted(set(said.select(_RESPONSE).iter_rows()))
    verdicts = np.full((len(annotators), len(responses)), np.nan)
    row_of = {name: place for place, name in enumerate(annotators)}
    column_of = {response: place for place, response in enumerate(responses)}
    for day, request, annotator, value in said.select(*_RESPONSE, "annotator", verdict).iter_rows():
        verdicts[row_of[annotator], column_of[day, request]] = float(value)
    return Opinions(annotators, responses, verdicts)
