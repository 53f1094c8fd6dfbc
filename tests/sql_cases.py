"""How a SQL case runs: rows in, rows out, through the functions that compute a day of a table in production.

A case is a YAML file tests/sql/<question>/<table>/<case>.yml, named after the surprise that it guards:

    # One sentence: what must hold, and why somebody could think otherwise.
    day: 2026-01-15
    given: {question.table: [row, ...]}     # inputs; a column left out is NULL, a table left out is empty
    expect: [row, ...]                      # all rows that come out, in any order, by the columns that they name
    breaks: [rule, ...]                     # rules of the contract that these rows break on purpose; usually absent
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from assets.checks import rules
from resources.computing import scan_staged
from resources.contracts import Contract
from resources.table_store import arrow_schema
from resources.warehouse import check_rows, connect, define_inputs, empty_rows, load_macros, stage_query

Row = Mapping[str, Any]
KEYS = {"day", "given", "expect", "breaks"}


class CaseError(ValueError):
    """A case that is not written as it must be; says what to change."""


@dataclass(frozen=True)
class Case:
    """One case of one table."""

    table: str
    day: date
    given: dict[str, list[dict[str, Any]]]
    expect: list[dict[str, Any]]
    breaks: tuple[str, ...] = ()


def read_case(path: Path) -> Case:
    """The case in a file; its table is the folder that it lies in. Raises CaseError."""
    text = path.read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    if not text.startswith("# "):
        raise CaseError(f"{path.name}: begin with a comment that says what must hold")
    if not isinstance(raw, dict) or not {"day", "given", "expect"} <= raw.keys() <= KEYS:
        raise CaseError(f"{path.name}: a case has day, given and expect (and may have breaks), not {sorted(raw)}")
    table = f"{path.parent.parent.name}.{path.parent.name}"
    return Case(table, as_type("DATE", raw["day"]), raw["given"], raw["expect"] or [], tuple(raw.get("breaks", ())))


def as_type(sql_type: str, value: Any) -> Any:
    """A YAML value as a contract's column type holds it."""
    if value is None or (sql_type, type(value)) in (("VARCHAR", str), ("BOOLEAN", bool)):
        return value
    if sql_type == "DATE":
        return value if type(value) is date else date.fromisoformat(value)
    if sql_type == "TIMESTAMP":  # A view's time: UTC, without saying so.
        return as_type("TIMESTAMPTZ", value).replace(tzinfo=None)
    if sql_type == "TIMESTAMPTZ":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise CaseError(f"{value!r} has no offset; write it as '{value}+00'")
        return moment.astimezone(UTC)
    if sql_type.startswith("DECIMAL"):
        return Decimal(str(value))
    if sql_type in ("BIGINT", "INTEGER") and not isinstance(value, bool):
        return int(value)
    if sql_type == "DOUBLE" and not isinstance(value, bool):
        return float(value)
    raise CaseError(f"{value!r} is no {sql_type}; quote it, or correct it")


def typed(contract: Contract, row: Row) -> dict[str, Any]:
    """A row of a case with the types of its table. Raises CaseError for a column that the contract lacks."""
    types = {c.name: c.type for c in contract.columns}
    unknown = set(row) - set(types)
    if unknown:
        raise CaseError(f"{contract.name} has no column {', '.join(sorted(unknown))}")
    return {name: as_type(types[name], value) for name, value in row.items()}


def given_rows(case: Case, contract: Contract, source: Contract) -> pa.Table:
    """The given rows of an input. Raises CaseError for a row that a night would not show to the table."""
    rows = [typed(source, row) for row in case.given.get(source.name, ())]
    window = contract.reads[source.name]
    if contract.kind == "derived" and not isinstance(window, str):
        days = {case.day + timedelta(days=offset) for offset in range(window[0], window[1] + 1)}
        for row in rows:
            if row.get("day") not in days:
                where = f"{contract.name} reads {source.name} of days {window}"
                raise CaseError(f"{where}; a row of {row.get('day')} never gets there")
    # The time that a view shows without a zone is an instant where rows are kept.
    instants = tuple(replace(c, type="TIMESTAMPTZ") if c.type == "TIMESTAMP" else c for c in source.columns)
    schema = arrow_schema(replace(source, columns=instants))
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def run_case(case: Case, contracts: Mapping[str, Contract], folder: Path) -> tuple[list[dict[str, Any]], set[str]]:
    """(rows, names of the broken rules) of the case's table, staged and checked as a night does it."""
    contract = contracts[case.table]
    strangers = set(case.given) - set(contract.reads)
    if strangers:
        raise CaseError(f"{contract.name} does not read {', '.join(sorted(strangers))}")
    con = connect()
    try:
        load_macros(con)
        selects = {}
        for name in contract.reads:
            source = contracts[name]
            rows, path = given_rows(case, contract, source), folder / f"{name}.parquet"
            pq.write_table(rows, path)
            selects[name] = scan_staged(source, path) if rows.num_rows else empty_rows(source)
        define_inputs(con, selects)
        staged = folder / "staged.parquet"
        stage_query(con, contract, contract.sql, {"day": case.day.isoformat()}, staged)
        verdicts = check_rows(con, scan_staged(contract, staged), rules(contract))
    finally:
        con.close()
    return pq.read_table(staged).to_pylist(), {v.name for v in verdicts if v.blocks}


def output_columns(contract: Contract, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """The names and types of the columns that a table's SELECT itself yields, in order."""
    con = connect()
    try:
        load_macros(con)
        define_inputs(con, {name: empty_rows(contracts[name]) for name in contract.reads})
        sql = contract.sql
        found = con.sql(sql, params={"day": "2026-01-15"} if "$day" in sql else None)
        return {
            name: str(type_).replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
            for name, type_ in zip(found.columns, found.types, strict=True)
        }
    finally:
        con.close()


def same(expected: Any, actual: Any) -> bool:
    """Equal, doubles to nine digits."""
    if isinstance(expected, float) and isinstance(actual, float):
        return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-12)
    return bool(expected == actual)


def fits(expected: Row, actual: Row) -> bool:
    """The actual row has what the expected row names."""
    return all(same(value, actual[name]) for name, value in expected.items())


def unmatched(expected: Sequence[Row], actual: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """What is left of both sides once every expected row has taken an actual row of its own, if any assignment can."""
    taken: dict[int, int] = {}

    def place(index: int, tried: set[int]) -> bool:
        for candidate, row in enumerate(actual):
            if candidate not in tried and fits(expected[index], row):
                tried.add(candidate)
                if candidate not in taken or place(taken[candidate], tried):
                    taken[candidate] = index
                    return True
        return False

    missing = [expected[index] for index in range(len(expected)) if not place(index, set())]
    return missing, [row for candidate, row in enumerate(actual) if candidate not in taken]
