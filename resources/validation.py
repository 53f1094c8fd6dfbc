"""Which published days are still to be validated, and the record of those that were.

A day is validated once: its version is recorded with what was found. A day on which something failed is looked at again
whenever another day of its table is, so that a failure stays in the table's checks until it is healed.
"""

from __future__ import annotations

import fcntl
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from resources.contracts import Check, Contract
from resources.day_inputs import digest
from resources.durable import write_atomically

ALL = "all"
"""Stands for the days of a table that has none."""
Days = dict[str, str]
"""What is published of a table: {day, or ALL: its version}."""


class ValidationRecord:
    """The days that were validated, in one file below `home`; `name` tells one kind of validation from another."""

    def __init__(self, home: Path, name: str = "validated"):
        self.folder = home / "validation"
        self.path = self.folder / f"{name}.json"

    def validated(self, passed: bool) -> dict[str, Days]:
        """{table: {day: version}} of what was found to be as expected, or not."""
        return {table: days[str(passed)] for table, days in self._read().items() if days[str(passed)]}

    def record(self, table: str, published: Days, validated: Days, passed: bool) -> None:
        """Add what was found of some days of a table; forget days that are published no more, or otherwise."""
        known = self._read()
        before = known.get(table, {})
        verdicts = {
            name: {d: v for d, v in before.get(name, {}).items() if d not in validated and published.get(d) == v}
            for name in ("True", "False")
        }
        verdicts[str(passed)] |= validated
        write_atomically(self.path, json.dumps(known | {table: verdicts}, sort_keys=True, indent=1).encode())

    def _read(self) -> dict[str, dict[str, Days]]:
        if not self.path.exists():
            return {}
        found: dict[str, dict[str, Days]] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One validation at a time, across processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def published_days(manifest: Mapping[str, Any], suites: Mapping[str, str]) -> dict[str, Days]:
    """What a manifest publishes of each table that has a suite; another suite ({table: text}) is another version."""
    found = {}
    for table, suite in suites.items():
        entry = manifest["tables"].get(table)
        if entry is not None:
            found[table] = {day: digest(version, suite) for day, version in _versions(entry).items()}
    return found


def judged_days(manifest: Mapping[str, Any], contract: Contract, check: Check) -> Days:
    """The days that a view over daily tables can speak of, each with a version of all that it reads of the manifest.

    A law of the view that held on a day holds as long as the version is the same.
    """
    said: dict[str, list[str]] = defaultdict(list)
    for kind in ("behind", "late", "waiting", "closed"):
        for subject, reason in manifest[kind].items():
            said[subject.rsplit(" ", 1)[-1]].append(f"{kind} {subject}: {reason}")
    read: dict[str, Mapping[str, Any]] = {}
    whole = [manifest["shape"], check.failing]
    seen = manifest.get("seen", {}).get("versions", {})
    for name in contract.reads:
        table = manifest["tables"].get(name)
        if table is None:
            read[name] = said
        elif table["kind"] == "derived":
            read[name] = _versions(table)
        elif name in seen:
            read[name] = seen[name]
        else:
            whole.append(f"{name} {table['content']}")
    days = {day for name in read if name in manifest["tables"] for day in read[name]}
    return {day: digest(*whole, *(f"{versions}" for versions in _read_on(day, contract, read))) for day in sorted(days)}


def _read_on(day: str, contract: Contract, read: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    for name, versions in read.items():
        window = contract.reads[name]
        first, last = (0, 0) if isinstance(window, str) else window
        around = (date.fromisoformat(day) + timedelta(days=offset) for offset in range(first, last + 1))
        yield name, [versions.get(near.isoformat()) for near in around]


def unseen(published: Mapping[str, Days], record: ValidationRecord) -> dict[str, Days]:
    """The days of each table that were not validated as they are published; tables without any are left out."""
    passed, failed = record.validated(True), record.validated(False)
    days = {
        table: _without(_without(days, passed.get(table, {})), failed.get(table, {})) for table, days in published.items()
    }
    return {table: days for table, days in days.items() if days}


def pending(published: Mapping[str, Days], record: ValidationRecord) -> dict[str, Days]:
    """What is to be validated: in the tables with unseen days, these and those on which something failed."""
    passed = record.validated(True)
    return {table: _without(published[table], passed.get(table, {})) for table in unseen(published, record)}


def _without(days: Days, others: Days) -> Days:
    return {day: version for day, version in days.items() if others.get(day) != version}


def _versions(entry: Mapping[str, Any]) -> Days:
    if entry["kind"] == "derived":
        return {day: state["version"] for day, state in entry["days"].items() if state["rows"]}
    files: dict[str, list[str]] = defaultdict(list)
    for path in entry["files"]:
        day = [part.removeprefix("day=") for part in path.split("/") if part.startswith("day=")]
        files[day[-1] if day else ALL].append(path.rsplit("/", 1)[-1])
    return {day: digest(*sorted(names)) for day, names in files.items()}
