"""Whether a kind of model is trained anew tonight: what speaks for it, and what speaks against it.

Here belongs the decision on what was measured. Where the measures come from is pipelines/tuning/trigger_facts.py; what a
reason and an obstacle are called is in the contract of tuning.triggers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from statistics import NormalDist, fmean, variance
from typing import Any, Literal

Reason = Literal["recall_low", "recall_fell", "rate_rose", "drift", "incidents", "new_pairs", "max_age", "nothing"]
Obstacle = Literal["in_training", "cool_down", "budget", "too_few_pairs", "trained_already"]
NIGHTS = 2
"""So many nights in a row have to say it."""
LATEST_DAYS = 3
"""The older of them is at most so many days back: what was measured last month is no second night."""
REFERENCE_DAYS = 28
WINDOW_DAYS = 7
"""A night's measure is of the questions of so many days: nights that are nearer to each other share questions."""
MOST_CHANCE = 0.025
"""One-sided, of all questions about all series of a kind together: how often a night without any change looks like a fall,
or one that just reaches its floor as below it."""
USUAL_SD, USUAL_NIGHTS = 0.03, 7
"""How far nights lie apart by more than a draw of questions explains: three points are supposed, and count as much as so
many nights on which it was measured. Of one night it cannot be measured at all, of few badly."""
FEWEST_PAIRS = 64
"""With fewer examples to learn from, no training begins, whatever fell."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Night:
    """A measure of one night, from 0 to 1, more is better, with its 95 % interval."""

    day: date
    value: float
    low: float
    high: float
    n: int

    @property
    def variance(self) -> float:
        """Of the measure, as its interval has it."""
        return ((self.high - self.low) / (2 * _Z)) ** 2


@dataclass(frozen=True)
class Series:
    """One measure over nights, of what serves now, in any order. `floor`: what it must reach at least."""

    what: str
    nights: Sequence[Night]
    floor: float | None = None


@dataclass(frozen=True)
class Facts:
    """All that the decision of a night rests on. `worse`: groups whose rate of bad answers is worse than usual, by night;
    `drifted`: what drift tests found tonight, in sentences. `new_pairs`, `pairs` None: no dataset was made, and
    `no_dataset` says why. `trained_as`: the candidate that this dataset, base and recipe were before, and its state."""

    night: date
    series: Sequence[Series] = ()
    worse: Mapping[date, Sequence[str]] = field(default_factory=dict)
    drifted: Sequence[str] = ()
    incidents_of_a_week: int = 0
    new_pairs: int | None = None
    pairs: int | None = None
    no_dataset: str = ""
    trained_as: str = ""
    champion_since: date | None = None
    trained_last: date | None = None
    is_in_training: bool = False
    spent_usd: Decimal = Decimal(0)


@dataclass(frozen=True)
class Limits:
    """When a kind is trained, as seeds/tuning.yml has it. `usd_a_training` None: a training costs nothing."""

    smallest_drop: float = 0.02
    min_new_pairs: int = 1_000
    most_incidents_a_week: int | None = None
    max_age_days: int | None = None
    cool_down_days: int = 7
    budget_usd: Decimal = Decimal(0)
    usd_a_training: Decimal | None = None


@dataclass(frozen=True)
class Evidence:
    """One reason: whether it holds, in a sentence, with its figures."""

    reason: Reason
    holds: bool
    why: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What follows. `evidence` has every reason, also those that do not hold."""

    fired: bool
    reason: Reason
    held_back_by: Obstacle | None
    evidence: Sequence[Evidence]
    cool_down_until: date | None
    budget_left_usd: Decimal | None

    @property
    def why(self) -> str:
        """The reasons that hold, in a sentence; without any, that there is none."""
        return "; ".join(one.why for one in self.evidence if one.holds) or "nothing speaks for it"


def decide(facts: Facts, limits: Limits) -> Decision:
    """Whether a training begins. The first reason that holds is named, and the first obstacle."""
    floors = [one for one in facts.series if one.floor is not None]
    asked = len(floors) + len(facts.series)
    z = NormalDist().inv_cdf(1 - MOST_CHANCE / asked) if asked else 0.0
    evidence = [
        *(_low(one, facts.night, z) for one in floors),
        *(_fell(one, facts, limits, z) for one in facts.series),
        _rose(facts),
        Evidence("drift", bool(facts.drifted), "; ".join(facts.drifted) or "no drift test gives an alarm"),
        _incidents(facts, limits),
        _new_pairs(facts, limits),
        _age(facts, limits),
    ]
    reason: Reason = next((one.reason for one in evidence if one.holds), "nothing")
    until = cool_down_until(facts, limits)
    left = budget_left_usd(facts, limits)
    obstacle = None if reason == "nothing" else obstacle_of(facts, limits) or _of_dataset(facts)
    fired = reason != "nothing" and obstacle is None
    return Decision(fired, reason, obstacle, evidence, until, left)


def obstacle_of(facts: Facts, limits: Limits) -> Obstacle | None:
    """What speaks against any training tonight; known before there is a dataset."""
    if facts.is_in_training:
        return "in_training"
    if cool_down_until(facts, limits) is not None:
        return "cool_down"
    left = budget_left_usd(facts, limits)
    return "budget" if left is not None and limits.usd_a_training is not None and left < limits.usd_a_training else None


def cool_down_until(facts: Facts, limits: Limits) -> date | None:
    """The first day on which a training may begin again; None: it may tonight."""
    if facts.trained_last is None:
        return None
    until = facts.trained_last + timedelta(days=limits.cool_down_days)
    return until if facts.night < until else None


