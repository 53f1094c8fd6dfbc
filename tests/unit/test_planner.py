"""The planner: which days it lists and why, how it groups them into runs, and what earlier runs mean to it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from core import COST, LOGS, at, core_contracts, core_house, day, priced, reopened
from house import House, request, with_sql

from pipelines.jobs import COMPUTE, LAND
from pipelines.planner import MAX_FAILED_ATTEMPTS, Plan, make_plan
from pipelines.runs import DIGEST_TAG, KILLS_LIKE_A_FAILURE, Runs
from resources.process_mark import process_mark
from resources.warehouse_resource import PINS_TAG, PROCESS_TAG


@pytest.fixture
def house(tmp_path: Path) -> House:
    return priced(core_house(tmp_path))


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def plan(house: House, instance: dg.DagsterInstance) -> Plan:
    return make_plan(house.store, house.last_due_day, Runs(instance, COMPUTE))


def record_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str], job: str = COMPUTE
) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name=job, run_id=str(uuid4()), status=status, tags=tags))


@dg.op
def fails() -> None:
    raise ValueError("as it does each time")


@dg.job(name=COMPUTE, executor_def=dg.in_process_executor)
def failing() -> None:
    fails()


def fail_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    """A run that ends in an error of its own."""
    assert not failing.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success


def reasons(found: Plan) -> dict[tuple[str, date], tuple[str, ...]]:
    return {(s.table, s.day): s.reasons for s in found.stale}


def deliver(house: House, *days: str, name: str = "a.jsonl") -> None:
    house.deliver(name, [request(f"{name}-{d}", f"2026-{d}T10:00:00Z") for d in days])
    house.land()


def test_an_empty_warehouse_has_nothing_to_plan(house: House, instance: dg.DagsterInstance) -> None:
    assert plan(house, instance) == Plan()
    assert plan(house, instance).is_quiet


def test_stale_days_that_touch_are_one_run_and_others_are_another(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "10-01", "11-03", "11-06")
    ranges = plan(house, instance).ranges
    # Each day is read by its neighbours, too: the third and the sixth touch, the first of October stands alone.
    assert [(r.first, r.last) for r in ranges] == [(day("09-30"), day("10-02")), (day("11-02"), day("11-07"))]
    assert len({r.inputs_digest for r in ranges}) == 2


def test_a_run_carries_its_days_and_what_it_reads(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    (days,) = plan(house, instance).ranges
    assert days.tags["dagster/asset_partition_range_start"] == "2026-11-02"
    assert days.tags["dagster/asset_partition_range_end"] == "2026-11-04"
    assert days.tags[DIGEST_TAG] == days.inputs_digest
    pins = json.loads(days.tags[PINS_TAG])
    assert pins["last_due_day"] == "2026-11-09"
    assert {"logs.files", "logs.landed", "cost.prices", "governance.audit"} <= pins.keys()
    assert pins["logs.landed"] == house.store.open("logs.landed").version


def test_the_reasons_are_those_a_person_would_give(house: House, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    deliver(house, "11-03")
    assert reasons(plan(house, instance))["logs.requests", day("11-03")] == ("never computed",)
    # Nothing lies there yet for charges; that they follow is seen all the same.
    assert reasons(plan(house, instance))["cost.charges", day("11-03")] == ("logs.requests of 2026-11-03 is stale",)
    house.night()
    deliver(house, "11-03", "11-04", name="b.jsonl")
    found = reasons(plan(house, instance))
    assert found["logs.requests", day("11-03")] == (
        "logs.landed of 2026-11-03 changed",
        "logs.landed of 2026-11-04 has rows now",
    )
    assert found["cost.charges", day("11-03")] == ("logs.requests of 2026-11-03 is stale",)
    assert found["cost.cost_15min", day("11-03")] == (
        "cost.charges of 2026-11-03 is stale",
        "cost.request_costs of 2026-11-03 is stale",
    )
    house.night()
    contracts = core_contracts()
    sql = contracts["cost.charges"].sql_path.read_text(encoding="utf-8")
    contracts["cost.charges"] = with_sql(contracts["cost.charges"], tmp_path, f"select * from ({sql}\n) as c where true")
    found = reasons(make_plan(reopened(house, contracts).store, house.last_due_day, Runs(instance, COMPUTE)))
    assert found["cost.charges", day("11-03")] == ("its SQL, columns or checks changed",)
    assert not any(table in LOGS for table, _ in found)


def test_rows_that_went_away_are_a_reason_too(house: House, instance: dg.DagsterInstance) -> None:
    house.deliver("x.jsonl", [request("r", "2026-11-03T10:00:00Z")], "replacing")
    house.night()
    house.deliver("x.jsonl", [], "replacing")
    house.land()
    assert reasons(plan(house, instance))["logs.requests", day("11-03")] == (
        "logs.landed of 2026-11-03 has no rows any more",
    )


def test_what_reads_a_stale_day_is_stale_through_every_table_between(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    house.night()
    deliver(house, "11-03", name="b.jsonl")
    assert {(s.table, s.day) for s in plan(house, instance).stale} >= at((*LOGS, *COST), "11-03")


def test_a_day_never_computed_with_empty_inputs_is_fresh_whatever_the_code(
    house: House, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    deliver(house, "10-01", "11-08")
    house.night()
    contracts = core_contracts()
    for name in ("logs.requests", "cost.charges"):
        sql = contracts[name].sql_path.read_text(encoding="utf-8")
        contracts[name] = with_sql(contracts[name], tmp_path, f"select * from ({sql}\n) as c where true")
    found = make_plan(reopened(house, contracts).store, house.last_due_day, Runs(instance, COMPUTE))
    assert {s.day for s in found.stale} == {day(d) for d in ("09-30", "10-01", "10-02", "11-07", "11-08", "11-09")}


def test_a_table_of_every_day_is_computed_for_empty_days_too_once_each(tmp_path: Path) -> None:
    contracts = core_contracts()
    contracts["logs.request_days"] = replace(contracts["logs.request_days"], every_day=True)
    house = core_house(tmp_path, contracts=contracts)
    deliver(house, "11-05")
    house.night()
    states = reopened(house, contracts).store.day_log("logs.request_days").states
    # From the day before the first rows: it is read with them, and so computed.
    assert sorted(states) == [day(f"11-0{n}") for n in range(4, 10)]
    assert house.is_quiet()
    house.now += timedelta(days=1)
    assert set(house.night()) == at(["logs.request_days"], "11-10")
    assert house.is_quiet()


def test_a_day_that_is_not_due_is_neither_computed_nor_read_nor_counted(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-10")
    assert plan(house, instance).stale == []
    assert house.night() == {}
    deliver(house, "11-09", name="b.jsonl")
    found = plan(house, instance)
    assert {s.day for s in found.stale} == {day("11-08"), day("11-09")}
    for stale in found.stale:
        assert not any("2026-11-10" in name for name in stale.inputs)
    house.night()
    assert house.ask("select count(*) from logs.requests") == [(1,)]
    house.now = house.now.replace(hour=1, day=11)  # the tenth is over, but its nightly hour has not come
    assert plan(house, instance).stale == []
    house.now = house.now.replace(hour=2)
    assert {s.day for s in plan(house, instance).stale} == {day("11-09"), day("11-10")}


def test_a_run_key_is_never_used_twice_for_the_same_inputs(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    keys = []
    for status in (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS):
        (days,) = plan(house, instance).ranges
        keys.append(days.run_key)
        record_run(instance, status, days.tags)
    (days,) = plan(house, instance).ranges
    assert days.attempt == 3
    assert len({*keys, days.run_key}) == 4
    assert plan(house, instance).ranges[0].run_key == days.run_key  # asking twice changes nothing


def test_other_inputs_are_a_first_attempt_again(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    for _ in range(MAX_FAILED_ATTEMPTS):
        fail_run(instance, plan(house, instance).ranges[0].tags)
    assert plan(house, instance).ranges == []
    deliver(house, "11-03", name="b.jsonl")
    (days,) = plan(house, instance).ranges
    assert days.attempt == 0


def test_three_failed_runs_with_equal_inputs_wait_with_a_reason(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "10-01", "11-03")
    first = plan(house, instance).ranges[0]
    for _ in range(MAX_FAILED_ATTEMPTS):
        fail_run(instance, first.tags)
    found = plan(house, instance)
    assert [(r.first, r.last) for r in found.ranges] == [(day("11-02"), day("11-04"))]
    assert set(found.waiting) == {day("09-30"), day("10-01"), day("10-02")}
    assert "3 runs" in found.waiting[day("10-01")]
    assert json.loads(found.waiting_tag).keys() == {"2026-09-30", "2026-10-01", "2026-10-02"}
    published = house.publisher.publish(house.last_due_day, house.now, found.waiting)
    assert published.is_new
    states = house.ask("select distinct state from governance.freshness where day = date '2026-10-01'")
    assert states == [("waiting",)]


def test_runs_that_were_killed_are_tried_again_and_those_that_always_die_are_given_up(
    house: House, instance: dg.DagsterInstance
) -> None:
    """A code server that is started anew ends its runs, and those that are launched before it answers: three in a minute."""
    deliver(house, "11-03")
    for _ in range(MAX_FAILED_ATTEMPTS):
        record_run(instance, dg.DagsterRunStatus.FAILURE, plan(house, instance).ranges[0].tags)
    (days,) = plan(house, instance).ranges
    assert days.attempt == MAX_FAILED_ATTEMPTS
    assert (Runs(instance, COMPUTE).in_vain(days.inputs_digest), plan(house, instance).waiting) == (0, {})
    for _ in range(MAX_FAILED_ATTEMPTS * (KILLS_LIKE_A_FAILURE - 1)):
        record_run(instance, dg.DagsterRunStatus.FAILURE, days.tags)
    assert plan(house, instance).ranges == []
    assert set(plan(house, instance).waiting) == {day("11-02"), day("11-03"), day("11-04")}
    assert Runs(instance, COMPUTE).in_vain(days.inputs_digest) == MAX_FAILED_ATTEMPTS


def test_canceled_runs_do_not_make_a_day_wait(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    for _ in range(5):
        record_run(instance, dg.DagsterRunStatus.CANCELED, plan(house, instance).ranges[0].tags)
    assert plan(house, instance).ranges and not plan(house, instance).waiting


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_days_in_flight_are_not_planned_again(
    house: House, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    deliver(house, "11-03", "11-06")
    tags = {"dagster/asset_partition_range_start": "2026-11-04", "dagster/asset_partition_range_end": "2026-11-05"}
    record_run(instance, status, tags)
    found = plan(house, instance)
    assert [(r.first, r.last) for r in found.ranges] == [(day("11-02"), day("11-03")), (day("11-06"), day("11-07"))]
    assert found.in_flight == {day("11-04"), day("11-05")}
    assert not found.is_quiet


def test_a_single_day_run_and_runs_of_other_jobs_are_told_apart(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    record_run(instance, dg.DagsterRunStatus.STARTED, {"dagster/partition": "2026-11-03"}, job=LAND)
    assert plan(house, instance).in_flight == set()
    record_run(instance, dg.DagsterRunStatus.STARTED, {"dagster/partition": "2026-11-03"})
    assert plan(house, instance).in_flight == {day("11-03")}


def test_a_run_whose_process_is_gone_is_buried_and_its_days_come_back(house: House, instance: dg.DagsterInstance) -> None:
    deliver(house, "11-03")
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    (days,) = plan(house, instance).ranges
    dead = record_run(instance, dg.DagsterRunStatus.STARTED, days.tags)
    instance.add_run_tags(dead.run_id, {PROCESS_TAG: f"{dead.run_id}:{socket.gethostname()}:{gone.pid}:1"})
    elsewhere = record_run(instance, dg.DagsterRunStatus.STARTED, {})
    instance.add_run_tags(elsewhere.run_id, {PROCESS_TAG: f"{elsewhere.run_id}:another-machine:{gone.pid}:1"})
    alive = record_run(instance, dg.DagsterRunStatus.STARTED, {})
    instance.add_run_tags(alive.run_id, {PROCESS_TAG: process_mark(alive.run_id)})
    assert plan(house, instance).ranges == []
    assert Runs(instance, COMPUTE).bury_the_dead() == [dead.run_id]
    (again,) = plan(house, instance).ranges
    assert (again.inputs_digest, again.attempt) == (days.inputs_digest, 1)
    for run in (elsewhere, alive):
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED  # type: ignore[union-attr]


def test_planning_reads_commits_and_never_rows(house: House, instance: dg.DagsterInstance) -> None:
    """With the Parquet files of the ledger's rows and of every derived table gone, the plan is the same."""
    deliver(house, "11-03", "11-04")
    house.night()
    deliver(house, "11-04", name="b.jsonl")
    expected = plan(house, instance)
    hidden = 0
    for name in ("logs.landed", *LOGS, *COST):
        for path in house.store.tables.folder(house.store.contracts[name]).rglob("*.parquet"):
            if "_delta_log" not in path.parts:
                path.rename(path.with_suffix(".hidden"))
                hidden += 1
    assert hidden >= 8
    fresh_process = reopened(house, core_contracts())
    assert plan(fresh_process, instance) == expected
    assert expected.ranges


def test_a_quiet_year_between_two_deliveries_is_no_work(house: House, instance: dg.DagsterInstance) -> None:
    house.deliver("a.jsonl", [request("old", "2025-01-01T10:00:00Z"), request("new", "2026-11-03T10:00:00Z")])
    house.land()
    found = plan(house, instance)
    assert {s.day for s in found.stale} == {
        *(date(2024, 12, 31) + timedelta(days=n) for n in range(3)),
        *(day(d) for d in ("11-02", "11-03", "11-04")),
    }
