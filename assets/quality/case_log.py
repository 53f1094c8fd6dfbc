"""Evaluation cases as a list of changes, folded into what is known of one: found, accepted, fixed, verified, released.

Pure: rows of quality.case_log come in. What a case asks stands in its line of a suite (eval_case.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Row = dict[str, Any]
AFTER: dict[str, tuple[str, ...]] = {
    "accepted": ("proposed", "rejected"),
    "rejected": ("proposed", "accepted"),
    "fixed": ("accepted", "fixed", "verified", "released"),
    "verified": ("fixed",),
    "released": ("verified",),
}
"""What may happen to a case, and in which states. Fixed again: it came back, and what was verified before counts no more."""
ENDED = ("rejected", "released")
_BLANK = ("suite", "kind", "prompt_version", "model", "note")


class CaseError(ValueError):
    """A change of a case that cannot be written down; says why."""


@dataclass(frozen=True)
class Case:
    """One case as it stands. Its state is what happened last; `changes` are all rows, oldest first."""

    case_id: str
    feature: str | None
    failure: str
    found_day: date
    changes: tuple[Row, ...]

    @property
    def state(self) -> str:
        return str(self.changes[-1]["act"])

    @property
    def day(self) -> date:
        """The day on which it was proposed, under which all of it is filed."""
        day: date = self.changes[0]["day"]
        return day

    def last(self, act: str) -> Row | None:
        """The newest row of an act; None: it has not happened."""
        return next((row for row in reversed(self.changes) if row["act"] == act), None)

    def age_days(self, today: date) -> int:
        """Days since the failure, until it ended or today."""
        end = self.changes[-1]["happened_at"].date() if self.state in ENDED else today
        return max((end - self.found_day).days, 0)

    def as_of(self, moment: datetime) -> Case | None:
        """The same as it stood at a moment; None: nothing had failed yet. That a failure was proposed later does not count:
        it was open from its day on."""
        if self.found_day > moment.date():
            return None
        changes = tuple(row for row in self.changes if row["act"] == "proposed" or row["happened_at"] <= moment)
        return Case(self.case_id, self.feature, self.failure, self.found_day, changes)


def fold(rows: Iterable[Row]) -> dict[str, Case]:
    """The cases that some changes tell of, oldest first."""
    by_id: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_id[row["case_id"]].append(row)
    found = {}
    for name, changes in by_id.items():
        ordered = sorted(changes, key=lambda row: row["change"])
        first = ordered[0]
        found[name] = Case(name, first["feature"], first["failure"], first["found_day"], tuple(ordered))
    return dict(sorted(found.items(), key=lambda item: (item[1].day, int(item[0].rsplit("-", 1)[1]))))


def proposing(rows: Iterable[Row], proposals: Iterable[Row], now: datetime) -> list[Row]:
    """The first row of each case of `proposals` that `rows` do not tell of: of its first failure.

    `proposals`: rows of quality.case_proposals that are proposed.
    """
    there = {row["case_id"] for row in rows}
    firsts: dict[str, Row] = {}
    for row in sorted(proposals, key=lambda row: (row["recorded_at"], row["day"], row["request_id"], row["failure"])):
        if row["case_id"] not in there:
            firsts.setdefault(row["case_id"], row)
    return [
        dict.fromkeys(_BLANK)
        | {
            "day": date.fromisoformat(name[:10]), "case_id": name, "change": 1, "act": "proposed", "happened_at": now,
            "recorded_at": now, "actor": "nocturne", "feature": row["feature"], "failure": row["failure"],
            "found_day": row["day"],
        }
        for name, row in firsts.items()
    ]  # fmt: skip


def change(
    rows: Iterable[Row], case_id: str, act: str, happened_at: datetime, now: datetime, actor: str, **facts: Any
) -> Row:
    """The next row of a case. Raises CaseError where there is no such case, or it cannot be so."""
    found = fold(rows).get(case_id)
    if found is None:
        raise CaseError(f"there is no case {case_id}; `make cases ARGS=list` names them")
    if found.state not in AFTER[act]:
        raise CaseError(f"{case_id} is {found.state}; what can be {act} is {' or '.join(AFTER[act])}")
    last = found.changes[-1]
    if happened_at > now:
        raise CaseError(f"{happened_at:%Y-%m-%d %H:%M} is in the future; say it when it has happened")
    if happened_at < last["happened_at"]:
        before = f"{case_id} was {last['act']} at {last['happened_at']:%Y-%m-%d %H:%M}"
        raise CaseError(f"{act} at {happened_at:%Y-%m-%d %H:%M}: {before}")
    if act == "fixed" and not (facts.get("prompt_version") or facts.get("model")):
        raise CaseError("fixed says in which version: --prompt-version, --model, or both")
    return dict.fromkeys(_BLANK) | {
        "day": found.day, "case_id": case_id, "change": last["change"] + 1, "act": act, "happened_at": happened_at,
        "recorded_at": now, "actor": actor, "feature": found.feature, "failure": found.failure,
        "found_day": found.found_day, **facts,
    }  # fmt: skip
