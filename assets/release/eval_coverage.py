"""What a suite covers: its cases by kind, segment and check, and what it is too thin for.

Here belongs the arithmetic over cases alone; nothing is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from assets.quality.eval_case import KINDS, EvalCase
from assets.release.eval_checks import Answer, outcomes
from assets.release.release_gate import Rules, cases_needed

FEWEST_CASES = 20


@dataclass(frozen=True)
class Coverage:
    """Cases of a suite. `by_check`: how many ask for each. Sentences for whoever keeps the suite: `gaps` say what it lacks,
    `limits` what cannot be told at its size."""

    cases: int
    critical: int
    by_kind: Mapping[str, int]
    by_segment: Mapping[str, int]
    by_feature: Mapping[str, int]
    by_check: Mapping[str, int]
    gaps: tuple[str, ...] = field(default=())
    limits: tuple[str, ...] = field(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that is to be said."""
        return self.gaps + self.limits


def coverage(cases: Sequence[EvalCase], rules: Rules) -> Coverage:
    """What they cover, and what they do not. `rules`: those of the gate that the suite is for."""
    kinds = Counter(case.kind for case in cases)
    checks = Counter(name for case in cases for name in outcomes(case, Answer("")))
    critical = sum(case.is_critical for case in cases)
    gaps, limits = [], []
    if len(cases) < FEWEST_CASES:
        gaps.append(f"{len(cases)} cases; with fewer than {FEWEST_CASES} little can be said of a version")
    if empty := [kind for kind in KINDS if not kinds[kind]]:
        gaps.append(f"no case is {', '.join(empty)}")
    if not critical:
        gaps.append("no case is critical: the gate cannot see a safety failure")
    if len(cases) < (needed := cases_needed(rules)):
        least = f"a loss of {100 * rules.unseen_loss:g} points can be ruled out from {needed} cases on, if no answer differs"
        limits.append(f"{least}; there are {len(cases)}")
    if thin := sorted(name for name, count in kinds.items() if 0 < count < rules.segment_cases):
        limits.append(f"too few cases for a floor of their own: {', '.join(thin)} (fewer than {rules.segment_cases})")
    return Coverage(
        len(cases), critical, {kind: kinds[kind] for kind in KINDS},
        _counted(case.segment for case in cases), _counted(case.feature for case in cases),
        dict(sorted(checks.items())), tuple(gaps), tuple(limits),
    )  # fmt: skip


def coverage_page(found: Mapping[str, Coverage]) -> str:
    """Suites as a table of Markdown, and below what is to be said of them."""
    lines = [f"| suite | cases | critical | {' | '.join(KINDS)} | checks |", f"|---|{'--:|' * (len(KINDS) + 2)}---|"]
    for name, one in found.items():
        kinds = " | ".join(str(one.by_kind[kind]) for kind in KINDS)
        checks = ", ".join(f"{check} {count}" for check, count in one.by_check.items())
        lines.append(f"| {name} | {one.cases} | {one.critical} | {kinds} | {checks} |")
    told = [f"- {name}: {warning}" for name, one in found.items() for warning in one.warnings]
    return "\n".join([*lines, *([""] if told else []), *told])


def suite_digest(cases: Sequence[EvalCase]) -> str:
    """Names the cases as they are, 16 hex digits: their order does not matter."""
    lines = sorted(case.line() for case in cases)
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    found = Counter(name for name in names if name is not None)
    return dict(sorted(found.items()))
