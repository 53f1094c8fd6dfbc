"""A range of days is one run: each table is one step that brings all its days up to date, as Dagster sees it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
from core import COST, LOGS, core_house, priced
from house import House, request

from assets.tables import asset_key, days_between, table_asset
from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE
from pipelines.planner import Plan
from resources.contracts import contracts
from resources.warehouse_resource import EmbedderResource, WarehouseResource

CHAIN = [*LOGS, *COST]


def nine_days(root: Path) -> House:
    house = priced(core_house(root, now="2026-11-10T03:00:00"))
    days = [f"2026-11-{number:02}" for number in range(1, 10)]
    house.deliver("nine.jsonl", [request(f"r{day}", f"{day}T10:00:00Z", model="large", provider="acme") for day in days])
    house.land()
    return house


def test_one_run_brings_nine_days_of_each_table_up_to_date_as_nine_runs_do(tmp_path: Path) -> None:
    house = nine_days(tmp_path / "range")
    (days,) = house.plan().ranges
    span = days_between(days.first, days.last)
    assert len(span) >= 9
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing), durable=False
    )
    repository = dg.Definitions(
        assets=[table_asset(contracts()[name], contracts()) for name in CHAIN],
        jobs=[dg.define_asset_job(COMPUTE)],
        resources={
            "warehouse": warehouse,
            "clock": WallClock(fixed_now=house.now.isoformat()),
            "embedder": EmbedderResource(),
        },
        executor=dg.in_process_executor,
    ).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = repository.get_job(COMPUTE).execute_in_process(instance=instance, tags=days.tags)
        assert instance.get_runs_count() == 1
        assert len(result.get_step_success_events()) == len(CHAIN), "a table is one step, whatever the number of days"
        for name in CHAIN:
            assert instance.get_materialized_partitions(asset_key(name)) == {day.isoformat() for day in span}, name

        repository.get_job(COMPUTE).execute_in_process(instance=instance, tags=days.tags)
        event = instance.get_latest_materialization_event(asset_key("logs.requests"))
        assert event is not None and event.asset_materialization is not None
        shown = event.asset_materialization.metadata
        assert shown["days_fresh"].value == len(span) and f"largest of {span[-1]}" in shown, "the page shows the last run"

    slow = nine_days(tmp_path / "day by day")
    (whole,) = slow.plan().ranges
    for day in span:
        slow.compute(Plan(ranges=[replace(whole, first=day, last=day)]))
    at_once, one_by_one = house.fingerprints(), slow.fingerprints()
    assert {name: at_once[name] for name in CHAIN} == {name: one_by_one[name] for name in CHAIN}
    requests = house.store.day_log("logs.requests")
    requests.refresh()
    rows = Counter({day: state.rows for day in span if (state := requests.state(day)) is not None})
    assert [rows[span[-1] - timedelta(days=back)] for back in range(9)] == [1] * 9
