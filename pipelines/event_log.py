"""Dagster's event log on one machine, with its databases kept open while a night writes to them.

Dagster's own storage opens and closes a database for each event, which makes SQLite fold its journal back each time and
SQLAlchemy compile each statement anew; and it waits for the disk after each: half of a small night. Here belongs only that
difference; what is stored and where is Dagster's, and any other process may read and write beside. A kill loses nothing. A
power cut can lose the last events of the run that it ends, and leaves a whole log; the tables have their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listens_for

MAX_OPEN_RUNS = 2
"""Databases of runs that stay open beside the index: a night has one run at a time."""


class OpenEventLog(SqliteEventLogStorage):
    """The event log with the index and the latest runs kept open until `dispose`."""

    def __init__(self, base_dir: str):
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir)

    def has_table(self, table_name: str) -> bool:
        """Dagster asks before it writes the tags of each event, of a database opened anew; a table that was there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        if engine is not None and not os.path.exists(self.path_for_shard(shard)):
            # Its run was deleted: what is written through this handle would be nowhere.
            engine.dispose()
            engine = None
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, pool_size=1
            )
            # The database waits for the disk when it folds its journal back, not at each event.
            listens_for(engine, "connect")(lambda connection, _: connection.execute("pragma synchronous = normal"))
        self._engines[shard] = engine
        runs = [name for name in self._engines if name != INDEX_SHARD_NAME]
        for oldest in runs[:-MAX_OPEN_RUNS]:
            self._engines.pop(oldest).dispose()
        return engine

    def dispose(self) -> None:
        super().dispose()
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


class OpenSqliteStorage(DagsterSqliteStorage):
    """Dagster's storage of one machine with an event log that stays open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None):
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> OpenSqliteStorage:
        return cls.from_local(inst_data=inst_data, **config_value)


def open_instance(folder: str) -> dg.DagsterInstance:
    """The instance of a DAGSTER_HOME. Where its dagster.yaml leaves storage to SQLite, the event log is kept open; another
    storage (Postgres) is used as it stands."""
    ref = InstanceRef.from_dir(folder)
    storage = ref.storage_data
    if storage is not None and storage.class_name == DagsterSqliteStorage.__name__:
        kept_open = ConfigurableClassData(__name__, OpenSqliteStorage.__name__, storage.config_yaml)
        ref = ref._replace(storage_data=kept_open)
    return dg.DagsterInstance.from_ref(ref)
