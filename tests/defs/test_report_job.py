"""The job `report`: one file a publish, with its path in the run's metadata."""

from __future__ import annotations

import stat

import dagster as dg
from pages_house import pages_house

from pipelines.pages.report_runs import due, report_job, report_path
from resources.warehouse_resource import PROCESS_TAG, WarehouseResource


def test_a_publish_has_one_report_and_the_run_says_where() -> None:
    house = pages_house()
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing)
    )
    number = str(house.publisher.current_number())
    assert due(warehouse) == number
    with dg.DagsterInstance.ephemeral() as instance:
        result = report_job.execute_in_process(resources={"warehouse": warehouse}, instance=instance)
        [run] = instance.get_runs()
    assert PROCESS_TAG in run.tags, "a run that is killed can be told from a slow one"
    path = report_path(house.store.state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it names tenants"
    [told] = [e.event_specific_data.metadata for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    assert told["report"].value == str(path) and told["manifest"].value == int(number)
    assert due(warehouse) is None, "twice is once"
    path.write_text("half a repor", encoding="utf-8")
    assert due(warehouse) == number, "what is no report is made anew"
