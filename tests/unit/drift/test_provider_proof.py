"""Golden prompts: how often quiet endpoints are called changed, and how often a changed one is, on answers of known truth.

Writes its part of docs/proofs/drift.md (`make proof`). NOCTURNE_PROOF_NIGHTS, NOCTURNE_PROOF_SEED as in test_drift_proof.py.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from drift_traffic import DayEffects
from probe_traffic import QUIET, Change, answers, judged

from assets.drift.paired import FEWEST_NIGHTS, WINDOW_NIGHTS
from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261121"))
QUIET_NIGHTS = int(os.environ.get("NOCTURNE_PROOF_NIGHTS", "810"))
CHANGED = 200
RESULT = REPO / "docs" / "proofs" / "provider.md"
KINDS: tuple[DayEffects, ...] = ("normal", "ar1", "t4")
REFERENCES = (56, 28, 14, 7)
METRICS = ("score", "answer_characters", "latency_ms", "refusal")
CHANGES: list[tuple[str, str, Change, bool, int, float | None]] = [
    ("scores fall by 10 points, temperature 0", "score", Change(score=0.1), False, 56, 0.9),
    ("the same", "score", Change(score=0.1), False, 28, 0.8),
    ("the same", "score", Change(score=0.1), False, 14, 0.8),
    ("scores fall by 10 points, answers as of a temperature", "score", Change(score=0.1), True, 56, 0.6),
    ("scores fall by 15 points, answers as of a temperature", "score", Change(score=0.15), True, 56, 0.9),
    ("2 of 20 prompts are lost altogether, temperature 0", "score", Change(lost_prompts=2), False, 56, 0.9),
    ("answers are a fifth longer", "answer_characters", Change(length=1.2), True, 56, 0.95),
    ("answers take half as long again", "latency_ms", Change(latency=1.5), True, 56, 0.85),
    ("10 points more refusals", "refusal", Change(refusal=0.1), True, 56, 0.9),
    ("three answers in five are in new words, temperature 0", "known_answer", Change(new_words=0.6), False, 56, 0.95),
    ("another model answers", "answered_model", Change(model="small"), True, 7, 1.0),
    ("scores fall by 5 points, answers as of a temperature", "score", Change(score=0.05), True, 56, None),
]
"""What changes, where it is found, in how many reference nights, and the share to be found by the third night."""


def quiet_nights(kind: DayEffects, reference: int, nights: int, noisy: bool = True) -> tuple[float, dict[str, float]]:
    """Alarms in 30 nights of one endpoint; and the share of p <= .01 of each metric."""
    alarms, p = 0, {metric: np.full(nights, np.nan) for metric in METRICS}
    for i in range(nights):
        found = judged(answers(SEED + i, kind, noisy, QUIET, nights=reference + WINDOW_NIGHTS))
        alarms += int(found["is_alarm"].any())
        for metric, value in found.select("metric", "p").iter_rows():
            if metric in p and value is not None:
                p[metric][i] = value
    return 30 * alarms / nights, {metric: float((values <= 0.01).mean()) for metric, values in p.items()}


def share_found(metric: str, change: Change, noisy: bool, reference: int, endpoints: int) -> float:
    """The share of changed endpoints that are an alarm of `metric` on the third night."""
    hits = 0
    for i in range(endpoints):
        found = judged(answers(SEED + 10_000 + i, "normal", noisy, change, nights=reference + WINDOW_NIGHTS))
        hits += int(metric in found.filter("is_alarm")["metric"])
    return hits / endpoints


@pytest.mark.parametrize("reference", [56, 14])
def test_a_quiet_endpoint_with_a_temperature_stays_quiet(reference: int) -> None:
    alarms, rates = quiet_nights("normal", reference, 60)
    assert alarms <= 1.0
    assert max(rates.values()) <= 0.06


@pytest.mark.parametrize(("what", "metric", "change", "noisy", "reference", "goal"), [c for c in CHANGES if c[5]])
def test_a_change_is_found_by_its_third_night(
    what: str, metric: str, change: Change, noisy: bool, reference: int, goal: float
) -> None:
    assert share_found(metric, change, noisy, reference, 16) >= goal - 0.25, what


@pytest.mark.proof
def test_the_reach_of_golden_prompts() -> None:
    begun = time.process_time()
    quiet = {(kind, nights): quiet_nights(kind, nights, QUIET_NIGHTS) for nights in REFERENCES for kind in KINDS}
    cold = {nights: quiet_nights("normal", nights, QUIET_NIGHTS, noisy=False) for nights in REFERENCES}
    found = [share_found(metric, change, noisy, nights, CHANGED) for _, metric, change, noisy, nights, _ in CHANGES]
    misses = missed(quiet | {("temperature 0", n): rates for n, rates in cold.items()}, found)
    RESULT.write_text(page(quiet, cold, found, misses, time.process_time() - begun), encoding="utf-8")
    assert not misses


Rates = tuple[float, dict[str, float]]


def missed(quiet: dict[tuple[str, int], Rates], found: list[float]) -> list[str]:
    """The goals that were not reached: at most an alarm in 30 nights, and what the table of changes says."""
    misses = [
        f"{kind}, {nights} reference nights: {alarms:.2f} alarms in 30 nights"
        for (kind, nights), (alarms, _) in quiet.items()
        if alarms > 1
    ]
    for (what, _, _, _, nights, goal), share in zip(CHANGES, found, strict=True):
        if goal is not None and share < goal:
            misses.append(f"{what}, {nights} reference nights: {share:.2f}, not {goal}")
    return misses


def page(
    quiet: dict[tuple[DayEffects, int], Rates], cold: dict[int, Rates], found: list[float], misses: list[str], cpu_s: float
) -> str:
    def line(name: str, nights: int, rates: Rates) -> str:
        status = next(status for status, fewest in FEWEST_NIGHTS.items() if nights >= fewest)
        shares = " | ".join(f"{rates[1][metric]:.1%}".replace("%", " %") for metric in METRICS)
        return f"| {name} | {nights} | {status} | {rates[0]:.2f} | {shares} |"

    changes = [
        f"| {what} | {nights} | {'not promised' if goal is None else f'{goal:.2f}'} | {share:.2f} |"
        for (what, _, _, _, nights, goal), share in zip(CHANGES, found, strict=True)
    ]
    return "\n".join([
        "# Golden prompts: false alarms and power",
        "",
        "Made-up answers of known truth (tests/probe_traffic.py): 20 prompts, three times a night, most answered right",
        "nearly always and some half of the time; nights differ by more than chance: normal, autocorrelated (ar1, .4) or",
        "heavy-tailed (t4). Written by `make proof` (tests/unit/drift/test_provider_proof.py).",
        "",
        f"{datetime.now(UTC).date()}, seed {SEED}, {cpu_s:,.0f} s of CPU, {QUIET_NIGHTS} quiet nights of each kind.",
        "",
        "## Quiet nights of one endpoint",
        "",
        "Goal: at most one alarm in 30 nights, over all metrics. At the right: how often a single test has p ≤ .01.",
        "",
        "| nights | reference | status | alarms in 30 nights | " + " | ".join(METRICS) + " |",
        "|---|---|---|---|" + "---|" * len(METRICS),
        *(line(kind, nights, rates) for (kind, nights), rates in quiet.items()),
        *(line("normal, temperature 0", nights, rates) for nights, rates in cold.items()),
        "",
        "## Changes",
        "",
        f"The share found by the third night, of {CHANGED} endpoints each.",
        "",
        "| what | reference nights | goal | found |",
        "|---|---|---|---|",
        *changes,
        "",
        "## What falls short",
        "",
        *([f"- {miss}" for miss in misses] or ["None."]),
        "",
    ])  # fmt: skip
