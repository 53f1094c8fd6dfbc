"""quality.rate_changes: whether answers of a day, or of the last two or three, are wrong oftener than in the weeks before.

Here belongs which answers are compared with which; the comparison itself is rate_rise.py, the rates are estimator.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from assets.quality.estimator import FEWEST_OF_EITHER, Bools, Rate
from assets.quality.inclusion import Floats, Ints
from assets.quality.judged import VERDICTS
from assets.quality.judged_answers import FRAME_COLUMNS, GOOD, LABEL_COLUMNS, Answers, arrays, counted, estimated
from assets.quality.judged_answers import judged_answers as judged
from assets.quality.rate_rise import FALSE_DISCOVERIES, chance, corrected, difference, dispersion
from assets.quality.rate_scopes import Group, groups

WINDOWS_DAYS = (1, 2, 3)
DAYS = 31
"""The day, the window's other nights, and four weeks before them: the reference of every window, whatever its length."""
SCOPES = ("all", "feature", "prompt_version", "model")
FEWEST_LABELS = 20
"""A window of fewer labels is not tested; it could hardly find anything, and all others would pay for the try."""
FEWEST_NIGHTS, FEWEST_REFERENCE_LABELS = 7, 100
LEAST_POINTS, LEAST_FACTOR = 0.02, 1.25
"""What is less of a rise is no news, however sure it is."""
COLUMNS = {"quality.labels": LABEL_COLUMNS, "quality.label_frame": FRAME_COLUMNS}
_NAMES = ("feature", "model", "prompt_version")
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "verdict": pl.String, "scope": pl.String, **dict.fromkeys(_NAMES, pl.String), "window_days": pl.Int32,
    "rate": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n_labelled": pl.Int64, "n_effective": pl.Float64,
    "compared_with": pl.String, "reference_rate": pl.Float64, "reference_low": pl.Float64, "reference_high": pl.Float64,
    "reference_labelled": pl.Int64, "reference_days": pl.Int64, "difference": pl.Float64, "difference_low": pl.Float64,
    "difference_high": pl.Float64, "dispersion": pl.Float64, "p_value": pl.Float64, "q_value": pl.Float64,
    "state": pl.String,
}  # fmt: skip
State = Literal["worse", "usual", "few_labels", "no_reference"]


@dataclass(frozen=True)
class _Reference:
    """Earlier nights that windows are held against. `is_enough`: of enough nights and labels to be."""

    rate: Rate
    compared_with: str
    nights: int
    dispersion: float

    @property
    def is_enough(self) -> bool:
        return self.nights >= FEWEST_NIGHTS and self.rate.n_labelled >= FEWEST_REFERENCE_LABELS


