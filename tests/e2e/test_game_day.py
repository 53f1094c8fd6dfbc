"""Game day: planted incidents are found, small ones rightly not, and quiet nights wake nobody.

The whole (`make proof`) plays 60 quiet nights and the service plan at three sizes, and writes docs/proofs/game_day.md.
NOCTURNE_PROOF_NIGHTS, NOCTURNE_PROOF_REQUESTS, NOCTURNE_PROOF_SEED: how long, how much traffic a day, which.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
from game_day import GameDay, play

from resources.contracts import REPO
from simulator.incidents import Incident
from simulator.plans import SIZES, Size, quiet_plan, service_plan
from simulator.service_incidents import DeployWindow, ErrorBurst, SafetyBypass

FIRST_DAY = date(2026, 6, 1)
NIGHTS = int(os.environ.get("NOCTURNE_PROOF_NIGHTS", "60"))
REQUESTS = int(os.environ.get("NOCTURNE_PROOF_REQUESTS", "3000"))
SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "11"))
RESULT = REPO / "docs" / "proofs" / "game_day.md"
MUST_BE_FOUND: Size = "large"
LARGE_FOUND = 0.8
"""The share of large incidents that has to be found; the page lists those that are not."""


def test_a_burst_of_errors_and_a_broken_filter_are_found_and_a_quiet_week_is_quiet(tmp_path: Path) -> None:
    """The quiet days come first, so that one world holds both."""

    def plan(first_day: date, days: int) -> Sequence[Incident]:
        start = datetime(2026, 6, 7, 14, tzinfo=UTC)
        support = {"feature": "support_chat"}
        return (
            ErrorBurst("errors", start, start.replace(hour=18), {"provider": "openai"}, 0.6),
            SafetyBypass("bypass", start.replace(hour=8), start.replace(hour=12), support, 0.05),
        )

    played = play(tmp_path, plan, FIRST_DAY, 7, 1500, seed=5)  # type: ignore[arg-type]
    assert [p.found_by is not None for p in played.incidents] == [True, True]
    assert [p.found_by for p in played.incidents if isinstance(p.incident, SafetyBypass)] == ["filter_bypass"]
    assert played.false_alarms == []


@pytest.mark.proof
def test_sixty_quiet_nights_wake_nobody_and_most_large_incidents_are_found(tmp_path: Path) -> None:
    started = time.perf_counter()
    quiet = play(tmp_path / "quiet", quiet_plan, FIRST_DAY, NIGHTS, REQUESTS, SEED)
    with_incidents = {
        size: play(tmp_path / size, partial(service_plan, size=size), FIRST_DAY, NIGHTS, REQUESTS, SEED) for size in SIZES
    }
    write_result(quiet, with_incidents, time.perf_counter() - started)
    assert len(quiet.false_alarms) <= 1, [alarm.title for alarm in quiet.false_alarms]
    large = [played for played in with_incidents[MUST_BE_FOUND].incidents if _should_be_found(played.incident)]
    found = [played for played in large if played.found_by]
    assert len(found) >= LARGE_FOUND * len(large), [played.incident.name for played in large if not played.found_by]


def _should_be_found(incident: Incident) -> bool:
    return not isinstance(incident, DeployWindow)


def write_result(quiet: GameDay, sizes: dict[Size, GameDay], seconds: float) -> None:
    """docs/proofs/game_day.md: what was found when, what was missed, every false alarm."""
    lines = [
        "# Game day",
        "",
        "Simulated worlds go through landing, computing and the rules of `service` as nights do; then every finding is",
        "held against what was planted. An incident counts as found by a rule that has to find it; hours are from its",
        "start to the finding's first event. A false alarm is an episode of findings that no incident explains. What",
        "happens in the declared window of a deployment is found all the same, and nobody is told (docs/alerts.md).",
        "Written by `make proof` (tests/e2e/test_game_day.py).",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}: {NIGHTS} nights of {REQUESTS:,} requests each, seed {SEED}, {seconds:,.0f} s. "
        f"Command: `NOCTURNE_PROOF_NIGHTS={NIGHTS} NOCTURNE_PROOF_REQUESTS={REQUESTS} "
        f"NOCTURNE_PROOF_SEED={SEED} make proof`",
        "",
        f"**Quiet world: {len(quiet.false_alarms)} false alarms in {NIGHTS} nights.**",
        *(f"- {a.first_seen:%m-%d %H:%M} {a.severity} `{a.rule}`: {a.title}" for a in quiet.false_alarms),
        "",
        "| incident | kind | " + " | ".join(sizes) + " |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for number, played in enumerate(sizes["small"].incidents):
        cells = []
        for game in sizes.values():
            one = game.incidents[number]
            found = f"`{one.found_by}` after {one.after_hours:.1f} h" if one.found_by else "not found"
            cells.append(f"{one.incident.size:g}: {found}")
        lines.append(f"| {played.incident.name} | {type(played.incident).__name__} | " + " | ".join(cells) + " |")
    lines += ["", "Sizes are what `docs/simulator.md` says of each kind. False alarms beside the incidents:", ""]
    for size, game in sizes.items():
        lines.append(f"- {size}: {len(game.false_alarms)}")
        lines += [f"  - {a.first_seen:%m-%d %H:%M} {a.severity} `{a.rule}`: {a.title}" for a in game.false_alarms]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
