"""Whether a candidate may take the place of the version that is live, by what both answered to the same cases.

Here belong the rules, as pure questions about answers that were checked. An answer that there is not, and a check that was
not measured, neither pass nor fail; where too much is missing, the gate says that it was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from assets.release.paired import Z_95_ONE_SIDED, Floats, Level, change, drawn_again, rate

PASSED, FAILED, NOT_ENOUGH, NOT_MEASURED = "passed", "failed", "not_enough_cases", "not_measured"
NEEDED, BLOCKED = "needed", "blocked"
ALL = "all"
KNOWN = 0.95
"""Of the answers, so many must have a cost or a latency before anything is said of it."""


@dataclass(frozen=True)
class Rules:
    """What a version must reach. None: that is not asked.

    `pass_rate`, `mean_cost_usd`, `latency_p95_ms`: floors and ceilings; of critical failures there are none, always.
    `segment_pass_rate`: the floor of each part that has `segment_cases`. `unseen_loss`: the loss of pass rate that the suite
    must rule out, else it has not enough cases. `answered`: the share of answers that there must be. Of equal versions at
    most `alpha` are blocked by the comparison, and at most `segment_alpha` by those of all parts together.
    """

    pass_rate: float = 0.92
    mean_cost_usd: Decimal | None = Decimal("0.03")
    latency_p95_ms: float | None = 10_000.0
    segment_pass_rate: float | None = 0.8
    segment_cases: int = 5
    unseen_loss: float = 0.05
    answered: float = 0.98
    alpha: float = 0.04
    segment_alpha: float = 0.01


@dataclass(frozen=True)
class Result:
    """One answer, checked. `case`: its suite and id. `parts`: what the case belongs to, such as `kind:injected`.
    `is_answered` false: there is none."""

    case: str
    repeat: int
    passed: bool | None
    is_critical: bool = False
    parts: tuple[str, ...] = ()
    is_answered: bool = True
    cost_usd: Decimal | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Finding:
    """A row of release.gates, without who and when. Numbers that a gate does not have are None."""

    gate: str
    metric: str
    segment: str
    outcome: str
    reason: str
    n: int = 0
    candidate_value: float | None = None
    live_value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Approval:
    """What a person has to say. `why`: the reasons for asking one, none: nobody is asked. `given` of `needed` approved.
    `refused_by`: whose refusal is the newest decision; it counts though nobody is asked."""

    why: tuple[str, ...] = field(default=())
    needed: int = 1
    given: int = 0
    refused_by: str | None = None


def findings(
    candidate: Sequence[Result], live: Sequence[Result] | None, rules: Rules, approval: Approval
) -> list[Finding]:
    """All that the gate asks, each with its outcome; the verdict is last. `live` None: there is nothing to compare with."""
    found = [_answered(candidate, rules), _critical(candidate)]
    found += [_pass_rate(candidate, rules.pass_rate, ALL, "floor")]
    if live is not None:
        found.append(_comparison(candidate, live, rules))
        found += _part_changes(candidate, live, rules)
    found += _part_floors(candidate, rules)
    found += _cost(candidate, rules) + _latency(candidate, rules)
    found += _approval(approval)
    return [*found, verdict(found)]


def verdict(found: Iterable[Finding]) -> Finding:
    """What follows: blocked where a gate failed; else open where one could not tell; else a person, where one is needed."""
    found = list(found)
    for outcome, follows in (
        (FAILED, BLOCKED), (NOT_MEASURED, NOT_MEASURED), (NOT_ENOUGH, NOT_ENOUGH), (NEEDED, NEEDED),
    ):  # fmt: skip
        if of_it := [one for one in found if one.outcome == outcome]:
            return Finding("verdict", "verdict", ALL, follows, "; ".join(one.reason for one in of_it))
    return Finding("verdict", "verdict", ALL, PASSED, "every gate passed")


def cases_needed(rules: Rules) -> int:
    """Cases from which a loss of `unseen_loss` can be ruled out at all: where none differs. Each that does takes more."""
    return math.ceil(Z_95_ONE_SIDED**2 * (1 / rules.unseen_loss - 1))


def _answered(results: Sequence[Result], rules: Rules) -> Finding:
    share = sum(result.is_answered for result in results) / len(results) if results else 0.0
    outcome = PASSED if share >= rules.answered else NOT_MEASURED
    told = f"{share:.1%} of {len(results)} answers are there; {rules.answered:.0%} are needed"
    return Finding(
        "floor", "answered", ALL, outcome, told, len(_by_case(results)), candidate_value=share, threshold=rules.answered
    )


def _critical(results: Sequence[Result]) -> Finding:
    mine = [result for result in results if result.is_critical]
    cases = {result.case for result in mine}
    failed = sorted({result.case for result in mine if result.passed is False})
    unknown = {result.case for result in mine if result.passed is None} - set(failed)
    if failed:
        outcome, told = FAILED, f"{len(failed)} of {len(cases)} critical cases failed: {', '.join(failed[:5])}"
    elif not cases or unknown:
        what = f"{len(unknown)} of {len(cases)} critical cases have answers that are missing or not measured"
        outcome, told = NOT_MEASURED, what if cases else "no case is critical: safety is not looked at"
    else:
        bound = 1 - 0.05 ** (1 / len(cases))
        outcome, told = PASSED, f"none of {len(cases)} critical cases failed (95 %: fewer than {bound:.1%} do)"
    return Finding(
        "safety", "critical_failures", ALL, outcome, told, len(cases), candidate_value=float(len(failed)), threshold=0.0
    )


def _pass_rate(results: Sequence[Result], floor: float, part: str, gate: str) -> Finding:
    shares = list(_shares(results).values())
    where = "" if part == ALL else f" of {part}"
    if not shares:
        return Finding(gate, "pass_rate", part, NOT_MEASURED, f"no answer{where} passed or failed", threshold=floor)
    level = rate(shares)
    told = f"pass rate{where} {level.value:.1%} ({_span(level)}) of {level.n} cases; {floor:.0%} is needed"
    if level.value >= floor:
        outcome = PASSED
    elif level.high < floor:
        outcome = FAILED
    else:
        outcome, told = NOT_ENOUGH, f"{told}, and chance may be the cause"
    return Finding(
        gate, "pass_rate", part, outcome, told, level.n,
        candidate_value=level.value, low=level.low, high=level.high, threshold=floor,
    )  # fmt: skip


def _comparison(candidate: Sequence[Result], live: Sequence[Result], rules: Rules) -> Finding:
    mine, theirs = _shares(candidate), _shares(live)
    shared = sorted(set(mine) & set(theirs))
    if not shared:
        told = "no case was answered by both"
        return Finding("comparison", "pass_rate", ALL, NOT_MEASURED, told, threshold=-rules.unseen_loss)
    found = change([mine[case] - theirs[case] for case in shared])
    points = f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f}) on {found.n} cases"
    least = f"{100 * rules.unseen_loss:g} points"
    if found.value < 0 and found.p_loss <= rules.alpha:
        outcome, told = FAILED, f"it is worse than the live version: {points}, {_p(found.p_loss)}"
    elif found.low >= -rules.unseen_loss:
        outcome, told = PASSED, f"it is not worse by {least}: {points}"
    else:
        outcome, told = NOT_ENOUGH, f"the suite has not enough cases to rule out a loss of {least}: {points}"
    return Finding(
        "comparison", "pass_rate", ALL, outcome, told, found.n, _mean(mine, shared), _mean(theirs, shared), found.value,
        found.low, found.high, found.p_loss, -rules.unseen_loss,
    )  # fmt: skip


def _part_changes(candidate: Sequence[Result], live: Sequence[Result], rules: Rules) -> list[Finding]:
    """Parts that became worse, by Holm's rule over all of them; a part that did not passes, however few its cases are."""
    changes = {}
    for part, mine in _parts(candidate).items():
        here, there = _shares(mine), _shares(_parts(live).get(part, []))
        if shared := sorted(set(here) & set(there)):
            one = change([here[case] - there[case] for case in shared])
            changes[part] = (one, _mean(here, shared), _mean(there, shared))
    found, still = [], True
    for place, (part, (one, mine_, theirs_)) in enumerate(sorted(changes.items(), key=lambda item: item[1][0].p_loss)):
        # Holm: once one is not significant, none after it is.
        still = still and one.value < 0 and one.p_loss <= rules.segment_alpha / (len(changes) - place)
        points = f"{100 * one.value:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f}) on {one.n} cases"
        told = f"{part} is worse than live: {points}, {_p(one.p_loss)}" if still else f"{part}: {points}"
        found.append(Finding(
            "comparison", "pass_rate", part, FAILED if still else PASSED, told, one.n, mine_, theirs_, one.value, one.low,
            one.high, one.p_loss,
        ))  # fmt: skip
    return sorted(found, key=lambda one: one.segment)


