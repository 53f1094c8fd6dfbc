"""The sensor that validates: when something new was published, Great Expectations looks at the days that changed."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from assets.expectations import due
from pipelines.jobs import VALIDATE
from pipelines.planner import MAX_FAILED_ATTEMPTS
from pipelines.runs import DIGEST_TAG
from pipelines.sensor_opening import Opening
from pipelines.settings import sensor_seconds
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource


def validation_sensor(contracts: dict[str, Contract]) -> dg.SensorDefinition:
    """Launches `validate` once for each state of what is published; what it finds holds nothing back."""

    opening = Opening(VALIDATE)

    @dg.sensor(
        name="validation",
        job_name=VALIDATE,
        minimum_interval_seconds=sensor_seconds(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Validates published days that changed.",
    )
    def validation(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        runs = opening(context)
        if isinstance(runs, dg.SkipReason):
            yield runs
            return
        inputs = due(contracts, warehouse.publisher())
        if inputs is None:
            yield dg.SkipReason("all that is published was validated; what was found stands in the checks")
            return
        ended, failed = runs.ended(inputs)
        if runs.is_in_flight():
            yield dg.SkipReason("a validation is queued or running")
        elif failed >= MAX_FAILED_ATTEMPTS:
            yield dg.SkipReason(f"validating these days failed {failed} times; see the last `{VALIDATE}` run")
        else:
            yield dg.RunRequest(run_key=f"validate:{inputs}:{ended}", tags={DIGEST_TAG: inputs})

    return validation
