"""Event tables: facts that no re-run brings back, appended once by their key.

Who writes decides on what is there: of two that race, the second is refused by the table, looks again and decides anew.
The audit is chained besides, and has code of its own (audit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from resources.store import Store
from resources.table_store import CommitConflict, Table, arrow_schema
from resources.warehouse import scan

Row = dict[str, Any]
_SERIES = "events"


class ClosedDayError(ValueError):
    """An event would be filed under a day that retention has closed; says which."""


def table_rows(store: Store, name: str) -> list[Row]:
    """All rows of a small table as it is now, by the columns of its contract; times are UTC. No contract: no rows."""
    return _rows_of(store, store.open(name)) if name in store.contracts else []


def append(store: Store, name: str, decide: Callable[[list[Row]], list[Row]]) -> list[Row]:
    """Append the rows that `decide` gives for those that are there, in one commit; the rows that this call appended.

    Of rows with a key that is there already nothing is appended: what happened once is written once. Raises
    ClosedDayError where a row belongs to a closed day, and nothing is appended then.
    """
    contract = store.contracts[name]
    while True:
        table = store.open(name)
        there = _rows_of(store, table)
        known = {_key(contract.key, row) for row in there}
        rows: dict[tuple[Any, ...], Row] = {}
        for row in decide(there):
            if (key := _key(contract.key, row)) not in known:
                rows.setdefault(key, row)
        if not rows:
            return []
        if closed := sorted({row["day"] for row in rows.values()} & closed_days_of(store, name)):
            raise ClosedDayError(f"{name}: retention has closed {closed[0]}; nothing is added to it")
        content = pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(contract)).to_reader()
        try:
            # Numbers of the series rise with the table's versions: one number is given out once.
            if table.append_numbered(_SERIES, table.version + 1, content, {}):
                return list(rows.values())
        except CommitConflict:
            continue


def closed_days_of(store: Store, name: str) -> set[date]:
    """The days of an event table that retention has closed."""
    log = store.day_log(name)
    log.refresh()
    return set(log.closed)


def _rows_of(store: Store, table: Table) -> list[Row]:
    contract = table.contract
    names = [c.name for c in contract.columns]
    select = f"select {', '.join(names)} from ({scan(contract, [f.path for f in table.files()])}) order by all"
    return [dict(zip(names, row, strict=True)) for row in store.rows(select)]


def _key(columns: tuple[str, ...], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)
