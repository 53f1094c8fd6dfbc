"""Evaluation cases and the weekly review as Dagster runs them: failures are proposed, and the week that is over is reviewed.

Offered to build.py: `cases_asset`, `review_job`, `review_schedule`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.quality.weekly_review import without_words
from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.governance.period_reviews import REVIEWS
from pipelines.governance.review_desk import ReviewDesk, Reviewed
from pipelines.night_hours import after_the_night
from pipelines.release.case_desk import LOG, PROPOSALS, CaseDesk, Proposed
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource

REVIEW = "weekly_review"
_INPUTS = {PROPOSALS: ("quality.labels", "logs.feedback", "logs.requests", "logs.texts"), LOG: (PROPOSALS,)}


def cases_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Proposing what failed, and reviewing the week: its text, without anybody's words, stands on the asset's page."""
    specs = [
        asset_spec(contracts[name], contracts).replace_attributes(deps=[asset_key(read) for read in reads])
        for name, reads in _INPUTS.items()
    ]

    @dg.multi_asset(name="propose_and_review", specs=specs)
    def propose_and_review(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        desk = CaseDesk.of(warehouse, clock)
        proposed, reviewed = desk.propose(), ReviewDesk(desk).write()
        for line in (proposed, reviewed):
            context.log.info(str(line))
        for name in _INPUTS:
            rows = sum(file.rows for file in warehouse.store().open(name).files())
            told = _told(proposed, reviewed) if name == PROPOSALS else {}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata={"dagster/row_count": rows, **told})

    return propose_and_review


def review_job() -> UnresolvedAssetJobDefinition:
    """One pass over what failed, and the review of the week that is over."""
    return dg.define_asset_job(
        REVIEW,
        selection=dg.AssetSelection.assets(*(asset_key(name) for name in (*_INPUTS, REVIEWS))),
        description="Propose failures as evaluation cases, and write the review of the last whole week. Twice is once",
    )


def review_schedule() -> dg.ScheduleDefinition:
    """Every Monday, two hours after the night: Sunday is computed, and labels of the morning are not waited for."""
    return dg.ScheduleDefinition(
        name=REVIEW,
        job_name=REVIEW,
        **after_the_night(hours=2, days="* * 1"),
        description="Proposes failures as evaluation cases, and reviews the week that is over.",
    )


def _told(proposed: Proposed, reviewed: Reviewed) -> dict[str, dg.MetadataValue | int]:
    """What the asset's page shows: counts, and the review without words."""
    return {
        "new_failures": sum(proposed.states.values()),
        "held": sum(count for state, count in proposed.states.items() if state.startswith("held")),
        "excluded": sum(count for state, count in proposed.states.items() if state.startswith("excluded")),
        "new_cases": proposed.cases,
        "written_for_people": proposed.written,
        "failed_responses": reviewed.responses,
        "open_cases": reviewed.open_cases,
        "week": dg.MetadataValue.text(reviewed.week),
        "review": dg.MetadataValue.md(without_words(reviewed.text)),
    }
