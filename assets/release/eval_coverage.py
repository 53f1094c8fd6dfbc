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
    """Cases of a suite. `by_check`: how many ask for each; `warnings`: sentences for whoever keeps the suite."""

    cases: int
    critical: int
    by_kind: Mapping[str, int]
    by_segment: Mapping[str, int]
    by_feature: Mapping[str, int]
    by_check: Mapping[str, int]
    warnings: tuple[str, ...] = field(default=())


def coverage(cases: Sequence[EvalCase], rules: Rules) -> Coverage:
    """What they cover, and what they do not. `rules`: those of the gate that the suite is for."""
    kinds = Counter(case.kind for case in cases)
    checks = Counter(name for case in cases for name in outcomes(case, Answer("")))
    critical = sum(case.is_critical for case in cases)
    warnings = []
    if len(cases) < FEWEST_CASES:
        warnings.append(f"{len(cases)} cases; with fewer than {FEWEST_CASES} little can be said of a version")
    if empty := [kind for kind in KINDS if not kinds[kind]]:
        warnings.append(f"no case is {', '.join(empty)}")
    if not critical:
        warnings.append("no case is critical: the gate cannot see a safety failure")
    if len(cases) < (needed := cases_needed(rules)):
        least = f"a loss of {100 * rules.unseen_loss:g} points can be ruled out from {needed} cases on, if no answer differs"
        warnings.append(f"{least}; there are {len(cases)}")
    if thin := sorted(name for name, count in kinds.items() if 0 < count < rules.segment_cases):
        warnings.append(f"too few cases for a floor of their own: {', '.join(thin)} (fewer than {rules.segment_cases})")
    return Coverage(
        len(cases), critical, {kind: kinds[kind] for kind in KINDS},
        _counted(case.segment for case in cases), _counted(case.feature for case in cases),
        dict(sorted(checks.items())), tuple(warnings),
    )  # fmt: skip


def suite_digest(cases: Sequence[EvalCase]) -> str:
    """Names the cases as they are, 16 hex digits: their order does not matter."""
    lines = sorted(case.line() for case in cases)
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    found = Counter(name for name in names if name is not None)
    return dict(sorted(found.items()))
