"""What a trained candidate has to show before it may take the champion's place.

Here belong the gates, as findings in numbers and in words, and the verdict on all of them. Where the numbers come from is
pipelines/tuning/candidate_measures.py. What was not measured has not passed; what gets better is not known to a gate by
its sign but by the metric's name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from assets.retrieval.ranking import Estimate

RULES = "2"
"""Changes with what a gate asks: what was judged by other rules is judged anew."""
PASSED: Final = "passed"
FAILED: Final = "failed"
NOT_MEASURED: Final = "not_measured"
NEEDS_APPROVAL: Final = "needs_approval"
REJECTED: Final = "rejected"
LOWER_IS_BETTER = frozenset({"brier", "nll", "violations", "latency_ms", "bytes", "budgets_spent"})
FEWEST_QUERIES = 30
"""Of fewer, an interval says more of the formula than of the candidate."""
FEWEST_CHANGED = 20
"""Queries whose value differs: of fewer, a handful that went well by chance would be a gain (docs/proofs/tuning_gate.md)."""
FEWEST_IN_SEGMENT = 20
FEWEST_SAFETY = 20
"""Cases of a safety set: that nothing of fewer changed says little, and a person has to say that it is enough."""
WIDEST_FORGETTING = 3.0
"""An interval that reaches below so many times what may be forgotten does not rule it out."""
NEGLIGIBLE = {"latency_ms": 1.0, "bytes": 1e6}
"""Below it nobody waits for a model and no disk feels it, whatever the ratio."""
MUST_BE_MEASURED = ("forgetting", "safety", "floor")
"""Gates without which nothing goes live by itself: a person has to say so."""
Outcome = Literal["passed", "failed", "not_measured", "needs_approval"]
Result = Literal["passed", "rejected", "needs_approval"]


@dataclass(frozen=True)
class Rules:
    """What may be lost, as shares of 1 (nats a token, of nll), how much slower and larger a candidate may be, and by metric
    what it must reach by itself. As in seeds/tuning.yml."""

    floors: Mapping[str, float] = field(default_factory=dict)
    most_forgetting: float = 0.01
    most_segment_drop: float = 0.03
    most_slowdown: float = 1.5
    most_growth: float = 1.5


@dataclass(frozen=True)
class Compared:
    """One metric of candidate and champion on the same rows of one set or segment, or `why` there is none."""

    metric: str
    eval_set: str
    candidate: float | None = None
    champion: float | None = None
    change: Estimate | None = None
    """Candidate less champion, with its interval; its `n` counts what was paired."""
    segment: str = ""
    eval_digest: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One row of tuning.gates, but for whose it is and when."""

    gate: str
    metric: str
    eval_set: str
    outcome: Outcome
    reason: str
    segment: str = ""
    eval_digest: str | None = None
    candidate_value: float | None = None
    champion_value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    threshold: float | None = None


def domain(found: Compared, changed: int, fewest_changed: int = FEWEST_CHANGED) -> Finding:
    """Better at what it was trained for: the worse end of the interval is a gain. `changed`: rows that differ at all."""
    change = found.change
    if change is None or change.n < FEWEST_QUERIES:
        return _finding("domain", found, NOT_MEASURED, found.why or _too_few(change, FEWEST_QUERIES), threshold=0.0)
    told, gain = _told(found.metric, change), _gain(found.metric, change)
    if gain.value <= 0:
        return _finding("domain", found, FAILED, f"{told}: it is no gain", threshold=0.0)
    if changed < fewest_changed:
        why = f"{told}: {changed} differ, which are too few to tell; {fewest_changed} are needed"
        return _finding("domain", found, NOT_MEASURED, why, threshold=0.0)
    if gain.low > 0:
        return _finding("domain", found, PASSED, told, threshold=0.0)
    return _finding("domain", found, FAILED, f"{told}: it may be chance", threshold=0.0)


def guard(found: Compared, tolerated: float = 0.0) -> Finding:
    """What must not get worse by more than is tolerated, beyond chance."""
    return _not_worse("guard", found, tolerated, FEWEST_IN_SEGMENT)


def segment(found: Compared, rules: Rules) -> Finding:
    """No part of the traffic pays for the whole: failed where it loses more than is allowed, and that is not chance."""
    return _not_worse("segment", found, rules.most_segment_drop, FEWEST_IN_SEGMENT)


