"""Event tables: facts that no re-run brings back, appended once by their key.

Who writes decides on what is there: of two that race, the second is refused by the table, looks again and decides anew.
The audit is chained besides, and has code of its own (audit.py).
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import pyarrow as pa

from resources.store import Store
from resources.table_store import CommitConflict, Table, arrow_schema
from resources.warehouse import Connection, scan

Row = dict[str, Any]
_SERIES = "events"


class ClosedDayError(ValueError):
    """An event would be filed under a day that retention has closed; says which."""


def table_rows(store: Store, name: str, days: Collection[date] | None = None) -> list[Row]:
    """All rows of a small table as it is now, or those of some days, by the columns of its contract; times are UTC.
    No contract: no rows."""
    return _rows_of(store, store.open(name), days) if name in store.contracts else []


def append(
    store: Store, name: str, decide: Callable[[list[Row]], list[Row]], days: Collection[date] | None = None
) -> list[Row]:
    """Append the rows that `decide` gives for those that are there, in one commit; the rows that this call appended.

    Of rows with a key that is there already nothing is appended: what happened once is written once. With `days`, only
    the rows of these days are looked at: for tables with many rows, whose key says the day. Raises ClosedDayError where a
    row belongs to a closed day, and ValueError where it belongs to none of `days`; nothing is appended then.
    """
    contract = store.contracts[name]
    while True:
        table = store.open(name)
        there = _rows_of(store, table, days)
        known = {_key(contract.key, row) for row in there}
        rows: dict[tuple[Any, ...], Row] = {}
        for row in decide(there):
            if (key := _key(contract.key, row)) not in known:
                rows.setdefault(key, row)
        if not rows:
            return []
        if days is not None and (strange := {row["day"] for row in rows.values()} - set(days)):
            raise ValueError(f"{name}: a row is of {min(strange)}, a day that was not looked at")
        if closed := sorted({row["day"] for row in rows.values()} & closed_days_of(store, name)):
            raise ClosedDayError(f"{name}: retention has closed {closed[0]}; nothing is added to it")
        content = pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(contract)).to_reader()
        try:
            # Numbers of the series rise with the table's versions: one number is given out once.
            if table.append_numbered(_SERIES, table.version + 1, content, {}):
                return list(rows.values())
        except CommitConflict:
            continue


def append_table(store: Store, name: str, rows: pa.Table) -> None:
    """Append many rows as one commit, whatever is there: the caller knows that they are new, and works `alone`.

    Raises ClosedDayError where a row belongs to a closed day; nothing is appended then.
    """
    if closed := sorted(set(rows["day"].to_pylist()) & closed_days_of(store, name)):
        raise ClosedDayError(f"{name}: retention has closed {closed[0]}; nothing is added to it")
    content = rows.cast(arrow_schema(store.contracts[name]))
    while True:
        table = store.open(name)
        try:
            if table.append_numbered(_SERIES, table.version + 1, content.to_reader(), {}):
                return
        except CommitConflict:  # Retention or a compaction of another process.
            continue


def remove_rows(store: Store, con: Connection, name: str, doomed: str, spared: Collection[date] = ()) -> int:
    """Take the rows out of a table for which `doomed` is true, a predicate over its columns and what `con` has; how many.

    Days of `spared` stay as they are. For tables whose rows are kept as long as their source; the caller works `alone`.
    """
    removed = 0
    contract = store.contracts[name]
    for day in sorted({file.day for file in store.open(name).files() if file.day} - set(spared)):
        while True:
            table = store.open(name)
            rows = scan(contract, table.paths_by_day().get(day, []))
            count = con.execute(f"select count(*) from ({rows}) where {doomed}").fetchall()[0][0]
            if not count:
                break
            kept = con.sql(f"select * from ({rows}) where not coalesce({doomed}, false)").to_arrow_reader(65_536)
            try:
                table.replace_day(day, kept.cast(arrow_schema(contract)), table.version + 1, {"removed_rows": count})
            except CommitConflict:
                continue
            removed += count
            break
    return removed


@contextmanager
def storing(store: Store, name: str, rows_of_a_commit: int, stored: Callable[[], None]) -> Iterator[Callable[[Row], None]]:
    """Rows given to it are appended, some a commit, and the rest whatever happens; `stored` is called after each commit."""
    waiting: list[Row] = []

    def store_them() -> None:
        append(store, name, lambda _: waiting, days={row["day"] for row in waiting})
        waiting.clear()
        stored()

    def keep(row: Row) -> None:
        waiting.append(row)
        if len(waiting) >= rows_of_a_commit:
            store_them()

    try:
        yield keep
    finally:
        if waiting:
            store_them()


@contextmanager
def alone(store: Store, lock: str) -> Iterator[None]:
    """One pass at a time over this home: others wait for its end. `lock`: the file that they wait at."""
    with alone_at_once(store, lock, wait=True):
        yield


@contextmanager
def alone_at_once(store: Store, lock: str, wait: bool = False) -> Iterator[bool]:
    """The same without waiting: False where another pass is at work, and nothing may be done then."""
    store.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (store.state / lock).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def closed_days_of(store: Store, name: str) -> set[date]:
    """The days of an event table that retention has closed."""
    log = store.day_log(name)
    log.refresh()
    return set(log.closed)


def _rows_of(store: Store, table: Table, days: Collection[date] | None) -> list[Row]:
    contract = table.contract
    names = [c.name for c in contract.columns]
    paths = [f.path for f in table.files() if days is None or f.day in days]
    select = f"select {', '.join(names)} from ({scan(contract, paths)}) order by all"
    return [dict(zip(names, row, strict=True)) for row in store.rows(select)]


def _key(columns: tuple[str, ...], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)
