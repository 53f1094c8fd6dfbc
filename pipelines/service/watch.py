"""The sensor `watch`: jobs whose runs fail and tables that are not computed in time become alerts, and are resolved.

A job is in trouble from its first failed run after its last success, once that is PATIENCE ago or MAX_FAILED_ATTEMPTS runs
have failed: a run that the planner repeats with success wakes nobody. Tables are late when Dagster's daemon says that they
fail their freshness policy. Offered to build.py: `watch_sensor`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from assets.service.pipeline_alerts import NOT_FRESH, RUN_FAILED, Trouble, alerts_to_raise, resolutions
from pipelines.clock import WallClock
from pipelines.planner import MAX_FAILED_ATTEMPTS
from pipelines.service.alert_desk import ALERTS, LOG, AlertDesk
from pipelines.service.alert_runs import ALERT
from pipelines.settings import sensor_seconds
from resources.events import append, table_rows
from resources.warehouse_resource import WarehouseResource

PATIENCE = timedelta(minutes=10)
MOST_RUNS = 50
"""So many of a job's last runs are looked at; one that failed more often than that says `at least`."""
SHOWN = 3
_SUCCESS_OR_NOT = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def watch_sensor() -> dg.SensorDefinition:
    """Looks at runs and freshness; starts nothing. The sensor `alerts` sees to it that messages leave."""

    @dg.sensor(
        name="watch",
        minimum_interval_seconds=sensor_seconds(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert while a job's runs fail, and while tables are late; the next success ends it.",
    )
    def watch(context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock) -> dg.SkipReason:
        definitions = context.repository_def
        if definitions is None:
            return dg.SkipReason("the definitions are not loaded")
        troubles = [
            *failing_jobs(context.instance, definitions.job_names, datetime.now(UTC)),
            *late_tables(context.instance, definitions.asset_graph.get_all_asset_keys()),
        ]
        desk = AlertDesk.of(warehouse, clock)
        raised, resolved = tell(desk, troubles)
        if any(trouble.subject == ALERT for trouble in troubles):
            # The job that would send this one is what fails.
            desk.send_due(most=1)
        return dg.SkipReason(f"{len(troubles)} troubles: {raised} alerts raised, {resolved} resolved")

    return watch


def tell(desk: AlertDesk, troubles: list[Trouble]) -> tuple[int, int]:
    """Write down what is new and what is over; how many of each. Twice is once."""
    store = desk.store
    owners, now = table_rows(store, "service.owners"), desk.now()
    raised = append(store, ALERTS, lambda alerts: alerts_to_raise(troubles, alerts, table_rows(store, LOG), owners, now))
    resolved = append(store, LOG, lambda log: resolutions(troubles, table_rows(store, ALERTS), log, now))
    return len(raised), len(resolved)


def failing_jobs(instance: dg.DagsterInstance, jobs: Iterable[str], now: datetime) -> list[Trouble]:
    """Jobs whose last runs failed. Runs that a person ended say nothing of either."""
    found = []
    for job in sorted(jobs):
        records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_SUCCESS_OR_NOT), limit=MOST_RUNS)
        failed = list(takewhile(lambda record: record.dagster_run.status == dg.DagsterRunStatus.FAILURE, records))
        if not failed:
            continue
        since = min(_ended(record) for record in failed)
        if now - since < PATIENCE and len(failed) < MAX_FAILED_ATTEMPTS:
            continue
        many = f"{'at least ' if len(failed) == MOST_RUNS else ''}{len(failed)} run{'s' if len(failed) > 1 else ''}"
        title = f"the job {job} fails: {many} since its last success; the last is {failed[0].dagster_run.run_id}"
        found.append(Trouble(RUN_FAILED, job, title, since))
    return found


def late_tables(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> list[Trouble]:
    """The tables that fail their freshness policy, as one trouble."""
    records = instance.get_freshness_state_records(list(keys))
    late = {key: record for key, record in records.items() if record.freshness_state == FreshnessState.FAIL}
    if not late:
        return []
    names = sorted(".".join(key.path) for key in late)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    title = f"{len(names)} tables are late: {', '.join(names[:SHOWN])}{more}; no night has computed them in time"
    return [Trouble(NOT_FRESH, "tables", title, min(record.updated_at for record in late.values()))]


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.create_timestamp.astimezone(UTC)
