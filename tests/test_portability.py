"""The tables are open: other engines read them as they lie, and run the SQL that made them, to the same rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from core import core_house, priced
from deltalake import DeltaTable
from house import House, request
from spark_engine import TYPES, Spark, as_spark, functions, promised_types, spark
from sql_cases import given_rows, read_case, run_case, unmatched

from resources.contracts import SQL, Contract, contracts
from resources.table_store import arrow_schema
from resources.warehouse import connect, load_macros

CASES = sorted((Path(__file__).parent / "sql").glob("*/*/*.yml"))
STORED = (
    "logs.landed",
    "logs.files",
    "logs.requests",
    "logs.duplicates",
    "cost.prices",
    "cost.charges",
    "cost.request_costs",
)
SUMMED = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL")


@pytest.fixture(scope="module")
def engine() -> Iterator[Spark]:
    with spark() as started:
        yield started


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Two nights over three days, so that tables have replaced files, and a column that is mostly NULL."""
    house = priced(core_house(tmp_path_factory.mktemp("warehouse")))
    rows = [
        request(f"r{day}-{n}", f"2026-11-{day:02d}T{n:02d}:30:00.123456Z", tenant="ä", user_id=f"u{n % 3}", latency_ms=n / 7)
        for day in (3, 4, 8)
        for n in range(20)
    ]
    house.deliver("a.jsonl", rows)
    house.night()
    late = [
        request("late", "2026-11-04T12:00:00Z", uncached_input_tokens=99_999_999_999, reported_cost_usd="0.000000000001")
    ]
    house.deliver("late.jsonl", [*late, {**rows[0], "output_tokens": 7}])
    house.night()
    return house


# the same files


def figures(contract: Contract, ask: Any) -> dict[str, Any]:
    """What every engine must agree on: rows; values and sum, or first and last, of each column. `ask(what, column)`."""
    found = {"rows": ask("rows", None)}
    for column in contract.columns:
        found[f"{column.name} values"] = ask("count", column.name)
        if column.type.startswith(SUMMED):
            found[f"{column.name} sum"] = ask("sum", column.name) if found[f"{column.name} values"] else None
        elif column.type != "BOOLEAN":
            found[f"{column.name} first"], found[f"{column.name} last"] = ask("min", column.name), ask("max", column.name)
    return {name: plain(value) for name, value in found.items()}


