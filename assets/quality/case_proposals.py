"""Failures as proposals of evaluation cases: rows of quality.case_proposals.

Here belongs what becomes of a failure: proposed, under the case of the first question like it, or left out, and why. Words
come in to be compared, and leave no trace but a keyed digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assets.quality.alike import Asked, Known
from assets.quality.failures import FAILURES, Failure

Row = Mapping[str, Any]
Digests = Callable[[str], Sequence[str]]
"""The keyed digests of a text, under the newest key first."""


@dataclass(frozen=True)
class Failing:
    """A response that failed. `facts`: user_token, feature, model, prompt_version, may_label, may_train as logs.requests has
    them. `asked`: None where the question is not kept. `has_personal_data`: a second look found some in its words."""

    failure: Failure
    facts: Row
    asked: Asked | None = None
    has_personal_data: bool = False

    @property
    def reason(self) -> str | None:
        """Why it is not proposed; None: it is."""
        if self.facts["may_label"] is False:
            return "may_label"
        if self.facts["may_train"] is False:
            return "may_train"
        if self.asked is None:
            return "no_words"
        return "personal_data" if self.has_personal_data else None


class Cases:
    """The cases that are known, and the numbers of new ones. A case is of one feature."""

    def __init__(self, digests: Digests, today: date, names: Iterable[str]):
        self._digests = digests
        self._today = today
        self._known: dict[str | None, Known] = {}
        self._by_digest: dict[tuple[str | None, str], str] = {}
        numbers = [int(name[11:]) for name in names if name.startswith(f"{today}-") and name[11:].isdecimal()]
        self._next = max(numbers, default=0) + 1

    def know(self, feature: str | None, asked: Asked, name: str) -> None:
        """A question of a case, whose words are kept."""
        self._known.setdefault(feature, Known()).add(asked, name)

    def know_digest(self, feature: str | None, digest: str, name: str) -> None:
        """A question of a case, by its digest: its words may be gone."""
        self._by_digest.setdefault((feature, digest), name)

    def case_of(self, feature: str | None, asked: Asked) -> tuple[str, str]:
        """(case, digest) of a question: the case of the same one, or of one like it, else a new one."""
        digests = self._digests(asked.text)
        same = next((self._by_digest[feature, d] for d in digests if (feature, d) in self._by_digest), None)
        alike = self._known.setdefault(feature, Known()).find(asked)
        name = same or alike
        if name is None:
            name = f"{self._today}-{self._next}"
            self._next += 1
        if alike is None:
            self.know(feature, asked, name)
        self.know_digest(feature, digests[0], name)
        return name, digests[0]


def proposals(failing: Iterable[Failing], cases: Cases, now: datetime) -> list[dict[str, Any]]:
    """A row for each failure, in the order of days and ids: twice the same gives the same cases."""
    rows = []
    order = {name: place for place, name in enumerate(FAILURES)}
    for found in sorted(failing, key=lambda f: (f.failure.day, f.failure.request_id, order[f.failure.failure])):
        failure, facts, reason = found.failure, found.facts, found.reason
        name = digest = None
        if reason is None and found.asked is not None:
            name, digest = cases.case_of(facts["feature"], found.asked)
        rows.append({
            "day": failure.day, "request_id": failure.request_id, "failure": failure.failure,
            "user_token": facts["user_token"],
            "state": "proposed" if reason is None else "excluded" if reason in ("may_label", "may_train") else "held",
            "reason": reason, "case_id": name, "question_digest": digest,
            **{key: facts[key] for key in ("feature", "model", "prompt_version")},
            "severity": failure.severity, "root_cause": failure.root_cause, "recorded_at": now,
        })  # fmt: skip
    return rows
