"""Burn-rate rules, and their replay on a grid of five minutes: when would each have fired?

Here belongs the arithmetic of windows. Which promises there are, and the rows of service.burn_rates, are burn_rates.py's.

A burn rate is the share of bad events over the share that the target allows: at 1 the budget lasts exactly its window.
Source of the windows: The Site Reliability Workbook (2018), chapter 5, "Alerting on SLOs", multiwindow, multi-burn-rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assets.service.intervals import clopper_pearson_low

STEP_MIN = 5
STEPS_A_DAY = 24 * 60 // STEP_MIN
LOOK_BACK_DAYS = 3
"""The longest window: days before the day that a replay has to know."""
LEAST_BAD_EVENTS = 3
CONFIDENCE = 0.99
EVIDENCE = {"page": 1 / 4, "ticket": 1 / 2}
"""The part of a rule's burn rate that the lower bound of the long window has to show, and no less than 1: a ticket can wait
for evidence, a page cannot."""
_TOLERANCE = 1e-9

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class BurnRule:
    """Fires where the burn rates of a long and of a short window are both above a factor.

    The long window says that it matters, the short one that it has not stopped. `of_budget` gives the factor as a share
    of the whole budget that the long window may not spend, instead.
    """

    name: str
    severity: Literal["page", "ticket"]
    long_min: int
    short_min: int
    multiple: float = 0.0
    of_budget: float = 0.0

    def factor(self, window_days: int) -> float:
        """The burn rate above which it fires, for a promise kept over `window_days`."""
        return self.multiple or self.of_budget * window_days * 24 * 60 / self.long_min


RULES = (
    BurnRule("page_fast", "page", 60, 5, 14.4),
    BurnRule("page_slow", "page", 6 * 60, 30, 6),
    BurnRule("ticket_fast", "ticket", 24 * 60, 2 * 60, 3),
    BurnRule("ticket_slow", "ticket", 3 * 24 * 60, 6 * 60, 1),
    BurnRule("half_budget_a_day", "page", 24 * 60, 2 * 60, of_budget=0.5),
    BurnRule("five_times_planned", "ticket", 60, 5, 5),
)


@dataclass(frozen=True)
class Replay:
    """One rule over one series, or several (the last axis is time): the windows that end with each step.

    `exceeds`: both windows burn faster than the rule allows. `is_firing`: and there is evidence enough.
    """

    long_total: Counts
    long_bad: Counts
    short_total: Counts
    short_bad: Counts
    exceeds: Flags
    is_firing: Flags


def trailing(counts: Counts, steps: int) -> Counts:
    """The sum of each step and those before it, `steps` in all; fewer where the series begins."""
    sums = np.cumsum(counts, axis=-1, dtype=np.int64)
    before = np.zeros_like(sums)
    before[..., steps:] = sums[..., :-steps] if steps < sums.shape[-1] else 0
    return sums - before


def replay(total: Counts, bad: Counts, target: float, rule: BurnRule, window_days: int, is_sampled: bool = False) -> Replay:
    """When a rule fires on counts of a five-minute grid without gaps.

    Guard against thin traffic: at least LEAST_BAD_EVENTS bad events in the long window, and the lower end of their share's
    interval (Clopper-Pearson, CONFIDENCE) above the budget and above a part (EVIDENCE) of what the rule asks for. Of a
    sample of opinions (`is_sampled`) the long window burns with that bound itself.
    """
    long_total, long_bad = (trailing(c, rule.long_min // STEP_MIN) for c in (total, bad))
    short_total, short_bad = (trailing(c, rule.short_min // STEP_MIN) for c in (total, bad))
    budget = (1 - target) * (1 + _TOLERANCE)
    limit = rule.factor(window_days) * budget
    exceeds = (long_bad > limit * long_total) & (short_bad > limit * short_total)
    is_firing = exceeds & (long_bad >= LEAST_BAD_EVENTS)
    bound = clopper_pearson_low(long_bad[is_firing], long_total[is_firing], CONFIDENCE)
    is_firing[is_firing] = bound > (limit if is_sampled else max(budget, limit * EVIDENCE[rule.severity]))
    return Replay(long_total, long_bad, short_total, short_bad, exceeds, is_firing)