def rate_changes(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of quality.rate_changes of a day. `labels`, `label_frame`: rows of the days [-30, 0]."""
    answers = judged(labels, label_frame)
    today = day.toordinal() - date(1970, 1, 1).toordinal()
    rows = []
    if not answers.is_empty() and answers.filter(pl.col("day") == day)["is_judged"].any():
        made = [group for group in groups(answers, DAYS) if group.scope in SCOPES]
        for verdict in VERDICTS:
            for row in changes(arrays(answers, verdict), made, today, is_good=verdict in GOOD):
                rows.append({"day": day, "verdict": verdict} | row)
    return pl.DataFrame(rows, schema=_SCHEMA).with_columns(pl.col(pl.Float64).round_sig_figs(6))


def changes(answers: Answers, made: Sequence[Group], today: int, *, is_good: bool) -> list[dict[str, Any]]:
    """One verdict's rows: each group with labels of `today` (days since 1970), by each window.

    `is_good`: the verdict is a good one, and gets worse where its rate falls.
    """
    if is_good:
        answers = replace(answers, verdict=1 - answers.verdict, score=1 - answers.score)
    look = _Look(answers, today)
    features = {group.names["feature"]: group.rows for group in made if group.scope == "feature"}
    found: list[tuple[dict[str, Any], _Compared]] = []
    for group in made:
        if look.is_judged_today(group.rows):
            names = {"scope": group.scope, **{name: group.names.get(name) for name in _NAMES}}
            reference = look.reference(group, features)
            found += [(names, look.compared(group.rows, days, reference)) for days in WINDOWS_DAYS]
    q_values = corrected([one.p_value for _, one in found])
    return [names | one.row(q_value, is_good) for (names, one), q_value in zip(found, q_values, strict=True)]


@dataclass(frozen=True)
class _Compared:
    """A window of `days` and its reference. `p_value`: the probability that chance alone made it; None: not tested."""

    days: int
    rate: Rate
    reference: _Reference
    p_value: float | None = None

    @property
    def is_tested(self) -> bool:
        return self.rate.n_labelled >= FEWEST_LABELS and self.reference.is_enough

    def row(self, q_value: float | None, is_good: bool) -> dict[str, Any]:
        """Its columns. Of a good verdict it was the opposite that was compared."""
        rate, usual = self.rate, self.reference.rate
        risen = difference(rate, usual, self.reference.dispersion)
        named = [
            (("rate", "low", "high"), (rate.rate, rate.low, rate.high), 1.0),
            (("reference_rate", "reference_low", "reference_high"), (usual.rate, usual.low, usual.high), 1.0),
            (("difference", "difference_low", "difference_high"), risen or (None, None, None), 0.0),
        ]
        told: dict[str, Any] = {}
        for names, (value, low, high), whole in named:
            told |= dict(zip(names, _opposite(value, low, high, whole) if is_good else (value, low, high), strict=True))
        return told | {
            "window_days": self.days,
            "n_labelled": rate.n_labelled,
            "n_effective": rate.n_effective,
            "compared_with": self.reference.compared_with,
            "reference_labelled": usual.n_labelled,
            "reference_days": self.reference.nights,
            "dispersion": self.reference.dispersion,
            "p_value": self.p_value,
            "q_value": q_value,
            "state": self._state(q_value, risen),
        }

    def _state(self, q_value: float | None, risen: tuple[float, float, float] | None) -> State:
        if self.rate.n_labelled < FEWEST_LABELS:
            return "few_labels"
        if q_value is None or risen is None:
            return "no_reference"
        is_news = risen[0] >= max(LEAST_POINTS, (LEAST_FACTOR - 1) * (self.reference.rate.rate or 0.0))
        return "worse" if is_news and q_value <= FALSE_DISCOVERIES else "usual"


class _Look:
    """One verdict's answers of 31 days, a wrong answer being a yes."""

    def __init__(self, answers: Answers, today: int) -> None:
        self.answers, self.today = answers, today
        self.counts, self.share = counted(answers)
        self.is_labelled: Bools = self.counts & np.isfinite(answers.verdict)

    def is_judged_today(self, rows: Ints) -> bool:
        return bool(self.is_labelled[rows[self.answers.day[rows] == self.today]].any())

    def rate(self, rows: Ints) -> Rate:
        of_all = rows[self.counts[rows] & ~self.answers.is_excluded[rows]]
        return estimated(self.answers, rows[self.is_labelled[rows]], of_all, self.share)

    def reference(self, group: Group, features: Mapping[str | None, Ints]) -> _Reference:
        """The four weeks before all windows: of a prompt version the feature's other versions, where they say enough."""
        if group.scope != "prompt_version":
            return self._reference(group.rows, "earlier_nights")
        of_feature = features.get(group.names["feature"], group.rows)
        others = self._reference(np.setdiff1d(of_feature, group.rows, assume_unique=True), "other_versions")
        return others if others.is_enough else self._reference(of_feature, "earlier_nights")

    def _reference(self, rows: Ints, compared_with: str) -> _Reference:
        rows = rows[self.answers.day[rows] <= self.today - WINDOWS_DAYS[-1]]
        rate, labelled = self.rate(rows), rows[self.is_labelled[rows]]
        night, verdict = self.answers.day[labelled], self.answers.verdict[labelled]
        weight: Floats = 1 / (self.answers.probability[labelled] * self.share[labelled])
        spread = 1.0 if rate.rate is None else dispersion(night, verdict, weight, rate.rate)
        return _Reference(rate, compared_with, len(np.unique(night)), spread)

    def compared(self, rows: Ints, days: int, reference: _Reference) -> _Compared:
        """The last `days` of these rows against their reference."""
        rows = rows[self.answers.day[rows] > self.today - days]
        found = _Compared(days, self.rate(rows), reference)
        if not found.is_tested:
            return found
        positives = float(self.answers.verdict[rows[self.is_labelled[rows]]].sum())
        # Tested, and not found: who is left out of the family must not depend on what was seen.
        by_chance = chance(found.rate, reference.rate, reference.dispersion) if positives >= FEWEST_OF_EITHER else 1.0
        return replace(found, p_value=by_chance)


def _opposite(
    value: float | None, low: float | None, high: float | None, whole: float
) -> tuple[float | None, float | None, float | None]:
    """`whole` minus a rate, with its interval."""
    if value is None or low is None or high is None:
        return value, low, high
    return whole - value, whole - high, whole - low
