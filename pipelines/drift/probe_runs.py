"""Golden prompts as Dagster runs them: the asset drift.probes, its job, and the schedule that asks at the nightly hour.

`make nightly` runs the same job before it computes; under the schedule, days that were computed first become stale and are
computed again. Offered to build.py: `probes_asset`, `probe_job`, `probe_schedule`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.drift.probe_desk import PROBES, Asked, ProbeDesk
from pipelines.night_hours import after_the_night
from resources import terminal
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource

PROBE = "probe"


def probes_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Asking: what is not stored of tonight is asked, and stored as it comes."""

    @dg.multi_asset(name="drift__probes", specs=[asset_spec(contracts[PROBES], contracts)])
    def probes(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        done = ProbeDesk.of(warehouse, clock).work()
        for line in said(done):
            context.log.info(line)
        rows = sum(file.rows for file in warehouse.store().open(PROBES).files())
        yield dg.MaterializeResult(asset_key=asset_key(PROBES), metadata={"dagster/row_count": rows, **_told(done)})

    return probes


def probe_job() -> UnresolvedAssetJobDefinition:
    """One pass over what is not asked yet."""
    return dg.define_asset_job(
        PROBE,
        selection=dg.AssetSelection.assets(asset_key(PROBES)),
        description="Ask the golden prompts of tonight that are not stored yet; without an endpoint, none",
    )


def probe_schedule() -> dg.ScheduleDefinition:
    """Every night at the hour at which the day before is due; skipped where nothing is to be asked."""

    @dg.schedule(
        name="probe",
        job_name=PROBE,
        **after_the_night(),
        description="Asks the golden prompts, where seeds/probes.yml names an endpoint.",
    )
    def probe(
        context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> dg.RunRequest | dg.SkipReason:
        if not ProbeDesk.of(warehouse, clock).is_due():
            return dg.SkipReason("no endpoint in seeds/probes.yml, or all is asked")
        return dg.RunRequest()

    return probe


def said(done: dict[str, Asked]) -> list[str]:
    """What a pass did, a line an endpoint."""
    return [terminal.one_line(f"{name}: {asked}") for name, asked in done.items()] or ["no endpoint is declared"]


def _told(done: dict[str, Asked]) -> dict[str, dg.MetadataValue | int]:
    """What the asset's page shows. No key, and no words of answers."""
    if not done:
        return {"is_off": dg.MetadataValue.text("seeds/probes.yml names no endpoint (docs/provider-probe.md)")}
    cell = terminal.markdown_cell
    lines = "\n".join(
        f"| {cell(name)} | {a.answered} | {sum(a.failed.values())} | {a.known} | {a.left_out} | {cell(a.why or '')} |"
        for name, a in done.items()
    )
    heading = "| endpoint | answered | failed | known before | left out | why |\n|---|---|---|---|---|---|\n"
    return {
        "answered": sum(a.answered for a in done.values()),
        "failed": sum(sum(a.failed.values()) for a in done.values()),
        "endpoints": dg.MetadataValue.md(heading + lines),
    }