def plain(value: Any) -> Any:
    """A value as Python's own type: instants in UTC, NaN and NaT as None."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date | str | Decimal | float):
        return value
    return int(value)


def by_sql(contract: Contract, rows: str, run: Any) -> dict[str, Any]:
    """The figures from an engine that speaks SQL, in one query. `run(sql)` yields one row as a tuple."""
    asked: list[str] = []

    def note(what: str, column: str | None) -> int:
        asked.append("count(*)" if column is None else f"{what}({column})")
        return 1

    names = list(figures(contract, note))
    return {name: plain(value) for name, value in zip(names, run(f"select {', '.join(asked)} from {rows}"), strict=True)}


def duckdb_figures(house: House, name: str) -> dict[str, Any]:
    found = by_sql(contracts()[name], f"({house.store.scan_all(name)})", lambda sql: house.store.rows(sql)[0])
    assert found["rows"] > 0
    return found


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    differ = {
        name: (found[name], value)
        for name, value in expected.items()
        if not (math.isclose(found[name], value, rel_tol=1e-12) if isinstance(value, float) else found[name] == value)
    }
    assert not differ


def location(house: House, name: str) -> Path:
    return house.store.data.joinpath(*name.split("."))


@pytest.mark.parametrize("name", STORED)
def test_polars_reads_what_duckdb_reads(warehouse: House, name: str) -> None:
    contract, frame = contracts()[name], pl.read_delta(str(location(warehouse, name)))

    def ask(what: str, column: str | None) -> Any:
        if column is None:
            return frame.height
        # A sum of decimals keeps the column's digits; 38 of them are enough for any.
        return getattr(frame[column], what)()

    assert_same(figures(contract, ask), duckdb_figures(warehouse, name))
    arrow = frame.to_arrow().schema
    assert {c.name: kind(arrow.field(c.name).type) for c in contract.columns} == promised_types(contract)


@pytest.mark.parametrize("name", STORED)
def test_pandas_reads_what_duckdb_reads(warehouse: House, name: str) -> None:
    contract = contracts()[name]
    frame = DeltaTable(str(location(warehouse, name))).to_pandas(types_mapper=pd.ArrowDtype)

    def ask(what: str, column: str | None) -> Any:
        return len(frame) if column is None else getattr(frame[column], what)()

    assert_same(figures(contract, ask), duckdb_figures(warehouse, name))
    assert {c.name: kind(frame[c.name].dtype.pyarrow_dtype) for c in contract.columns} == promised_types(contract)


@pytest.mark.parametrize("name", STORED)
def test_a_spark_compatible_engine_reads_what_duckdb_reads(warehouse: House, engine: Spark, name: str) -> None:
    contract = contracts()[name]
    engine.define(name, location(warehouse, name), "delta")
    found = by_sql(contract, name, lambda sql: tuple(engine.rows(sql).to_pylist()[0].values()))
    assert_same(found, duckdb_figures(warehouse, name))
    types = engine.types(f"select * from {name}")
    assert {c.name: types[c.name] for c in contract.columns} == promised_types(contract)


def kind(type_: pa.DataType) -> str:
    """An Arrow type as Spark names it."""
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamp" if type_.tz == "UTC" else str(type_)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or str(type_) == "string_view":
        return "string"
    return {"int64": "bigint", "int32": "int", "double": "double", "bool": "boolean", "date32[day]": "date"}.get(
        str(type_), str(type_)
    )


# the same SQL


QUICK = 3
"""Cases of a table that every test run compares; planning the largest SELECT takes the other engine seconds."""


def case_parameters() -> list[Any]:
    seen: Counter[Path] = Counter()
    parameters = []
    for path in CASES:
        seen[path.parent] += 1
        name = f"{path.parent.parent.name}/{path.parent.name}/{path.stem}"
        parameters.append(pytest.param(path, id=name, marks=[pytest.mark.proof] if seen[path.parent] > QUICK else []))
    return parameters


@pytest.mark.parametrize("path", case_parameters())
def test_a_case_gives_the_same_rows_and_types_on_both_engines(engine: Spark, path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    contract = contracts()[case.table]
    for name in contract.reads:
        given = tmp_path / f"{name}.given.parquet"
        pq.write_table(given_rows(case, contract, contracts()[name]), given)
        engine.define(name, given)
    sql = as_spark(contract.sql)
    parameters = {"day": case.day.isoformat()} if ":day" in sql else {}
    table = engine.rows(sql, parameters)
    assert {field.name: kind(field.type) for field in table.schema} == promised_types(contract)
    rows = [{name: plain_cell(value) for name, value in row.items()} for row in table.to_pylist()]
    expected, _ = run_case(case, contracts(), tmp_path)
    expected = [{name: plain_cell(value) for name, value in row.items()} for row in expected]
    assert unmatched(expected, rows) == ([], [])


def plain_cell(value: Any) -> Any:
    """A cell of either engine: instants in UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


WITHOUT_CASE = sorted(
    {c.name for c in contracts().values() if c.kind in ("derived", "view") and c.is_sql}
    - {f"{path.parent.parent.name}.{path.parent.name}" for path in CASES}
)


@pytest.mark.parametrize("name", WITHOUT_CASE)
def test_the_sql_of_a_table_without_a_case_runs_too_and_yields_the_types_of_its_contract(
    engine: Spark, name: str, tmp_path: Path
) -> None:
    contract = contracts()[name]
    for read in contract.reads:
        path = tmp_path / f"{read}.parquet"
        pq.write_table(arrow_schema(contracts()[read]).empty_table(), path)
        engine.define(read, path)
    sql = as_spark(contract.sql)
    assert engine.types(sql, {"day": "2026-01-15"} if ":day" in sql else {}) == promised_types(contract)


# what is rewritten


def test_both_engines_have_the_same_macros() -> None:
    defined = set(re.findall(r"macro (\w+)\s*\(", (SQL / "_macros" / "duckdb.sql").read_text(encoding="utf-8")))
    built_in = {"regexp_like"}
    assert defined == set(functions()) | built_in


