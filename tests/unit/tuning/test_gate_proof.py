"""How often the gates let an equal or worse candidate pass, and a better one, on candidates of known truth.

Writes docs/proofs/tuning_gate.md (`make proof`). NOCTURNE_PROOF_TIMES, NOCTURNE_PROOF_SEED: how many candidates a cell has,
and which.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest
from gate_worlds import (
    CHAMPION_AREA,
    DETECTORS,
    EQUAL,
    Rates,
    detectors,
    forgotten,
    guarded,
    in_a_segment,
    judged,
    moved,
    plainly,
    redrawn,
    swapped,
)

from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261122"))
TIMES = int(os.environ.get("NOCTURNE_PROOF_TIMES", "1000"))
RESAMPLES = 2_000
RESULT = REPO / "docs" / "proofs" / "tuning_gate.md"
QUERIES = (50, 100, 200, 500)
CONVERSATIONS = (50, 100, 250, 500)
MOST = 0.025
WORLD = redrawn(0.3)


@dataclass
class Proof:
    equal: dict[str, dict[int, Rates]] = field(default_factory=dict)
    plain: dict[str, dict[int, Rates]] = field(default_factory=dict)
    better: dict[str, dict[int, Rates]] = field(default_factory=dict)
    detectors: dict[str, dict[int, Rates]] = field(default_factory=dict)
    better_detectors: dict[str, dict[int, Rates]] = field(default_factory=dict)
    guarded: dict[str, dict[int, Rates]] = field(default_factory=dict)
    forgetful: dict[str, dict[int, Rates]] = field(default_factory=dict)
    forgotten: dict[str, dict[int, Rates]] = field(default_factory=dict)
    segments: dict[str, dict[int, Rates]] = field(default_factory=dict)


@pytest.mark.parametrize("name", ["a third drawn anew", "one in 17 loses two thirds", "worse by three points"])
def test_an_equal_or_worse_candidate_hardly_ever_passes(name: str) -> None:
    found = judged(EQUAL[name], 100, 120, 300, SEED)
    assert found["passed"] <= MOST + 2 * found.error(MOST)


def test_a_candidate_that_is_much_better_passes() -> None:
    assert judged(moved(WORLD, 15.0), 200, 40, 300, SEED)["passed"] > 0.9


def test_a_detector_that_is_no_better_hardly_ever_passes_and_a_much_better_one_does() -> None:
    for world in DETECTORS.values():
        found = judged(world, 100, 120, 300, SEED)
        assert found["passed"] <= MOST + 2 * found.error(MOST)
    assert judged(detectors(15.0), 100, 40, 300, SEED)["passed"] > 0.9


def test_a_plain_bootstrap_would_let_rare_losses_through() -> None:
    assert plainly(EQUAL["one in 33 loses all"], 100, 120, SEED)["passed"] > MOST


def test_sides_that_are_swapped_by_chance_are_equal() -> None:
    rng = np.random.default_rng(SEED)
    new, old = swapped(np.ones(50), np.zeros(50))(rng, 4_000)
    assert set((new - old).tolist()) == {-1.0, 1.0} and abs((new - old).mean()) < 0.06


@pytest.mark.proof
def test_the_reach_of_the_gates() -> None:
    begun = time.process_time()
    proof = Proof()
    for name, world in EQUAL.items():
        proof.equal[name] = {n: judged(world, n, TIMES, RESAMPLES, SEED) for n in QUERIES}
        proof.plain[name] = {n: plainly(world, n, TIMES // 3, SEED) for n in QUERIES[1:2]}
    for points in (3, 5, 10):
        world = moved(WORLD, points)
        proof.better[f"{points} points"] = {n: judged(world, n, TIMES, RESAMPLES, SEED) for n in QUERIES}
    for name, world in DETECTORS.items():
        proof.detectors[name] = {n: judged(world, n, TIMES, RESAMPLES, SEED) for n in CONVERSATIONS}
    for points in (3, 5, 10):
        world = detectors(points)
        proof.better_detectors[f"{points} points"] = {n: judged(world, n, TIMES, RESAMPLES, SEED) for n in CONVERSATIONS}
    for points in (0, -1, -3, -5):
        world = detectors(points)
        proof.guarded[f"{points} points"] = {n: guarded(world, n, TIMES, RESAMPLES, SEED) for n in CONVERSATIONS}
        proof.forgetful[f"{points} points"] = {n: forgotten(world, n, TIMES, RESAMPLES, SEED) for n in CONVERSATIONS}
    for points in (0, -1, -3, -5):
        world = moved(WORLD, points) if points else WORLD
        proof.forgotten[f"{points} points"] = {n: forgotten(world, n, TIMES, RESAMPLES, SEED) for n in QUERIES}
    for points in (0, -6, -12):
        world = moved(WORLD, points) if points else WORLD
        proof.segments[f"{points} points"] = {
            n: in_a_segment(world, n, TIMES, RESAMPLES, SEED) for n in (20, 50, 100, 200)
        }
    RESULT.write_text(page(proof, time.process_time() - begun), encoding="utf-8")
    assert not missed(proof)


def missed(proof: Proof) -> list[str]:
    """The goals that were not reached."""
    cells = [(name, n, rates) for name, row in proof.equal.items() for n, rates in row.items()]
    cells += [(f"detectors {name}", n, rates) for name, row in proof.detectors.items() for n, rates in row.items()]
    found = [
        f"{name}, n = {n}: {rates['passed']:.1%} pass"
        for name, n, rates in cells
        if rates["passed"] > MOST + 2 * rates.error(MOST)
    ]
    shares = (pooled(proof.equal), pooled(proof.detectors))
    return found + [f"pooled: {share:.2%} pass" for share in shares if share > MOST]


def pooled(rows: dict[str, dict[int, Rates]]) -> float:
    """The share that passes, of all that are equal or worse."""
    return float(np.mean([rates["passed"] for row in rows.values() for rates in row.values()]))


def page(proof: Proof, cpu_seconds: float) -> str:
    """The page as it is published."""
    return f"""# The gates: how often they are wrong

