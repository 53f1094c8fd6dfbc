"""Training of the detector as Dagster runs it: the asset quality.detectors and its job, started by hand or every week.

Offered to build.py: `detectors_asset`, `detector_job`, `detector_schedule`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.night_hours import after_the_night
from pipelines.quality.detector_desk import DETECTORS, DetectorDesk, Pass
from resources.contracts import Contract
from resources.warehouse_resource import RegistryResource, WarehouseResource

TRAIN = "train_detector"


def detectors_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Training: what labels teach is held out and measured; the first detector that is better than none scores."""

    @dg.multi_asset(name="quality__detectors", specs=[asset_spec(contracts[DETECTORS], contracts)])
    def detectors(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, registry: RegistryResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        done = DetectorDesk.of(warehouse, registry, clock).work()
        context.log.info(str(done))
        rows = sum(file.rows for file in warehouse.store().open(DETECTORS).files())
        shown = {"dagster/row_count": rows, "models": registry.page(warehouse.store()), **_told(done)}
        yield dg.MaterializeResult(asset_key=asset_key(DETECTORS), metadata=shown)

    return detectors


def detector_job() -> UnresolvedAssetJobDefinition:
    """One training on the labels that there are."""
    return dg.define_asset_job(
        TRAIN,
        selection=dg.AssetSelection.assets(asset_key(DETECTORS)),
        description="Train the detector of hallucinations on the labels so far; with too few, say so and change nothing",
    )


def detector_schedule() -> dg.ScheduleDefinition:
    """Every Monday, an hour after the night."""
    return dg.ScheduleDefinition(
        name=TRAIN,
        job_name=TRAIN,
        **after_the_night(hours=1, days="* * 1"),
        description="Trains the detector on the labels so far.",
    )


def _told(done: Pass) -> dict[str, dg.MetadataValue | float | int]:
    """What the asset's page shows."""
    if done.row is None:
        return {"why": dg.MetadataValue.text(str(done))}
    shown = ("n_labels", "n_hallucinated", "auc", "auc_low", "auc_high", "brier", "auc_before", "brier_before")
    found: dict[str, dg.MetadataValue | float | int] = {name: done.row[name] for name in shown}
    is_adopted = dg.MetadataValue.bool(done.row["is_adopted"])
    return found | {"detector": dg.MetadataValue.text(str(done)), "is_adopted": is_adopted}
