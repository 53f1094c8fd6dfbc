"""What the Dagster instance knows of earlier runs: which days are in flight, how often a set of inputs was tried."""

from __future__ import annotations

from datetime import date

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, PARTITION_NAME_TAG

from assets.tables import days_between
from resources.process_mark import is_gone
from resources.warehouse_resource import PROCESS_TAG

DIGEST_TAG = "nocturne/inputs"
IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
KILLS_LIKE_A_FAILURE = 7
"""A restart of the code server ends its runs and those that begin meanwhile: three within a minute, of which the inputs know
nothing. But inputs that end their process each time, for want of memory say, have to be given up at last."""


class Runs:
    """Runs of one job in one instance."""

    def __init__(self, instance: dg.DagsterInstance, job_name: str):
        self.instance = instance
        self.job_name = job_name

    def bury_the_dead(self) -> list[str]:
        """Report runs as failed whose process on this machine is gone: a killed run would stay in flight for ever."""
        buried = []
        for run in self.instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)):
            if is_gone(run.tags.get(PROCESS_TAG, ""), run.run_id):
                self.instance.report_run_failed(run, "its process ended without a word; the planner will try its days again")
                buried.append(run.run_id)
        return buried

    def in_flight_days(self) -> set[date]:
        """Days of queued and running runs: not planned again."""
        found: set[date] = set()
        for run in self._runs(IN_FLIGHT):
            first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG, run.tags.get(PARTITION_NAME_TAG))
            last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, run.tags.get(PARTITION_NAME_TAG))
            if first and last:
                found.update(days_between(date.fromisoformat(first), date.fromisoformat(last)))
        return found

    def is_in_flight(self) -> bool:
        return bool(self._runs(IN_FLIGHT, limit=1))

    def ended(self, digest: str) -> tuple[int, int]:
        """(ended, failed) runs that were launched for exactly these inputs. Of those that were killed, or could not even
        begin, KILLS_LIKE_A_FAILURE count as one that failed."""
        ended, failed, killed = self._counts(digest)
        return ended, failed + killed // KILLS_LIKE_A_FAILURE

    def in_vain(self, digest: str) -> int:
        """Runs that were launched for exactly these inputs and left them as they are, whether they failed or not; those that
        were killed count as in `ended`."""
        ended, _, killed = self._counts(digest)
        return ended - killed + killed // KILLS_LIKE_A_FAILURE

    def _counts(self, digest: str) -> tuple[int, int, int]:
        """(ended, failed in one of their steps, failed without)."""
        runs = self._runs(ENDED, {DIGEST_TAG: digest})
        broken = [run.run_id for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
        own = sum(self.instance.get_run_stats(run_id).steps_failed > 0 for run_id in broken)
        return len(runs), own, len(broken) - own

    def newest_ended(self) -> str | None:
        """The run that was asked for last, of those that have ended."""
        newest = self._runs(ENDED, limit=1)
        return newest[0].run_id if newest else None

    def _runs(
        self, statuses: list[dg.DagsterRunStatus], tags: dict[str, str] | None = None, limit: int | None = None
    ) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(job_name=self.job_name, statuses=statuses, tags=tags), limit=limit))
