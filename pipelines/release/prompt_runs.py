"""The prompt registry as Dagster runs it: one job that brings it up to date, and its schedule.

`make nightly` runs the same job where prompts were ever registered, or released. Offered to build.py: `registry_asset`,
`prompts_job`, `prompts_schedule`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.release.assets import PROMPTS, REGISTRY_LOG
from assets.release.releases import live_releases
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.night_hours import after_the_night
from pipelines.release.prompt_desk import MANIFESTS, PromptDesk
from pipelines.release.release_desk import ReleaseDesk
from resources import terminal
from resources.contracts import Contract
from resources.events import table_rows
from resources.warehouse_resource import RegistryResource, WarehouseResource

SYNC = "sync_prompts"
EVENTS = (MANIFESTS, REGISTRY_LOG)


def registry_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Syncing: each sound version of seeds/prompts is in the registry, and aliases point as releases say."""
    reads = {MANIFESTS: (PROMPTS,), REGISTRY_LOG: (PROMPTS, MANIFESTS)}
    specs = [
        asset_spec(contracts[name], contracts).replace_attributes(deps=[asset_key(one) for one in reads[name]])
        for name in EVENTS
    ]

    @dg.multi_asset(name="release__registry", specs=specs)
    def sync(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, registry: RegistryResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        done = ReleaseDesk(PromptDesk.of(warehouse, registry, clock)).work()
        context.log.info(str(done))
        store = warehouse.store()
        live = sorted(live_releases(table_rows(store, MANIFESTS)).items())
        cell = terminal.markdown_cell
        lines = "\n".join(
            f"| {cell(prompt)} | {cell(environment)} | {cell(row['prompt_version'])} | {row['live_from']:%Y-%m-%d %H:%M} |"
            for (prompt, environment), row in live
        )
        table = f"| prompt | environment | live | since |\n|---|---|---|---|\n{lines}"
        told: dict[str, tuple[str, dg.MetadataValue[str]]] = {
            MANIFESTS: ("live", dg.MetadataValue.md(table)),
            REGISTRY_LOG: ("done", dg.MetadataValue.text(str(done))),
        }
        for name in EVENTS:
            rows = sum(file.rows for file in store.open(name).files())
            said, value = told[name]
            links = {"registry": registry.page(store)} if name == REGISTRY_LOG else {}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"dagster/row_count": rows, said: value, **links})

    return sync


def prompts_job() -> UnresolvedAssetJobDefinition:
    """One pass over manifests, releases and the registry."""
    return dg.define_asset_job(
        SYNC,
        selection=dg.AssetSelection.assets(*(asset_key(name) for name in EVENTS)),
        description="Register the prompts of seeds/prompts, each version once, and let aliases point as releases say",
    )


def prompts_schedule() -> dg.ScheduleDefinition:
    """Every night, an hour after the day before is due; skipped where the registry was never used."""

    @dg.schedule(
        name=SYNC,
        job_name=SYNC,
        **after_the_night(hours=1, minute=10),
        description="Brings the prompt registry up to date, once a prompt was registered or released.",
    )
    def sync_prompts(
        context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource, registry: RegistryResource, clock: WallClock
    ) -> dg.RunRequest | dg.SkipReason:
        if not PromptDesk.of(warehouse, registry, clock).is_used():
            return dg.SkipReason("no prompt was registered yet; make prompts ARGS=sync")
        return dg.RunRequest()

    return sync_prompts
