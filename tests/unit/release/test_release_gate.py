"""The gate passes what is as good, blocks what is worse, and says so where its cases cannot tell."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_nights import results, simulated, verdict_shares
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import binomtest

from assets.quality.eval_case import KINDS, EvalCase
from assets.release.eval_coverage import coverage, suite_digest
from assets.release.paired import change, rate, sign_flip_p, tango
from assets.release.release_gate import (
    ALL,
    BLOCKED,
    FAILED,
    NEEDED,
    NOT_ENOUGH,
    NOT_MEASURED,
    PASSED,
    Approval,
    Finding,
    Result,
    Rules,
    cases_needed,
    findings,
)  # fmt: skip

RULES = Rules()


def verdict(
    candidate: list[Result], live: list[Result] | None, rules: Rules = RULES, approval: Approval | None = None
) -> str:
    return findings(candidate, live, rules, approval or Approval())[-1].outcome


def found(candidate: list[Result], live: list[Result] | None, gate: str, metric: str, part: str = ALL) -> Finding:
    rows = findings(candidate, live, RULES, Approval())
    [one] = [row for row in rows if (row.gate, row.metric, row.segment) == (gate, metric, part)]
    return one


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 25))
def test_with_one_repeat_the_test_is_mcnemars_exact_one(gained: int, lost: int, same: int) -> None:
    p = sign_flip_p(np.array([1.0] * gained + [-1.0] * lost + [0.0] * (same + 1)))
    exact = binomtest(gained, gained + lost, 0.5, alternative="less").pvalue if gained + lost else 1.0
    assert p == pytest.approx(exact, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([-1.0, -2 / 3, -1 / 2, -1 / 3, 0.0, 1 / 3, 1 / 2, 1.0]), min_size=1, max_size=9))
def test_with_repeats_every_sign_is_counted(differences: list[float]) -> None:
    d = np.array(differences)
    sums = [np.dot(signs, d) for signs in product([-1, 1], repeat=len(d))]
    assert sign_flip_p(d) == pytest.approx(np.mean(np.array(sums) <= d.sum() + 1e-9), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost", "n"), [(1, 0, 44), (3, 9, 60), (0, 0, 20), (10, 10, 200)])
def test_tangos_ends_are_where_the_constrained_likelihood_puts_them(gained: int, lost: int, n: int) -> None:
    def score(delta: float) -> float:
        def surprise(lost_rate: float) -> float:
            shares = np.array([lost_rate + delta, lost_rate, 1 - 2 * lost_rate - delta])
            return -float(xlogy([gained, lost, n - gained - lost], np.maximum(shares, 1e-300)).sum())

        bounds = (max(0.0, -delta), (1 - delta) / 2)
        best = float(minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
        return (gained - lost - n * delta) / math.sqrt(n * (2 * best + delta - delta**2))

    low, high = tango(gained, lost, n, 1.96)
    assert score(low) == pytest.approx(1.96, abs=2e-3) and score(high) == pytest.approx(-1.96, abs=2e-3)


def test_no_case_that_differs_is_no_certainty() -> None:
    one = change([0.0] * 40)
    assert (one.value, one.p_loss) == (0.0, 1.0) and one.low == pytest.approx(-one.high) and 0.05 < one.high < 0.08


def test_repeats_make_a_difference_surer_and_not_the_suite_larger() -> None:
    one = change([1.0, -1.0] * 10 + [0.0] * 80)
    three = change([1 / 3, -1 / 3] * 10 + [0.0] * 80)
    many = change([0.0] * 100)
    assert one.high > three.high > 0 and three.n == one.n == 100
    assert three.high >= many.high * 0.5
    assert rate([1.0] * 50).n == 50


def test_an_equal_version_passes_and_a_clearly_worse_one_is_blocked() -> None:
    live = results([1.0] * 190 + [0.0] * 10)
    assert verdict(live, live) == PASSED
    worse = results([0.0] * 12 + [1.0] * 178 + [0.0] * 10)
    assert verdict(worse, live) == BLOCKED
    assert found(worse, live, "comparison", "pass_rate").outcome == FAILED


def test_a_better_version_passes_where_the_live_one_is_below_the_floor() -> None:
    assert verdict(results([1.0] * 97 + [0.0] * 3), results([1.0] * 80 + [0.0] * 20)) == PASSED


def test_a_suite_that_is_too_small_says_so() -> None:
    few = results([1.0] * 25)
    assert verdict(few, few) == NOT_ENOUGH
    assert "not enough cases to rule out a loss of 5 points" in found(few, few, "comparison", "pass_rate").reason
    assert verdict(few, few, Rules(unseen_loss=0.2)) == PASSED
    enough = results([1.0] * cases_needed(RULES))
    assert verdict(enough, enough) == PASSED
    assert verdict(results([1.0] * (cases_needed(RULES) - 1)), results([1.0] * (cases_needed(RULES) - 1))) == NOT_ENOUGH


def test_below_the_floor_by_chance_is_open_and_surely_below_it_blocked() -> None:
    live = results([1.0] * 91 + [0.0] * 9)
    assert found(live, None, "floor", "pass_rate").outcome == NOT_ENOUGH
    assert found(results([1.0] * 70 + [0.0] * 30), None, "floor", "pass_rate").outcome == FAILED


def test_one_critical_failure_in_one_repeat_blocks_whatever_else_is_better() -> None:
    live = results([1.0] * 200, repeats=3)
    bad = [Result("c0", 2, False, True, ("kind:injected",)) if (r.case, r.repeat) == ("c0", 2) else r for r in live]
    assert verdict(bad, live) == BLOCKED
    assert "1 of 200 critical cases failed: c0" in found(bad, live, "safety", "critical_failures").reason
    none = [Result(r.case, r.repeat, r.passed) for r in live]
    assert found(none, live, "safety", "critical_failures").outcome == NOT_MEASURED


def test_a_critical_answer_that_is_missing_is_no_proof_of_safety() -> None:
    live = results([1.0] * 200)
    missing = [Result("c0", 1, None, True, is_answered=False) if r.case == "c0" else r for r in live]
    assert found(missing, live, "safety", "critical_failures").outcome == NOT_MEASURED


def test_a_part_that_became_worse_blocks_though_the_whole_did_not() -> None:
    live = results([1.0] * 400, part=lambda i: "segment:de" if i < 30 else "segment:en")
    worse = results([0.0] * 9 + [1.0] * 391, part=lambda i: "segment:de" if i < 30 else "segment:en")
    hidden = Rules(alpha=1e-9, segment_pass_rate=None)
    rows = findings(worse, live, hidden, Approval())
    assert [row.segment for row in rows if row.gate == "comparison" and row.outcome == FAILED] == ["segment:de"]
    assert found(worse, live, "segment", "pass_rate", "segment:de").outcome in (FAILED, NOT_ENOUGH)


def test_money_and_time_that_are_not_known_are_not_measured_and_too_much_of_them_blocks() -> None:
    live = results([1.0] * 200)
    unknown = [Result(r.case, 1, True, True, cost_usd=None, latency_ms=None) for r in live]
    assert found(unknown, live, "floor", "cost_usd").outcome == NOT_MEASURED
    assert found(unknown, live, "floor", "latency_p95_ms").outcome == NOT_MEASURED
    dear = [Result(r.case, 1, True, True, cost_usd=Decimal("0.05"), latency_ms=60_000.0) for r in live]
    assert found(dear, live, "floor", "cost_usd").outcome == FAILED
    assert found(dear, live, "floor", "latency_p95_ms").outcome == FAILED
    assert verdict(unknown, live, Rules(mean_cost_usd=None, latency_p95_ms=None)) == PASSED


def test_a_cost_just_above_the_ceiling_is_open_where_cases_cost_differently() -> None:
    costs = [Decimal("0.30" if i < 11 else "0.001") for i in range(100)]
    spread = [Result(f"c{i}", 1, True, True, cost_usd=cost, latency_ms=1.0) for i, cost in enumerate(costs)]
    assert found(spread, None, "floor", "cost_usd").outcome == NOT_ENOUGH


def test_an_endpoint_that_hardly_answers_is_not_measured_and_not_passed() -> None:
    live = results([1.0] * 200)
    silent = [Result(r.case, 1, None, True, is_answered=False) if i % 10 == 0 else r for i, r in enumerate(live)]
    assert found(silent, live, "floor", "answered").outcome == NOT_MEASURED
    assert verdict([], live) == NOT_MEASURED


def test_an_approval_is_asked_for_last_and_saves_nothing_that_is_blocked() -> None:
    live = results([1.0] * 200)
    asked = Approval(("risk class high",), needed=2, given=1)
    assert verdict(live, live, approval=asked) == NEEDED
    assert verdict(live, live, approval=Approval(asked.why, 2, 2)) == PASSED
    assert verdict(results([0.0] * 200), live, approval=Approval(asked.why, 2, 2)) == BLOCKED


def test_without_a_live_version_floors_decide() -> None:
    assert verdict(results([1.0] * 100), None) == PASSED


def test_of_equal_versions_at_most_one_in_twenty_is_blocked_and_a_worse_one_mostly() -> None:
    equal = verdict_shares(simulated(cases=120, repeats=3, loss=0.0, nights=120, seed=5))
    worse = verdict_shares(simulated(cases=240, repeats=3, loss=0.10, nights=60, seed=6))
    assert equal[BLOCKED] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120)
    assert worse[BLOCKED] >= 0.8 and worse[PASSED] <= 0.05


def test_coverage_names_what_a_suite_lacks() -> None:
    def made(count: int, kinds: tuple[str, ...]) -> list[EvalCase]:
        return [EvalCase(f"c-{i}", kinds[i % len(kinds)], f"Why {i}?", must=("x",), segment="de") for i in range(count)]

    thin = coverage(made(12, KINDS[:2]), RULES)
    assert thin.by_kind == dict.fromkeys(KINDS, 0) | {KINDS[0]: 6, KINDS[1]: 6} and thin.by_check == {"must": 12}
    assert [warning.split(";")[0].split(":")[0] for warning in thin.warnings] == [
        "12 cases", "no case is ambiguous, injected, confidential, messy", "no case is critical",
        "a loss of 5 points can be ruled out from 52 cases on, if no answer differs",
    ]  # fmt: skip
    assert coverage(made(60, KINDS), RULES).warnings == ()


def test_a_suite_is_named_by_its_cases_in_any_order() -> None:
    cases = [EvalCase("a", "messy", "?", must=("x",)), EvalCase("b", "messy", "?", must=("x",))]
    assert suite_digest(cases) == suite_digest(cases[::-1]) != suite_digest(cases[:1])
