"""Production's instance in small: its configuration as it stands on a real Postgres, with runs of this process.

The daemon and its end are in test_production_daemon.py.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, TickData, TickStatus
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import serialize_value
from house import request
from postgres_house import PASSWORD, postgres, production_home

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.governance.run_history import EMPTIED_TAG, Forgotten, forget
from pipelines.jobs import LAND
from resources.contracts import SEEDS
from resources.warehouse_resource import WarehouseResource

DAYS = ("2026-11-01", "2026-11-02")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with postgres() as variables, pytest.MonkeyPatch.context() as patch:
        home = production_home(tmp_path_factory.mktemp("production") / "dagster", variables)
        for name, value in home.items():
            patch.setenv(name, value)
        with dg.DagsterInstance.from_config(home["DAGSTER_HOME"]) as opened:
            yield opened


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition(DAYS[0], end_date="2026-11-03"),
    check_specs=[dg.AssetCheckSpec("sound", asset="table")],
    pool="training",
)
def table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("a word")
    print("printed")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


def compute(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([table], instance=instance, partition_key=day).run_id


def events_of(instance: dg.DagsterInstance, run_id: str) -> int:
    counted = sql.select(sql.func.count()).where(SqlEventLogStorageTable.c.run_id == run_id)
    with instance.event_log_storage.index_connection() as connection:
        return connection.execute(counted).scalar_one()


def test_runs_events_ticks_output_and_slots_are_where_the_configuration_says(instance: dg.DagsterInstance) -> None:
    run_id = compute(instance, DAYS[0])
    assert "Postgres" in type(instance.run_storage).__name__ and events_of(instance, run_id) > 5
    assert instance.get_materialized_partitions(dg.AssetKey("table")) == {DAYS[0]}
    [pool] = instance.event_log_storage.get_pool_limits()
    assert (pool.name, pool.limit) == ("training", 1)
    assert instance.event_log_storage.get_concurrency_info("training").active_slot_count == 0, "the slot is free again"
    keys = [event.logs_captured_data.file_key for event in (e.dagster_event for e in instance.all_logs(run_id))
            if event and event.event_type_value == "LOGS_CAPTURED"]  # fmt: skip
    said = instance.compute_log_manager.get_log_data([run_id, "compute_logs", keys[0]]).stdout
    assert said == b"printed\n"
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nocturne"), "__repository__"), "x")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(state)
    now = datetime.now(UTC).timestamp()
    instance.create_tick(
        TickData(origin.get_id(), "x", InstigatorType.SENSOR, TickStatus.SKIPPED, now, selector_id=state.selector_id)
    )
    assert len(instance.get_ticks(origin.get_id(), state.selector_id)) == 1


def test_the_password_is_told_to_nobody_who_asks_for_the_instance(instance: dg.DagsterInstance) -> None:
    """The UI shows the first; runs and pods are given the second in their arguments."""
    assert PASSWORD not in instance.info_str()
    assert PASSWORD not in serialize_value(instance.get_ref())


def test_old_runs_go_from_postgres_and_what_the_ui_shows_of_a_day_stays(instance: dg.DagsterInstance) -> None:
    runs = [compute(instance, day) for day in (DAYS[0], DAYS[1], DAYS[0], DAYS[0])]
    key = dg.AssetKey("table")
    check = dg.AssetCheckKey(key, "sound")
    before = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    shown = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    done = forget(instance, datetime.now(UTC) + timedelta(hours=1))
    assert done.emptied == 1 and done.runs >= 2 and done.freed_bytes is None
    assert [instance.get_run_by_id(run) is not None for run in runs] == [False, True, False, True]
    assert [events_of(instance, run) > 0 for run in runs] == [False, True, False, True]
    emptied = instance.get_run_by_id(runs[1])
    assert emptied is not None and EMPTIED_TAG in emptied.tags
    assert not [event for event in instance.all_logs(runs[1]) if "a word" in event.user_message]
    assert instance.get_materialized_partitions(key) == set(DAYS)
    assert instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION) == shown
    assert instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check] == before
    assert forget(instance, datetime.now(UTC) + timedelta(hours=1)) == Forgotten(0, 0, None)


def test_the_landing_job_of_a_night_runs_once_on_it(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody may work on the checkout meanwhile; tests/defs/test_sensor_opening.py holds what then is.
    monkeypatch.setattr("pipelines.sensor_opening.checkout_digest", lambda: "as loaded")
    seeds, landing = tmp_path / "seeds", tmp_path / "landing" / "gateway"
    shutil.copytree(SEEDS, seeds, ignore=shutil.ignore_patterns("gitleaks", "prompts", "evals"))
    (seeds / "sources.yml").write_text("sources:\n  gateway: {format: canonical}\n", encoding="utf-8")
    landing.mkdir(parents=True)
    rows = [request("r1", "2026-11-08T10:00:00Z"), request("r2", "2026-11-08T11:00:00Z")]
    (landing / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    warehouse = WarehouseResource(
        data_dir=str(tmp_path / "data"), state_dir=str(tmp_path / "home"), landing_dir=str(landing.parent),
        seeds_dir=str(seeds), durable=False,
    )  # fmt: skip
    resources = {"warehouse": warehouse, "clock": WallClock(fixed_now="2026-11-10T03:00:00", settle_seconds=0.0)}
    repository = build_defs(resources).get_repository_def()

    def tick() -> tuple[list[dg.RunRequest], str | None]:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources)
        found = repository.get_sensor_def("landing").evaluate_tick(context)
        return list(found.run_requests or []), found.skip_message

    ([wanted], _), ([again], _) = tick(), tick()
    assert wanted.run_key == again.run_key
    job = repository.get_job(LAND)
    assert job.execute_in_process(instance=instance, tags=dict(wanted.tags), raise_on_error=False).success
    assert tick() == ([], "no new file has settled")
    assert sum(file.rows for file in warehouse.store().open("logs.landed").files()) == 2
    assert len(instance.get_runs(dg.RunsFilter(job_name=LAND))) == 1
