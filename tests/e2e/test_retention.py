"""Retention as it runs: the `maintain` job closes days by the seeds, and a word of an expired day is on no disk any more."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from byte_scan import searched
from house import price
from retention_house import RetentionHouse, said

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.governance.maintain import MAINTAIN
from pipelines.governance.retain import refuse_while_in_flight
from pipelines.jobs import LAND
from resources.contracts import SEEDS
from resources.warehouse_resource import RegistryResource, WarehouseResource

WORD = "qzretainedwordzq"


def places(house: RetentionHouse) -> set[str]:
    """Where the canary lies, by the first folders of its path."""
    found = {path for path, content in searched(house.root) if WORD.encode() in content}
    return {"/".join(path.relative_to(house.root).parts[:3]) for path in found}


def test_a_word_of_an_expired_day_is_on_no_disk_and_was_there_a_day_before(tmp_path: Path) -> None:
    house = RetentionHouse(tmp_path, now="2026-11-02T03:00:00")
    house.set_prices([price("large", 2.0)])
    house.deliver("1.jsonl", [said("r1", "11-01") | {"prompt_text": WORD}, f"{WORD} is no record"])
    house.night()
    house.deliver("2.jsonl", [said("r2", "11-02")])
    house.pass_days(1)
    house.night()
    stored, delivered = "data/logs/texts", "landing/gateway/1.jsonl"
    assert places(house) == {stored, delivered}

    house.pass_days(1)  # 11-04: the last day on which words of 11-01 are kept
    house.retain()
    house.night()
    house.vacuum(hours=0)
    assert places(house) == {stored, delivered}

    house.pass_days(1)
    session_file = house.publisher.door.resolve()
    house.retain()
    house.vacuum()
    assert places(house) == {stored, delivered}, "snapshots that somebody may have open keep their files"
    assert house.stored("logs.texts") == ["11-02"]
    house.night()
    house.pass_days(3)  # The file arrived on 11-02, and is kept for 5 days.
    house.retain()
    house.night()
    house.vacuum(hours=0)
    assert places(house) == set()
    assert not session_file.exists()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]


@pytest.fixture
def resources(tmp_path: Path) -> dict[str, object]:
    seeds = tmp_path / "seeds"
    shutil.copytree(SEEDS, seeds)
    policy = (seeds / "retention.yml").read_text(encoding="utf-8")
    (seeds / "retention.yml").write_text(policy.replace("rows: 400", "rows: 60").replace("forever", "90"), encoding="utf-8")
    warehouse = WarehouseResource(
        data_dir=str(tmp_path / "data"), state_dir=str(tmp_path / "home"), landing_dir=str(tmp_path / "landing"),
        owns_landing=True, durable=False, seeds_dir=str(seeds),
    )  # fmt: skip
    clock = WallClock(fixed_now="2026-11-10T03:00:00", settle_seconds=0)
    return {"warehouse": warehouse, "clock": clock, "registry": RegistryResource()}


def test_maintenance_closes_what_the_seeds_say_and_tells_what_it_did(tmp_path: Path, resources: dict[str, object]) -> None:
    house = RetentionHouse(tmp_path)
    house.deliver("old.jsonl", [said("old", "09-01"), said("young", "11-05")])
    house.land()
    house.deliver("unlanded.jsonl", [said("new", "11-06")])
    defs = build_defs(resources)
    with dg.DagsterInstance.ephemeral() as instance:
        waiting = dg.DagsterRun(job_name=LAND, run_id="0" * 32, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(waiting)
        with pytest.raises(dg.Failure, match="a land run is in flight"):
            refuse_while_in_flight(dg.build_op_context(instance=instance))
        instance.report_run_failed(waiting)
        result = defs.resolve_job_def(MAINTAIN).execute_in_process(instance=instance)
        (output,) = [e for e in result.all_events if e.is_successful_output and e.step_key == "close_days"]
    metadata: dict[str, Any] = {key: value.value for key, value in output.step_output_data.metadata.items()}
    assert metadata["days_closed"] == metadata["days_removed"] == 2
    assert metadata["rows_removed"] == 2
    assert "| logs.landed | 1 | 2026-09-01 | 2026-09-01 |" in metadata["closed"]
    assert metadata["landing_files_removed"] == 0
    later = RetentionHouse(tmp_path)
    assert later.stored("logs.landed") == later.stored("logs.texts") == ["11-05"]
    assert later.store.day_log("logs.landed").closed == {date(2026, 9, 1): "rows: kept for 60 days"}