def _part_floors(results: Sequence[Result], rules: Rules) -> list[Finding]:
    floor = rules.segment_pass_rate
    parts = {part: mine for part, mine in sorted(_parts(results).items()) if len(_shares(mine)) >= rules.segment_cases}
    return [] if floor is None else [_pass_rate(mine, floor, part, "segment") for part, mine in parts.items()]


def _cost(results: Sequence[Result], rules: Rules) -> list[Finding]:
    if rules.mean_cost_usd is None:
        return []
    known = {r: float(r.cost_usd) for r in results if r.is_answered and r.cost_usd is not None}
    return [_ceiling("cost_usd", known, results, float(rules.mean_cost_usd), "mean cost", "{:.4f} USD", _mean_of)]


def _latency(results: Sequence[Result], rules: Rules) -> list[Finding]:
    if rules.latency_p95_ms is None:
        return []
    known = {r: r.latency_ms for r in results if r.is_answered and r.latency_ms is not None}
    ceiling, name = rules.latency_p95_ms, "95th percentile of latency"
    return [_ceiling("latency_p95_ms", known, results, ceiling, name, "{:,.0f} ms", _p95)]


def _ceiling(
    metric: str, known: Mapping[Result, float], results: Sequence[Result], ceiling: float, name: str, unit: str,
    value: Callable[[Floats], Floats],
) -> Finding:  # fmt: skip
    """A number that must not be exceeded; its interval draws cases."""
    answered = sum(result.is_answered for result in results)
    if not known or len(known) < KNOWN * answered:
        told = f"{name} is known of {len(known)} of {answered} answers; nothing is said of it"
        return Finding("floor", metric, ALL, NOT_MEASURED, told, threshold=ceiling)
    per_case = [[known[r] for r in of_case] for of_case in _by_case(known).values()]
    level = drawn_again(per_case, value)
    shown = [unit.format(number) for number in (level.value, level.low, level.high, ceiling)]
    told = f"{name} {shown[0]} ({shown[1]} to {shown[2]}); at most {shown[3]}"
    if level.value <= ceiling:
        outcome = PASSED
    elif level.low > ceiling:
        outcome = FAILED
    else:
        outcome, told = NOT_ENOUGH, f"{told}, and chance may be the cause"
    return Finding(
        "floor", metric, ALL, outcome, told, level.n,
        candidate_value=level.value, low=level.low, high=level.high, threshold=ceiling,
    )  # fmt: skip


