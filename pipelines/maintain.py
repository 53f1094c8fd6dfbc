"""The `maintain` job: fewer ledger files, and files that nobody needs removed. Never while another run is in flight."""

import dagster as dg

from pipelines.clock import WallClock
from pipelines.jobs import COMPUTE, LAND, PUBLISH, VALIDATE
from pipelines.runs import Runs
from resources.maintenance import clear_staging, compact_ledgers, vacuum
from resources.warehouse_resource import WarehouseResource

MAINTAIN = "maintain"


@dg.op(
    description="Compacts ledger days that lie in many files, then removes files older than the retention "
    "that no snapshot names."
)
def keep_house(context: dg.OpExecutionContext, warehouse: WarehouseResource, clock: WallClock) -> None:
    """Raises Failure while another run is in flight: it may be reading what would be removed."""
    for job in (LAND, COMPUTE, PUBLISH, VALIDATE):
        if Runs(context.instance, job).is_in_flight():
            raise dg.Failure(f"a {job} run is in flight; start {MAINTAIN} again when it has ended", allow_retries=True)
    store = warehouse.store()
    clear_staging(store)
    compacted = compact_ledgers(store)
    removed = vacuum(warehouse.publisher(), clock.now())
    context.log.info(f"{compacted} files compacted, {removed.table_files} files and {removed.snapshots} snapshots removed")


@dg.job(
    name=MAINTAIN,
    description="Compact and vacuum. Safe at any time: a kill leaves every table and snapshot whole.",
    op_retry_policy=dg.RetryPolicy(max_retries=5, delay=120),
)
def maintain() -> None:
    keep_house()
