"""Dagster's own record of runs, kept short: it has no end of its own, and a megabyte or more comes to it every night.

A run that ended long ago goes, with its events, its output and its ticks, unless it is the newest of its job, or the planner
or a sensor still counts it. One whose materialisation is the newest of an asset's partition stays in the list with what it
materialised, or the UI would call a day missing that is there; what its steps said goes. Written for Dagster's SQLite
storage: another one is left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sqlite import SqliteRunStorage

from assets.expectations import due as validation_due
from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE
from pipelines.planner import make_plan
from pipelines.runs import DIGEST_TAG, ENDED, Runs
from pipelines.sensors import landing_inputs
from resources.warehouse_resource import WarehouseResource

EMPTIED_TAG = "nocturne/emptied"
MOST_RUNS = 2_000
"""So many runs are removed or emptied in one pass; the next one goes on."""
TELL_EVERY = 100
_FREE_PAGES = 0.25
"""A database of which more lies empty is rewritten."""
_MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION.value
Say = Callable[[str], None]


@dataclass(frozen=True)
class Forgotten:
    """What one pass did: runs removed, runs of which only what they materialised is left, and the bytes that came free."""

    runs: int = 0
    emptied: int = 0
    freed_bytes: int = 0


def digests_in_use(instance: dg.DagsterInstance, warehouse: WarehouseResource, clock: WallClock) -> set[str]:
    """The inputs that the planner and the sensors would look up now: their earlier runs are counted as attempts."""
    store, publisher = warehouse.store(), warehouse.publisher()
    asked = _Asked(Runs(instance, COMPUTE))
    plan = make_plan(store, clock.last_due_day(), asked)
    settled = [file for file in warehouse.landing().waiting() if clock.is_settled(file)]
    others = [publisher.due(clock.last_due_day(), plan.waiting), landing_inputs(settled) if settled else None]
    if publisher.current_number():
        others.append(validation_due(store.contracts, publisher))
    return asked.digests.union(digest for digest in others if digest)


def forget(
    instance: dg.DagsterInstance, before: datetime, in_use: Collection[str] = (), say: Say = lambda text: None
) -> Forgotten:
    """Remove runs that ended before a time, and older ticks. Twice equals once; after a kill the next pass goes on."""
    events, runs = instance.event_log_storage, instance.run_storage
    if not isinstance(events, SqliteEventLogStorage) or not isinstance(runs, SqliteRunStorage):
        say("run history is kept whole: only Dagster's SQLite storage is shortened here")
        return Forgotten()
    size = _size(instance)
    old = [
        record.dagster_run
        for record in instance.get_run_records(dg.RunsFilter(statuses=ENDED, created_before=before), ascending=True)
        if (record.end_time or record.create_timestamp.timestamp()) < before.timestamp()
    ]
    newest = {job: instance.get_runs(dg.RunsFilter(job_name=job), limit=1)[0].run_id for job in {r.job_name for r in old}}
    old = [run for run in old if run.run_id != newest[run.job_name] and run.tags.get(DIGEST_TAG) not in in_use]
    shown = _shown(events)
    gone = [run.run_id for run in old if run.run_id not in shown][:MOST_RUNS]
    emptied = [run.run_id for run in old if run.run_id in shown and EMPTIED_TAG not in run.tags][: MOST_RUNS - len(gone)]
    for number, run_id in enumerate([*gone, *emptied], start=1):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        _delete_checks(events, run_id)
        if run_id in shown:
            _empty(events, run_id)
            instance.add_run_tags(run_id, {EMPTIED_TAG: before.date().isoformat()})
        else:
            _delete(events, runs, run_id)
        if number % TELL_EVERY == 0:
            say(f"{number:,} of {len(gone) + len(emptied):,} old runs done")
    for state in instance.all_instigator_state():
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())
    _rewrite(instance, say)
    return Forgotten(len(gone), len(emptied), max(0, size - _size(instance)))


class _Asked:
    """The history of runs, which remembers what it was asked for."""

    def __init__(self, runs: Runs):
        self.digests: set[str] = set()
        self.in_flight_days = runs.in_flight_days
        self._runs = runs

    def ended(self, digest: str) -> tuple[int, int]:
        self.digests.add(digest)
        return self._runs.ended(digest)


def _shown(events: SqliteEventLogStorage) -> set[str]:
    """The runs that hold the newest materialisation of an asset, or of a partition of one."""
    table = SqlEventLogStorageTable.c
    newest = (
        sql.select(sql.func.max(table.id))
        .where(table.dagster_event_type == _MATERIALISED)
        .group_by(table.asset_key, table.partition)
    )
    with events.index_connection() as connection:
        return set(connection.execute(sql.select(table.run_id).where(table.id.in_(newest))).scalars())


def _delete_checks(events: SqliteEventLogStorage, run_id: str) -> None:
    """What a run found by checks, but for what is the newest of a check: Dagster itself keeps these rows for ever."""
    table = AssetCheckExecutionsTable.c
    newest = sql.select(sql.func.max(table.id)).group_by(table.asset_key, table.check_name, table.partition)
    with events.index_connection() as connection:
        of_run = AssetCheckExecutionsTable.delete().where(table.run_id == run_id)
        connection.execute(of_run.where(table.id.not_in(newest)))


def _empty(events: SqliteEventLogStorage, run_id: str) -> None:
    """Remove the events in the run's own file; what it materialised stands in the index."""
    with events.run_connection(run_id) as connection:
        events.delete_events_for_run(connection, run_id)
    with closing(sqlite3.connect(events.path_for_shard(run_id))) as database:
        database.execute("vacuum")


def _delete(events: SqliteEventLogStorage, runs: SqliteRunStorage, run_id: str) -> None:
    """Remove a run and all that Dagster leaves of one. The run goes last: as long as it is listed, it is known."""
    with events.index_connection() as connection:
        events.delete_events_for_run(connection, run_id)
    shard = Path(events.path_for_shard(run_id))
    for suffix in ("", "-wal", "-shm"):
        shard.with_name(shard.name + suffix).unlink(missing_ok=True)
    with runs.connect() as connection:
        connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run_id))
    runs.delete_run(run_id)


def _databases(instance: dg.DagsterInstance) -> list[Path]:
    return [path for path in Path(instance.root_directory).rglob("*.db") if path.stem in ("index", "runs", "schedules")]


def _size(instance: dg.DagsterInstance) -> int:
    return sum(path.stat().st_size for path in Path(instance.root_directory).rglob("*") if path.is_file())


def _rewrite(instance: dg.DagsterInstance, say: Say) -> None:
    """Rewrite the databases of which much lies empty; one that is in use waits for the next pass."""
    for path in _databases(instance):
        with closing(sqlite3.connect(path, timeout=5)) as database:
            pages, free = (database.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
            if free <= pages * _FREE_PAGES:
                continue
            try:
                database.execute("vacuum")
                database.execute("pragma wal_checkpoint(truncate)")
            except sqlite3.OperationalError as error:
                say(f"{path.name} is not rewritten this time ({error})")
