"""Game day: planted incidents and drifts are found, small ones rightly not, and quiet nights wake nobody.

The whole (`make proof`) plays 60 calm nights under all rules, the service plan and the drift plan at three sizes, and writes
docs/proofs/game_day.md. NOCTURNE_PROOF_NIGHTS, NOCTURNE_PROOF_REQUESTS, NOCTURNE_PROOF_SEED: how long, how much traffic a
day, which; NOCTURNE_PROOF_LANES: how many worlds at once.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from game_day import DRIFT, NIGHTS_TO_FIND, SERVICE, GameDay, play, play_all

from pipelines.gameday.verdict import Played
from resources.contracts import REPO
from simulator.drift_incidents import Drift, LengthShift, ProviderSwitch
from simulator.incidents import Incident
from simulator.plans import (
    DRIFTS_APART,
    REFERENCE_DAYS,
    SIZES,
    Size,
    calm_plan,
    drift_plan,
    service_plan,
)
from simulator.service_incidents import DeployWindow, ErrorBurst, SafetyBypass

FIRST_DAY = date(2026, 6, 1)
NIGHTS = int(os.environ.get("NOCTURNE_PROOF_NIGHTS", "60"))
REQUESTS = int(os.environ.get("NOCTURNE_PROOF_REQUESTS", "2000"))
LANES = int(os.environ.get("NOCTURNE_PROOF_LANES", "2"))
SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "11"))
DRIFT_NIGHTS = 5 * DRIFTS_APART
"""So many that each kind of drift comes once."""
RESULT = REPO / "docs" / "proofs" / "game_day.md"
MOST_FALSE_ALARMS = 2
LARGE_FOUND = 0.8
"""The share of large incidents that has to be found; the page lists those that are not."""


def test_a_burst_of_errors_and_a_broken_filter_are_found_and_a_quiet_week_is_quiet(tmp_path: Path) -> None:
    """The quiet days come first, so that one world holds both."""

    def plan(first_day: date, days: int) -> tuple[Incident, ...]:
        start = datetime(2026, 6, 7, 14, tzinfo=UTC)
        support = {"feature": "support_chat"}
        return (
            ErrorBurst("errors", start, start.replace(hour=18), {"provider": "openai"}, 0.6),
            SafetyBypass("bypass", start.replace(hour=8), start.replace(hour=12), support, 0.05),
        )

    empty = ("drift.changes", "drift.provider_tests", "quality.rate_changes")
    played = play(tmp_path, plan, FIRST_DAY, 7, 1500, seed=5, empty=empty)
    assert [p.found_by is not None for p in played.incidents] == [True, True]
    assert [p.found_by for p in played.incidents if isinstance(p.incident, SafetyBypass)] == ["filter_bypass"]
    assert played.false_alarms == []


@pytest.mark.proof
def test_another_model_behind_its_name_and_longer_prompts_are_found_by_the_third_night(tmp_path: Path) -> None:
    """The nights before are calm, with days that differ, and quiet; two weeks of reference, without words."""

    def plan(first_day: date, days: int) -> tuple[Incident, ...]:
        end = datetime.combine(first_day + timedelta(days=days), datetime.min.time(), UTC)
        start = end - timedelta(days=3)
        calm = [incident for incident in calm_plan(first_day, days) if not incident.needs_texts]
        return (
            *calm,
            ProviderSwitch("provider", start, end, {"request_model": "gpt-4o-mini"}, 0.5),
            LengthShift("longer", start, end, {"feature": "support_chat"}, 1.0),
        )

    empty = ("drift.text_topics", "drift.text_profiles")
    played = play(tmp_path, plan, FIRST_DAY, 4, 300, seed=5, reference_days=14, tables=DRIFT, empty=empty)
    assert {p.incident.name: p.night is not None and p.night <= NIGHTS_TO_FIND for p in played.incidents} == {
        "provider": True,
        "longer": True,
    }
    assert played.false_alarms == []


@pytest.mark.proof
def test_sixty_calm_nights_wake_nobody_and_most_large_incidents_and_drifts_are_found(tmp_path: Path) -> None:
    before = spent_s()
    with_drift = partial(play, texts=True, reference_days=REFERENCE_DAYS, vectors=tmp_path / "vectors")
    worlds: dict[str, Callable[[Path], GameDay]] = {
        "calm": partial(
            with_drift, plan=calm_plan, first_day=FIRST_DAY, days=NIGHTS, requests_per_day=REQUESTS, seed=SEED,
            tables=SERVICE + DRIFT,
        )
    }  # fmt: skip
    for size in reversed(SIZES):
        worlds[f"drift-{size}"] = partial(
            with_drift, plan=partial(drift_plan, size=size), first_day=FIRST_DAY, days=DRIFT_NIGHTS,
            requests_per_day=REQUESTS, seed=SEED, tables=DRIFT,
        )  # fmt: skip
    for size in reversed(SIZES):
        worlds[f"service-{size}"] = partial(
            play, plan=partial(service_plan, size=size), first_day=FIRST_DAY, days=NIGHTS, requests_per_day=REQUESTS,
            seed=SEED,
        )  # fmt: skip
    games = play_all(worlds, tmp_path, LANES)
    calm = games["calm"]
    services, drifts = ({size: games[f"{kind}-{size}"] for size in SIZES} for kind in ("service", "drift"))
    write_result(calm, services, drifts, spent_s() - before)
    assert len(calm.false_alarms) <= MOST_FALSE_ALARMS, [alarm.title for alarm in calm.false_alarms]
    for game in (services["large"], drifts["large"]):
        large = [played for played in game.incidents if not _is_expected(played.incident)]
        found = [played for played in large if _is_found(played)]
        assert len(found) >= LARGE_FOUND * len(large), [played.incident.name for played in large if played not in found]


def spent_s() -> float:
    """Seconds of CPU, of this process and of those that ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _is_expected(incident: Incident) -> bool:
    """A deployment that was declared is no news, unless it drifts."""
    return isinstance(incident, DeployWindow) and not isinstance(incident, Drift)


