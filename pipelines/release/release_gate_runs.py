"""The release gate and replays as Dagster runs them: release.eval_runs and release.gates, release.replays, and their jobs.

The jobs take in their configuration what `make gate` and `make replay` take as arguments; without a candidate they say so
and do nothing. Offered to build.py: `gates_asset`, `release_gate_job`, `replays_asset`, `replay_job`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from assets.release.gate_report import Report, markdown
from assets.release.release_gate import PASSED
from assets.release.replays import measures, table
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.release.eval_desk import RUNS, EvalDesk
from pipelines.release.release_gate_desk import GATES, Asked, ReleaseGateDesk
from pipelines.release.replay_desk import REPLAYS, ReplayDesk, Wanted
from resources import terminal
from resources.contracts import Contract
from resources.warehouse_resource import EmbedderResource, WarehouseResource

RELEASE_GATE, REPLAY = "release_gate", "replay"
PASSES = "version_may_be_released"
Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]  # type: ignore[type-arg]


class GateConfig(dg.Config):
    """What the gate is to judge, as `make gate` takes it."""

    candidate: str = ""
    live: str = ""
    no_live: bool = False
    suites: list[str] = Field(default_factory=list)
    repeats: int = 0
    feature: str = ""
    fresh: bool = False
    actor: str = "dagster"


def gates_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Running the suites and deciding: rows of both tables, and a check that fails where the version may not be released."""
    check = dg.AssetCheckSpec(PASSES, asset=asset_key(GATES), description="Every gate let the candidate of this run pass")
    specs = [asset_spec(contracts[name], contracts) for name in (RUNS, GATES)]

    @dg.multi_asset(name="release__gates", specs=specs, check_specs=[check], pool="endpoint")
    def gates(
        context: dg.AssetExecutionContext,
        config: GateConfig,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        evals = EvalDesk.of(warehouse, clock)
        evals.embedder = embedder.open(evals.store)
        report = None
        if config.candidate:
            asked = Asked(
                config.candidate, config.live or None, tuple(config.suites) or None, config.repeats or None,
                config.feature or None, config.fresh, config.no_live,
            )  # fmt: skip
            report = ReleaseGateDesk(evals).judge(asked, config.actor, context.log.info)
        else:
            context.log.info("no candidate in the configuration: nothing was asked")
        for name in (RUNS, GATES):
            rows = sum(file.rows for file in evals.store.open(name).files())
            page = {"report": dg.MetadataValue.md(markdown(report))} if report and name == GATES else {}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"dagster/row_count": rows, **page})
        yield _checked(report)

    return gates


def release_gate_job() -> UnresolvedAssetJobDefinition:
    """One decision."""
    return dg.define_asset_job(
        RELEASE_GATE,
        selection=dg.AssetSelection.assets(asset_key(RUNS), asset_key(GATES)),
        description="Run the suites against the candidate that the configuration names: may it be released?",
    )


class ReplayConfig(dg.Config):
    """What is asked again, as `make replay` takes it."""

    candidate: str = ""
    incident: str = ""
    requests: int = 100
    repeats: int = 1


def replays_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Asking an incident's requests again: rows, and a table of what changed. No words."""

    @dg.multi_asset(name="release__replays", specs=[asset_spec(contracts[REPLAYS], contracts)], pool="endpoint")
    def replays(
        context: dg.AssetExecutionContext,
        config: ReplayConfig,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        clock: WallClock,
    ) -> Results:
        warehouse.sign(context)
        desk = ReplayDesk.of(warehouse, clock)
        desk.embedder = embedder.open(desk.store)
        told: dict[str, dg.MetadataValue] = {}
        if config.candidate:
            wanted = Wanted(config.candidate, config.incident or None, requests=config.requests, repeats=config.repeats)
            done = desk.replay(wanted, context.log.info)
            context.log.info(terminal.one_line(str(done)))
            told["changes"] = dg.MetadataValue.md(table(measures(done.rows), done.rows))
        else:
            context.log.info("no candidate in the configuration: nothing was asked")
        rows = sum(file.rows for file in desk.store.open(REPLAYS).files())
        yield dg.MaterializeResult(asset_key=asset_key(REPLAYS), metadata={"dagster/row_count": rows, **told})

    return replays


def replay_job() -> UnresolvedAssetJobDefinition:
    """One replay."""
    return dg.define_asset_job(
        REPLAY,
        selection=dg.AssetSelection.assets(asset_key(REPLAYS)),
        description="Ask the logged requests of the incident that the configuration names of a candidate, and compare",
    )


def _checked(report: Report | None) -> dg.AssetCheckResult:
    told = terminal.one_line(report.verdict.reason) if report else "nothing was judged"
    return dg.AssetCheckResult(
        check_name=PASSES,
        asset_key=asset_key(GATES),
        passed=report is None or report.verdict.outcome == PASSED,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"verdict": dg.MetadataValue.text(told)},
    )