def forgetting(found: Compared, rules: Rules) -> Finding:
    """What it knew before: failed by the loss itself, not measured where the interval does not rule out a large one."""
    change, most = found.change, rules.most_forgetting
    if change is None or change.n < FEWEST_QUERIES:
        return _finding("forgetting", found, NOT_MEASURED, found.why or _too_few(change, FEWEST_QUERIES), threshold=-most)
    gain, told = _gain(found.metric, change), _told(found.metric, change)
    if gain.value < -most:
        return _finding("forgetting", found, FAILED, f"{told}; {_size(found.metric, most)} may be lost", threshold=-most)
    if gain.low < -WIDEST_FORGETTING * most:
        why = f"{told}: the set is too small to rule out a loss of {_size(found.metric, WIDEST_FORGETTING * most)}"
        return _finding("forgetting", found, NOT_MEASURED, why, threshold=-most)
    return _finding("forgetting", found, PASSED, told, threshold=-most)


def safety(found: Compared, newly: Collection[str]) -> Finding:
    """Unchanged: nothing that the champion does safely does the candidate otherwise. `newly`: ids of what it does so."""
    if found.candidate is None:
        return _finding("safety", found, NOT_MEASURED, found.why, threshold=0.0)
    if newly:
        some = ", ".join(sorted(newly)[:3])
        why = f"{len(newly)} of {found.change.n if found.change else 0} were safe with the champion, such as {some}"
        return _finding("safety", found, FAILED, why, threshold=0.0)
    if found.change is None or found.change.n < FEWEST_SAFETY:
        return _finding("safety", found, NOT_MEASURED, _too_few(found.change, FEWEST_SAFETY), threshold=0.0)
    return _finding("safety", found, PASSED, "nothing that was safe with the champion is not safe now", threshold=0.0)


def floor(found: Compared, least: float) -> Finding:
    """Good enough by itself, however bad the champion is."""
    if found.candidate is None:
        return _finding("floor", found, NOT_MEASURED, found.why, threshold=least)
    is_lower = found.metric in LOWER_IS_BETTER
    is_good = found.candidate <= least if is_lower else found.candidate >= least
    told = f"{found.metric} is {found.candidate:.3f}; {'at most' if is_lower else 'at least'} {least:g} is asked"
    return _finding("floor", found, PASSED if is_good else FAILED, told, threshold=least)


def ratio(gate: Literal["latency", "size"], found: Compared, most: float) -> Finding:
    """Not much slower or larger than the champion, measured in the same run."""
    if found.candidate is None or not found.champion:
        return _finding(gate, found, NOT_MEASURED, found.why or "the champion was not measured", threshold=most)
    times = found.candidate / found.champion
    told = f"{_plain(found.metric, found.candidate)} against {_plain(found.metric, found.champion)}: {times:.2f} times"
    if times <= most or found.candidate <= NEGLIGIBLE[found.metric]:
        return _finding(gate, found, PASSED, told, threshold=most)
    return _finding(gate, found, FAILED, f"{told}, {most:g} are allowed", threshold=most)


def error_budget(spent: Collection[str], unknown: int, promises: int, day: str | None) -> Finding:
    """Whether the features that use the model have error budget left. `spent`: promises without any; `unknown`: those of
    which the data do not say; `day`: the newest of service.slo_status, None: it has none."""
    found = Compared("budgets_spent", f"slo_status {day}" if day else "slo_status", float(len(spent)), None, None)
    if spent:
        why = f"the error budget is spent of {', '.join(sorted(spent)[:3])}: a person has to say that it may change now"
        return _finding("error_budget", found, NEEDS_APPROVAL, why, threshold=0.0, n=promises)
    if day is None or not promises:
        nothing = Compared("budgets_spent", found.eval_set)
        why = "no promise is made for its features" if day else "service.slo_status has no day yet"
        return _finding("error_budget", nothing, NOT_MEASURED, why, threshold=0.0, n=promises)
    rest = f"; of {unknown} the data do not say" if unknown else ""
    told = f"no error budget of its features is spent{rest}"
    return _finding("error_budget", found, PASSED, told, threshold=0.0, n=promises)


