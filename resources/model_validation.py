"""MLflow's own reading of what a candidate showed: values against thresholds, by `mlflow.validate_evaluation_results`.

Here belongs that call. Intervals, segments and what was not measured are not in its vocabulary: who decides is
assets/tuning/gate.py, and this reads over its shoulder (docs/decisions/0015-two-readers-of-a-verdict.md).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from resources.without_spark import without_spark


@dataclass(frozen=True)
class Asked:
    """A value, and the threshold that it has to reach: from below, or from above where lower is better."""

    value: float
    threshold: float
    greater_is_better: bool = True


def refused(asked: Mapping[str, Asked]) -> str | None:
    """Why MLflow would not validate these values, in its words; None: it would. A value that is no number is refused."""
    with without_spark():
        from mlflow import validate_evaluation_results
        from mlflow.models import MetricThreshold
        from mlflow.models.evaluation import EvaluationResult
        from mlflow.models.evaluation.validation import ModelValidationFailedException

        logging.getLogger("mlflow.models.evaluation.validation").setLevel(logging.WARNING)
        thresholds = {
            name: MetricThreshold(threshold=one.threshold, greater_is_better=one.greater_is_better)  # type: ignore[no-untyped-call]
            for name, one in asked.items()
        }
        # With a run named, no store is asked for the active one.
        shown = EvaluationResult({name: one.value for name, one in asked.items()}, {}, run_id="none")  # type: ignore[no-untyped-call]
        try:
            validate_evaluation_results(thresholds, shown)
        except ModelValidationFailedException as error:
            return str(error)
        return None
