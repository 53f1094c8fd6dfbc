"""How every sensor begins: it asks for nothing on behalf of code that is not the code on disk any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.build import build_defs
from pipelines.checkout import EDITED
from pipelines.clock import WallClock
from pipelines.sensor_opening import Opening
from resources.contracts import SEEDS
from resources.warehouse_resource import WarehouseResource

SENSORS = ("alerts", "landing", "night", "validation")


def resources(root: Path) -> dict[str, Any]:
    landing = root / "landing" / "gateway"
    landing.mkdir(parents=True)
    (landing / "a.jsonl").write_text('{"request_id": "r", "ts": "2026-11-08T10:00:00Z"}\n', encoding="utf-8")
    warehouse = WarehouseResource(
        data_dir=str(root / "data"), state_dir=str(root / "home"), landing_dir=str(root / "landing"), seeds_dir=str(SEEDS)
    )
    return {"warehouse": warehouse, "clock": WallClock(fixed_now="2026-11-10T03:00:00", settle_seconds=0.0)}


def test_no_sensor_asks_for_a_run_of_code_that_was_edited_since_it_was_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_warehouse = resources(tmp_path)
    on_disk = ["as loaded"]
    monkeypatch.setattr("pipelines.sensor_opening.checkout_digest", lambda: on_disk[0])
    repository = build_defs(of_the_warehouse).get_repository_def()
    assert sorted(sensor.name for sensor in repository.sensor_defs if sensor.name in SENSORS) == list(SENSORS)
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(name: str) -> tuple[int, str | None]:
            context = dg.build_sensor_context(instance=instance, repository_def=repository, resources=of_the_warehouse)
            found = repository.get_sensor_def(name).evaluate_tick(context)
            return len(found.run_requests or []), found.skip_message

        assert tick("landing") == (1, None)
        on_disk[0] = "edited"
        assert {name: tick(name) for name in SENSORS} == dict.fromkeys(SENSORS, (0, EDITED))


def test_a_run_in_flight_is_waited_for_only_by_a_sensor_that_says_so() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = "3b9c2a52-0f6e-4c4e-9d0e-5a2f7c3f9c11"
        instance.add_run(dg.DagsterRun(job_name="land", run_id=run_id, status=dg.DagsterRunStatus.STARTED))
        context = dg.build_sensor_context(instance=instance)
        waits = Opening("land", "a run is on its way")(context)
        assert isinstance(waits, dg.SkipReason) and waits.skip_message == "a run is on its way"
        assert not isinstance(Opening("land")(context), dg.SkipReason)