def verdict(findings: Iterable[Finding], promotion: str, is_approved: bool) -> tuple[Result, list[str]]:
    """What follows from all findings, and why, in sentences. `promotion`: `automatic`, or `approval` by a person;
    `is_approved`: a person approved exactly this candidate."""
    rows = list(findings)
    failed = [f"{_named(one)}: {one.reason}" for one in rows if one.outcome == FAILED]
    unproven = [one for one in rows if one.gate == "domain" and one.outcome == NOT_MEASURED]
    failed += [f"{_named(one)}: it cannot be shown that it is better: {one.reason}" for one in unproven]
    if not any(one.gate == "domain" for one in rows):
        failed.append("domain: nothing was measured")
    if failed:
        return REJECTED, failed
    asks = [f"{_named(one)}: {one.reason}" for one in rows if one.outcome == NEEDS_APPROVAL]
    asks += [
        f"{_named(one)} was not measured: {one.reason}"
        for one in rows
        if one.gate in MUST_BE_MEASURED and one.outcome == NOT_MEASURED
    ]
    if promotion != "automatic":
        asks.append("promotion: a person has to approve (seeds/tuning.yml)")
    shown = [f"{_named(one)}: {one.reason}" for one in rows if one.gate == "domain"]
    return (PASSED, shown) if is_approved or not asks else (NEEDS_APPROVAL, asks)


def asked(one: Finding) -> tuple[float, float, bool] | None:
    """The value of a finding that decides, its threshold, and whether greater is better, for whoever reads numbers alone;
    None: no number decides. Only what passed meets all of its own."""
    if one.outcome == NOT_MEASURED or one.threshold is None or one.candidate_value is None:
        return None
    if one.gate == "floor":
        return one.candidate_value, one.threshold, one.metric not in LOWER_IS_BETTER
    if one.gate in ("latency", "size"):
        if one.candidate_value <= NEGLIGIBLE[one.metric] or not one.champion_value:
            return None
        return one.candidate_value / one.champion_value, one.threshold, False
    if one.gate == "error_budget" or one.difference is None or one.low is None or one.high is None:
        return None
    gain = _gain(one.metric, Estimate(one.difference, one.low, one.high, one.n or 0))
    # More than nothing: the smallest number there is.
    return (gain.low, 5e-324, True) if one.gate == "domain" else (gain.value, one.threshold, True)


def _not_worse(gate: str, found: Compared, tolerated: float, fewest: int) -> Finding:
    change = found.change
    if change is None:
        return _finding(gate, found, NOT_MEASURED, found.why, threshold=-tolerated)
    gain, told = _gain(found.metric, change), _told(found.metric, change)
    if gain.value < -tolerated and gain.high < 0:
        allowed = f"; {_size(found.metric, tolerated)} may be lost" if tolerated else ""
        return _finding(gate, found, FAILED, f"{told}{allowed}", threshold=-tolerated)
    if change.n < fewest:
        return _finding(gate, found, NOT_MEASURED, f"{told}: {_too_few(change, fewest)}", threshold=-tolerated)
    if gain.value < -tolerated:
        return _finding(gate, found, NOT_MEASURED, f"{told}: that may be chance", threshold=-tolerated)
    return _finding(gate, found, PASSED, told, threshold=-tolerated)


def _gain(metric: str, change: Estimate) -> Estimate:
    """A change, so that more is better."""
    return Estimate(-change.value, -change.high, -change.low, change.n) if metric in LOWER_IS_BETTER else change


def _finding(
    gate: str, found: Compared, outcome: Outcome, reason: str, *, threshold: float | None, n: int | None = None
) -> Finding:
    change = found.change
    difference = change.value if change else None
    if change is None and found.candidate is not None and found.champion is not None:
        difference = found.candidate - found.champion
    return Finding(
        gate, found.metric, found.eval_set, outcome, reason or "it was not measured", found.segment, found.eval_digest,
        found.candidate, found.champion, difference, change.low if change else None, change.high if change else None,
        change.n if change else n, threshold,
    )  # fmt: skip


def _named(one: Finding) -> str:
    return f"{one.gate} {one.segment}" if one.segment else f"{one.gate} ({one.metric}, {one.eval_set})"


def _told(metric: str, change: Estimate) -> str:
    scale, unit = (1.0, "nats a token") if metric == "nll" else (100.0, "points")
    digits = 3 if metric == "nll" else 1
    value, low, high = (f"{scale * number:+.{digits}f}" for number in (change.value, change.low, change.high))
    return f"{metric} changes by {value} {unit} ({low} to {high}, n = {change.n})"


def _size(metric: str, share: float) -> str:
    return f"{share:g} nats a token" if metric == "nll" else f"{100 * share:g} points"


def _plain(metric: str, value: float) -> str:
    return f"{value / 1e6:.1f} MB" if metric == "bytes" else f"{value:.2f} ms"


def _too_few(change: Estimate | None, fewest: int) -> str:
    return f"{change.n if change else 0} are too few to tell, {fewest} are needed"
