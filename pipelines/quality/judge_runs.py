"""The LLM judge as Dagster runs it: the asset quality.judgements, its job, and the sensor that asks after each publish.

`make nightly` runs the same job once the day's answers are scored and drawn from. Offered to build.py: `judgements_asset`,
`judge_job`, `judge_sensor`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.quality.judge_desk import FRAME, JUDGEMENTS, TEXTS, Judged, JudgeDesk
from pipelines.quality.label_population import SCORES
from pipelines.sensor_opening import Opening, request_of
from pipelines.settings import sensor_seconds
from resources import terminal
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource

JUDGE = "judge"


def judgements_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Asking: what has no judgement yet is asked about, and stored as it comes."""
    spec = asset_spec(contracts[JUDGEMENTS], contracts)
    reads = [asset_key(name) for name in (TEXTS, "logs.requests", SCORES, FRAME)]

    @dg.multi_asset(name="quality__judgements", specs=[spec.replace_attributes(deps=reads)], pool="endpoint")
    def judgements(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        done = JudgeDesk.of(warehouse, clock).work(context.log.info)
        context.log.info(said(done))
        rows = sum(file.rows for file in warehouse.store().open(JUDGEMENTS).files())
        yield dg.MaterializeResult(asset_key=asset_key(JUDGEMENTS), metadata={"dagster/row_count": rows, **_told(done)})

    return judgements


def judge_job() -> UnresolvedAssetJobDefinition:
    """One pass over what has no judgement yet."""
    return dg.define_asset_job(
        JUDGE,
        selection=dg.AssetSelection.assets(asset_key(JUDGEMENTS)),
        description="Ask the LLM judge about answers that have no judgement yet; without an endpoint, none",
    )


def judge_sensor() -> dg.SensorDefinition:
    """What is published is asked about, where seeds/judge.yml names an endpoint."""
    opening = Opening(JUDGE, "the judge is being asked")

    @dg.sensor(
        name="judge",
        job_name=JUDGE,
        minimum_interval_seconds=sensor_seconds(300),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks an LLM about answers of days that were published, where seeds/judge.yml names an endpoint.",
    )
    def judge(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        desk, number = JudgeDesk.of(warehouse, clock), warehouse.publisher().current_number()
        if not number or desk.read_seed() is None:
            yield dg.SkipReason("nothing is published" if not number else "no endpoint in seeds/judge.yml")
            return
        # A look at the answers reads days: not at each tick, but after each publish.
        manifest = f"{number} {clock.last_due_day()}"
        if context.cursor == manifest:
            yield dg.SkipReason("nothing was published since the last look")
            return
        due = desk.look()
        if due.inputs is None:
            context.update_cursor(manifest)
        yield request_of(opening, context, "judge", due.inputs, due.why or "all is asked")

    return judge


def said(done: Judged | None) -> str:
    """What a pass did, in a line."""
    return "no endpoint is declared" if done is None else terminal.one_line(str(done))


def _told(done: Judged | None) -> dict[str, dg.MetadataValue | int]:
    """What the asset's page shows. No key, and no words."""
    if done is None:
        return {"is_off": dg.MetadataValue.text("seeds/judge.yml names no endpoint (docs/judge.md)")}
    return {
        "judged": done.judged,
        "known_by_their_words": done.cached,
        "failed": sum(done.failed.values()),
        "left_out": done.left_out,
        "cost_usd": dg.MetadataValue.text(f"{done.usd.normalize():f}"),
        **({"why": dg.MetadataValue.text(terminal.one_line(done.why))} if done.why else {}),
    }
