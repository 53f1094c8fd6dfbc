"""The knowledge base and its indexes as Dagster runs them: one job, `index`, and its schedule.

`make nightly` runs the same job once the day is computed. Offered to build.py: `knowledge_asset`, `releases_asset`,
`index_job`, `index_schedule`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.checks import verdict_of
from assets.retrieval.assets import KNOWN
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.night_hours import after_the_night
from pipelines.retrieval.corpus import CHUNKS, DOCUMENTS, EMBEDDINGS
from pipelines.retrieval.index_desk import IndexDesk
from pipelines.retrieval.index_night import Done
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from pipelines.retrieval.knowledge_sweep import sweep
from pipelines.tuning.champion import retrieval_embedder
from resources import terminal
from resources.contracts import Contract
from resources.store import Store
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

INDEX = "index"
KNOWLEDGE = (DOCUMENTS, CHUNKS, EMBEDDINGS)
RELEASES = ("retrieval.index_releases", "retrieval.evaluations")
CORPORA_READ, RELEASED = "corpora_are_read", "indexes_are_released"
Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]  # type: ignore[type-arg]


def knowledge_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Reading: what is new, changed or gone in the corpora, its chunks, and the vectors that they lack."""
    check = dg.AssetCheckSpec(
        CORPORA_READ, asset=asset_key(DOCUMENTS), description="No corpus is empty that had documents the night before"
    )

    specs = [asset_spec(contracts[name], contracts) for name in KNOWLEDGE]

    @dg.multi_asset(name="retrieval__knowledge", specs=specs, check_specs=[check])
    def knowledge(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        store = warehouse.store()
        chosen = retrieval_embedder(store, embedder, registry.open(store))
        done = KnowledgeDesk(store, warehouse.seeds, chosen.embedder, clock).work(context.log.info)
        context.log.info(str(done))
        told = {DOCUMENTS: done.reading.counts, CHUNKS: {}, EMBEDDINGS: {"computed": done.embedded}}
        for name in KNOWLEDGE:
            metadata = {"dagster/row_count": _rows(warehouse.store(), name), **told[name]}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata=metadata)
        yield verdict_of(CORPORA_READ, asset_key(DOCUMENTS), done.reading.troubles)

    return knowledge


def releases_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Releasing: each index as it is due, measured and gated; then words and vectors go that nothing holds any more."""
    told = "No gate held a release back, none failed to be made, all on disk can be read, and so can the model registry"
    check = dg.AssetCheckSpec(RELEASED, asset=asset_key(RELEASES[0]), description=told)
    reads = [asset_key(name) for name in KNOWLEDGE]
    specs = [asset_spec(contracts[name], contracts).replace_attributes(deps=reads) for name in RELEASES]

    @dg.multi_asset(name="retrieval__releases", specs=specs, check_specs=[check])
    def releases(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        store = warehouse.store()
        chosen = retrieval_embedder(store, embedder, registry.open(store))
        context.log.info(str(chosen))
        done = IndexDesk(store, warehouse.seeds, chosen.embedder, clock).work(context.log.info)
        swept = sweep(store, chosen.embedder.fingerprint, warehouse.retention().holds, clock.now())
        context.log.info(str(swept))
        for name in RELEASES:
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"dagster/row_count": _rows(store, name)})
        yield verdict_of(RELEASED, asset_key(RELEASES[0]), [*chosen.troubles, *troubles(done), *swept.troubles])

    return releases


def index_job() -> UnresolvedAssetJobDefinition:
    """One pass over the knowledge base and its indexes."""
    return dg.define_asset_job(
        INDEX,
        selection=dg.AssetSelection.assets(*(asset_key(name) for name in (*KNOWLEDGE, *KNOWN, *RELEASES))),
        description="Read the corpora of seeds/knowledge.yml, embed what is new, and release the indexes that are due",
    )


def index_schedule() -> dg.ScheduleDefinition:
    """Every night, an hour after the day before is due; skipped where there is no knowledge base."""

    @dg.schedule(
        name=INDEX,
        job_name=INDEX,
        **after_the_night(hours=1),
        description="Brings the knowledge base and its indexes up to date, where seeds/knowledge.yml declares a corpus.",
    )
    def index(
        context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource, embedder: EmbedderResource, clock: WallClock
    ) -> dg.RunRequest | dg.SkipReason:
        if KnowledgeDesk.of(warehouse, embedder, clock).is_off():
            return dg.SkipReason("no corpus in seeds/knowledge.yml")
        return dg.RunRequest()

    return index


def troubles(done: list[Done]) -> list[str]:
    """What a person is to know of a pass over the indexes."""
    return [terminal.one_line(str(one)) for one in done if one.is_trouble]


def _rows(store: Store, name: str) -> int:
    return sum(file.rows for file in store.open(name).files())