def budget_left_usd(facts: Facts, limits: Limits) -> Decimal | None:
    """What this month has left; None: a training costs nothing."""
    return None if limits.usd_a_training is None else limits.budget_usd - facts.spent_usd


def as_json(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """The evidence as the table keeps it."""
    return [asdict(one) for one in evidence]


def _of_dataset(facts: Facts) -> Obstacle | None:
    """What speaks against a training on this dataset."""
    if facts.pairs is None or facts.pairs < FEWEST_PAIRS:
        return "too_few_pairs"
    return "trained_already" if facts.trained_as else None


def _last_nights(series: Series, night: date) -> list[Night]:
    """The newest nights, if they are new enough to be about now."""
    newest = sorted((one for one in series.nights if one.day <= night), key=lambda one: one.day)[-NIGHTS:]
    is_recent = len(newest) == NIGHTS and newest[0].day >= night - timedelta(days=LATEST_DAYS)
    return newest if is_recent else []


def _low(series: Series, night: date, z: float) -> Evidence:
    """Each of two nights lies below the floor by more than a draw of questions explains."""
    floor, newest = series.floor or 0.0, _last_nights(series, night)
    figures = {"what": series.what, "floor": floor, "z": z, "nights": [_figures(one) for one in newest]}
    if not newest:
        return Evidence("recall_low", False, f"{series.what} was not measured on two nights", figures)
    # The upper side of its interval, which is no mirror of the lower one, as wide as z asks.
    holds = all(one.value + (one.high - one.value) * z / _Z < floor for one in newest)
    told = f"{series.what} is {newest[-1].value:.3f} ({newest[-1].low:.3f} to {newest[-1].high:.3f}), {floor:g} is asked"
    return Evidence("recall_low", holds, told, figures)


def _fell(series: Series, facts: Facts, limits: Limits, z: float) -> Evidence:
    """Each of two nights lies below the nights before by more than a draw of questions, and nights, explain.

    What nights differ by is measured on those before, and supposed where there are few (USUAL_SD). Nights that share their
    questions count as one for the mean of what is usual.
    """
    newest = _last_nights(series, facts.night)
    since = facts.night - timedelta(days=REFERENCE_DAYS)
    before = [one for one in series.nights if newest and since <= one.day < newest[0].day]
    figures: dict[str, Any] = {"what": series.what, "nights": [_figures(one) for one in newest]}
    if not before:
        return Evidence("recall_fell", False, f"{series.what} has no nights before to be held against", figures)
    usual, spread = fmean(one.value for one in before), fmean(one.variance for one in before)
    measured = max(0.0, variance([one.value for one in before]) - spread) if len(before) > 1 else 0.0
    weight = len(before) - 1
    between = (weight * measured + USUAL_NIGHTS * USUAL_SD**2) / (weight + USUAL_NIGHTS)
    of_usual = (spread + between) / max(1.0, len(before) / WINDOW_DAYS)
    falls = [usual - one.value for one in newest]
    sure = [
        fall - z * sqrt(one.variance + between + of_usual) > 0 and fall >= limits.smallest_drop
        for fall, one in zip(falls, newest, strict=True)
    ]
    figures |= {"usual": usual, "reference_nights": len(before), "z": z, "falls": falls}
    told = f"{series.what} is {newest[-1].value:.3f} ({newest[-1].low:.3f} to {newest[-1].high:.3f}), usually {usual:.3f}"
    return Evidence("recall_fell", all(sure), told, figures)


def _rose(facts: Facts) -> Evidence:
    oldest = facts.night - timedelta(days=LATEST_DAYS)
    nights = sorted(day for day in facts.worse if oldest <= day <= facts.night)[-NIGHTS:]
    both = sorted(set.intersection(*(set(facts.worse[day]) for day in nights))) if len(nights) == NIGHTS else []
    told = f"answers are worse on two nights: {', '.join(both)}" if both else "no rate of bad answers is worse on two nights"
    return Evidence("rate_rose", bool(both), told, {"nights": {str(day): list(facts.worse[day]) for day in nights}})


def _incidents(facts: Facts, limits: Limits) -> Evidence:
    most = limits.most_incidents_a_week
    told = f"{facts.incidents_of_a_week} incidents in seven days" + ("" if most is None else f", {most} are put up with")
    holds = most is not None and facts.incidents_of_a_week > most
    return Evidence("incidents", holds, told, {"incidents": facts.incidents_of_a_week, "most": most})


def _new_pairs(facts: Facts, limits: Limits) -> Evidence:
    figures = {"new_pairs": facts.new_pairs, "pairs": facts.pairs, "least": limits.min_new_pairs}
    if facts.new_pairs is None:
        return Evidence("new_pairs", False, f"no dataset was made: {facts.no_dataset}", figures)
    told = f"{facts.new_pairs:,} new examples of {limits.min_new_pairs:,}"
    if facts.trained_as:
        told = f"{told}; with this base model and recipe they are {facts.trained_as} already"
    return Evidence("new_pairs", facts.new_pairs >= limits.min_new_pairs, told, figures)


def _age(facts: Facts, limits: Limits) -> Evidence:
    days = None if facts.champion_since is None else (facts.night - facts.champion_since).days
    figures = {"days": days, "most": limits.max_age_days}
    if days is None or limits.max_age_days is None:
        return Evidence("max_age", False, "age is no reason", figures)
    return Evidence("max_age", days > limits.max_age_days, f"the champion is {days} days old", figures)


def _figures(night: Night) -> dict[str, Any]:
    return {"day": night.day.isoformat(), "value": night.value, "low": night.low, "high": night.high, "n": night.n}
