"""What the commits of a table say about its days.

A day's *version* is the fingerprint of its rows; its *inputs* are the versions that it was computed from, flat:
`{"code": digest, "logs.landed@2026-11-01": version, "cost.prices": version}`. Both are kept in the metadata of the
Delta commit that wrote the day, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from resources.durable import write_atomically
from resources.table_store import Commit, Table

Inputs = dict[str, str]
Pins = dict[str, Any]
"""What a run saw at its start: `last_due_day` (ISO) and the Delta version of each ledger, event and reference table."""

CHECKPOINT_COMMITS = 32
"""So many commits are replayed before a checkpoint is made of what they said."""
_CHECKPOINT_SHAPE = 1
"""Another number where a checkpoint holds something else; older ones are passed over."""


class Recorded(Mapping[str, Any]):
    """A part of a commit's metadata, read from the log when it is asked for: most days are settled, and nobody asks."""

    def __init__(self, table: Table, commit_version: int, part: str, known: Mapping[str, Any] | None = None):
        self.commit_version = commit_version
        self._table = table
        self._part = part
        if known is not None:
            self.__dict__["_all"] = known

    @cached_property
    def _all(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._table.metadata_of(self.commit_version)[self._part]
        return found

    def __getitem__(self, key: str) -> Any:
        return self._all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)


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
    inputs: Mapping[str, str]
    tried: Mapping[str, str]
    failed: tuple[str, ...]
    pins: Mapping[str, Any]
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


def _advance(table: Table, before: DayState | None, commit: Commit) -> DayState:
    metadata = commit.metadata
    day = date.fromisoformat(metadata["day"])
    blank = DayState(day, 0, None, 0, {}, {}, (), {}, commit.version, commit.version, commit.time_ms, commit.time_ms)
    common: dict[str, Any] = {
        "sequence": metadata["sequence"],
        "commit_version": commit.version,
        "recorded_ms": commit.time_ms,
    }
    if metadata["outcome"] in ("closed", "removed"):
        if metadata["outcome"] == "removed":
            common |= {"rows": 0, "content_version": commit.version}
        return replace(before or blank, closed=metadata["reason"], **common)
    inputs = Recorded(table, commit.version, "inputs", metadata["inputs"])
    common |= {"pins": Recorded(table, commit.version, "pins", metadata["pins"]), "tried": inputs}
    if metadata["outcome"] == "failed":
        return replace(before or blank, failed=tuple(sorted(metadata["failed"])), **common)
    if metadata["outcome"] == "unchanged" and before is not None:
        return replace(before, inputs=inputs, failed=(), **common)
    return replace(
        blank,
        version=metadata["version"],
        rows=metadata["rows"],
        inputs=inputs,
        content_version=commit.version,
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


def restatements(before: DayState, old: Mapping[str, Any], new: Mapping[str, Any], after: DayState) -> list[Restatement]:
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
    A `checkpoint` is a file of what many commits said, so that a process reads few of them. It is no record: it names the
    commit that it reaches to by its bytes, and is passed over where that commit is another one (a table made anew, or
    restored).
    """

    def __init__(self, table: Table, checkpoint: Path | None = None):
        self.table = table
        self.states: dict[date, DayState] = {}
        self.closed: dict[date, str] = {}
        self.restatements: list[Restatement] = []
        self._measures: dict[date, Mapping[str, Any]] = {}
        self._checkpoint = checkpoint
        self._read_to = self._saved_to = self._load()
        self._replay()

    def refresh(self) -> None:
        self.table.refresh()
        self._replay()

    def state(self, day: date) -> DayState | None:
        return self.states.get(day)

    def measures(self, day: date) -> Mapping[str, Any]:
        """What the contract's measures came to when the day's rows were last replaced (resources/warehouse.py: measure)."""
        return self._measures.get(day, {})

    def paths(self, day: date) -> list[str]:
        """The stored files of a day at this log's version."""
        return self.table.paths_by_day().get(day, [])

    def _replay(self) -> None:
        for commit in self.table.commits(after=self._read_to):
            if "day" in commit.metadata:
                self._apply(commit)
        self._read_to = self.table.version
        if self._checkpoint is not None and self._read_to - self._saved_to >= CHECKPOINT_COMMITS:
            self._save(self._checkpoint)

    def _apply(self, commit: Commit) -> None:
        day = date.fromisoformat(commit.metadata["day"])
        before = self.states.get(day)
        after = _advance(self.table, before, commit)
        if commit.metadata["outcome"] == "replaced":
            measures = Recorded(self.table, commit.version, "measures", commit.metadata["measures"])
            if before is not None and before.version is not None:
                self.restatements += restatements(before, self._measures.get(day, {}), measures, after)
            self._measures[day] = measures
        if after.closed:
            self.closed[day] = after.closed
        self.states[day] = after

    def _load(self) -> int:
        """The commit up to which a checkpoint speaks, once it is taken over; -1 where there is none that fits."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return -1
        held = json.loads(self._checkpoint.read_bytes())
        if held["shape"] != _CHECKPOINT_SHAPE or held["commit_version"] > self.table.version:
            return -1
        if self.table.commit_digest(held["commit_version"]) != held["commit_digest"]:
            return -1
        for fields, inputs_at, tried_at, measured_at in held["days"]:
            day = date.fromisoformat(fields["day"])
            self.states[day] = DayState(
                **fields | {"day": day, "failed": tuple(fields["failed"])},
                inputs=self._recorded(inputs_at, "inputs"),
                tried=self._recorded(tried_at, "inputs"),
                pins=self._recorded(tried_at, "pins"),
            )
            if measured_at is not None:
                self._measures[day] = self._recorded(measured_at, "measures")
            if fields["closed"]:
                self.closed[day] = fields["closed"]
        self.restatements = [Restatement(date.fromisoformat(day), *rest) for day, *rest in held["restatements"]]
        return int(held["commit_version"])

    def _recorded(self, commit_version: int | None, part: str) -> Mapping[str, Any]:
        return {} if commit_version is None else Recorded(self.table, commit_version, part)

    def _save(self, checkpoint: Path) -> None:
        days = []
        for day, state in self.states.items():
            fields = {name: value for name, value in vars(state).items() if name not in ("inputs", "tried", "pins")}
            at = (_commit_of(state.inputs), _commit_of(state.tried), _commit_of(self._measures.get(day, {})))
            days.append((fields | {"day": day.isoformat()}, *at))
        held = {
            "shape": _CHECKPOINT_SHAPE,
            "commit_version": self._read_to,
            "commit_digest": self.table.commit_digest(self._read_to),
            "days": days,
            "restatements": [
                tuple((asdict(change) | {"day": change.day.isoformat()}).values()) for change in self.restatements
            ],
        }
        checkpoint.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(checkpoint, json.dumps(held).encode())
        self._saved_to = self._read_to


def _commit_of(recorded: Mapping[str, Any]) -> int | None:
    return recorded.commit_version if isinstance(recorded, Recorded) else None
