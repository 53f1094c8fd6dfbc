"""All rows of a table that only grows, as a process asks for them again and again.

Its stored files never change: those that were read once are not read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from resources.store import Store
from resources.table_store import arrow_schema
from resources.warehouse import scan

Row = dict[str, Any]
"""It is shared: make another one of it, and leave it as it is."""


@dataclass
class _Read:
    """The stored files that were read, with the rows in them: one value, so that threads see both or neither."""

    value: tuple[frozenset[str], list[Row]] = (frozenset(), [])


def stored_rows(store: Store, name: str, order: Sequence[str]) -> list[Row]:
    """The rows of a ledger or event table as it is now, in the order of some columns that are never NULL."""
    contract = store.contracts[name]
    memory = store.remember((f"{name} as read", 0), _Read)
    read, rows = memory.value
    paths = frozenset(f.path for f in store.newest(name).files())
    if not read <= paths:  # Compacted, or rows were removed.
        read, rows = frozenset(), []
    if paths - read:
        columns = [c.name for c in contract.columns]
        added = store.rows(f"select {', '.join(columns)} from ({scan(contract, sorted(paths - read))})")
        rows = [*rows, *(dict(zip(columns, row, strict=True)) for row in added)]
        rows.sort(key=lambda row: tuple(row[column] for column in order))
        memory.value = (paths, rows)
    return list(rows)


def stored_table(store: Store, name: str, order: Sequence[str]) -> pa.Table:
    """The same rows as an Arrow table, for questions in SQL."""
    return pa.Table.from_pylist(stored_rows(store, name, order), schema=arrow_schema(store.contracts[name]))


def stored_table_at(store: Store, name: str, version: int, order: Sequence[str]) -> pa.Table | None:
    """The same as of a version that was the newest once; None where more has come since."""
    stored = stored_table(store, name, order)
    return stored if store.newest(name).version == version else None
