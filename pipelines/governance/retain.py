"""The `retain` job: closes days that were kept long enough, and removes their rows and landed files. Part of `maintain`."""

from typing import Any

import dagster as dg

from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE, LAND, PUBLISH
from pipelines.runs import Runs
from pipelines.tuning.dataset_sweep import sweep_datasets
from pipelines.tuning.training_sweep import sweep_trainings
from pipelines.word_files import remove_words
from resources.closing import Retained
from resources.warehouse_resource import RegistryResource, WarehouseResource

RETAIN = "retain"
PATIENT = dg.RetryPolicy(max_retries=5, delay=120)


def refuse_while_in_flight(context: dg.OpExecutionContext) -> None:
    """Raises Failure while a run of the night is in flight: it may be reading what would be removed."""
    for job in (LAND, COMPUTE, PUBLISH):
        if Runs(context.instance, job).is_in_flight():
            raise dg.Failure(f"a {job} run is in flight; this is tried again when it has ended", allow_retries=True)


@dg.op(
    ins={"start": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    retry_policy=PATIENT,
    description="Closes the days that seeds/retention.yml has kept long enough, but those that seeds/legal_holds.yml keeps, "
    "and removes their rows and the landed files of this project's own landing folder.",
)
def close_days(
    context: dg.OpExecutionContext, warehouse: WarehouseResource, clock: WallClock, registry: RegistryResource
) -> None:
    """Raises RetentionError for a seed that cannot be used, Failure while a run of the night is in flight."""
    warehouse.sign(context)
    refuse_while_in_flight(context)
    done = warehouse.retention().run(clock.now(), context.log.info)
    for hold, gone in done.gone.items():
        context.log.warning(f"hold {hold} was listed after the removal of {gone}; that is gone")
    for path in done.half_landed:
        context.log.warning(f"{path} is half landed; its days wait until the next landing has finished it")
    swept = sweep_datasets(warehouse.store(), warehouse.retention().holds, clock.now())
    context.log.info(str(swept))
    store = warehouse.store()
    trainings = sweep_trainings(store, clock, registry.open(store))
    context.log.info(str(trainings))
    told = {
        "files_without_words": remove_words(warehouse.store()),
        "datasets_removed": len(swept.gone),
        "trainings_removed": len(trainings.folders),
        "rejected_models_removed": len(trainings.models),
    }
    context.add_output_metadata(_metadata(done) | told)


@dg.job(
    name=RETAIN,
    description="Close days by their class of retention, and remove their rows. Safe at any time, twice is once; the files "
    "go with `maintain`, when no snapshot needs them.",
)
def retain() -> None:
    close_days()


def _metadata(done: Retained) -> dict[str, Any]:
    closed = "\n".join(f"| {table} | {len(days)} | {days[0]} | {days[-1]} |" for table, days in done.closed.items())
    held = {hold: [day.isoformat() for day in days] for hold, days in done.held.items()}
    return {
        "closed": dg.MetadataValue.md(f"| table | days | first | last |\n|---|---|---|---|\n{closed}"),
        "days_closed": sum(len(days) for days in done.closed.values()),
        "days_removed": done.removed_days,
        "rows_removed": done.removed_rows,
        "landing_files_removed": done.landing_files,
        "kept_by_holds": dg.MetadataValue.json(held),
        "gone_before_a_hold": dg.MetadataValue.json(done.gone),
        "half_landed": dg.MetadataValue.json(done.half_landed),
    }
