"""What a day of a table would be computed from, now: the versions of its inputs, and the files that hold them.

One instance speaks for one set of pins: ledgers, events and references are seen as they were when the run began,
derived tables as they are. The planner and the steps ask the same code, so that they cannot disagree.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

from resources import closed_days
from resources.closed_days import ClosedDays
from resources.contracts import REPO, Contract
from resources.days import Inputs, Pins
from resources.store import Store
from resources.stored_rows import stored_table_at
from resources.table_store import Table
from resources.warehouse import literal, macros_used, row_text, scan, strip_comments

FILES = "logs.files"
FILE_ORDER = ("arrived_at", "file_id", "state_number")
LANDED, TEXTS = "logs.landed", "logs.texts"


@dataclass(frozen=True)
class Snapshot:
    """The inputs of one day and, for each table it reads, a SELECT of the rows that those versions stand for."""

    inputs: Inputs
    selects: dict[str, str]


def digest(*parts: str) -> str:
    """A short stable digest of texts, for versions."""
    return md5("\x1f".join(parts).encode()).hexdigest()[:16]


def code_digest(contract: Contract) -> str:
    """What computes the table: its SQL without comments and the macros used, or its Python with all it imports of the
    house; and columns, blocking checks, code_version."""
    columns = [f"{c.name} {c.type} {c.required} {c.values} {c.minimum} {c.maximum} {c.max_length}" for c in contract.columns]
    checks = [f"{c.name}: {c.failing}" for c in contract.checks if c.blocking]
    sql, python = "", ""
    if contract.is_sql:
        sql = strip_comments(contract.sql)
    else:
        python = "\x1f".join(path.read_text(encoding="utf-8") for path in python_sources(contract))
    return digest(sql, python, *macros_used(sql), *columns, *checks, ",".join(contract.key), contract.code_version)


def python_sources(contract: Contract) -> list[Path]:
    """The pure files that compute a table that is not SQL: assets/<question>/<table>.py, and those that it imports."""
    found: list[Path] = []
    waiting = [REPO / "assets" / contract.question / f"{contract.table}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.exists():
            continue
        found.append(path)
        waiting += _imported(path.read_text(encoding="utf-8"))
    return sorted(found)


@cache
def _imported(python: str) -> list[Path]:
    """Where the modules of the house may lie that a file imports. Most tables share most files: each is parsed once."""
    found = []
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("assets."):
            module = REPO.joinpath(*(node.module or "").split("."))
            found += [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
    return found


def take_pins(store: Store, last_due_day: date) -> Pins:
    """The versions that a run which starts now reads: `logs.files` first, or rows of a file could be missed."""
    pins: Pins = {"last_due_day": last_due_day.isoformat()}
    pinned = [c for c in store.contracts.values() if c.kind in ("ledger", "event", "reference")]
    for contract in sorted(pinned, key=lambda c: c.name != FILES):
        pins[contract.name] = store.newest(contract.name).version
    return pins


def is_newer(theirs: Mapping[str, Any], ours: Pins) -> bool:
    """True where another run saw anything later than we did: our result would take the day back."""
    return any(name in ours and value > ours[name] for name, value in theirs.items())


class DayInputs:
    """Inputs of any day of any table, under one set of pins."""

    def __init__(self, store: Store, pins: Pins):
        self.store = store
        self.pins = pins
        self.last_due_day = date.fromisoformat(pins["last_due_day"])
        self._code: dict[str, str] = {}
        self._versions: dict[str, dict[date, str]] = {}
        self._windows: dict[tuple[date, tuple[int, int]], list[date]] = {}

    def of(self, contract: Contract, day: date) -> Inputs:
        """The versions that a day of `contract` would be computed from; days without rows are left out."""
        inputs: Inputs = {"code": self.code_of(contract)}
        for name, window in contract.reads.items():
            source = self.store.contracts[name]
            if isinstance(window, str):
                inputs[name] = self._reference(source).version(day)
                continue
            version_of = self._version_of(source)
            for read in self.window(day, window):
                version = version_of(read)
                if version is not None:
                    inputs[f"{name}@{read.isoformat()}"] = version
        return inputs

    def snapshot(self, contract: Contract, day: date) -> Snapshot:
        """The inputs of a day together with the rows they stand for, from the same table versions."""
        closed_days.refresh(self.store, (name for name in contract.reads if self.store.contracts[name].is_partitioned))
        selects = {}
        for name, window in contract.reads.items():
            source = self.store.contracts[name]
            if isinstance(window, str):
                selects[name] = self._reference(source).select(day)
            else:
                selects[name] = self._rows(source, set(self.window(day, window)))
        return Snapshot(self.of(contract, day), selects)

    def closed(self, contract: Contract, day: date) -> str | None:
        """Why a day of a table is not computed any more, as its own and its inputs' commits say; None where it may be."""
        return ClosedDays.of(self.store).why(contract, day)

    def window(self, day: date, window: tuple[int, int]) -> list[date]:
        """The days of a window, those not due yet left out: they are settled the night after."""
        if (day, window) not in self._windows:
            days = [day + timedelta(days=offset) for offset in range(window[0], window[1] + 1)]
            self._windows[day, window] = [d for d in days if d <= self.last_due_day]
        return self._windows[day, window]

    def days_with_rows(self) -> set[date]:
        """Every due day on which a ledger or event table that others read has live rows."""
        read = {name for c in self.store.contracts.values() for name in c.reads if c.kind == "derived"}
        found: set[date] = set()
        for name in read:
            if self.store.contracts[name].kind in ("ledger", "event"):
                found |= {d for d in self.versions_of(self.store.contracts[name]) if d <= self.last_due_day}
        return found

    def code_of(self, contract: Contract) -> str:
        """The digest of what computes a table."""
        if contract.name not in self._code:
            self._code[contract.name] = code_digest(contract)
        return self._code[contract.name]

    def versions_of(self, source: Contract) -> dict[date, str]:
        """The version of each day of a ledger or event table."""
        if source.name not in self._versions:
            if source.name in (LANDED, TEXTS):
                found = {day: digest(*files) for day, files in self.live_files.items()}
                if source.name == TEXTS:
                    # Landed once, with the rows of their file: its name stands for them, without a look at every word.
                    stored = {f.day for f in self.pinned(TEXTS).files()}
                    found = {day: version for day, version in found.items() if day in stored}
            else:
                found = self._key_versions(source)
            self._versions[source.name] = found
        return self._versions[source.name]

    def is_revalued(self, source: Contract, was: int, day: date) -> bool:
        """Whether other rows of a reference are valid on a day than were at its Delta version `was`."""
        before = self.store.remember((f"{source.name} before", was), lambda: self._reference_at(source, was))
        return before is None or before.version(day) != self._reference(source).version(day)

    def _reference_at(self, source: Contract, version: int) -> Reference | None:
        """A reference as it was; None where its files are gone."""
        table = self.store.open(source.name, version)
        is_there = all(Path(file.path).exists() for file in table.files())
        return Reference(self.store, source, table) if is_there else None

    def pinned(self, name: str) -> Table:
        """A ledger, event or reference table as this run sees it."""
        return self.store.at(name, self.pins[name])

    @property
    def live_files(self) -> dict[date, list[str]]:
        """The ids of the files that count under these pins and have landed rows on a day, in order."""
        return self.store.remember((f"{FILES} by day", self.pins[FILES]), self._live_files)

    def ledger_select(self, source: Contract, days: set[date] | None) -> str:
        """The live rows of a ledger, of some days or all: rows count once their file stands in `logs.files`."""
        rows = self._scanned(source.name, days)
        if source.name in (LANDED, TEXTS) and days is not None:
            # By name: a look into logs.files for every day would read a longer table every night.
            live = sorted({file_id for day in days for file_id in self.live_files.get(day, ())})
            named = ", ".join(literal(file_id) for file_id in live) or "null"
            return f"select * from ({rows}) as r where r.file_id in ({named})"
        return live_rows_sql(source, rows, self._scanned(FILES))

    def _rows(self, source: Contract, days: set[date]) -> str:
        if source.kind == "derived":
            log = self.store.day_log(source.name)
            return scan(source, [p for day in sorted(days) for p in log.paths(day)], log.table.has_whole_files)
        if source.kind == "ledger":
            return self.ledger_select(source, days)
        return self._scanned(source.name, days)

    def _version_of(self, source: Contract) -> Callable[[date], str | None]:
        if source.kind == "derived":
            states = self.store.day_log(source.name).states
            return lambda day: state.shown if (state := states.get(day)) else None
        return self.versions_of(source).get

    def _live_files(self) -> dict[date, list[str]]:
        stored = stored_table_at(self.store, FILES, self.pins[FILES], FILE_ORDER)
        with self.store.connection() as con:
            # Rows that this process holds already, unless more have come since.
            if stored is not None:
                con.register("stored_files", stored)
            files = self._scanned(FILES) if stored is None else "select * from stored_files"
            rows = con.execute(live_files_sql(files)).fetchall()
        found: dict[date, list[str]] = defaultdict(list)
        for file_id, by_day in sorted(rows):
            for day, number in json.loads(by_day).items():
                if number:
                    found[date.fromisoformat(day)].append(file_id)
        return dict(found)

    def _scanned(self, name: str, days: set[date] | None = None) -> str:
        table = self.pinned(name)
        return scan(table.contract, [f.path for f in table.files() if days is None or f.day in days], table.has_whole_files)

    def _key_versions(self, source: Contract) -> dict[date, str]:
        key = ", ".join(f"cast({k} as varchar)" for k in source.key)
        select = self.ledger_select(source, None) if source.kind == "ledger" else self._scanned(source.name)
        rows = self.store.rows(
            "select day, md5(string_agg(k, ',' order by k)) "
            f"from (select day, concat_ws('|', {key}) as k from ({select})) group by day"
        )
        return dict(rows)

    def _reference(self, source: Contract) -> Reference:
        key = (source.name, self.pins[source.name])
        return self.store.remember(key, lambda: Reference(self.store, source, self.pinned(source.name)))


