"""The nightly report as Dagster makes it: one HTML file below $NOCTURNE_HOME/report, anew after each publish.

Offered to build.py: `report_job`, `report_sensor`; `due` says whether there is anything to do. What stands in the file is
apps/pages/report.py.
"""

import re
from pathlib import Path

import dagster as dg

from apps.pages.door import door_of
from apps.pages.report import report
from pipelines.sensor_opening import Opening, request_of
from pipelines.settings import sensor_seconds
from resources.durable import write_atomically
from resources.warehouse_resource import WarehouseResource

REPORT = "report"
_MANIFEST = re.compile(r'<meta name="manifest" content="(\d+)">')
_HEAD = 2_000
"""Characters of a report within which it says what it was made of."""


def report_path(home: Path) -> Path:
    """Where the newest report lies."""
    return home / REPORT / "report.html"


def due(warehouse: WarehouseResource) -> str | None:
    """The manifest that no report was made of yet, as text; None where the report is that of what readers see."""
    publisher = warehouse.publisher()
    number, path = publisher.current_number(), report_path(publisher.store.state)
    if not number:
        return None
    found = _MANIFEST.search(path.read_text(encoding="utf-8")[:_HEAD]) if path.exists() else None
    return None if found and int(found.group(1)) == number else str(number)


@dg.op(name="write_report", description="Write the pages for executives and people on call as one file that opens anywhere.")
def write_report(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Raises AnalystError where nothing is published."""
    warehouse.sign(context)
    publisher = warehouse.publisher()
    number, path = publisher.current_number(), report_path(publisher.store.state)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    page = report(door_of(publisher.store.data), number).encode()
    write_atomically(path, page, mode=0o600)
    context.log.info(f"report of manifest {number}: {len(page):,} bytes")
    context.add_output_metadata({"report": dg.MetadataValue.path(str(path)), "manifest": number, "bytes": len(page)})


@dg.job(name=REPORT, description="The pages for executives and people on call as one HTML file. Twice is once")
def report_job() -> None:
    """One report of what readers see."""
    write_report()


def report_sensor() -> dg.SensorDefinition:
    """A publish is a run of the job `report`."""
    opening = Opening(REPORT, "a report is being made")

    @dg.sensor(
        name=REPORT,
        job_name=REPORT,
        minimum_interval_seconds=sensor_seconds(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the report anew after each publish.",
    )
    def report_(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
        return request_of(opening, context, REPORT, due(warehouse), "the report is that of what is published")

    return report_
