"""The analysts' file: a small DuckDB database of views over exactly the Parquet files that a manifest names.

Its storage format is one that DuckDB 1.2 and later open. Times are shown as TIMESTAMP in UTC; columns of class `text`
are not shown at all. Paths are absolute: a moved warehouse is published anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.contracts import Column, Contract
from resources.day_inputs import FILE_ORDER, FILES, live_rows_sql
from resources.durable import sync_path
from resources.failpoints import failpoint
from resources.manifest import Choice
from resources.store import Store
from resources.stored_rows import stored_table_at
from resources.table_store import arrow_schema
from resources.warehouse import MACROS, Connection, create_database, empty_rows, literal


def build(store: Store, manifest: dict[str, Any], choice: Choice, target: Path) -> None:
    """Write the file for a manifest to `target`, whole or not at all."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.aside")
    aside.unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    _write_blank(aside, _definitions(store.contracts))
    con = create_database(aside)
    try:
        con.execute("begin transaction")
        stored = [c for c in store.contracts.values() if c.kind != "view" and not _is_held(c)]
        for contract in store.contracts.values():
            if _is_held(contract):
                _hold(con, contract, _held_rows(con, store, contract, manifest, choice))
        for contract in stored:
            con.execute(_rows_macro(contract, _stored(store, contract, manifest["tables"][contract.name])))
        failpoint("publish.file_half_written")
        con.execute("commit")
        # Closing writes the file as well, and says nothing where the disk is full: the file would be empty.
        con.execute("checkpoint")
    finally:
        con.close()
    aside.chmod(0o444)
    sync_path(aside)
    os.replace(aside, target)
    sync_path(target.parent)


_blanks: dict[tuple[str, ...], bytes] = {}
"""Files without rows by their definitions, the newest of this process: to define all tables anew takes seconds."""
_MAX_BLANKS = 2


def _write_blank(path: Path, definitions: tuple[str, ...]) -> None:
    """A database of these definitions at `path`."""
    if definitions in _blanks:
        path.write_bytes(_blanks[definitions])
        return
    con = create_database(path)
    try:
        # One transaction: else each view and each comment on a column is written to disk.
        con.execute("begin transaction")
        for definition in definitions:
            con.execute(definition)
        con.execute("commit")
        con.execute("checkpoint")
    finally:
        con.close()
    while len(_blanks) >= _MAX_BLANKS:
        del _blanks[next(iter(_blanks))]
    _blanks[definitions] = path.read_bytes()


def _definitions(contracts: Mapping[str, Contract]) -> tuple[str, ...]:
    """All that is in the file but rows: schemas, tables, views and what they mean."""
    made = [MACROS.read_text(encoding="utf-8")]
    made += [f"create schema if not exists {question}" for question in dict.fromkeys(c.question for c in contracts.values())]
    for contract in contracts.values():
        columns = ", ".join(c.name for c in shown_columns(contract))
        if _is_held(contract):
            made.append(f"create table {contract.name} as {_shown_rows(contract, empty_rows(contract))}")
        elif contract.kind != "view":
            made.append(_rows_macro(contract, empty_rows(contract)))
            made.append(f"create view {contract.name} as select {columns} from {contract.name}_rows()")
    for contract in contracts.values():
        if contract.kind == "view":
            made.append(f"create view {contract.name} as {contract.sql_path.read_text(encoding='utf-8')}")
        made += _comments(contract)
    return tuple(made)


def shown_columns(contract: Contract) -> list[Column]:
    """The columns that analysts see: all but words."""
    return [c for c in contract.columns if c.class_ != "text"]


def _is_held(contract: Contract) -> bool:
    """Whether the rows lie in the file itself. Those of logs.files do, as every view of a ledger asks it: else each
    question would open all its files."""
    return contract.kind == "projection" or contract.name == FILES


def _rows_macro(contract: Contract, rows: str) -> str:
    """The definition of `<question>.<table>_rows()`, a SELECT of a table's rows in place of an earlier one.

    A table's view asks it, and so stays as it is with its comments whichever files it stands for. It is bound when it is
    asked: what is defined is not bound with the paths of all its files, nor are views upon it.
    """
    return f"create or replace macro {contract.name}_rows() as table {_shown_rows(contract, rows)}"


def _shown_rows(contract: Contract, rows: str) -> str:
    """What analysts see of a SELECT of a table's rows."""
    return f"select {', '.join(_shown(c) for c in shown_columns(contract))} from ({rows}) as stored"


def _stored(store: Store, contract: Contract, table: dict[str, Any]) -> str:
    """A SELECT of the rows in exactly the files that the manifest names for a table."""
    is_derived = table["kind"] == "derived"
    if is_derived:
        paths = [path for _, entry in sorted(table["days"].items()) for path in entry["files"]]
    else:
        paths = table["files"]
    opened = store.day_log(contract.name).table if is_derived else store.at(contract.name, table["version"])
    if opened.min_reader_version != 1:
        raise RuntimeError(
            f"{contract.name} uses Delta reader version {opened.min_reader_version}: views over its files would be wrong "
            "(deletion vectors or column mapping); rewrite the table without them"
        )
    generations: dict[frozenset[str] | None, list[str]] = {None: list(paths)}
    if not opened.has_whole_files:
        generations = _generations(contract, paths)
    rows = _rows_of(contract, generations)
    return live_rows_sql(contract, rows, "select * from logs.files") if contract.kind == "ledger" else rows