{TIMES:,} made-up candidates a cell whose true difference from the champion is known (tests/gate_worlds.py), {RESAMPLES:,}
resamples each, where a real judgement takes 10,000. Values are those of nDCG@10. Written by `make proof`
(tests/unit/tuning/test_gate_proof.py).

{datetime.now(UTC):%Y-%m-%d}, seed {SEED}, {cpu_seconds:.0f} s of CPU.

## An equal or worse candidate passes the primary gate

Goal: {MOST:.1%} pooled, and no cell above it by more than two standard errors. Pooled: **{pooled(proof.equal):.2%}**. In
brackets: a plain bootstrap of percentiles, without the t, the unseen query and the number of queries that must differ.

{table("queries", proof.equal, proof.plain)}

## A better one passes

A third of the rankings drawn anew, and truly so many points better:

{table("queries", proof.better)}

## Forgetting

What becomes of a candidate that truly loses so many points on the general set: passed / failed / not measured, which asks a
person.

{outcomes(proof.forgotten)}

## Segments

A segment that truly loses so many points, by its number of queries: failed / not measured.

{outcomes(proof.segments, ("failed", "not_measured"))}

## Detectors

The area under the curve, as the mean of what each answer contributes to it (assets/tuning/paired_bootstrap.py: placements),
drawn by conversations of two answers, a fifth of them hallucinated. The champion's area is {CHAMPION_AREA:g}; half of what
misleads one detector misleads the other. *Some stand for four*: of conversations that the champion does not suspect one in
four was labelled.

An equal or worse detector passes the primary gate. Goal as above; pooled: **{pooled(proof.detectors):.2%}**.

{table("conversations", proof.detectors)}

One that is truly so many points better passes:

{table("conversations", proof.better_detectors)}

The guard beside `heuristic-1`, which tolerates no loss beyond chance, rejects a detector that truly loses so many points
(0: an equal one, falsely):

{table("conversations", proof.guarded, outcome="failed")}

Forgetting, on a general set of so many conversations: passed / failed / not measured.

{outcomes(proof.forgetful, head="conversations")}

A loss of more than a point fails whether or not it may be chance, and no approval overrules it: on small general sets most
equal candidates do not pass. Make the general set as large as labels allow, or raise `most_forgetting` in seeds/tuning.yml.
"""


def table(
    head: str, rows: dict[str, dict[int, Rates]], beside: dict[str, dict[int, Rates]] | None = None, outcome: str = "passed"
) -> str:
    sizes = list(next(iter(rows.values())))
    lines = [f"| {head} | {' | '.join(map(str, sizes))} |", f"|---|{'---|' * len(sizes)}"]
    for name, row in rows.items():
        other = {n: f" ({beside[name][n]['passed']:.1%})" if beside and n in beside[name] else "" for n in row}
        cells = [f"{rates[outcome]:.1%}{other[n]}" for n, rates in row.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def outcomes(
    rows: dict[str, dict[int, Rates]], shown: tuple[str, ...] = ("passed", "failed", "not_measured"), head: str = "queries"
) -> str:  # fmt: skip
    sizes = list(next(iter(rows.values())))
    lines = [f"| {head} | {' | '.join(map(str, sizes))} |", f"|---|{'---|' * len(sizes)}"]
    for name, row in rows.items():
        cells = [" / ".join(f"{rates[outcome]:.0%}" for outcome in shown) for rates in row.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
