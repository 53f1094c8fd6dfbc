"""Quiet nights stay quiet and drifts are found, on made-up traffic of known truth.

Writes docs/proofs/drift.md (`make proof`). NOCTURNE_PROOF_NIGHTS, NOCTURNE_PROOF_SEED: how many quiet nights of each
kind, and which.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from drift_measures import KINDS, Drift, Quiet, quiet_nights, share_found
from drift_traffic import SEGMENTS, DayEffects, categories, embeddings, numbers, volumes

from assets.drift.family import answer
from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261121"))
NIGHTS_OF_A_KIND = int(os.environ.get("NOCTURNE_PROOF_NIGHTS", "810"))
WORLDS = 10
RESULT = REPO / "docs" / "proofs" / "drift.md"
DRIFTS: list[tuple[str, Drift, float, int, DayEffects, float | None]] = [
    ("10 % of the texts are of one topic more", "surge", 0.10, 1800, "normal", 0.95),
    ("the same", "surge", 0.10, 500, "normal", 0.90),
    ("the same", "surge", 0.10, 1800, "ar1", 0.90),
    ("the same", "surge", 0.10, 500, "ar1", 0.75),
    ("numbers shift by .3 σ", "shift", 0.30, 1800, "normal", 0.85),
    ("a category gains 10 points", "points", 0.10, 1800, "normal", 0.90),
    ("numbers shift by .2 σ", "shift", 0.20, 1800, "normal", None),
    ("5 % of the texts are of one topic more", "surge", 0.05, 1800, "normal", None),
]
"""What is put in, how large, in how many rows a night, on what days; and the share to be found by the third night."""


def test_quiet_nights_are_quiet() -> None:
    quiet = quiet_nights(SEED, "normal", stretches=1, nights=12)
    assert sum(quiet.alarms.values()) <= 2
    for kind in ("numeric", "categorical"):
        assert 0.006 < quiet.false_alarm_rate(kind) < 0.016, kind


@pytest.mark.parametrize(("what", "drift", "size", "n", "days", "goal"), [d for d in DRIFTS if d[5]])
def test_a_drift_is_found_by_its_third_night(
    what: str, drift: Drift, size: float, n: int, days: DayEffects, goal: float
) -> None:
    assert share_found(SEED, drift, size, n, days, worlds=1) >= goal - 0.15, what


def test_a_night_of_820_tests_takes_seconds() -> None:
    rng = np.random.default_rng(SEED)
    n = volumes(rng, SEGMENTS, 59)
    nights = [make(rng, n, "normal").night(0) for make in (numbers, categories, embeddings)]
    begun = time.process_time()
    answered = sum(len(answer(night).status) for night in nights)
    assert answered == 820
    assert time.process_time() - begun < 5


@pytest.mark.proof
def test_the_reach_of_drift_tests() -> None:
    begun = time.process_time()
    kinds: tuple[DayEffects, ...] = ("normal", "ar1", "t4")
    quiet = {kind: quiet_nights(SEED, kind, NIGHTS_OF_A_KIND // 30) for kind in kinds}
    found = [share_found(SEED, drift, size, n, days, WORLDS) for _, drift, size, n, days, _ in DRIFTS]
    RESULT.write_text(page(quiet, found, time.process_time() - begun), encoding="utf-8")
    assert not missed(quiet, found)


def missed(quiet: dict[DayEffects, Quiet], found: list[float]) -> list[str]:
    """The goals that were not reached."""
    rates = {days: q.alarms_in_30_nights for days, q in quiet.items()}
    misses = [f"{days}: {rate:.2f} alarms in 30 nights" for days, rate in rates.items() if rate > 1]
    for kind in KINDS:
        rate, tenths = quiet["normal"].false_alarm_rate(kind), quiet["normal"].by_rows(kind)
        if not 0.008 <= rate <= 0.012:
            misses.append(f"{kind}: p <= .01 in {rate:.2%}")
        for i, (share, error) in enumerate(tenths, start=1):
            if not 0.006 - 2 * error <= share <= 0.014 + 2 * error:
                misses.append(f"{kind}, tenth {i} by rows: p <= .01 in {share:.2%}, standard error {error:.2%}")
    for (what, _, _, n, days, goal), share in zip(DRIFTS, found, strict=True):
        if goal is not None and share < goal:
            misses.append(f"{what}, n = {n}, {days}: {share:.2f}, not {goal}")
    return misses


def _range(tenths: list[tuple[float, float]]) -> str:
    return " to ".join(f"{share:.2%} ± {error:.2%}" for share, error in (min(tenths), max(tenths)))


def page(quiet: dict[DayEffects, Quiet], found: list[float], seconds: float) -> str:
    rows = [
        f"| {days} | {q.nights} | {q.alarms_in_30_nights:.2f} | "
        + " | ".join(f"{q.false_alarm_rate(k):.2%} ({_range(q.by_rows(k))})" for k in KINDS)
        + " |"
        for days, q in quiet.items()
    ]
    drifts = [
        f"| {what} | {n:,} | {days} | {'not promised' if goal is None else f'{goal:.2f}'} | {share:.2f} |"
        for (what, _, _, n, days, goal), share in zip(DRIFTS, found, strict=True)
    ]
    misses = [f"- {miss}" for miss in missed(quiet, found)] or ["None."]
    return "\n".join([
        "# Drift tests: false alarms and power",
        "",
        "Made-up traffic of known truth (tests/drift_traffic.py): 20 segments with 200 to 20,000 rows a day, fewer at",
        "weekends, 40 metrics each (half numbers, half categories) and an embedding of 40 topics. Every test has a weekly",
        "rhythm and days that differ by more than chance: normal, autocorrelated (ar1, .4) or heavy-tailed (Student's t4).",
        "56 reference nights. Written by `make proof` (tests/unit/drift/test_drift_proof.py).",
        "",
        f"{datetime.now(UTC).date()}, seed {SEED}, {seconds:,.0f} s of CPU.",
        "",
        "## Quiet nights",
        "",
        "Goal: at most 1 alarm in 30 nights over all 820 tests. With normal days, p ≤ .01 in .8 to 1.2 % of a family's",
        "single tests, and in .6 to 1.4 % of each tenth of them by rows, less two standard errors (in brackets, the lowest",
        "and the highest tenth, ± its standard error: a tenth of the embeddings is two segments a stretch of 30 nights).",
        "",
        "| days | nights | alarms in 30 nights | numeric | categorical | embedding |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "## Drifts",
        "",
        f"One segment drifts, all else does not; the share with an alarm on the third night, of {WORLDS * SEGMENTS} each.",
        "",
        "| what | rows a night | days | goal | found |",
        "|---|---|---|---|---|",
        *drifts,
        "",
        "## What falls short",
        "",
        *misses,
        "",
    ])  # fmt: skip
