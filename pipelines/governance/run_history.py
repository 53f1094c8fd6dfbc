"""Dagster's own record of runs, kept short: it has no end of its own, and a megabyte or more comes to it every night.

A run that ended long ago goes, with its events, its output and its ticks, unless it is the newest of its job, or the planner
or a sensor still counts it. One whose materialisation is the newest of an asset's partition stays in the list with what it
materialised, or the UI would call a day missing that is there; what its steps said goes. How each storage lets go of a
run is run_stores.py's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from assets.expectations import due as validation_due
from pipelines.clock import WallClock
from pipelines.governance.run_stores import OneDatabase, Say, run_store
from pipelines.jobs import COMPUTE
from pipelines.planner import make_plan
from pipelines.runs import DIGEST_TAG, ENDED, Runs
from pipelines.sensors import landing_inputs
from resources.warehouse_resource import WarehouseResource

EMPTIED_TAG = "nocturne/emptied"
MOST_RUNS = 2_000
"""So many runs are removed or emptied in one pass; the next one goes on."""
TELL_EVERY = 100
_MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION.value


@dataclass(frozen=True)
class Forgotten:
    """What one pass did: runs removed, runs of which only what they materialised is left, and the bytes that came free; None
    where the database keeps them for what comes next."""

    runs: int = 0
    emptied: int = 0
    freed_bytes: int | None = None

    def __str__(self) -> str:
        freed = "" if self.freed_bytes is None else f", {self.freed_bytes / 1e6:.1f} MB freed"
        return f"{self.runs} runs removed, {self.emptied} emptied{freed}"


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
    store, events, runs = run_store(instance), instance.event_log_storage, instance.run_storage
    if store is None or not isinstance(events, SqlEventLogStorage) or not isinstance(runs, SqlRunStorage):
        say("run history is kept whole: its storage is none of Dagster's SQL databases")
        return Forgotten()
    size = store.size()
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
            store.empty(run_id)
            instance.add_run_tags(run_id, {EMPTIED_TAG: before.date().isoformat()})
        else:
            _delete(store, runs, run_id)
        if number % TELL_EVERY == 0:
            say(f"{number:,} of {len(gone) + len(emptied):,} old runs done")
    # An instance that lives in memory alone has no schedules, and no ticks.
    for state in instance.all_instigator_state() if instance.schedule_storage else ():
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())
    store.rewrite(say)
    size_after = store.size()
    freed = None if size is None or size_after is None else max(0, size - size_after)
    return Forgotten(len(gone), len(emptied), freed)


class _Asked:
    """The history of runs, which remembers what it was asked for."""

    def __init__(self, runs: Runs):
        self.digests: set[str] = set()
        self.in_flight_days = runs.in_flight_days
        self._runs = runs

    def ended(self, digest: str) -> tuple[int, int]:
        self.digests.add(digest)
        return self._runs.ended(digest)


def _shown(events: SqlEventLogStorage) -> set[str]:
    """The runs that hold the newest materialisation of an asset, or of a partition of one."""
    table = SqlEventLogStorageTable.c
    newest = (
        sql.select(sql.func.max(table.id))
        .where(table.dagster_event_type == _MATERIALISED)
        .group_by(table.asset_key, table.partition)
    )
    with events.index_connection() as connection:
        return set(connection.execute(sql.select(table.run_id).where(table.id.in_(newest))).scalars())


def _delete_checks(events: SqlEventLogStorage, run_id: str) -> None:
    """What a run found by checks, but for what is the newest of a check: Dagster itself keeps these rows for ever."""
    table = AssetCheckExecutionsTable.c
    newest = sql.select(sql.func.max(table.id)).group_by(table.asset_key, table.check_name, table.partition)
    with events.index_connection() as connection:
        of_run = AssetCheckExecutionsTable.delete().where(table.run_id == run_id)
        connection.execute(of_run.where(table.id.not_in(newest)))


def _delete(store: OneDatabase, runs: SqlRunStorage, run_id: str) -> None:
    """Remove a run and all that Dagster leaves of one. The run goes last: as long as it is listed, it is known."""
    store.delete_events(run_id)
    with runs.connect() as connection:
        connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run_id))
    runs.delete_run(run_id)
