"""A Spark-compatible engine for tests: Sail, a Spark Connect server in this process, asked through Spark's own client.

The SQL of a table goes to it as it stands in its file; `as_spark` says what is rewritten, and docs/portability.md why.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.contracts import SQL, Contract
from resources.warehouse import strip_comments

_FUNCTION = re.compile(r"function (\w+)\(([^)]*)\)\s+returns [\w(), ]+? return\s+(.*)", flags=re.DOTALL)
TYPES = {
    "VARCHAR": "string", "BIGINT": "bigint", "INTEGER": "int", "DOUBLE": "double", "BOOLEAN": "boolean", "DATE": "date",
    "TIMESTAMPTZ": "timestamp", "TIMESTAMP": "timestamp", "FLOAT[]": "array<float>",
}  # fmt: skip
"""How Spark calls a contract's types; its timestamp is an instant, shown in the session's zone."""


def functions() -> dict[str, tuple[list[str], str]]:
    """{name: (parameters, expression)} of sql/_macros/spark.sql."""
    definitions = strip_comments((SQL / "_macros" / "spark.sql").read_text(encoding="utf-8")).split(";")
    found = [_FUNCTION.search(definition) for definition in definitions if definition.strip()]
    return {
        match.group(1): ([part.split()[0] for part in match.group(2).split(",")], match.group(3).strip())
        for match in found
        if match
    }


def as_spark(sql: str) -> str:
    """A table's SELECT for Spark: the parameter's marker, and what Sail lacks: SQL functions."""
    spark = sql.rstrip().rstrip(";").replace("$day", ":day")
    known = functions()
    call = re.compile(rf"\b({'|'.join(known)})\(")
    # A function may call another one, and a call stand in a comment: what is left over is searched from the start.
    while found := call.search(strip_comments(spark)):
        spark = strip_comments(spark)
        arguments, end = _arguments(spark, found.end())
        parameters, expression = known[found.group(1)]
        given = dict(zip(parameters, arguments, strict=True))
        pattern = rf"\b({'|'.join(parameters)})\b"
        body = re.sub(pattern, lambda name, g=given: f"({g[name.group(1)]})", expression)  # type: ignore[misc]
        spark = f"{spark[: found.start()]}({body}){spark[end:]}"
    return spark


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call whose bracket opens before `start`, and where it ends."""
    arguments, depth, first = [], 0, start
    for place in range(start, len(sql)):
        sign = sql[place]
        if depth == 0 and sign in ",)":
            arguments.append(sql[first:place].strip())
            first = place + 1
            if sign == ")":
                return arguments, first
        depth += (sign == "(") - (sign == ")")
    raise ValueError(f"a call is not closed: {sql[start - 20 : start + 40]}")


class Spark:
    """One session; tables are Parquet files, or Delta tables where they lie."""

    def __init__(self, session: Any):
        self.session = session

    def define(self, name: str, path: Path, kind: str = "parquet") -> None:
        """Make files readable as `question.table`."""
        self.session.sql(f"create database if not exists {name.split('.')[0]}").collect()
        self.session.sql(f"drop table if exists {name}").collect()
        self.session.sql(f"create table {name} using {kind} location '{path}'").collect()

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.session.sql(sql, args=dict(parameters or {}) or None).toArrow()

    def types(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, str]:
        """{column: type} that a query yields, as Spark names them."""
        schema = self.session.sql(sql, args=dict(parameters or {}) or None).schema
        return {field.name: field.dataType.simpleString() for field in schema.fields}


def promised_types(contract: Contract) -> dict[str, str]:
    """{column: type} of a contract, as Spark names them."""
    return {c.name: TYPES.get(c.type, c.type.replace(" ", "").lower()) for c in contract.columns}


@contextmanager
def spark() -> Iterator[Spark]:
    """A server and a session, in UTC, ended afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The client asks for an older pandas, which is used for toPandas alone.
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        server = SparkConnectServer()
        server.start()
        _, port = server.listening_address
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    try:
        session.conf.set("spark.sql.session.timeZone", "UTC")
        yield Spark(session)
    finally:
        session.stop()
        server.stop()
