"""The reviews of weeks, months and quarters as Dagster runs them. Offered to build.py: an asset, two jobs, two schedules.

The week's is written by the job of the weekly failures (review_runs.py), after them.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.governance.review import MONTHLY, QUARTERLY, WEEKLY, ReviewError
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.governance.period_reviews import REVIEWS, PeriodReviews
from pipelines.governance.review_seed import ReviewSeedError
from pipelines.night_hours import after_the_night
from pipelines.tuning.tuning_desk import TuningDesk
from resources.contracts import Contract
from resources.warehouse import AnalystError
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

_DEPS = ("quality.case_log", "service.alerts")
"""Not what is published, though it is read: publishing shows reviews in turn, and Dagster loads no circle."""
_DAYS = {MONTHLY: "1 * *", QUARTERLY: "1 1,4,7,10 *"}


class ReviewConfig(dg.Config):
    """Which review is written. `period`: 2026-W46, 2026-10 or 2026-Q3; empty: the last whole one."""

    kind: str = WEEKLY
    period: str = ""


def reviews_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """A review: its text on the asset's page, its tasks in the table."""
    spec = asset_spec(contracts[REVIEWS], contracts).replace_attributes(deps=[asset_key(name) for name in _DEPS])

    @dg.multi_asset(name="write_review", specs=[spec])
    def write_review(
        context: dg.AssetExecutionContext,
        config: ReviewConfig,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        warehouse.sign(context)
        store = warehouse.store()
        desk = PeriodReviews(
            store, warehouse.seeds, clock, lambda: TuningDesk.of(warehouse, embedder, registry, clock).would()
        )
        try:
            written = desk.write(config.kind, config.period or None)
        except (AnalystError, ReviewError, ReviewSeedError) as error:
            raise dg.Failure(f"no review was written: {error}", allow_retries=False) from error
        context.log.info(str(written))
        return dg.MaterializeResult(
            asset_key=asset_key(REVIEWS),
            metadata={
                "dagster/row_count": sum(file.rows for file in store.open(REVIEWS).files()),
                "period": written.review.period.review,
                "tasks": len(written.review.tasks()),
                "new_tasks": written.new_tasks,
                "review": dg.MetadataValue.md(written.text),
                "page": dg.MetadataValue.path(str(written.page)),
            },
        )

    return write_review


def review_jobs() -> list[UnresolvedAssetJobDefinition]:
    """The month's and the quarter's."""
    return [
        dg.define_asset_job(
            f"{kind}_review",
            selection=dg.AssetSelection.assets(asset_key(REVIEWS)),
            config=dg.RunConfig(ops={"write_review": ReviewConfig(kind=kind)}),
            description=f"Write the {kind} review of the last whole period, and its tasks. Twice is once.",
        )
        for kind in _DAYS
    ]


def review_schedules() -> list[dg.ScheduleDefinition]:
    """On the first of the month, or of the quarter, three hours after the night."""
    return [
        dg.ScheduleDefinition(
            name=f"{kind}_review",
            job_name=f"{kind}_review",
            **after_the_night(hours=3, days=days),
            description=f"Writes the {kind} review of the period that is over.",
        )
        for kind, days in _DAYS.items()
    ]
