"""The gates, as rules over numbers: what passes has shown it, what was not measured has not, and each says why in words."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.retrieval.ranking import Estimate
from assets.tuning.gate import (
    FAILED,
    NEEDS_APPROVAL,
    NOT_MEASURED,
    PASSED,
    REJECTED,
    Compared,
    Finding,
    Rules,
    asked,
    domain,
    error_budget,
    floor,
    forgetting,
    guard,
    ratio,
    safety,
    segment,
    verdict,
)
from resources.model_validation import Asked, refused

RULES = Rules(floors={"ndcg": 0.4})


def found(value: float, low: float, high: float, n: int = 200, metric: str = "ndcg", part: str = "") -> Compared:
    return Compared(metric, "test", 0.5 + value, 0.5, Estimate(value, low, high, n), part, "d1")


def everything(**changes: Finding) -> list[Finding]:
    """All findings of a candidate that is better, forgets nothing and harms nobody."""
    good = {
        "domain": domain(found(0.05, 0.02, 0.08), 90),
        "forgetting": forgetting(found(0.0, -0.01, 0.01), RULES),
        "segment": segment(found(0.01, -0.02, 0.04, part="tenant=acme"), RULES),
        "safety": safety(found(0.0, 0.0, 0.0, metric="violations"), ()),
        "floor": floor(Compared("ndcg", "test", 0.55), 0.4),
        "latency": ratio("latency", Compared("latency_ms", "model", 9.0, 10.0), 1.5),
        "size": ratio("size", Compared("bytes", "model", 9e7, 9e7), 1.5),
        "error_budget": error_budget([], 0, 3, "2026-11-20"),
    }
    return list((good | changes).values())


# the primary gate


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "changed", "outcome", "said"),
    [
        (0.05, 0.02, 0.08, 200, 90, PASSED, r"ndcg changes by \+5.0 points \(\+2.0 to \+8.0, n = 200\)"),
        (0.05, 0.0, 0.08, 200, 90, FAILED, "may be chance"),
        (0.05, -0.01, 0.08, 200, 90, FAILED, "may be chance"),
        (-0.05, -0.08, -0.02, 200, 90, FAILED, "no gain"),
        (0.0, 0.0, 0.0, 200, 0, FAILED, "no gain"),
        (0.3, 0.2, 0.4, 29, 29, NOT_MEASURED, "29 are too few"),
        (0.3, 0.2, 0.4, 200, 19, NOT_MEASURED, "19 differ, which are too few"),
    ],
)
def test_a_gain_has_to_be_surer_than_chance(
    value: float, low: float, high: float, n: int, changed: int, outcome: str, said: str
) -> None:
    judged = domain(found(value, low, high, n), changed)
    assert judged.outcome == outcome
    assert re.search(said, judged.reason)


@pytest.mark.parametrize("metric", ["nll", "brier", "violations"])
def test_of_a_loss_less_is_better(metric: str) -> None:
    assert domain(found(-0.05, -0.08, -0.02, metric=metric), 90).outcome == PASSED
    assert domain(found(0.05, 0.02, 0.08, metric=metric), 90).outcome == FAILED


# what must not get worse


@pytest.mark.parametrize(
    ("value", "low", "outcome"),
    [(-0.009, -0.02, PASSED), (-0.011, -0.02, FAILED), (0.02, -0.031, NOT_MEASURED), (0.02, -0.029, PASSED)],
)
def test_more_than_a_point_may_not_be_forgotten_and_a_small_set_does_not_say(value: float, low: float, outcome: str) -> None:
    assert forgetting(found(value, low, 0.05), RULES).outcome == outcome


def test_what_nobody_declared_is_not_measured_and_says_so() -> None:
    judged = forgetting(Compared("ndcg", "general", why="seeds/tuning.yml names no general_set"), RULES)
    assert (judged.outcome, judged.candidate_value, judged.low) == (NOT_MEASURED, None, None)
    assert judged.reason == "seeds/tuning.yml names no general_set"


@pytest.mark.parametrize(
    ("value", "high", "n", "outcome", "said"),
    [
        (-0.05, -0.01, 60, FAILED, "3 points may be lost"),
        (-0.05, -0.01, 5, FAILED, "3 points may be lost"),
        (-0.05, 0.01, 60, NOT_MEASURED, "may be chance"),
        (-0.05, 0.01, 5, NOT_MEASURED, "5 are too few"),
        (0.05, 0.10, 5, NOT_MEASURED, "5 are too few"),
        (-0.02, -0.01, 60, PASSED, "-2.0 points"),
    ],
)
def test_a_segment_fails_by_a_loss_that_is_not_chance_and_a_small_one_says_nothing(
    value: float, high: float, n: int, outcome: str, said: str
) -> None:
    judged = segment(found(value, -0.2, high, n, part="tenant=acme"), RULES)
    assert judged.outcome == outcome and said in judged.reason and judged.segment == "tenant=acme"


def test_one_answer_that_was_safe_is_enough_to_fail() -> None:
    assert safety(found(-0.1, -0.2, 0.0, metric="violations"), {"q7"}).outcome == FAILED
    assert "such as q7" in safety(found(-0.1, -0.2, 0.0, metric="violations"), {"q7"}).reason


def test_a_few_safe_answers_prove_nothing_and_a_person_is_asked() -> None:
    few = safety(found(0.0, 0.0, 0.0, 19, metric="violations"), ())
    assert (few.outcome, few.reason) == (NOT_MEASURED, "19 are too few to tell, 20 are needed")
    assert safety(found(0.0, 0.0, 0.0, 20, metric="violations"), ()).outcome == PASSED
    assert safety(found(-0.1, -0.2, 0.0, 2, metric="violations"), {"q1"}).outcome == FAILED
    assert verdict(everything(safety=few), "automatic", False)[0] == NEEDS_APPROVAL


def test_a_floor_holds_however_bad_the_champion_is() -> None:
    assert floor(Compared("ndcg", "test", 0.39, 0.1), 0.4).outcome == FAILED
    assert floor(Compared("brier", "test", 0.3, 0.9), 0.25).outcome == FAILED
    assert floor(Compared("brier", "test", 0.2, 0.9), 0.25).outcome == PASSED
    assert floor(Compared("nonsense", "test", why="unknown"), 0.4).outcome == NOT_MEASURED


def test_slow_and_large_count_where_somebody_would_notice() -> None:
    assert ratio("latency", Compared("latency_ms", "model", 20.0, 10.0), 1.5).outcome == FAILED
    assert ratio("latency", Compared("latency_ms", "model", 0.02, 0.01), 1.5).outcome == PASSED
    assert ratio("size", Compared("bytes", "model", 4e8, 9e7), 1.5).outcome == FAILED
    assert ratio("size", Compared("bytes", "model", 4e3, 9e2), 1.5).outcome == PASSED


# the verdict


def test_what_shows_everything_passes_and_says_by_how_much() -> None:
    assert verdict(everything(), "automatic", False) == (
        PASSED, ["domain (ndcg, test): ndcg changes by +5.0 points (+2.0 to +8.0, n = 200)"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"domain": domain(found(0.05, -0.01, 0.08), 90)},
        {"domain": domain(found(0.05, 0.02, 0.08, 12), 12)},
        {"forgetting": forgetting(found(-0.02, -0.03, -0.01), RULES)},
        {"segment": segment(found(-0.05, -0.09, -0.01), RULES)},
        {"guard": guard(found(-0.02, -0.03, -0.01), 0.01)},
        {"safety": safety(found(0.1, 0.0, 0.2, metric="violations"), {"q1"})},
        {"floor": floor(Compared("ndcg", "test", 0.2), 0.4)},
        {"latency": ratio("latency", Compared("latency_ms", "model", 90.0, 10.0), 1.5)},
    ],
)
def test_no_approval_overrules_a_gate_that_failed(change: dict[str, Finding]) -> None:
    outcome, reasons = verdict(everything(**change), "automatic", True)
    assert outcome == REJECTED
    assert len(reasons) == 1 and reasons[0].startswith(next(iter(change)))


def test_nothing_to_judge_by_is_no_pass() -> None:
    assert verdict([], "automatic", True)[0] == REJECTED


UNKNOWN = Compared("ndcg", "general", why="nobody declared it")


@pytest.mark.parametrize(
    ("change", "promotion"),
    [
        ({"error_budget": error_budget(["fast answers of search"], 0, 3, "2026-11-20")}, "automatic"),
        ({"forgetting": forgetting(UNKNOWN, RULES)}, "automatic"),
        ({"safety": safety(replace(UNKNOWN, metric="violations"), ())}, "automatic"),
        ({}, "approval"),
    ],
)
def test_a_person_is_asked_once_and_then_it_passes(change: dict[str, Finding], promotion: str) -> None:
    outcome, reasons = verdict(everything(**change), promotion, False)
    assert outcome == NEEDS_APPROVAL and len(reasons) == 1
    assert verdict(everything(**change), promotion, True)[0] == PASSED


def test_a_small_segment_or_no_promise_asks_nobody() -> None:
    small = segment(found(-0.05, -0.3, 0.2, 4, part="tenant=tiny"), RULES)
    assert verdict(everything(segment=small, error_budget=error_budget([], 0, 0, None)), "automatic", False)[0] == PASSED


# the second reader

NUMBERS = st.floats(-0.2, 0.2)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), st.integers(5, 300), st.sampled_from(["ndcg", "nll"]))
def test_what_a_gate_lets_pass_meets_its_threshold_by_the_numbers_too(ends: list[float], n: int, metric: str) -> None:
    low, value, high = ends
    compared = found(value, low, high, n, metric)
    for judged in (domain(compared, n), forgetting(compared, RULES), segment(compared, RULES), guard(compared, 0.01)):
        if judged.outcome != PASSED:
            continue
        numbers: Any = asked(judged)
        value_, threshold, greater = numbers
        assert value_ >= threshold if greater else value_ <= threshold


def test_mlflow_reads_the_same_from_the_numbers() -> None:
    shown = {one.gate: Asked(*numbers) for one in everything() if (numbers := asked(one))}
    assert shown.keys() == {"domain", "forgetting", "segment", "safety", "floor", "latency", "size"}
    assert refused(shown) is None
    for gate, bad in (("domain", 0.0), ("forgetting", -0.02), ("latency", 1.6), ("floor", float("nan"))):
        why = refused(shown | {gate: replace(shown[gate], value=bad)})
        assert why is not None and gate in why
