"""A small in-memory warehouse with the price tables, as sql/cost meets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from assets.cost.price_catalogue import price_tables
from resources.contracts import CONTRACTS, SQL, _read, parse
from resources.warehouse import connect

_ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "TIMESTAMPTZ": pa.timestamp("us", tz="UTC")}

ChargeDay = Callable[..., list[dict[str, Any]]]


def _columns(name: str) -> dict[str, str]:
    question, table = name.split(".")
    return {c.name: c.type for c in parse(question, table, _read(CONTRACTS / question / f"{table}.yml")).columns}


@pytest.fixture(scope="session")
def catalogue() -> tuple[pa.Table, pa.Table]:
    return price_tables()


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    con = connect()
    con.execute((SQL / "_macros" / "duckdb.sql").read_text(encoding="utf-8"))
    con.execute("create schema logs; create schema cost")
    for name, columns in {
        "logs.requests": _columns("logs.requests"),
        "cost.prices": _columns("cost.prices"),
        "cost.price_models": _columns("cost.price_models"),
    }.items():
        con.execute(f"create table {name} ({', '.join(f'{column} {type_}' for column, type_ in columns.items())})")
    return con


@pytest.fixture
def charge_day(warehouse: duckdb.DuckDBPyConnection) -> ChargeDay:
    """charge_day(tables, day, requests): the charges of a day's requests under the given price tables."""

    def run(tables: tuple[pa.Table, pa.Table], day: date, requests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        prices, price_models = tables
        rows = [dict(row) for row in requests]
        names = list(dict.fromkeys(name for row in rows for name in row))
        types = _columns("logs.requests")
        requested = pa.table({name: pa.array([row.get(name) for row in rows], _ARROW[types[name]]) for name in names})
        requested = requested.append_column("day", pa.array([day] * len(rows), pa.date32()))
        warehouse.execute("truncate cost.prices; truncate cost.price_models; truncate logs.requests")
        for table, given in (("cost.prices", prices), ("cost.price_models", price_models), ("logs.requests", requested)):
            warehouse.register("given", given)
            warehouse.execute(f"insert into {table} by name select * from given")
            warehouse.unregister("given")
        sql = (SQL / "cost" / "charges.sql").read_text(encoding="utf-8")
        result: list[dict[str, Any]] = warehouse.sql(sql, params={"day": day}).to_arrow_table().to_pylist()
        return result

    return run
