"""Whether a person let something go live: the rule over the rows of governance.approvals.

Here belongs what counts as approved. Who records a decision is pipelines/governance/approve.py; what needs one,
its own gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

APPROVE: Final = "approve"
REFUSE: Final = "refuse"
Row = Mapping[str, Any]


def decision_on(rows: Iterable[Row], subject: str, digest: str) -> Row | None:
    """The decision that counts on exactly this content: the newest, of two of one moment the refusal; None: nobody decided.

    A decision on the same subject with another digest was on other content, and says nothing of this one.
    """
    mine = [row for row in rows if row["subject"] == subject and row["subject_digest"] == digest]
    return max(mine, key=lambda row: (row["recorded_at"], row["decision"] == REFUSE), default=None)


def is_approved(rows: Iterable[Row], subject: str, digest: str) -> bool:
    """Whether exactly this content may go live: somebody approved it, and nobody refused it since."""
    decided = decision_on(rows, subject, digest)
    return decided is not None and decided["decision"] == APPROVE
