"""What the commits of a table say about its days.

A day's *version* is the fingerprint of its rows; its *inputs* are the versions that it was computed from, flat:
`{"code": digest, "logs.landed@2026-11-01": version, "cost.prices": version}`. Both are kept in the metadata of the
Delta commit that wrote the day, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from resources.table_store import Commit, Table

Inputs = dict[str, str]
Pins = dict[str, Any]
"""What a run saw at its start: `last_due_day` (ISO) and the Delta version of each ledger, event and reference table."""


@dataclass(frozen=True)
class DayState:
    """The newest commit of a day, and the rows that readers have.

    `inputs` belong to the rows; `tried` to the latest attempt: they differ while a blocking check holds the day back.
    `version` is None until a first attempt passes; `rows` is 0 for an emptied day.
    """

    day: date
    sequence: int
    version: str | None
    rows: int
    inputs: Inputs
    tried: Inputs
    failed: tuple[str, ...]
    pins: Pins
    commit_version: int
    content_version: int
    content_ms: int
    recorded_ms: int
    closed: str | None = None
    """Why retention closed the day; from then on it is never written again, but for the removal of its rows."""

    @property
    def shown(self) -> str | None:
        """The version that readers of this day count as an input; None while it has no rows."""
        return self.version if self.rows else None


def day_commit(
    day: date,
    sequence: int,
    outcome: str,
    inputs: Inputs,
    pins: Pins,
    version: str | None = None,
    rows: int = 0,
    failed: Mapping[str, int] | None = None,
    measures: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """The metadata of one commit of a day. `outcome` is replaced, unchanged or failed; closed and removed are
    retention's, with its `reason`."""
    return {
        "day": day.isoformat(),
        "sequence": sequence,
        "outcome": outcome,
        "inputs": inputs,
        "pins": pins,
        "version": version,
        "rows": rows,
        "failed": dict(failed or {}),
        "measures": dict(measures or {}),
        **({"reason": reason} if reason else {}),
    }


def _advance(before: DayState | None, metadata: Mapping[str, Any], commit_version: int, time_ms: int) -> DayState:
    day = date.fromisoformat(metadata["day"])
    blank = DayState(day, 0, None, 0, {}, {}, (), {}, commit_version, commit_version, time_ms, time_ms)
    common: dict[str, Any] = {
        "sequence": metadata["sequence"],
        "commit_version": commit_version,
        "recorded_ms": time_ms,
    }
    if metadata["outcome"] in ("closed", "removed"):
        if metadata["outcome"] == "removed":
            common |= {"rows": 0, "content_version": commit_version}
        return replace(before or blank, closed=metadata["reason"], **common)
    common |= {"pins": metadata["pins"], "tried": metadata["inputs"]}
    if metadata["outcome"] == "failed":
        return replace(before or blank, failed=tuple(sorted(metadata["failed"])), **common)
    if metadata["outcome"] == "unchanged" and before is not None:
        return replace(before, inputs=metadata["inputs"], failed=(), **common)
    return replace(
        blank,
        version=metadata["version"],
        rows=metadata["rows"],
        inputs=metadata["inputs"],
        content_version=commit_version,
        **common,
    )


@dataclass(frozen=True)
class Restatement:
    """A measure of a day that a later computation changed. Values are decimal texts; None where the group is absent."""

    day: date
    commit_version: int
    time_ms: int
    grouping: str
    measure: str
    before: str | None
    after: str | None
    cause: str


def restatements(
    before: DayState, old: Mapping[str, Any], new: Mapping[str, Any], after: DayState
) -> list[Restatement]:
    """What changed between two accepted computations of one day, measure by measure."""
    changed = sorted(
        key for key in before.inputs.keys() | after.inputs.keys() if before.inputs.get(key) != after.inputs.get(key)
    )
    found = []
    for group in sorted(old.keys() | new.keys()):
        was, now = old.get(group, {}), new.get(group, {})
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                found.append(
                    Restatement(
                        after.day,
                        after.commit_version,
                        after.recorded_ms,
                        group,
                        name,
                        was.get(name),
                        now.get(name),
                        ", ".join(changed),
                    )
                )
    return found


class DayLog:
    """The days of one table, replayed from its commits; refresh() reads only what is new.

    Of a ledger or event table it knows the days that retention has `closed`; only derived tables commit by day.
    """

    def __init__(self, table: Table):
        self.table = table
        self.states: dict[date, DayState] = {}
        self.closed: dict[date, str] = {}
        self.restatements: list[Restatement] = []
        self._measures: dict[date, Mapping[str, Any]] = {}
        self._read_to = -1
        self._replay()

    def refresh(self) -> None:
        self.table.refresh()
        self._replay()

    def state(self, day: date) -> DayState | None:
        return self.states.get(day)

    def paths(self, day: date) -> list[str]:
        """The stored files of a day at this log's version."""
        return [f.path for f in self.table.files() if f.day == day]

    def _replay(self) -> None:
        for commit in self.table.commits(after=self._read_to):
            if "day" in commit.metadata:
                self._apply(commit)
        self._read_to = self.table.version

    def _apply(self, commit: Commit) -> None:
        day = date.fromisoformat(commit.metadata["day"])
        before = self.states.get(day)
        after = _advance(before, commit.metadata, commit.version, commit.time_ms)
        if commit.metadata["outcome"] == "replaced":
            if before is not None and before.version is not None:
                old, new = self._measures.get(day, {}), commit.metadata["measures"]
                self.restatements += restatements(before, old, new, after)
            self._measures[day] = commit.metadata["measures"]
        if after.closed:
            self.closed[day] = after.closed
        self.states[day] = after
