"""Where Dagster keeps its record of runs, as far as removing some of it differs: SQLite's files, or one database of events.

Which runs go is run_history.py's. What every storage has alike (tags, answers of checks, ticks) is there as well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg
import sqlalchemy as sql
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

Say = Callable[[str], None]
_FREE_PAGES = 0.25
"""A database of which more lies empty is rewritten."""
_SHOWN_EVENTS = [kind.value for kind in ASSET_EVENTS | ASSET_CHECK_EVENTS]


class OneDatabase:
    """Events of all runs in one table, as in Postgres, which gives the room of removed rows to new ones by itself."""

    def __init__(self, instance: dg.DagsterInstance, events: SqlEventLogStorage):
        self._instance = instance
        self._events = events

    def empty(self, run_id: str) -> None:
        """Remove what a run's steps said; what it materialised, observed and checked stays."""
        table = SqlEventLogStorageTable.c
        said = sql.or_(table.dagster_event_type.is_(None), table.dagster_event_type.not_in(_SHOWN_EVENTS))
        with self._events.index_connection() as connection:
            connection.execute(SqlEventLogStorageTable.delete().where(table.run_id == run_id, said))

    def delete_events(self, run_id: str) -> None:
        """Remove all events of a run."""
        with self._events.index_connection() as connection:
            self._events.delete_events_for_run(connection, run_id)

    def size(self) -> int | None:
        """Bytes on the disk; None where that is the database's own business."""
        return None

    def rewrite(self, say: Say) -> None:
        """Give room back to the disk, where nobody else does."""


class SqliteFiles(OneDatabase):
    """Events of each run in a file of its own, and those that the UI lists in an index."""

    def __init__(self, instance: dg.DagsterInstance, events: SqliteEventLogStorage):
        super().__init__(instance, events)
        self._files = events

    def empty(self, run_id: str) -> None:
        """Remove the events in the run's own file; what it materialised stands in the index."""
        with self._files.run_connection(run_id) as connection:
            self._files.delete_events_for_run(connection, run_id)
        with closing(sqlite3.connect(self._files.path_for_shard(run_id))) as database:
            database.execute("vacuum")

    def delete_events(self, run_id: str) -> None:
        super().delete_events(run_id)
        shard = Path(self._files.path_for_shard(run_id))
        for suffix in ("", "-wal", "-shm"):
            shard.with_name(shard.name + suffix).unlink(missing_ok=True)

    def size(self) -> int | None:
        return sum(path.stat().st_size for path in Path(self._instance.root_directory).rglob("*") if path.is_file())

    def rewrite(self, say: Say) -> None:
        """Rewrite the databases of which much lies empty; one that is in use waits for the next pass."""
        for path in Path(self._instance.root_directory).rglob("*.db"):
            if path.stem not in ("index", "runs", "schedules"):
                continue
            with closing(sqlite3.connect(path, timeout=5)) as database:
                pages, free = (database.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
                if free <= pages * _FREE_PAGES:
                    continue
                try:
                    database.execute("vacuum")
                    database.execute("pragma wal_checkpoint(truncate)")
                except sqlite3.OperationalError as error:
                    say(f"{path.name} is not rewritten this time ({error})")


def run_store(instance: dg.DagsterInstance) -> OneDatabase | None:
    """The store of an instance; None for one whose events lie in no SQL database of Dagster's."""
    events = instance.event_log_storage
    if isinstance(events, SqliteEventLogStorage):
        return SqliteFiles(instance, events)
    return OneDatabase(instance, events) if isinstance(events, SqlEventLogStorage) else None
