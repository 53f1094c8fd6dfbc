"""A rise of hallucination with one prompt version is found within two nights of 200 labels, and quiet nights stay quiet.

Writes docs/proofs/hallucination_rise.md (`make proof`). NOCTURNE_PROOF_WORLDS, NOCTURNE_PROOF_SEED: how many worlds of each
kind, and which. The small form is in test_rate_changes.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from rise_nights import FEATURES, LABELS, SHARES, USUAL, Kind, Rise, World, false_alarms, found_after
from scipy.stats import chi2

from assets.quality.rate_changes import DAYS
from assets.service.intervals import clopper_pearson_low
from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20270101"))
WORLDS = int(os.environ.get("NOCTURNE_PROOF_WORLDS", "100"))
RESULT = REPO / "docs" / "proofs" / "hallucination_rise.md"
SIZES = {"large": 0.20, "medium": 0.12, "small": 0.08}
RISEN = (0, 1, 3)
"""Features with 41, 23 and 12 % of the traffic."""
NIGHTS, QUIET_NIGHTS = 3, 60
SCORED = Kind("a score that is a probability")
UNSCORED = Kind("a score that means nothing", has_score=False)
ERRING = Kind("people who err (sensitivity .90, specificity .97)", people_err=True)
WANDERING = Kind("nights that differ by 30 % of the rate besides", wander=0.3)
Cell = tuple[str, int, str]


@dataclass(frozen=True)
class Quiet:
    """Episodes of false alarms in so many worlds of QUIET_NIGHTS."""

    worlds: int
    episodes: int

    @property
    def at_most(self) -> float:
        """Upper end of the 95 % interval of episodes per world (Garwood's, for a Poisson count)."""
        return float(chi2.ppf(0.975, 2 * self.episodes + 2) / 2 / self.worlds)


def found(kind: Kind, worlds: int) -> dict[Cell, list[int | None]]:
    """The night on which each world's rise was found, by kind, feature and size."""
    nights: dict[Cell, list[int | None]] = {}
    for number in range(worlds):
        world = World(kind, SEED + number)
        reference = [world.night(night) for night in range(DAYS - 1)]
        for feature in RISEN:
            for size, rate in SIZES.items():
                night = found_after(world, Rise(feature, DAYS - 1, rate), reference, NIGHTS)
                nights.setdefault((kind.name, feature, size), []).append(night)
    return nights


def quiet(kind: Kind, worlds: int) -> Quiet:
    return Quiet(worlds, sum(false_alarms(World(kind, SEED + 10_000 + number), QUIET_NIGHTS) for number in range(worlds)))


def within(nights: list[int | None], most: int) -> float:
    return sum(night is not None and night <= most for night in nights) / len(nights)


@pytest.mark.proof
def test_a_planted_rise_is_found_within_two_nights_and_sixty_quiet_nights_stay_quiet() -> None:
    begun = time.process_time()
    some = max(WORLDS // 2, 1)
    rises = found(SCORED, WORLDS) | found(UNSCORED, some) | found(ERRING, some)
    calm = {kind.name: quiet(kind, some) for kind in (SCORED, UNSCORED, ERRING, WANDERING)}
    RESULT.write_text(_page(rises, calm, time.process_time() - begun), encoding="utf-8")
    for kind in (SCORED, UNSCORED):
        large = rises[kind.name, 0, "large"]
        assert within(large, 2) >= 0.95, f"{kind.name}: {large}"
    worlds, episodes = sum(q.worlds for q in calm.values()), sum(q.episodes for q in calm.values())
    assert 20 * episodes <= worlds, f"{episodes} false alarms in {worlds} worlds of {QUIET_NIGHTS} nights"


def _page(rises: Mapping[Cell, list[int | None]], calm: Mapping[str, Quiet], cpu_s: float) -> str:
    rows = []
    for (kind, feature, size), nights in rises.items():
        low = float(clopper_pearson_low(within(nights, 2) * len(nights), len(nights), 0.95))
        shown = " | ".join(f"{within(nights, most):.0%}" for most in (1, 2, 3))
        rows.append(
            f"| {kind} | {FEATURES[feature]}, {SHARES[feature]:.0%} | {size}, {USUAL:.0%} to {SIZES[size]:.0%} "
            f"| {len(nights)} | {shown} | {low:.0%} |"
        )
    silence = [f"| {kind} | {q.worlds} | {q.episodes} | {20 * q.at_most:.1f} |" for kind, q in calm.items()]
    worlds, episodes = sum(q.worlds for q in calm.values()), sum(q.episodes for q in calm.values())
    return f"""# A rise of hallucination: found, and not found where there is none

Nights of {LABELS} labels over the six features of the simulator's shop, {USUAL:.0%} hallucinated on average (up and down by
30 % of that over nine days), versions that change every ten days; drawn by the draw, rated by the estimator and judged by
the rule of `quality.rate_changes` (tests/rise_nights.py). From one night on a new version of one feature hallucinates more.
Found: a row of state `worse` names that feature and version. Written by `make proof`
(tests/unit/quality/test_rise_proof.py).

{datetime.now(UTC):%Y-%m-%d}, seed {SEED}, {cpu_s:.0f} s of CPU.

## Found, by the night of the rise

Goal: a large rise of a feature with two fifths of the traffic (and so of the labels) within two nights in 95 % of the
worlds. *at least*: the lower end of the 95 % interval of what is found within two nights.

| labels | feature, its share | rise | worlds | 1 night | 2 nights | 3 nights | at least |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

## Quiet

Worlds of {QUIET_NIGHTS} nights without any rise, after four weeks of reference. An alarm on nights in a row is one. Goal: at
most one in 20 worlds. There were {episodes} in {worlds}.

| labels | worlds | false alarms | in 20 worlds at most (95 %) |
|---|---|---|---|
{chr(10).join(silence)}
"""
