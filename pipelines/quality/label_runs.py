"""Labels as Dagster runs them: reading what people said, and drawing and exporting what they are asked next.

`make nightly` reads before it computes, and draws when the day's scores are there; the sensors do the same beside it.
Offered to build.py: `labels_asset`, `label_queue_asset`, `label_jobs`, `label_sensors`.
"""

from collections.abc import Iterator
from hashlib import sha256

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.quality.label_desk import DRAWS, FRAME, QUEUE, Drawn, LabelDesk
from pipelines.quality.label_export import Exported, LabelExport
from pipelines.quality.label_inbox import COMMENTS, IMPORTS, LABELS, QUARANTINE, Imported, LabelInbox
from pipelines.sensor_opening import Opening, request_of
from pipelines.settings import sensor_seconds
from resources import terminal
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource

IMPORT, ASK = "import_labels", "draw_labels"
READ, ASKED = (LABELS, COMMENTS, IMPORTS, QUARANTINE), (FRAME, DRAWS, QUEUE)
"""The event tables that each of the two appends to."""
_INPUTS = {LABELS: (QUEUE,), QUEUE: (FRAME,), DRAWS: (FRAME,), FRAME: ("logs.requests", "logs.texts", "service.features")}


def _specs(names: tuple[str, ...], contracts: dict[str, Contract]) -> list[dg.AssetSpec]:
    return [
        asset_spec(contracts[name], contracts).replace_attributes(deps=[asset_key(i) for i in _INPUTS.get(name, ())])
        for name in names
    ]


def labels_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Reading the inbox: what people said becomes rows, once."""

    @dg.multi_asset(name="read_labels", specs=_specs(READ, contracts))
    def read_labels(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        done = LabelInbox.of(warehouse, clock).work()
        for line in said(done):
            context.log.info(line)
        for name in READ:
            table, rows = dg.MetadataValue.md(_table(done)), _rows(warehouse, name)
            yield dg.MaterializeResult(
                asset_key=asset_key(name), metadata={"dagster/row_count": rows, "files": len(done), "read": table}
            )

    return read_labels


def label_queue_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Drawing: whom chance asks about, frozen, and the files for those who judge."""

    @dg.multi_asset(name="draw_and_export", specs=_specs(ASKED, contracts))
    def draw_labels(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        drawn, exported = LabelDesk.of(warehouse, clock).work(), LabelExport.of(warehouse, clock).work()
        for line in told(drawn, exported):
            context.log.info(line)
        for name in ASKED:
            counts = _counts(drawn, exported) if name == QUEUE else {}
            yield dg.MaterializeResult(
                asset_key=asset_key(name), metadata={"dagster/row_count": _rows(warehouse, name), **counts}
            )

    return draw_labels


def label_jobs() -> list[UnresolvedAssetJobDefinition]:
    """One pass over the inbox; one over what is to be drawn and exported."""
    return [
        dg.define_asset_job(
            IMPORT,
            selection=dg.AssetSelection.assets(*(asset_key(name) for name in READ)),
            description="Take the label files that wait in the inbox. Safe at any time; twice is once",
        ),
        dg.define_asset_job(
            ASK,
            selection=dg.AssetSelection.assets(*(asset_key(name) for name in ASKED)),
            description="Draw the responses that people are asked about, and write their files. What is drawn stays",
        ),
    ]


def label_sensors() -> list[dg.SensorDefinition]:
    """Files in the inbox are read when they come; what is published is drawn from."""
    reading, asking = Opening(IMPORT, "labels are being read"), Opening(ASK, "labels are being drawn")

    @dg.sensor(
        name="label_inbox",
        job_name=IMPORT,
        minimum_interval_seconds=sensor_seconds(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches the inbox of labels; takes files once they are left alone.",
    )
    def label_inbox(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        inputs = LabelInbox.of(warehouse, clock).pending()
        yield request_of(reading, context, "label_inbox", inputs, "no label file has settled")

    @dg.sensor(
        name="label_queue",
        job_name=ASK,
        minimum_interval_seconds=sensor_seconds(300),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Draws the responses that people are asked about, from days that were published.",
    )
    def label_queue(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # A look at the population reads days of words: not at each tick, but after each publish.
        manifest = f"{warehouse.publisher().current_number()} {clock.last_due_day()}"
        if context.cursor == manifest:
            yield dg.SkipReason("nothing was published since the last look")
            return
        inputs = pending(warehouse, clock) if warehouse.publisher().current_number() else None
        if inputs is None:
            context.update_cursor(manifest)
        yield request_of(asking, context, "label_queue", inputs, "all is drawn and exported")

    return [label_inbox, label_queue]


def pending(warehouse: WarehouseResource, clock: WallClock) -> str | None:
    """A digest of what is to be drawn or exported; None where that is nothing."""
    drawing, folders = LabelDesk.of(warehouse, clock).pending(), LabelExport.of(warehouse, clock).pending()
    return sha256(f"{drawing} {folders}".encode()).hexdigest()[:16] if drawing or folders else None


def said(done: list[Imported]) -> list[str]:
    """What became of each file, a line each."""
    return [terminal.one_line(str(file)) for file in done] or ["no label files wait"]


def told(drawn: Drawn, exported: Exported) -> list[str]:
    """What was drawn, and what was written."""
    return [str(drawn) if drawn else "nothing new to draw", str(exported)]


def _rows(warehouse: WarehouseResource, name: str) -> int:
    return sum(file.rows for file in warehouse.store().open(name).files())


def _table(done: list[Imported]) -> str:
    """Counts alone: a file's name may be a person's."""
    heading = "| file | labels | second thoughts | late | known | unanswered | unknown | conflicting | closed | faulty |"
    names = ("labels", "revisions", "late", "duplicates", "unanswered", "unknown", "conflicting", "closed", "faulty")
    lines = [f"| {n} | {' | '.join(str(file.counts.get(name, 0)) for name in names)} |" for n, file in enumerate(done, 1)]
    return "\n".join([heading, "|---" * (len(names) + 1) + "|", *lines])


def _counts(drawn: Drawn, exported: Exported) -> dict[str, int]:
    return {
        "drawn": sum(drawn.drawn.values()),
        "late": sum(drawn.late.values()),
        "targeted": sum(drawn.targeted.values()),
        "excluded": drawn.excluded,
        "exported": sum(exported.tasks.values()),
        "without_words": exported.gone,
        "forbidden": exported.forbidden,
    }
