"""Versions whose true worth is known, put before the release gate: what tests and the page of proofs share.

A case has a rate at which each answer passes: most always do, some sometimes. `loss` lowers the rates of a share of the
cases, so that the version passes by that much less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import numpy as np

from assets.release.paired import Floats
from assets.release.release_gate import (
    BLOCKED,
    NEEDED,
    NOT_ENOUGH,
    NOT_MEASURED,
    PASSED,
    Approval,
    Finding,
    Result,
    Rules,
    findings,
)  # fmt: skip

FLAKY = 0.15
"""Share of cases that pass sometimes, at a rate between .6 and 1."""
PARTS = ("kind:answerable", "kind:unanswerable", "kind:messy", "kind:ambiguous")


def results(
    shares: Sequence[float], repeats: int = 1, part: Callable[[int], str] = lambda i: "kind:answerable"
) -> list[Result]:
    """A case each, critical where it passes, of whose repeats so many pass; cheap and fast."""
    return [
        Result(f"c{i}", repeat + 1, repeat < round(share * repeats), share == 1.0, (part(i),), True, Decimal("0.001"), 200.0)
        for i, share in enumerate(shares)
        for repeat in range(repeats)
    ]


def simulated(
    cases: int, repeats: int, loss: float, nights: int, seed: int, rules: Rules | None = None
) -> Iterator[list[Finding]]:
    """What the gate finds, night by night."""
    rng = np.random.default_rng(seed)
    for _ in range(nights):
        rates = np.where(rng.random(cases) < FLAKY, rng.uniform(0.6, 1.0, cases), 1.0)
        lowered = rates * np.where(rng.random(cases) < 2 * loss, 0.5, 1.0)
        sides = [_answers(rng, rates_, repeats) for rates_ in (lowered, rates)]
        yield findings(sides[0], sides[1], rules or Rules(), Approval())


def verdict_shares(nights: Iterator[list[Finding]]) -> dict[str, float]:
    """Of the nights, the share with each verdict."""
    verdicts = [night[-1].outcome for night in nights]
    return {name: verdicts.count(name) / len(verdicts) for name in (PASSED, BLOCKED, NOT_ENOUGH, NOT_MEASURED, NEEDED)}


def _answers(rng: np.random.Generator, rates: Floats, repeats: int) -> list[Result]:
    passed = rng.random((len(rates), repeats)) < rates[:, None]
    cost, time = Decimal("0.004"), rng.lognormal(6.5, 0.4, (len(rates), repeats))
    found = [
        Result(f"c{i}", r + 1, bool(passed[i, r]), False, (PARTS[i % len(PARTS)],), True, cost, float(time[i, r]))
        for i in range(len(rates))
        for r in range(repeats)
    ]
    # Critical cases pass: that one failure blocks is the floor's law, not the comparison's.
    safe = [(i, r) for i in range(20) for r in range(repeats)]
    return [*found, *(Result(f"s{i}", r + 1, True, True, ("kind:injected",), True, cost, 500.0) for i, r in safe)]