def live_files_sql(files: str) -> str:
    """(file_id, landed_by_day) of each file whose content counts now. `files` is a SELECT of logs.files."""
    return (
        f"select file_id, max_by(landed_by_day, state_number) as landed_by_day from ({files}) as f "
        "where f.state in ('landed', 'superseded') group by file_id "
        "having max_by(f.state, f.state_number) = 'landed'"
    )


def live_rows_sql(source: Contract, rows: str, files: str) -> str:
    """The rows of a ledger that count: their file is landed and not superseded. logs.files itself is shown whole."""
    if source.name == FILES:
        return rows
    return f"select * from ({rows}) as r where r.file_id in (select file_id from ({live_files_sql(files)}) as live)"


class Reference:
    """A reference table at one version; its version on a day is the digest of the rows valid then, clipped to the day.

    Clipped: a row valid through the whole day looks the same whenever it began, so that a correction of two days
    re-opens two days. Rows of one validity are known by their number and the sums of their md5, which add up.
    """

    def __init__(self, store: Store, contract: Contract, table: Table):
        self.contract = contract
        self.rows = scan(contract, [f.path for f in table.files()], table.has_whole_files)
        self.has_validity = {"valid_from", "valid_to"} <= {c.name for c in contract.columns}
        bounds = ("valid_from", "valid_to") if self.has_validity else ()
        described = replace(contract, columns=tuple(c for c in contract.columns if c.name not in bounds))
        grouping = ", ".join(bounds) or "null, null"
        self._groups: list[tuple[Any, ...]] = store.rows(
            f"select {grouping}, count(*), sum(md5_number_lower(t)), sum(md5_number_upper(t)) "
            f"from (select {', '.join((*bounds, row_text(described)))} as t from ({self.rows})) "
            "group by 1, 2"
        )
        self._versions: dict[date, str] = {}

    def version(self, day: date) -> str:
        """The same on two days on which the same rows are valid throughout."""
        if day not in self._versions:
            self._versions[day] = self._version_on(day)
        return self._versions[day]

    def select(self, day: date) -> str:
        """The rows valid on a day."""
        if not self.has_validity:
            return self.rows
        start = f"timestamptz '{day.isoformat()} 00:00:00+00'"
        return f"select * from ({self.rows}) as r where r.valid_from < {start} + interval 1 day and r.valid_to > {start}"

    def _version_on(self, day: date) -> str:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for since, until, *numbers in self._groups:
            if self.has_validity and not (since < end and until > start):
                continue
            first = "" if since is None or since <= start else since.isoformat()
            last = "" if until is None or until >= end else until.isoformat()
            sums[f"{first}/{last}"] = [a + b for a, b in zip(sums[f"{first}/{last}"], numbers, strict=True)]
        return digest(*(f"{bounds}:{numbers}" for bounds, numbers in sorted(sums.items())))
