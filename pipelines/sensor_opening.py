"""How every sensor begins its tick: it looks whether the code it loaded still stands, and at the runs of its job."""

from __future__ import annotations

import dagster as dg

from pipelines.checkout import EDITED, checkout_digest
from pipelines.planner import MAX_FAILED_ATTEMPTS
from pipelines.runs import DIGEST_TAG, Runs


class Opening:
    """Made when definitions are loaded, called at each tick. `busy` is what a sensor says that waits for its run to end;
    without it the tick goes on beside a run in flight."""

    def __init__(self, job_name: str, busy: str | None = None):
        self.job_name = job_name
        self.busy = busy
        self._loaded = checkout_digest()

    def __call__(self, context: dg.SensorEvaluationContext) -> Runs | dg.SkipReason:
        """The runs of the job, those whose process is gone buried; or why there is nothing to do in this tick."""
        if checkout_digest() != self._loaded:
            return dg.SkipReason(EDITED)
        runs = Runs(context.instance, self.job_name)
        runs.bury_the_dead()
        if self.busy and runs.is_in_flight():
            return dg.SkipReason(self.busy)
        return runs


def request_of(
    opening: Opening, context: dg.SensorEvaluationContext, name: str, inputs: str | None, idle: str
) -> dg.RunRequest | dg.SkipReason:
    """A run for these inputs, again once it has ended, unless it failed too often; `idle`: why there is none."""
    runs = opening(context)
    if isinstance(runs, dg.SkipReason):
        return runs
    if inputs is None:
        return dg.SkipReason(idle)
    ended, failed = runs.ended(inputs)
    if failed >= MAX_FAILED_ATTEMPTS:
        return dg.SkipReason(f"that failed {failed} times; see the last `{opening.job_name}` run")
    return dg.RunRequest(run_key=f"{name}:{inputs}:{ended}", tags={DIGEST_TAG: inputs})
