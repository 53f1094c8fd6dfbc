"""Sensors: new files are landed when they come, stale days are computed, and what passed is published.

All of them ask the same planner as `make nightly`. Each tick does one thing and is safe to repeat: a restart, a crash
or two ticks at once end in the same warehouse.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.governance.assets import WAITING_TAG
from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE, LAND, PUBLISH
from pipelines.planner import MAX_FAILED_ATTEMPTS, make_plan
from pipelines.runs import DIGEST_TAG, Runs
from pipelines.sensor_opening import Opening
from pipelines.settings import sensor_seconds
from resources.landing_area import Candidate
from resources.warehouse_resource import WarehouseResource


def landing_inputs(files: Iterable[Candidate]) -> str:
    """A digest of files as they lie there: which of them a landing was launched for."""
    return sha256(repr(sorted(file.fate for file in files)).encode()).hexdigest()[:16]


def landing_sensor() -> dg.SensorDefinition:
    """Lands files as they come, so that the night finds them in the ledger."""

    opening = Opening(LAND, "a landing run is queued or running")

    @dg.sensor(
        name="landing",
        job_name=LAND,
        minimum_interval_seconds=sensor_seconds(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches the landing folder; lands files once they are left alone.",
    )
    def landing(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        runs = opening(context)
        if isinstance(runs, dg.SkipReason):
            yield runs
            return
        settled = [file for file in warehouse.landing().waiting() if clock.is_settled(file)]
        if not settled:
            yield dg.SkipReason("no new file has settled")
            return
        inputs = landing_inputs(settled)
        ended, _ = runs.ended(inputs)
        if (in_vain := runs.in_vain(inputs)) >= MAX_FAILED_ATTEMPTS:
            yield dg.SkipReason(f"{in_vain} runs could not take {settled[0].name}; see the checks of the last `land` run")
            return
        yield dg.RunRequest(run_key=f"land:{inputs}:{ended}", tags={DIGEST_TAG: inputs})

    return landing


def night_sensor(run_jobs: Mapping[str, UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """Computes stale due days, and publishes when nothing is left to compute or the rest waits.

    While days are in flight it publishes once for each run that has ended: each table that a run finishes would else be a
    reason of its own, and a run of publishing beside it for minutes.
    """

    opening = Opening(COMPUTE)

    @dg.sensor(
        name="night",
        jobs=[run_jobs[COMPUTE], run_jobs[PUBLISH]],
        minimum_interval_seconds=sensor_seconds(30),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks the planner which due days are stale and launches one run per contiguous range; "
        "publishes when a run ends.",
    )
    def night(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        runs = opening(context)
        if isinstance(runs, dg.SkipReason):
            yield runs
            return
        # Before the plan: a run that ends meanwhile is then looked at again.
        ended_runs = f"{runs.newest_ended()} {Runs(context.instance, LAND).newest_ended()}"
        plan = make_plan(warehouse.store(), clock.last_due_day(), runs)
        for days in plan.ranges:
            yield dg.RunRequest(job_name=COMPUTE, run_key=days.run_key, tags=days.tags)
        publishing = Runs(context.instance, PUBLISH)
        if plan.ranges or publishing.is_in_flight():
            return
        if plan.in_flight and context.cursor == ended_runs:
            yield dg.SkipReason(f"{len(plan.in_flight)} days are in flight; what has ended before them was published")
            return
        inputs = warehouse.publisher().due(clock.last_due_day(), plan.waiting)
        if inputs is None:
            yield dg.SkipReason(f"nothing to compute ({len(plan.in_flight)} days are in flight), nothing to publish")
            return
        ended, failed = publishing.ended(inputs)
        if failed >= MAX_FAILED_ATTEMPTS:
            yield dg.SkipReason(f"publishing failed {failed} times with these tables; see its last run")
            return
        context.update_cursor(ended_runs)
        tags = {DIGEST_TAG: inputs, WAITING_TAG: plan.waiting_tag}
        yield dg.RunRequest(job_name=PUBLISH, run_key=f"publish:{inputs}:{ended}", tags=tags)

    return night
