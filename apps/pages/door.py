"""The published file, opened for pages: the newest one, read-only, and one snapshot for all that a page shows.

Here belongs noticing that the file was replaced, and asking it, a few questions at once. The file is opened by
resources/warehouse.py.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from resources.contracts import contracts
from resources.publishing import DOOR
from resources.warehouse import AnalystError, Answer, Connection, ask, open_locked, session, tables_read

MOST_ROWS = 2_000
"""Of one panel; a page is no export."""
_TABLES = """
select schema_name || '.' || view_name from duckdb_views() where not internal and database_name = 'warehouse'
union all
select schema_name || '.' || table_name from duckdb_tables() where not internal and database_name = 'warehouse'
"""
_NEWEST_DAY = "select max(day) from governance.freshness where question = 'logs' and table_name = 'requests' and rows > 0"


@dataclass
class Snapshot:
    """One state of the published file. `day`: the newest one with requests, None before there is any."""

    con: Connection
    mark: tuple[int, int, int]
    published_at: datetime
    tables: frozenset[str]
    day: date | None = None

    def ask(self, question: str, parameters: Mapping[str, Any], max_rows: int = MOST_ROWS) -> Answer:
        """The answer to a SELECT. Raises AnalystError."""
        with closing(session(self.con)) as con:
            return ask(con, question, parameters, max_rows)

    def has_all(self, question: str) -> bool:
        """Whether every table that a SELECT names is published. Raises AnalystError for what is none."""
        with closing(session(self.con)) as con:
            named = {name for name in tables_read(con, question) if "." in name}
        return named <= self.tables


class Door:
    """Where the published file is. `readable`: the folders that its views may read."""

    def __init__(self, path: Path, readable: Sequence[Path], memory_limit: str = "2GB"):
        self.path = path
        self.readable = tuple(readable)
        self.memory_limit = memory_limit
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The file as it is now. Raises AnalystError where there is none."""
        with self._lock:
            if self._snapshot is None or self._snapshot.mark != self._mark():
                # Not closed here: a page that is being made may ask it still. It closes with the last of them.
                self._snapshot = self._open()
            return self._snapshot

    def _mark(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise AnalystError(f"{self.path} does not exist yet; run `make nightly` first") from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _open(self) -> Snapshot:
        mark = self._mark()
        con = open_locked(self.path, self.readable, self.memory_limit)
        tables = frozenset(row[0] for row in ask(con, _TABLES, {}, 10_000).rows)
        snapshot = Snapshot(con, mark, datetime.fromtimestamp(mark[1] / 1e9, tz=UTC), tables)
        if snapshot.has_all(_NEWEST_DAY):
            snapshot.day = snapshot.ask(_NEWEST_DAY, {}).rows[0][0]
        return snapshot


def door_of(data: Path) -> Door:
    """The published file of a data folder, and the folders of the tables that it shows. Raises ContractError."""
    shown = [data / c.question / c.table for c in contracts().values() if not (c.has_words or c.retention == "text")]
    return Door(data / DOOR, shown)
