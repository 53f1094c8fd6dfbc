"""Old runs go from Dagster's own storage, with all that Dagster leaves of them; what the UI and the planner need stays."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, TickData, TickStatus
from house import House, request

from pipelines.clock import WallClock
from pipelines.governance import run_history
from pipelines.governance.run_history import EMPTIED_TAG, Forgotten, forget
from pipelines.runs import DIGEST_TAG
from pipelines.sensors import landing_inputs
from resources.warehouse_resource import WarehouseResource

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition(DAYS[0], end_date="2026-11-04"),
    check_specs=[dg.AssetCheckSpec("sound", asset="table")],
)
def table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("a word")
    print("output")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.op
def fail() -> None:
    raise RuntimeError("always")


@dg.job
def failing() -> None:
    fail()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


def compute(instance: dg.DagsterInstance, day: str, **tags: str) -> str:
    return dg.materialize([table], instance=instance, partition_key=day, tags=tags).run_id


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def files_of(tmp_path: Path, run_id: str) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if run_id in str(path))


def rows_of(tmp_path: Path, run_id: str) -> dict[str, int]:
    """The rows of a run in each table of Dagster's databases that has any."""
    found: dict[str, int] = {}
    for path in tmp_path.rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            for (name,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
                columns = {column[1] for column in database.execute(f"pragma table_info({name})")}
                if "run_id" in columns:
                    (count,) = database.execute(f"select count(*) from {name} where run_id = ?", [run_id]).fetchone()
                    found |= {name: found.get(name, 0) + count} if count else {}
    return found


def test_a_run_that_was_superseded_goes_with_all_that_dagster_leaves_of_it(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old, new = compute(instance, DAYS[0], note="x"), compute(instance, DAYS[0])
    assert files_of(tmp_path, old) and rows_of(tmp_path, old)["run_tags"]
    done = forget(instance, later())
    assert (done.runs, done.emptied) == (1, 0)
    assert instance.get_run_by_id(old) is None and instance.get_run_by_id(new) is not None
    assert files_of(tmp_path, old) == []
    assert rows_of(tmp_path, old) == {}
    assert forget(instance, later()).runs == 0


def test_a_day_whose_newest_materialisation_is_old_is_shown_as_before(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    runs = [compute(instance, day) for day in (DAYS[1], *DAYS)]
    key = dg.AssetKey("table")
    before = instance.get_latest_materialization_event(key)
    assert before is not None
    found = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    done = forget(instance, later())
    # The last run is the newest of its job, too, and is left whole.
    assert (done.runs, done.emptied) == (1, 2)
    assert instance.get_materialized_partitions(key) == set(DAYS)
    assert instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION) == found
    assert instance.get_latest_materialization_event(key) == before
    kept = [run for run_id in runs if (run := instance.get_run_by_id(run_id))]
    assert [EMPTIED_TAG in run.tags for run in kept] == [True, True, False]
    assert not instance.all_logs(runs[1]) and instance.all_logs(runs[3])
    assert instance.get_records_for_run(runs[1]).records == []
    assert forget(instance, later()) == Forgotten(0, 0, 0)


def test_the_newest_answer_of_a_check_stays(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    runs = [compute(instance, DAYS[0]) for _ in range(3)]
    key = dg.AssetCheckKey(dg.AssetKey("table"), "sound")
    before = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    forget(instance, later())
    assert instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key] == before
    assert [run for run in runs if rows_of(tmp_path, run)] == runs[2:]


def test_runs_that_are_young_in_flight_the_newest_of_their_job_or_counted_stay(instance: dg.DagsterInstance) -> None:
    counted = [failing.execute_in_process(instance=instance, raise_on_error=False, tags={DIGEST_TAG: "d"}) for _ in range(3)]
    flying = instance.create_run_for_job(failing)
    other = failing.execute_in_process(instance=instance, raise_on_error=False, tags={DIGEST_TAG: "e"})
    newest = failing.execute_in_process(instance=instance, raise_on_error=False)
    assert forget(instance, datetime.now(UTC) - timedelta(days=1)) == Forgotten(0, 0, 0)
    assert forget(instance, later(), in_use={"d"}).runs == 1
    left = {run.run_id for run in instance.get_runs()}
    assert left == {flying.run_id, newest.run_id, *(run.run_id for run in counted)}
    assert other.run_id not in left


def test_a_pass_is_bounded_and_the_next_one_goes_on(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_history, "MOST_RUNS", 2)
    for day in (*DAYS, *DAYS):
        compute(instance, day)
    done = [forget(instance, later()) for _ in range(4)]
    assert [(each.runs, each.emptied) for each in done] == [(2, 0), (1, 1), (0, 1), (0, 0)]


def test_a_run_whose_removal_was_cut_short_is_removed_by_the_next_pass(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = compute(instance, DAYS[0]), compute(instance, DAYS[0])
    storage = type(instance.run_storage)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(storage, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(instance, later())
    assert instance.get_run_by_id(old) is not None
    assert forget(instance, later()).runs == 1
    assert files_of(tmp_path, old) == [] and rows_of(tmp_path, old) == {}


def test_the_databases_become_small_again(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for _ in range(12):
        compute(instance, DAYS[0])
    index = next(tmp_path.rglob("index.db"))
    before, whole = index.stat().st_size, sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    done = forget(instance, later())
    assert done.runs == 11
    assert index.stat().st_size < before
    assert done.freed_bytes > whole / 2


def test_old_ticks_go_also_those_of_a_sensor_that_is_no_more(instance: dg.DagsterInstance) -> None:
    location = RegisteredCodeLocationOrigin("nocturne")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "gone")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(state)
    for hours in (-48, 0):
        at = (datetime.now(UTC) + timedelta(hours=hours)).timestamp()
        instance.create_tick(
            TickData(origin.get_id(), "gone", InstigatorType.SENSOR, TickStatus.SKIPPED, at, selector_id=state.selector_id)
        )
    forget(instance, datetime.now(UTC) - timedelta(days=1))
    assert len(instance.get_ticks(origin.get_id(), state.selector_id)) == 1


def test_what_the_planner_and_the_sensors_would_ask_for_is_in_use(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.deliver("landed.jsonl", [request("r1", "2026-11-08T10:00:00Z")])
    house.land()
    house.deliver("waiting.jsonl", [request("r2", "2026-11-08T11:00:00Z")])
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing), durable=False
    )
    clock = WallClock(fixed_now=house.now.isoformat(), settle_seconds=0)
    (days,) = house.plan().ranges
    landing, publishing = landing_inputs(warehouse.landing().waiting()), house.publisher.due(house.last_due_day)
    assert publishing is not None
    assert run_history.digests_in_use(instance, warehouse, clock) == {days.inputs_digest, landing, publishing}