def _is_found(played: Played) -> bool:
    return played.found_by is not None and (played.night is None or played.night <= NIGHTS_TO_FIND)


def write_result(calm: GameDay, services: dict[Size, GameDay], drifts: dict[Size, GameDay], seconds: float) -> None:
    """docs/proofs/game_day.md: what was found when, what was missed, every false alarm."""
    lines = [
        "# Game day",
        "",
        "Simulated worlds go through landing, computing and the rules of `service` and `drift` as nights do; then every",
        "finding is held against what was planted. A false alarm is an episode of findings that no incident explains.",
        "Sizes are what `docs/simulator.md` says of each kind. Written by `make proof` (tests/e2e/test_game_day.py).",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}: {REQUESTS:,} requests a night, seed {SEED}, {seconds:,.0f} s of CPU. "
        f"Command: `NOCTURNE_PROOF_NIGHTS={NIGHTS} NOCTURNE_PROOF_REQUESTS={REQUESTS} "
        f"NOCTURNE_PROOF_SEED={SEED} make proof`",
        "",
        "## Calm nights",
        "",
        "Days of uneven volume, autocorrelated, with holidays, month ends and growth, and three languages; under all rules,",
        f"those of drift with {REFERENCE_DAYS} days before.",
        "",
        f"**{len(calm.false_alarms)} false alarms in {calm.days} nights**, all rules together; wanted are at most",
        f"{MOST_FALSE_ALARMS}. Besides, {calm.releases} tickets say that a new version of a prompt or an index is in use,",
        "which is so: the simulated shop releases prompts every ten days and its index every week, and declares neither.",
        *_alarm_lines(calm),
        "",
        "## Drifts",
        "",
        f"Each lasts four nights, in a calm world. Found is a drift that a verdict names by night {NIGHTS_TO_FIND}, in the",
        "segment and in one of the metrics where it was planted.",
        "",
        *_table(drifts, _drift_cell),
        "",
        "## Incidents of service",
        "",
        "Found by a rule that has to find it; hours are from its start to the finding's first event, which lies no later",
        "than six hours after its end. What happens in the declared window of a deployment is found all the same, and",
        "nobody is told (docs/alerts.md).",
        "",
        *_table(services, _service_cell),
        "",
        "False alarms beside the incidents:",
        "",
    ]  # fmt: skip
    for size in SIZES:
        lines += [f"- {size}: {len(services[size].false_alarms)}", *(f"  {line}" for line in _alarm_lines(services[size]))]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _alarm_lines(game: GameDay) -> list[str]:
    return [f"- {a.first_seen:%m-%d %H:%M} {a.severity} `{a.rule}`: {a.title}" for a in game.false_alarms]


def _table(games: dict[Size, GameDay], cell: Callable[[Played], str]) -> Iterable[str]:
    yield "| incident | kind | " + " | ".join(SIZES) + " |"
    yield "|---|---|" + "---|" * len(SIZES)
    for row in zip(*(games[size].incidents for size in SIZES), strict=True):
        cells = (f"{played.incident.size:g}: {cell(played)}" for played in row)
        yield f"| {row[0].incident.name} | {type(row[0].incident).__name__} | " + " | ".join(cells) + " |"


def _drift_cell(played: Played) -> str:
    return f"`{played.found_by}`, night {played.night}" if played.found_by else "not found"


def _service_cell(played: Played) -> str:
    return f"`{played.found_by}` after {played.after_hours:.1f} h" if played.found_by else "not found"
