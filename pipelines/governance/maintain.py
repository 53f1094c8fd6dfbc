"""The `maintain` job: fewer ledger files, days closed, files and old runs that nobody needs removed. Never beside a run."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.clock import WallClock
from pipelines.governance.retain import PATIENT, close_days, refuse_while_in_flight
from pipelines.governance.run_history import digests_in_use, forget
from pipelines.settings import Settings
from resources.maintenance import clear_staging, compact_ledgers, vacuum
from resources.warehouse_resource import WarehouseResource

MAINTAIN = "maintain"


@dg.op(
    out=dg.Out(dg.Nothing),
    retry_policy=PATIENT,
    description="Clears what killed runs left in staging, and rewrites ledger days that lie in many files as one.",
)
def fewer_files(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Raises Failure while a run of the night is in flight."""
    warehouse.sign(context)
    refuse_while_in_flight(context)
    clear_staging(warehouse.store())
    compacted = compact_ledgers(warehouse.store())
    context.log.info(f"{compacted} files compacted")
    context.add_output_metadata({"files_compacted": compacted})


@dg.op(
    ins={"start": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    retry_policy=PATIENT,
    description="Removes files older than the longest session that no snapshot names, and the snapshots older than it.",
)
def remove_unneeded(context: dg.OpExecutionContext, warehouse: WarehouseResource, clock: WallClock) -> None:
    """Raises Failure while a run of the night is in flight."""
    refuse_while_in_flight(context)
    removed = vacuum(warehouse.publisher(), clock.now())
    context.log.info(f"{removed.table_files} files and {removed.snapshots} snapshots removed")
    context.add_output_metadata({"files_removed": removed.table_files, "snapshots_removed": removed.snapshots})


@dg.op(
    ins={"start": dg.In(dg.Nothing)},
    retry_policy=PATIENT,
    description="Removes Dagster's own record of runs that ended more than NOCTURNE_RUN_HISTORY_DAYS ago.",
)
def forget_runs(context: dg.OpExecutionContext, warehouse: WarehouseResource, clock: WallClock) -> None:
    """Raises Failure while a run of the night is in flight. Runs are as old as they are, whatever `fixed_now` says."""
    refuse_while_in_flight(context)
    before = datetime.now(UTC) - timedelta(days=Settings.from_environment().run_history_days)
    done = forget(context.instance, before, digests_in_use(context.instance, warehouse, clock), context.log.info)
    context.log.info(str(done))
    freed = {} if done.freed_bytes is None else {"freed_bytes": done.freed_bytes}
    context.add_output_metadata({"runs": done.runs, "emptied": done.emptied, **freed})


@dg.job(
    name=MAINTAIN,
    description="Compact, retain, vacuum, forget old runs. Safe at any time: a kill leaves every table and snapshot whole.",
)
def maintain() -> None:
    forget_runs(remove_unneeded(close_days(fewer_files())))
