"""The published file as SQLAlchemy sees it, under the name `nocturne`, so that Great Expectations asks DuckDB itself.

Here belongs the least that Great Expectations needs of a database: connect, execute, and the columns of a table. Rows
are fetched when a statement is executed: it reads them after it has given the connection back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.pool import StaticPool

from resources.warehouse import open_published

DIALECT = "nocturne"
_COLUMNS = (
    "select column_name from information_schema.columns where table_schema = ? and table_name = ? order by ordinal_position"
)


def url(published: Path) -> str:
    """The connection string of a published file."""
    registry.register(DIALECT, __name__, PublishedDialect.__name__)
    return URL.create(DIALECT, database=str(published)).render_as_string()


class Cursor:
    """A DB-API cursor whose rows are all there once a statement has been executed."""

    arraysize = 1

    def __init__(self, connection: Any):
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = -1

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        done = self._connection.cursor().execute(sql, list(parameters))
        self.description = done.description
        self._rows = done.fetchall()[::-1]
        self.rowcount = len(self._rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop() if self._rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        return [self._rows.pop() for _ in range(min(size, len(self._rows)))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self._rows))

    def close(self) -> None:
        self._rows = []


class Connection:
    """A DB-API connection to one published file: read-only, in UTC, nothing to commit."""

    def __init__(self, published: str):
        self._connection = open_published(Path(published))
        self._connection.execute("set timezone = 'UTC'")

    def cursor(self) -> Cursor:
        return Cursor(self._connection)

    def commit(self) -> None:
        """Nothing was written."""

    def rollback(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        self._connection.close()


class DriverError(Exception):
    """What the DB-API asks a driver to have. DuckDB's own errors pass through as they are."""


class Driver:
    """The DB-API module that SQLAlchemy asks for."""

    paramstyle = "qmark"
    Error = DatabaseError = DriverError

    @staticmethod
    def connect(published: str) -> Connection:
        return Connection(published)


class PublishedDialect(DefaultDialect):
    """Plain SQL over one connection, and the names of a table's columns."""

    name = DIALECT
    driver = DIALECT
    default_paramstyle = "qmark"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return Driver

    @classmethod
    def get_pool_class(cls, url: URL) -> Any:
        return StaticPool

    def create_connect_args(self, url: URL) -> Any:
        return (url.database,), {}

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """Names only: types are compared by DuckDB's own names (resources/expectations.py)."""
        rows = connection.exec_driver_sql(_COLUMNS, (schema, str(table_name))).fetchall()
        return [{"name": name, "type": types.NullType(), "nullable": True, "default": None} for (name,) in rows]

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **more: Any) -> bool:
        return bool(self.get_columns(connection, table_name, schema))

    def get_pk_constraint(self, connection: Any, table_name: str, schema: str | None = None, **more: Any) -> Any:
        return {"constrained_columns": [], "name": None}
