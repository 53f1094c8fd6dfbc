"""quality.rates: how often each verdict holds of the answers of a day, a week and 30 days, with intervals.

Here belongs which labels and scores make which rate; the statistics are estimator.py and rater_error.py, the groups
rate_scopes.py, labels and scores side by side judged_answers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.quality.agreement import judged
from assets.quality.estimator import Bools, Rate
from assets.quality.inclusion import Floats, Ints
from assets.quality.judged import VERDICTS
from assets.quality.judged_answers import FRAME_COLUMNS, LABEL_COLUMNS, Answers, arrays, counted, estimated, judged_answers
from assets.quality.rate_scopes import RETRIEVAL_DAYS, groups, with_retrieval
from assets.quality.rater_error import corrected, together
from assets.quality.raters import Raters, resampled

WINDOWS_DAYS = (1, 7, 30)
RATER_DAYS = 28
"""Raters' errors are those of quality.agreement."""
_BOOTSTRAP, _SEED = 200, 8
COLUMNS = {
    "quality.labels": LABEL_COLUMNS,
    "quality.label_frame": FRAME_COLUMNS,
    "logs.retrievals": ["day", "request_id", "retrieval_score"],
}
_RESPONSE = ["day", "request_id"]
_NAMES = ("feature", "model", "prompt_version", "tenant", "retrieval")
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "verdict": pl.String, "window_days": pl.Int32, "scope": pl.String, **dict.fromkeys(_NAMES, pl.String),
    "rate": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n_responses": pl.Int64, "n_scored": pl.Int64,
    "n_drawn": pl.Int64, "n_labelled": pl.Int64, "n_excluded": pl.Int64, "n_days": pl.Int64, "n_effective": pl.Float64,
    "rho": pl.Float64, "lambda_used": pl.Float64, "method": pl.String, "sensitivity": pl.Float64,
    "specificity": pl.Float64, "rater_error": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """What is known of the raters of one verdict: their opinions [annotator, response], their errors and samples of them."""

    verdicts: Floats
    column_of: Mapping[tuple[date, str], int]
    raters: Raters
    samples: Raters


def rates(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame, retrievals: pl.DataFrame) -> pl.DataFrame:
    """The rows of quality.rates of a day. `labels`, `label_frame`: rows of the days [-29, 0]; `retrievals`: of [-6, 0]."""
    answers = _answers(day, labels, label_frame, retrievals)
    known = {verdict: _raters(day, labels, label_frame, verdict) for verdict in VERDICTS}
    rows = []
    for window_days in WINDOWS_DAYS:
        part = answers.filter(pl.col("day") > day - timedelta(days=window_days))
        if part.is_empty():
            continue
        made = list(groups(part, window_days))
        for verdict in VERDICTS:
            window = arrays(part, verdict)
            counts, share = counted(window)
            opinion = _opinions(part, window.verdict, known[verdict])
            for group in made:
                found = _row(window, group.rows, counts, share, opinion, known[verdict])
                rows.append(
                    {"day": day, "verdict": verdict, "window_days": window_days, "scope": group.scope} | group.names | found
                )
    return pl.DataFrame(rows, schema=_SCHEMA)


def _answers(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame, retrievals: pl.DataFrame) -> pl.DataFrame:
    """The judged answers with how good the documents were that were found for them."""
    frame = judged_answers(labels, label_frame)
    is_recent = pl.col("day") > day - timedelta(days=RETRIEVAL_DAYS)
    older = frame.filter(~is_recent).with_columns(retrieval=pl.lit(None, dtype=pl.String))
    return pl.concat([older, with_retrieval(frame.filter(is_recent), retrievals)], how="diagonal")


def _raters(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame, verdict: str) -> _Known | None:
    """None where too few responses were judged twice."""
    is_recent = pl.col("day") > day - timedelta(days=RATER_DAYS)
    recent = labels.filter(is_recent)
    found = judged(recent, label_frame.join(recent, on=_RESPONSE, how="semi"), verdict)
    if found is None or found.raters is None:
        return None
    column_of = {response: place for place, response in enumerate(found.opinions.responses)}
    samples = resampled(found.opinions.verdicts, found.bands, _BOOTSTRAP, _SEED)
    return _Known(found.opinions.verdicts, column_of, found.raters, samples)


def _opinions(answers: pl.DataFrame, of_verdict: Floats, known: _Known | None) -> Ints:
    """The column of each answer in the raters' opinions [row]; -1: none."""
    opinion = np.full(len(answers), -1, dtype=np.int64)
    if known is not None:
        judged_rows = np.flatnonzero(np.isfinite(of_verdict))
        responses = answers.select(_RESPONSE)[judged_rows].iter_rows()
        opinion[judged_rows] = [known.column_of.get((on, request), -1) for on, request in responses]
    return opinion


def _row(answers: Answers, rows: Ints, counts: Bools, share: Floats, opinions: Ints, known: _Known | None) -> dict[str, Any]:
    """One group's rate."""
    labelled = rows[counts[rows] & np.isfinite(answers.verdict[rows])]
    rows = rows[counts[rows]] if labelled.size else rows
    of_all = rows[~answers.is_excluded[rows]]
    found = estimated(answers, labelled, of_all, share)
    opinion = opinions[labelled]
    if known is not None and (opinion >= 0).any():
        found = corrected(found, together(known.raters, known.samples, known.verdicts[:, opinion[opinion >= 0]]))
    return _told(found) | {
        "n_drawn": int(answers.is_drawn[of_all].sum()),
        "n_excluded": int(answers.is_excluded[rows].sum()),
        "n_days": len(np.unique(answers.day[of_all])),
    }


def _told(rate: Rate) -> dict[str, Any]:
    return {
        "rate": _rounded(rate.rate),
        "low": _rounded(rate.low),
        "high": _rounded(rate.high),
        "n_responses": rate.n_responses,
        "n_scored": rate.n_scored,
        "n_labelled": rate.n_labelled,
        "n_effective": _rounded(rate.n_effective),
        "rho": _rounded(rate.rho),
        "lambda_used": _rounded(rate.lambda_),
        "method": rate.method,
        "sensitivity": _rounded(rate.sensitivity),
        "specificity": _rounded(rate.specificity),
        "rater_error": _rounded(rate.rater_error),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
