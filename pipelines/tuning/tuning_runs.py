"""Tuning as Dagster runs it: one job, `tuning`, of a decision and of what follows from it, and its schedule.

`make nightly` runs the same job once the indexes are released, `make tune` at any time. Offered to build.py:
`decision_asset`, `candidates_asset`, `tuning_job`, `tuning_schedule`.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.checks import verdict_of
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.night_hours import after_the_night
from pipelines.retrieval.index_ledger import EVALUATIONS
from pipelines.tuning.dataset_desk import DATASETS
from pipelines.tuning.gate_desk import GATES
from pipelines.tuning.tuning_desk import TRIGGERS, Pass, TuningDesk
from pipelines.tuning.tuning_ledger import CANDIDATES
from resources import terminal
from resources.contracts import REPO, Contract
from resources.store import Store
from resources.trainer import SubprocessLauncher, Trainer, passed_on
from resources.training_pods import KubernetesLauncher
from resources.training_spec import Done, TrainingSpec
from resources.tuning_seed import KindSeed, TuningSeed
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

TUNING = "tuning"
KINDS_TAG = "nocturne/tuning_kinds"
"""Kinds that a run decides about, separated by commas; without it, all that are enabled."""
DECIDED, WORKED = "decisions_are_made", "candidates_go_on"
Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]  # type: ignore[type-arg]


def decision_asset(contracts: Mapping[str, Contract]) -> dg.AssetsDefinition:
    """Deciding: of each kind that is enabled a dataset, what speaks for a training and against it, what is asked for."""
    tables = (TRIGGERS, DATASETS)
    check = dg.AssetCheckSpec(DECIDED, asset=asset_key(TRIGGERS), description="Each enabled kind could be decided about")
    reads = [asset_key(EVALUATIONS)]
    specs = [asset_spec(contracts[name], dict(contracts)).replace_attributes(deps=reads) for name in tables]

    @dg.multi_asset(name="tuning__decisions", specs=specs, check_specs=[check])
    def decisions(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        store, desk = warehouse.store(), TuningDesk.of(warehouse, embedder, registry, clock)
        kinds = [kind for kind in context.run.tags.get(KINDS_TAG, "").split(",") if kind]
        done = desk.decide(context.log.info, kinds)
        yield from _results(store, tables, done, {})
        yield verdict_of(DECIDED, asset_key(TRIGGERS), done.troubles)

    return decisions


def candidates_asset(contracts: Mapping[str, Contract]) -> dg.AssetsDefinition:
    """Working: each candidate is trained outside this process, judged, registered, and promoted where it may be."""
    tables = (CANDIDATES, GATES)
    promise = "No training failed, and each candidate could go on"
    check = dg.AssetCheckSpec(WORKED, asset=asset_key(CANDIDATES), description=promise)
    reads = [asset_key(name) for name in (TRIGGERS, DATASETS)]
    specs = [asset_spec(contracts[name], dict(contracts)).replace_attributes(deps=reads) for name in tables]

    @dg.multi_asset(name="tuning__candidates", specs=specs, check_specs=[check], pool="training")
    def candidates(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        store, desk = warehouse.store(), TuningDesk.of(warehouse, embedder, registry, clock)
        lineage = {"orchestrator_run": context.run.run_id, "code_revision": code_revision(REPO)}

        def train(spec: TrainingSpec, seed: KindSeed) -> Done:
            return trainer(store.state, seed, desk.read_seed()).train(context, spec)

        done = desk.work(train, context.log.info, lineage)
        yield from _results(store, tables, done, {"models": registry.page(store)})
        yield verdict_of(WORKED, asset_key(CANDIDATES), done.troubles)

    return candidates


def trainer(home: Path, kind: KindSeed, seed: TuningSeed) -> Trainer:
    """What trains candidates of a kind, where the seed says."""
    if kind.launcher == "kubernetes" and seed.kubernetes is not None:
        return Trainer(home, KubernetesLauncher(seed.kubernetes))
    return Trainer(home, SubprocessLauncher(passed_on(os.environ)))


def tuning_job() -> UnresolvedAssetJobDefinition:
    """One pass: a decision about each enabled kind, and every candidate as far as it can go."""
    return dg.define_asset_job(
        TUNING,
        selection=dg.AssetSelection.assets(*(asset_key(name) for name in (TRIGGERS, DATASETS, CANDIDATES, GATES))),
        description="Decide what is trained, train it outside this process, judge, register and promote it",
    )


def tuning_schedule() -> dg.ScheduleDefinition:
    """Every night, two hours after the day before is due: indexes are measured by then. Skipped where nothing is enabled."""

    @dg.schedule(
        name=TUNING,
        job_name=TUNING,
        **after_the_night(hours=2),
        description="Decides what is trained, where seeds/tuning.yml enables anything, and takes candidates further.",
    )
    def tuning(
        context: dg.ScheduleEvaluationContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> dg.RunRequest | dg.SkipReason:
        if TuningDesk.of(warehouse, embedder, registry, clock).is_off():
            return dg.SkipReason("seeds/tuning.yml enables nothing, and no candidate is under way")
        return dg.RunRequest()

    return tuning


def code_revision(checkout: Path) -> str:
    """The commit that a checkout stands at, from git's own files; empty where it is none."""
    git = checkout / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if (git / ref).exists():
            return (git / ref).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")


def _results(
    store: Store, tables: tuple[str, ...], done: Pass, links: Mapping[str, dg.MetadataValue[str]]
) -> Results:
    for name in tables:
        rows = sum(file.rows for file in store.open(name).files())
        steps = dg.MetadataValue.md("\n".join(f"- {terminal.one_line(step)}" for step in done.steps) or str(done))
        yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"dagster/row_count": rows, "steps": steps, **links})
