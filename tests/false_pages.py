"""Invented traffic for burn-rate rules: how often do they fire where nothing is wrong, how often not where something is?

Requests come by chance (Poisson), fail by chance (binomial), and independently: quiet traffic has no bad hours, so that
every page on it is a false one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assets.service.burn_rules import LOOK_BACK_DAYS, RULES, STEPS_A_DAY, BurnRule, Counts, Flags, replay, trailing

PAGES = tuple(rule for rule in RULES if rule.severity == "page")
TICKETS = tuple(rule for rule in RULES if rule.severity == "ticket")
WINDOW_DAYS = 30
STEPS_AN_HOUR = STEPS_A_DAY // 24
LEAD = LOOK_BACK_DAYS * STEPS_A_DAY
_AT_ONCE = 50
"""Series that are drawn together, to bound memory."""


@dataclass(frozen=True)
class Traffic:
    """Requests an hour against a target, and the share of its budget that a quiet month burns."""

    target: float
    per_hour: float
    burned: float = 0.5

    def draw(self, rng: np.random.Generator, series: int, steps: int) -> tuple[Counts, Counts]:
        """(total, bad) of some quiet series: the good and the bad ones of Poisson traffic are Poisson, and independent."""
        per_step, bad_share = self.per_hour / STEPS_AN_HOUR, (1 - self.target) * self.burned
        bad = rng.poisson(per_step * bad_share, (series, steps))
        return bad + rng.poisson(per_step * (1 - bad_share), (series, steps)), bad


@dataclass(frozen=True)
class Incident:
    """A stretch in which a share of all requests fails."""

    bad_share: float
    hours: float

    def of_budget(self, traffic: Traffic) -> float:
        """The share of a month's budget that it spends on average."""
        return self.bad_share * self.hours / ((1 - traffic.target) * WINDOW_DAYS * 24)


def firing(total: Counts, bad: Counts, target: float, rules: Sequence[BurnRule]) -> tuple[Flags, Flags]:
    """Where any of some rules fires: (with the guard against thin traffic, without it)."""
    guarded, bare = np.zeros(total.shape, dtype=bool), np.zeros(total.shape, dtype=bool)
    for rule in rules:
        seen = replay(total, bad, target, rule, WINDOW_DAYS)
        guarded |= seen.is_firing
        bare |= seen.exceeds
    return guarded, bare


def episodes(fires: Flags) -> Counts:
    """How often each series begins to fire: gaps of up to an hour do not end an episode."""
    before = trailing(fires.astype(np.int64), STEPS_AN_HOUR + 1) - fires
    counted: Counts = (fires & (before == 0))[..., LEAD:].sum(axis=-1)
    return counted


def false_alarms(
    traffic: Traffic, rules: Sequence[BurnRule], months: int, rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """Episodes in each of some quiet months of 30 days: (with the guard, without it)."""
    found = []
    for series in _portions(months):
        total, bad = traffic.draw(rng, series, LEAD + WINDOW_DAYS * STEPS_A_DAY)
        found.append([episodes(fires) for fires in firing(total, bad, traffic.target, rules)])
    guarded, bare = np.concatenate(found, axis=1)
    return guarded, bare


def detected(traffic: Traffic, incident: Incident, times: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of incidents during which a page fires: (with the guard, without it)."""
    found = []
    for series in _portions(times):
        total, bad = traffic.draw(rng, series, LEAD + round(incident.hours * STEPS_AN_HOUR))
        bad[:, LEAD:] = rng.binomial(total[:, LEAD:], incident.bad_share)
        found.append([fires[:, LEAD:].any(axis=-1) for fires in firing(total, bad, traffic.target, PAGES)])
    guarded, bare = np.concatenate(found, axis=1).mean(axis=1)
    return float(guarded), float(bare)


def _portions(count: int) -> Iterator[int]:
    for start in range(0, count, _AT_ONCE):
        yield min(_AT_ONCE, count - start)