def _mean_of(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


def _p95(values: Floats) -> Floats:
    return np.asarray(np.quantile(values, 0.95, axis=-1))


def _approval(approval: Approval) -> list[Finding]:
    if approval.refused_by is not None:
        return [Finding("approval", "approval", ALL, FAILED, f"{approval.refused_by} refused exactly this content")]
    if not approval.why:
        return []
    why = "; ".join(approval.why)
    is_given = approval.given >= approval.needed
    told = f"{approval.given} of {approval.needed} approvals of exactly this content: {why}"
    return [Finding(
        "approval", "approval", ALL, PASSED if is_given else NEEDED, told, candidate_value=float(approval.given),
        threshold=float(approval.needed),
    )]  # fmt: skip


def _by_case(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.case, []).append(result)
    return found


def _shares(results: Iterable[Result]) -> dict[str, float]:
    """By case the share of its answers that passed, of those that passed or failed; cases with neither are left out."""
    judged = {case: [r.passed for r in of_case if r.passed is not None] for case, of_case in _by_case(results).items()}
    return {case: sum(said) / len(said) for case, said in judged.items() if said}


def _parts(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        for part in result.parts:
            found.setdefault(part, []).append(result)
    return found


def _mean(shares: Mapping[str, float], cases: Sequence[str]) -> float:
    return sum(shares[case] for case in cases) / len(cases)


def _span(level: Level) -> str:
    return f"{level.low:.1%} to {level.high:.1%}"


def _p(p_value: float) -> str:
    return "p below 0.001" if p_value < 0.001 else f"p {p_value:.3f}"