MACRO_CALLS = {
    "dashed_model_date": [
        "'gpt-5.2-20251211'", "'claude-20250101:beta'", "'x-20251311'", "'x-2025-01-01'", "'a-20250101-b-20250202'", "''",
        "cast(null as string)",
    ],
    "five_minutes": [
        f"cast({moment} as timestamp with time zone)"
        for moment in ("'2026-01-15 10:29:59.999999+00'", "'2026-01-15 10:30:00+00'", "'1969-12-31 23:58:00+00'", "null")
    ],
    "is_rate_limited": [
        "429, null", "200, 'ok'", "null, 'RateLimitError'", "null, 'rate_limit_exceeded'", "503, 'ThrottlingException'",
        "null, '1429'", "null, 'HTTP 429'", "cast(null as int), cast(null as string)",
    ],
    "is_timeout": ["504, null", "200, null", "null, 'gateway_timeout'", "null, 'DEADLINE_EXCEEDED'", "null, 'overloaded'"],
    "is_valid_request": [
        "null, 200, null", "'client', 400, 'invalid_request_error'", "'client', 429, null", "'client', null, 'rate_limit'",
        "'provider', 500, null", "'client', null, null",
    ],
    "is_healthy": [
        "null, null, null", "null, true, 'stop'", "null, false, 'stop'", "null, true, 'error'", "'model', true, 'stop'",
    ],
    "log_bin": ["1e0", "0e0", "-1e0", "cast(null as double)", "5e-324", "1.7e308", "123.456e0", "cast('inf' as double)"],
    "log_bin_value": ["0", "-100000", "300", "-36000", "cast(null as int)"],
    "exact": ["1.23456e0", "0e0", "cast(null as double)", "1e300"],
    "wilson_low": ["0, 10", "10, 10", "3, 10", "0, 0", "cast(null as bigint), 10", "999999999, 1000000000"],
    "wilson_high": ["0, 10", "10, 10", "3, 10", "0, 0", "cast(null as bigint), 10", "999999999, 1000000000"],
    "sql_equals": [
        "'feature', 'chat'", "'feature', chr(39) || ' or 1=1 --'", "'tenant', cast(null as string)", "'tenant', ''",
        "'tenant', chr(92) || chr(39)",
    ],
    "is_counted_in": [
        "'prod', 'staging' || chr(44) || 'prod'", "'prod', 'production'", "'x', cast(null as string)",
        "cast(null as string), 'prod'", "cast(null as string), cast(null as string)",
    ],
    "is_release_of": [
        "'gpt-4o-2024-08-06', 'gpt-4o'", "'gpt-4o-mini', 'gpt-4o'", "'gpt-4o', 'gpt-4o'",
        "'claude-3-20240307', 'claude-3-latest'", "cast(null as string), 'gpt-4o'",
        "'gpt-4o-2024-08-06', cast(null as string)",
    ],
    "version_name": ["'94'", "'v94'", "'2026-10'", "''", "'94b'", "cast(null as string)"],
    "minutes_between": [
        f"cast({first} as timestamp with time zone), cast({last} as timestamp with time zone)"
        for first, last in (
            ("'2026-01-15 10:00:00.9+00'", "'2026-01-15 10:01:30.1+00'"),
            ("'2026-01-16 00:00:00+00'", "'2026-01-15 00:00:00+00'"),
            ("'2026-01-15 10:00:00+00'", "null"),
        )
    ],
    "days_between": [
        f"cast({first} as date), cast({last} as date)"
        for first, last in (("'2026-02-28'", "'2026-03-01'"), ("'2026-01-02'", "'2026-01-01'"), ("null", "'2026-01-01'"))
    ],
    "finding_part": ["'a|b%c%7C'", "''", "cast(null as string)"],
    "finding_name": [
        "'burn', 'chat-slo', 'chat', null, 'a|b', 'x%y'", "'spend', null, null, null, null, ''",
        "'spend', null, 'chat', 'm', 't', cast(null as string)",
    ],
}  # fmt: skip


def test_every_macro_is_compared() -> None:
    assert set(MACRO_CALLS) == set(functions())


@pytest.mark.parametrize("name", MACRO_CALLS)
def test_a_macro_means_the_same_on_both_engines(engine: Spark, name: str) -> None:
    calls = [f"{name}({arguments})" for arguments in MACRO_CALLS[name]]
    # Inside an expression, where a definition without brackets of its own would fall apart.
    sql = "select " + ", ".join(f"coalesce({call}, null) is null as n{i}, {call} as v{i}" for i, call in enumerate(calls))
    con = connect()
    load_macros(con)
    expected = con.execute(sql).fetchall()[0]
    con.close()
    found = tuple(engine.rows(as_spark(sql)).to_pylist()[0].values())
    for call, one, other in zip([c for c in calls for _ in "nv"], found, expected, strict=True):
        assert plain_cell(one) == (pytest.approx(other, rel=1e-12) if isinstance(other, float) else other), call


def test_only_these_tokens_are_rewritten() -> None:
    sql = "select cast($day as date) as day, cast(a as string) as a from t;\n"
    assert as_spark(sql) == "select cast(:day as date) as day, cast(a as string) as a from t"
    assert set(TYPES.values()) == {"string", "bigint", "int", "double", "boolean", "date", "timestamp", "array<float>"}
