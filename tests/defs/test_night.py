"""A night as Dagster runs it: sensors that ask for runs, the runs they ask for, and the checks that these report."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from house import request

from assets.partitions import daily
from assets.tables import asset_key, table_asset
from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE, LAND, PUBLISH
from resources.contracts import SEEDS, Check, contracts
from resources.warehouse import open_published
from resources.warehouse_resource import EmbedderResource, WarehouseResource

SOURCES = "sources:\n  gateway: {format: canonical}\n"
PRICES = """
overrides:
  - provider: acme
    model: large
    valid_from: 2023-01-01
    rates: {uncached_input: "2.0", output: "8.0"}
"""


@pytest.fixture(autouse=True)
def nobody_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may work on the checkout while these nights go on; tests/defs/test_sensor_opening.py holds what then is."""
    monkeypatch.setattr("pipelines.sensor_opening.checkout_digest", lambda: "as loaded")


class Orchestra:
    """One warehouse with the project's own definitions, and a Dagster instance of its own."""

    def __init__(self, root: Path, now: str = "2026-11-10T03:00:00"):
        seeds = root / "seeds"
        seeds.mkdir(parents=True, exist_ok=True)
        for name, text in (("sources.yml", SOURCES), ("prices.yml", PRICES), ("tenants.yml", "tenants: {}\n")):
            (seeds / name).write_text(text, encoding="utf-8")
        for name in ("capture.yml", "deployments.yml", "features.yml", "notify.yml", "owners.yml"):
            shutil.copy(SEEDS / name, seeds)
        shutil.copytree(SEEDS / "slos", seeds / "slos")
        self.landing = root / "landing" / "gateway"
        self.warehouse = WarehouseResource(
            data_dir=str(root / "data"),
            state_dir=str(root / "home"),
            landing_dir=str(root / "landing"),
            seeds_dir=str(seeds),
            durable=False,
        )
        self.resources: dict[str, Any] = {
            "warehouse": self.warehouse,
            "clock": WallClock(fixed_now=now, settle_seconds=0.0),
            "embedder": EmbedderResource(),
        }
        self.repository = build_defs(self.resources).get_repository_def()
        self.instance = dg.DagsterInstance.ephemeral()
        self.run_keys: list[str] = []
        self.cursors: dict[str, str | None] = {}

    def deliver(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.landing.mkdir(parents=True, exist_ok=True)
        (self.landing / name).write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), encoding="utf-8")

    def land(self) -> None:
        """Land without the price book, which takes seconds to make."""
        clock = self.resources["clock"]
        self.warehouse.landing().land(clock.now(), clock.is_settled)

    def tick(self, sensor: str, cursor: str | None = None) -> tuple[list[dg.RunRequest], str | None]:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=cursor, repository_def=self.repository, resources=self.resources
        )
        found = self.repository.get_sensor_def(sensor).evaluate_tick(context)
        self.cursors[sensor] = found.cursor
        return list(found.run_requests or []), found.skip_message

    def run(self, wanted: dg.RunRequest, job: str | None = None) -> dg.ExecuteInProcessResult:
        assert wanted.run_key is not None and wanted.run_key not in self.run_keys, "a run key is started once"
        self.run_keys.append(wanted.run_key)
        return self.execute(wanted.job_name or job or "", dict(wanted.tags))

    def execute(self, job: str, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        return self.repository.get_job(job).execute_in_process(instance=self.instance, tags=tags or {}, raise_on_error=False)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        con = open_published(self.warehouse.publisher().door)
        try:
            return con.execute(sql).fetchall()
        finally:
            con.close()


def first_file(*more_days: str) -> list[dict[str, Any]]:
    days = ("11-07", "11-08", *more_days)
    return [request(f"r{d}", f"2026-{d}T10:00:00Z", tenant="somebody") for d in days]


NEAR = ("2026-11-06", "2026-11-09")
"""From the day before the first one, which reads it for re-deliveries, to the last due day."""
FAR = ("2026-04-30", "2026-06-28")
"""Of a row of May: to the last budget that looks four weeks back on feedback that may have come four weeks later."""


def asked_of(wanted: list[dg.RunRequest]) -> list[tuple[str, str]]:
    assert {request.job_name for request in wanted} == {COMPUTE}
    return [(r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"]) for r in wanted]


def an_empty_warehouse_asks_for_no_landing(orchestra: Orchestra) -> None:
    assert orchestra.tick("landing") == ([], "no new file has settled")


def the_landing_sensor_asks_once_for_new_files(orchestra: Orchestra, rows: list[dict[str, Any]]) -> None:
    orchestra.deliver("a.jsonl", rows)
    (wanted,), _ = orchestra.tick("landing")
    (again,), _ = orchestra.tick("landing")
    assert wanted.run_key == again.run_key, "a tick that is repeated asks for the same run"
    result = orchestra.run(wanted, LAND)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert orchestra.tick("landing") == ([], "no new file has settled")


def the_night_sensor_asks_for_one_run_per_contiguous_range_and_publishes_when_they_are_done(
    orchestra: Orchestra, ranges: list[tuple[str, str]], requests: int
) -> None:
    wanted, _ = orchestra.tick("night")
    assert asked_of(wanted) == ranges
    for request_ in wanted:
        result = orchestra.run(request_)
        assert result.success
        checks = result.get_asset_check_evaluations()
        assert checks and all(check.passed for check in checks)
    (publish,), _ = orchestra.tick("night")
    assert publish.job_name == PUBLISH
    result = orchestra.run(publish)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert orchestra.ask("select count(*) from logs.requests") == [(requests,)]
    assert orchestra.ask("select distinct state from governance.freshness") == [("fresh",)]


def the_next_tick_is_quiet(orchestra: Orchestra) -> None:
    wanted, message = orchestra.tick("night")
    assert wanted == []
    assert message is not None and "nothing to publish" in message


def a_second_landing_run_changes_nothing(orchestra: Orchestra) -> None:
    store = orchestra.warehouse.store()
    versions = {name: store.open(name).version for name, c in contracts().items() if c.kind not in ("view", "projection")}
    assert orchestra.execute(LAND).success
    assert versions == {name: store.open(name).version for name in versions}


def a_late_row_asks_for_its_days_and_then_for_publishing(orchestra: Orchestra) -> None:
    orchestra.deliver("late.jsonl", [request("late", "2026-11-08T11:00:00Z")])
    (landing,), _ = orchestra.tick("landing")
    orchestra.run(landing, LAND)
    (compute,), _ = orchestra.tick("night")
    assert compute.tags["dagster/asset_partition_range_start"] == "2026-11-07"
    assert compute.tags["dagster/asset_partition_range_end"] == "2026-11-09"
    orchestra.run(compute)
    (publish,), _ = orchestra.tick("night")
    orchestra.run(publish)
    assert orchestra.tick("night")[0] == []
    assert orchestra.ask("select count(*) from logs.requests where day = date '2026-11-08'") == [(2,)]
    assert orchestra.ask("select count(*) > 0 from logs.restatements where day = date '2026-11-08'") == [(True,)]


def a_day_in_flight_is_not_asked_for_again_and_a_landing_waits_for_the_one_before(orchestra: Orchestra) -> None:
    orchestra.deliver("later.jsonl", [request("later", "2026-11-08T12:00:00Z")])
    for job in (LAND, COMPUTE):
        tags = {"dagster/asset_partition_range_start": "2026-11-01", "dagster/asset_partition_range_end": "2026-11-09"}
        orchestra.instance.add_run(
            dg.DagsterRun(job_name=job, run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTED, tags=tags)
        )
    assert orchestra.tick("landing") == ([], "a landing run is queued or running")
    orchestra.execute(LAND)
    wanted, _ = orchestra.tick("night")
    assert [request.job_name for request in wanted] == [PUBLISH], (
        "the row is in the ledger, and readers are told that it is late"
    )
    said = orchestra.cursors["night"]
    assert said is not None
    again, message = orchestra.tick("night", said)
    assert again == [], "each table that the run finishes would be published by a run of its own"
    assert message is not None and "days are in flight" in message


@pytest.mark.parametrize(
    ("more_days", "ranges"),
    [
        pytest.param((), [NEAR], id="one range"),
        # Sixty days more, nearly all of them empty.
        pytest.param(("05-01",), [FAR, NEAR], id="two ranges", marks=pytest.mark.proof),
    ],
)
def test_a_warehouse_from_its_first_file_to_a_late_row_and_a_run_in_flight(
    tmp_path: Path, more_days: tuple[str, ...], ranges: list[tuple[str, str]]
) -> None:
    """One story, in order: each step goes on where the one before ended."""
    orchestra, rows = Orchestra(tmp_path), first_file(*more_days)
    an_empty_warehouse_asks_for_no_landing(orchestra)
    the_landing_sensor_asks_once_for_new_files(orchestra, rows)
    the_night_sensor_asks_for_one_run_per_contiguous_range_and_publishes_when_they_are_done(orchestra, ranges, len(rows))
    the_next_tick_is_quiet(orchestra)
    a_second_landing_run_changes_nothing(orchestra)
    a_late_row_asks_for_its_days_and_then_for_publishing(orchestra)
    a_day_in_flight_is_not_asked_for_again_and_a_landing_waits_for_the_one_before(orchestra)


def test_days_that_lie_apart_are_asked_for_apart_and_published_when_all_are_done(tmp_path: Path) -> None:
    orchestra = Orchestra(tmp_path)
    orchestra.deliver("a.jsonl", first_file("05-01"))
    orchestra.land()
    far, near = orchestra.tick("night")[0]
    assert asked_of([far, near]) == [FAR, NEAR]
    run = dg.DagsterRun(job_name=COMPUTE, run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTED, tags=dict(near.tags))
    orchestra.instance.add_run(run)
    wanted, _ = orchestra.tick("night")
    assert asked_of(wanted) == [FAR], "the other is in flight, and nothing is published while it is"


def test_a_file_that_is_refused_is_not_asked_for_every_minute(tmp_path: Path) -> None:
    orchestra = Orchestra(tmp_path)
    orchestra.landing.mkdir(parents=True)
    whole = gzip.compress(json.dumps(request("r", "2026-11-07T10:00:00Z")).encode())
    (orchestra.landing / "cut.jsonl.gz").write_bytes(whole[:-10])
    assert len(orchestra.tick("landing")[0]) == 1
    orchestra.land()
    assert orchestra.tick("landing") == ([], "no new file has settled")
    # Another file is a reason to land; the refused one is looked at again with it.
    orchestra.deliver("b.jsonl", [request("r2", "2026-11-07T11:00:00Z")])
    assert len(orchestra.tick("landing")[0]) == 1
    orchestra.land()
    assert orchestra.tick("landing")[0] == []


@pytest.mark.parametrize("blocking", [True, False])
def test_a_failing_check_is_an_error_of_its_day_while_the_run_succeeds_whether_it_holds_rows_back_or_not(
    tmp_path: Path, blocking: bool
) -> None:
    orchestra = Orchestra(tmp_path)
    rows = first_file()
    rows[0]["output_tokens"] = 999
    orchestra.deliver("a.jsonl", rows)
    orchestra.land()
    promised = dict(contracts())
    charges = promised["cost.charges"]
    rule = Check("small_answers", "charge_class = 'output' and quantity > 500", "Answers are small", blocking)
    strict = replace(charges, checks=(*charges.checks, rule))
    names = ("logs.requests", "cost.charges")
    tables = [table_asset(strict if name == charges.name else promised[name], promised) for name in names]
    selection = dg.AssetSelection.assets(*map(asset_key, names))
    job = dg.define_asset_job("two_tables", selection=selection, partitions_def=daily())
    defs = dg.Definitions(assets=tables, jobs=[job], resources=orchestra.resources, executor=dg.in_process_executor)
    tags = {"dagster/asset_partition_range_start": "2026-11-06", "dagster/asset_partition_range_end": "2026-11-09"}
    result = defs.resolve_job_def("two_tables").execute_in_process(instance=orchestra.instance, tags=tags)
    assert result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [(check.asset_key, check.check_name, check.severity) for check in failed] == [
        (asset_key("cost.charges"), "small_answers", dg.AssetCheckSeverity.ERROR)
    ]
    assert failed[0].metadata["failing_rows"].value == 1
    assert failed[0].metadata["where"].value == {"2026-11-07 r11-07 output": 1}
    if blocking:
        (rejected,) = failed[0].metadata["rejected_rows"].value  # type: ignore[misc]
        assert Path(rejected).exists()
    else:
        assert "rejected_rows" not in failed[0].metadata
    log = orchestra.warehouse.store().day_log("cost.charges")
    log.refresh()
    outcome = {state.day.isoformat(): (state.version is not None, state.failed) for state in log.states.values()}
    third = (False, ("small_answers",)) if blocking else (True, ())
    assert outcome == {"2026-11-07": third, "2026-11-08": (True, ())}
