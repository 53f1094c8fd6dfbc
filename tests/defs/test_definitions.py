"""What Dagster is shown: every table with its meaning, its owner, its columns and its inputs."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from core import core_contracts
from house import with_sql

from assets.tables import assert_reads, asset_key, dependencies
from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.drift.probe_runs import PROBE
from pipelines.governance.review_runs import REVIEW
from pipelines.jobs import COMPUTE, LAND, PUBLISH
from pipelines.quality.detector_runs import TRAIN
from pipelines.quality.judge_runs import JUDGE
from pipelines.quality.label_runs import ASK, IMPORT
from pipelines.release.prompt_runs import SYNC
from pipelines.release.release_gate_runs import RELEASE_GATE, REPLAY
from pipelines.retrieval.index_runs import INDEX
from pipelines.service.alert_runs import ALERT
from pipelines.tuning.training_runs import curve_specs
from pipelines.tuning.tuning_runs import TUNING
from resources.calendar import calendar
from resources.contracts import Contract, ContractError, contracts
from resources.warehouse_resource import WarehouseResource


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    root = tmp_path_factory.mktemp("warehouse")
    resources = {
        "warehouse": WarehouseResource(
            data_dir=str(root / "data"), state_dir=str(root / "home"), landing_dir=str(root / "landing")
        ),
        "clock": WallClock(fixed_now="2026-11-10T03:00:00"),
    }
    made = build_defs(resources)
    assert not list(root.iterdir()), "loading the definitions touches no warehouse"
    return made


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


ALL = sorted(contracts())


def test_a_backfill_of_any_table_is_one_run(defs: dg.Definitions) -> None:
    daily = [asset for asset in defs.resolve_asset_graph().assets_defs if asset.partitions_def is not None]
    assert len(daily) >= sum(contract.kind == "derived" for contract in contracts().values())
    assert {asset.backfill_policy for asset in daily} == {dg.BackfillPolicy.single_run()}


def test_every_contract_is_an_asset_and_every_asset_has_a_contract(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    # What trainings draw while they run is no table.
    curves = {spec.key for spec in curve_specs()}
    assert curves < set(specs)
    assert {asset_key(name) for name in ALL} == set(specs) - curves


@pytest.mark.parametrize("name", ALL)
def test_an_asset_says_what_it_is_whose_it_is_and_what_its_columns_mean(
    specs: dict[dg.AssetKey, dg.AssetSpec], name: str
) -> None:
    contract, spec = contracts()[name], specs[asset_key(name)]
    assert spec.group_name == contract.question
    assert list(spec.owners) == [contract.owner]
    assert spec.description and contract.row in spec.description
    assert spec.kinds
    assert spec.tags["nocturne/kind"] == contract.kind
    schema: dg.TableSchema = spec.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == [column.name for column in contract.columns]
    for column, promised in zip(schema.columns, contract.columns, strict=True):
        assert column.description and promised.meaning in column.description
        assert column.constraints is not None and column.constraints.nullable == (not promised.required)
        if promised.unit:
            assert promised.unit in column.description


@pytest.mark.parametrize("name", [name for name in ALL if contracts()[name].reads])
def test_what_a_table_reads_is_a_dependency(specs: dict[dg.AssetKey, dg.AssetSpec], name: str) -> None:
    assert {dep.asset_key for dep in specs[asset_key(name)].deps} >= {
        asset_key(read) for read in contracts()[name].reads if read != name
    }


def test_computed_tables_have_days_and_the_others_none(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for name, contract in contracts().items():
        node = graph.get(asset_key(name))
        assert (node.partitions_def is not None) == (contract.kind == "derived"), name
        assert (node.code_version is not None) == (contract.kind in ("derived", "view")), name


def test_every_computed_table_has_its_checks(defs: dg.Definitions) -> None:
    keys = defs.resolve_asset_graph().asset_check_keys
    for name, contract in contracts().items():
        if contract.kind == "derived":
            names = {key.name for key in keys if key.asset_key == asset_key(name)}
            assert {"own_day", *(check.name for check in contract.checks)} <= names
            assert ("unique_key" in names) == bool(contract.key)


def test_a_window_of_days_is_a_partition_mapping() -> None:
    known = core_contracts()
    window = Contract(
        "logs", "trailing", "derived", "a row", "team:x", (), reads={"logs.requests": (-27, 0), "logs.landed": (-1, 1)}
    )
    mapped = {dep.asset_key: dep.partition_mapping for dep in dependencies(window, known)}
    mapping = mapped[asset_key("logs.requests")]
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-27, 0)
    assert mapped[asset_key("logs.landed")] is None, "a ledger is one asset without days"


def test_sql_that_reads_what_its_contract_does_not_say_is_refused(tmp_path: Path) -> None:
    days = core_contracts()["logs.request_days"]
    edited = with_sql(days, tmp_path, "select day, request_id, ts from logs.requests join logs.landed using (day)")
    with pytest.raises(ContractError, match=r"logs\.request_days: its SQL reads \['logs\.landed', 'logs\.requests'\]"):
        assert_reads(edited)
    evidence = "select day, request_id, ts, 'select * from logs.landed where ''x'' = 1' as evidence from logs.requests"
    assert_reads(with_sql(days, tmp_path, evidence))
    # `extract(hour from …)` and a comment name no table.
    assert_reads(with_sql(days, tmp_path, "select extract(hour from r.ts) from logs.requests as r -- from logs.landed"))


def test_each_table_is_made_by_one_of_the_jobs_of_a_night(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    jobs = (
        LAND, COMPUTE, PUBLISH, ALERT, PROBE, IMPORT, ASK, JUDGE, TRAIN, REVIEW, RELEASE_GATE, REPLAY, INDEX, SYNC, TUNING,
    )  # fmt: skip
    made = {name: repository.get_job(name).asset_layer.selected_asset_keys for name in jobs}
    assert set().union(*made.values()) == {asset_key(name) for name in ALL}
    assert sum(map(len, made.values())) == len(ALL)
    assert made[COMPUTE] == {asset_key(name) for name, contract in contracts().items() if contract.kind == "derived"}


def test_the_schedule_starts_at_the_hour_at_which_a_day_is_due(defs: dg.Definitions) -> None:
    schedule = defs.get_schedule_def("nightly")
    assert schedule.cron_schedule == f"0 {calendar().nightly_hour_utc} * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.job_name == LAND
    hour = calendar().nightly_hour_utc
    at_the_hour = WallClock(nightly_hour_utc=hour, fixed_now=f"2026-11-10T{hour:02d}:00:00").last_due_day()
    assert at_the_hour.isoformat() == "2026-11-09"
    before = WallClock(nightly_hour_utc=hour, fixed_now=f"2026-11-10T{hour - 1:02d}:59:59").last_due_day()
    assert before.isoformat() == "2026-11-08"


def test_schedule_and_sensors_are_on_from_the_start(defs: dg.Definitions) -> None:
    assert {sensor.name: sensor.default_status for sensor in defs.sensors or []} == {
        "landing": dg.DefaultSensorStatus.RUNNING,
        "night": dg.DefaultSensorStatus.RUNNING,
        "alerts": dg.DefaultSensorStatus.RUNNING,
        "watch": dg.DefaultSensorStatus.RUNNING,
        "validation": dg.DefaultSensorStatus.RUNNING,
        "label_inbox": dg.DefaultSensorStatus.RUNNING,
        "label_queue": dg.DefaultSensorStatus.RUNNING,
        "judge": dg.DefaultSensorStatus.RUNNING,
        "registry": dg.DefaultSensorStatus.RUNNING,
        "report": dg.DefaultSensorStatus.RUNNING,
    }
    schedules = {schedule.name: schedule.default_status for schedule in defs.schedules or []}
    assert {"nightly", "train_detector", "maintenance"} < schedules.keys()
    assert set(schedules.values()) == {dg.DefaultScheduleStatus.RUNNING}