def _shown(column: Column) -> str:
    if column.type == "TIMESTAMPTZ":
        return f"{column.name} at time zone 'UTC' as {column.name}"
    return column.name


def _generations(contract: Contract, paths: Iterable[str]) -> dict[frozenset[str] | None, list[str]]:
    """Files by the columns that they hold: one list of files each, instead of a slow union by name."""
    found: dict[frozenset[str] | None, list[str]] = {}
    for path in paths:
        found.setdefault(frozenset(pq.read_schema(path).names), []).append(path)
    return found


def _rows_of(contract: Contract, generations: dict[frozenset[str] | None, list[str]]) -> str:
    columns = contract.columns
    selects = []
    for held, paths in generations.items():
        if not paths:
            continue
        names = ", ".join(
            c.name if held is None or c.name in held or c.name == "day" else f"cast(null as {c.type}) as {c.name}"
            for c in columns
        )
        files = ", ".join(literal(p) for p in paths)
        options = ", hive_partitioning = true, hive_types = {'day': DATE}" if contract.is_partitioned else ""
        selects.append(f"select {names} from read_parquet([{files}]{options})")
    if not selects:
        return empty_rows(contract)
    return " union all ".join(selects)


def _hold(con: Connection, contract: Contract, rows: pa.Table) -> None:
    con.register("held", rows)
    order = ", ".join(FILE_ORDER if contract.name == FILES else contract.key)
    con.execute(f"insert into {contract.name} {_shown_rows(contract, 'select * from held')} order by {order}")
    con.unregister("held")


def _held_rows(con: Connection, store: Store, contract: Contract, manifest: dict[str, Any], choice: Choice) -> pa.Table:
    if contract.name == FILES:
        table = manifest["tables"][FILES]
        stored = _stored(store, contract, table)
        known = stored_table_at(store, FILES, table["version"], FILE_ORDER)
        return con.sql(stored).to_arrow_table() if known is None else known
    rows = {"logs.restatements": _restatements, "governance.freshness": _freshness}[contract.name](store, manifest, choice)
    return pa.Table.from_pylist(rows, schema=arrow_schema(contract))


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def _restatements(store: Store, manifest: dict[str, Any], choice: Choice) -> list[dict[str, Any]]:
    """Restatements that readers can see: those up to the commit that each published day came from."""
    rows = []
    for contract in store.derived():
        entries = choice.entries.get(contract.name, {})
        for change in store.day_log(contract.name).restatements:
            entry = entries.get(change.day)
            if entry is None:
                # What was restated stays known when the rows are gone.
                is_shown = (contract.name, change.day) in choice.closed
            else:
                is_shown = change.commit_version <= entry.content_version
            if not is_shown:
                continue
            rows.append(
                {
                    "day": change.day,
                    "table_name": contract.name,
                    "restated_at": _time(change.time_ms),
                    "grouping": change.grouping,
                    "measure": change.measure,
                    "before": None if change.before is None else Decimal(change.before),
                    "after": None if change.after is None else Decimal(change.after),
                    "cause": change.cause,
                }
            )
    return rows


def _freshness(store: Store, manifest: dict[str, Any], choice: Choice) -> list[dict[str, Any]]:
    rows = []
    waiting = {date.fromisoformat(day): reason for day, reason in manifest["waiting"].items()}
    for contract in store.derived():
        states = store.day_log(contract.name).states
        entries = choice.entries.get(contract.name, {})
        for day in sorted(states.keys() | waiting.keys()):
            state, entry = states.get(day), entries.get(day)
            condition, reason = "fresh", None
            if (contract.name, day) in choice.closed:
                condition, reason = "closed", choice.closed[contract.name, day]
            elif day in waiting:
                condition, reason = "waiting", waiting[day]
            elif state is not None and state.failed:
                condition, reason = "failed", ", ".join(state.failed)
            elif (contract.question, day) in choice.behind:
                condition, reason = "behind", choice.behind[contract.question, day]
            elif (contract.question, day) in choice.late:
                condition, reason = "late_rows", choice.late[contract.question, day]
            rows.append(
                {
                    "day": day,
                    "question": contract.question,
                    "table_name": contract.table,
                    "state": condition,
                    "reason": reason,
                    "rows": entry.rows if entry else None,
                    "computed_at": _time(state.content_ms) if state is not None and state.version is not None else None,
                    "checked_at": _time(state.recorded_ms) if state else None,
                }
            )
    return rows


def _comments(contract: Contract) -> list[str]:
    """Table and column comments, so that the meaning stands where the analyst types."""
    thing = "table" if _is_held(contract) else "view"
    note = f"{contract.row} {contract.caveats}" if contract.caveats else contract.row
    made = [f"comment on {thing} {contract.name} is {literal(note)}"]
    for column in shown_columns(contract):
        unit = f" [{column.unit}]" if column.unit else ""
        made.append(f"comment on column {contract.name}.{column.name} is {literal(column.meaning + unit)}")
    return made
