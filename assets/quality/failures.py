"""What counts as a failure of an answer: a verdict of people on its bad side, or a complaint of who asked.

Here belong the names of failures, and how labels become some. Complaints come by name from logs.feedback.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.quality.judged import newest

BAD_SIDE: dict[str, tuple[bool, str]] = {
    "safety_pass": (False, "unsafe"), "toxic": (True, "toxic"), "hallucinated": (True, "hallucinated"),
    "grounded": (False, "ungrounded"), "policy_followed": (False, "policy_missed"),
    "instruction_followed": (False, "instruction_missed"),
}  # fmt: skip
"""Of each verdict the answer that says something is wrong, and what that is called; the worst first."""
COMPLAINTS = ("escalation", "correction", "thumbs_down")
FAILURES = (*(name for _, name in BAD_SIDE.values()), *COMPLAINTS)
"""All failures, the worst first."""


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong with a response. `severity` and `root_cause` as people said, None where nobody did."""

    day: date
    request_id: str
    failure: str
    severity: str | None = None
    root_cause: str | None = None


def labelled_failures(labels: pl.DataFrame, severities: Sequence[str]) -> list[Failure]:
    """What people call wrong: half or more of those who judged a response and could say. `labels`: rows of quality.labels;
    `severities`: the least first.

    Cause and severity are those of the response: the cause that is named most often, and the worst severity.
    """
    found = []
    rank = {name: place for place, name in enumerate(severities)}
    for (day, request_id), said in newest(labels).group_by("day", "request_id", maintain_order=True):
        causes = Counter(sorted(said["root_cause"].drop_nulls()))
        severity = max(said["severity"].drop_nulls(), key=lambda name: (rank.get(name, -1), name), default=None)
        cause = causes.most_common(1)[0][0] if causes else None
        for verdict, (bad, name) in BAD_SIDE.items():
            judged = said[verdict].drop_nulls().to_list()
            if judged and 2 * judged.count(bad) >= len(judged):
                found.append(Failure(day, request_id, name, severity, cause))
    return found
