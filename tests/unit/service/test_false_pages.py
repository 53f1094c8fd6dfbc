"""Pages on quiet traffic, and pages that the guard against thin traffic costs: by simulation.

Writes docs/proofs/burn_rates.md (`make proof`). NOCTURNE_PROOF_MONTHS, NOCTURNE_PROOF_SEED: how many months of 30 days for
each line, and which.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pytest
from false_pages import PAGES, TICKETS, Incident, Traffic, detected, false_alarms

from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20260115"))
MONTHS = int(os.environ.get("NOCTURNE_PROOF_MONTHS", "2000"))
RESULT = REPO / "docs" / "proofs" / "burn_rates.md"
MOST_FALSE_PAGES = 0.05
MOST_LOST = 0.02
VOLUMES = {
    0.999: (50, 60, 70, 85, 100, 150, 200, 300, 500, 1000, 3000),
    0.995: (50, 100, 300, 3000),
    0.99: (50, 100, 300, 3000),
}
"""Requests an hour by target."""
INCIDENTS = (
    Incident(0.5, 0.5), Incident(0.1, 1), Incident(0.02, 6), Incident(0.1, 2), Incident(0.05, 4), Incident(0.02, 12),
    Incident(0.5, 1),
)  # fmt: skip
SIZEABLE = 0.25
"""Of a month's budget: what an incident spends, of which no more than MOST_LOST may go unseen for the guard."""
_HEADING = """# Burn-rate pages on quiet traffic

A promise is kept at half of its budget: requests come and fail by chance and nothing is wrong, so that each page is a false
one. The rules are those of `service.burn_rates`, replayed every five minutes over months of 30 days; pages less than an
hour apart are one. Then incidents are planted. *Without* is the same replay without the guard against thin traffic (at
least 3 bad events, and the lower end of the 99 % interval above the budget and above a quarter of the page's burn rate).

To reach: at most 0.05 false pages a month at 50 to 3,000 requests an hour, and at most 2 points fewer detections of
incidents that spend a quarter of the month's budget or more. Smaller ones on thin traffic are the price: they are listed.
Written by `make proof` (tests/unit/service/test_false_pages.py).
"""


def rng(*numbers: int) -> np.random.Generator:
    """A generator of its own for each line, so that lines can be added."""
    return np.random.default_rng([SEED, *numbers])


def test_half_a_budget_wakes_nobody_and_without_the_guard_every_other_day() -> None:
    guarded, bare = false_alarms(Traffic(0.999, 50), PAGES, 300, rng(50))
    assert 15 < bare.mean() < 20, "methods: 17.0"
    assert guarded.mean() <= MOST_FALSE_PAGES
    for per_hour in (300, 3000):
        assert false_alarms(Traffic(0.999, per_hour), PAGES, 100, rng(per_hour))[0].sum() <= 1


def test_the_guard_costs_at_most_two_points_of_detection() -> None:
    traffic = Traffic(0.999, 50)
    for incident in INCIDENTS:
        with_guard, without = detected(traffic, incident, 1000, rng(1))
        assert without > 0.98
        if incident.of_budget(traffic) >= SIZEABLE:
            assert without - with_guard <= MOST_LOST


def test_a_budget_that_burns_thirty_times_too_fast_pages_within_the_hour() -> None:
    with_guard, _ = detected(Traffic(0.999, 3000), Incident(0.03, 1), 200, rng(2))
    assert with_guard == 1.0


@pytest.mark.proof
def test_false_pages_and_lost_detections_at_every_volume() -> None:
    begun = time.monotonic()
    quiet, worst = _quiet_lines()
    planted, most_lost = _planted_lines()
    facts = [
        datetime.now(UTC).date().isoformat(), f"{MONTHS:,}", SEED, f"{time.monotonic() - begun:.0f}", sys.version.split()[0],
        version("numpy"), version("scipy"), f"`NOCTURNE_PROOF_MONTHS={MONTHS} NOCTURNE_PROOF_SEED={SEED} make proof`",
    ]  # fmt: skip
    run = _table(["date", "months a line", "seed", "seconds", "python", "numpy", "scipy", "command"], [facts])
    RESULT.write_text("\n".join([_HEADING, run, quiet, planted]), encoding="utf-8")
    assert worst <= MOST_FALSE_PAGES
    assert most_lost <= MOST_LOST


def _quiet_lines() -> tuple[str, float]:
    """The table of false alarms, and the most false pages a month in any of its lines."""
    lines, worst = [], 0.0
    for target, volumes in VOLUMES.items():
        for per_hour in volumes:
            traffic = Traffic(target, per_hour)
            pages, bare = false_alarms(traffic, PAGES, MONTHS, rng(round(target * 1000), per_hour))
            tickets, _ = false_alarms(traffic, TICKETS, max(MONTHS // 10, 1), rng(1, round(target * 1000), per_hour))
            worst = max(worst, float(pages.mean()))
            error = float(pages.std() / np.sqrt(len(pages)))
            lines.append(
                [
                    f"{target:.1%}",
                    per_hour,
                    f"{pages.mean():.3f}",
                    f"{error:.3f}",
                    f"{bare.mean():.2f}",
                    f"{tickets.mean():.2f}",
                ]
            )
    heading = [
        "target",
        "requests an hour",
        "false pages a month",
        "standard error",
        "without the guard",
        "false tickets a month",
    ]
    return "## Quiet months\n\n" + _table(heading, lines), worst


def _planted_lines() -> tuple[str, float]:
    """The table of detections, and the most that the guard costs of sizeable incidents."""
    lines, most_lost = [], 0.0
    for per_hour in (50, 150, 300):
        traffic = Traffic(0.999, per_hour)
        for number, incident in enumerate(INCIDENTS):
            with_guard, without = detected(traffic, incident, MONTHS, rng(2, per_hour, number))
            if incident.of_budget(traffic) >= SIZEABLE:
                most_lost = max(most_lost, without - with_guard)
            lines.append(
                [per_hour, f"{incident.bad_share:.0%}", f"{incident.hours:g}", f"{incident.of_budget(traffic):.0%}",
                 f"{with_guard:.1%}", f"{without:.1%}", f"{100 * (without - with_guard):.1f}"]
            )  # fmt: skip
    heading = [
        "requests an hour",
        "requests that fail",
        "hours",
        "of the month's budget",
        "paged",
        "without the guard",
        "points lost",
    ]
    return "## Incidents, against 99.9 %\n\n" + _table(heading, lines), most_lost


def _table(heading: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
