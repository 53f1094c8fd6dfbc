"""A pass of the alert desk in a process of its own, to be killed or raced: python tests/alert_worker.py FOLDER NOW [tick].

`tick`: as the daemon does it, over a Dagster instance in FOLDER: the sensor is asked once, and the run that it wants is
executed. The channels' addresses come from the environment, as in production. A line of JSON says what was done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import dagster as dg  # noqa: E402
from alert_house import AlertHouse  # noqa: E402
from dagster._core.utils import make_new_run_id  # noqa: E402

from pipelines.clock import WallClock  # noqa: E402
from pipelines.service.alert_runs import ALERT, alert_sensor, alerts_asset, alerts_job  # noqa: E402
from resources.process_mark import process_mark  # noqa: E402
from resources.store import Store  # noqa: E402
from resources.warehouse_resource import PROCESS_TAG, WarehouseResource  # noqa: E402

HOUSES: dict[str, AlertHouse] = {}


class HouseWarehouse(WarehouseResource):
    """The resource of the project over the tables of a house."""

    def store(self) -> Store:
        return HOUSES[self.data_dir].store


def resources(house: AlertHouse) -> dict[str, Any]:
    """The resources of the project, over a house and its clock."""
    HOUSES[str(house.store.data)] = house
    warehouse = HouseWarehouse(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing),
        seeds_dir=str(house.seeds),
    )  # fmt: skip
    return {"warehouse": warehouse, "clock": WallClock(fixed_now=house.now.isoformat())}


def definitions(house: AlertHouse) -> dg.Definitions:
    """The job and the sensor of the project, over a house."""
    return dg.Definitions(
        assets=[alerts_asset(house.store.contracts)],
        jobs=[alerts_job()],
        sensors=[alert_sensor()],
        resources=resources(house),
        executor=dg.in_process_executor,
    )


def tick(house: AlertHouse, instance: dg.DagsterInstance) -> dict[str, Any]:
    """Ask the sensor, and execute the run that it wants unless its key was used before, as the daemon does."""
    repository = definitions(house).get_repository_def()
    sensor = repository.get_sensor_def("alerts")
    found = sensor.evaluate_tick(
        dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources(house))
    )
    if not found.run_requests:
        return {"skipped": found.skip_message}
    (wanted,) = found.run_requests
    used = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": wanted.run_key or ""}))
    if used:
        return {"used": wanted.run_key}
    run_id = make_new_run_id()
    tags = {**wanted.tags, "dagster/run_key": wanted.run_key or "", PROCESS_TAG: process_mark(run_id)}
    result = repository.get_job(ALERT).execute_in_process(instance=instance, tags=tags, raise_on_error=False, run_id=run_id)
    counts = {
        event.asset_key.to_user_string(): event.materialization.metadata["dagster/row_count"].value
        for event in result.get_asset_materialization_events()
    }
    return {"run_key": wanted.run_key, "success": result.success, "rows": counts}


def work(root: Path, now: str, environment: dict[str, str]) -> None:
    """A pass in a process that was forked, and that shall know nothing of the environment of its server."""
    os.environ.clear()
    os.environ.update(environment)
    main(str(root), now)


def main(root: str, now: str, *what: str) -> None:
    """The command line."""
    house = AlertHouse(Path(root), now)
    if what == ("tick",):
        folder = house.root / "dagster"
        folder.mkdir(exist_ok=True)
        with dg.DagsterInstance.local_temp(str(folder)) as instance:
            print(json.dumps(tick(house, instance)))
        return
    house.addresses = dict(os.environ)
    house.desk().work()


if __name__ == "__main__":
    main(*sys.argv[1:])
