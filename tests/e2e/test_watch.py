"""The pipeline's own troubles over a real instance: one alert while a job fails, told once, resolved by the next success."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from alert_house import AlertHouse
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from http_target import http_target

from assets.service.pipeline_alerts import NOT_FRESH, RUN_FAILED
from pipelines.planner import MAX_FAILED_ATTEMPTS
from pipelines.service import watch
from pipelines.service.alert_desk import ALERTS, LOG
from pipelines.service.watch import PATIENCE, failing_jobs, late_tables, tell

SOON, LATER = timedelta(minutes=1), PATIENCE + timedelta(minutes=1)


@dg.op
def pass_or_fail(context: dg.OpExecutionContext) -> None:
    if context.run.tags["fails"] == "yes":
        raise RuntimeError("as asked")


@dg.job
def land() -> None:
    pass_or_fail()


@dg.job
def publish() -> None:
    pass_or_fail()


class Watched:
    """A house beside an instance whose runs fail as they are told. The clock of the house goes with the wall's."""

    def __init__(self, root: Path):
        self.house = AlertHouse(root, datetime.now(UTC).isoformat())
        self.instance = dg.DagsterInstance.ephemeral()

    def run(self, job: dg.JobDefinition, fails: bool) -> None:
        tags = {"fails": "yes" if fails else "no"}
        assert job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False).success is not fails

    def look(self, after: timedelta = LATER) -> tuple[int, int]:
        """What a tick does so long from now: alerts raised, alerts resolved."""
        return tell(self.house.desk(), failing_jobs(self.instance, ["land", "publish"], datetime.now(UTC) + after))

    def states(self) -> list[tuple[str, str]]:
        return sorted((row["title"].split(":")[0], row["state"]) for row in self.house.desk().standing())


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.instance.dispose()


def test_a_job_that_fails_is_one_alert_until_it_succeeds_and_another_one_when_it_fails_again(watched: Watched) -> None:
    watched.run(land, fails=False)
    assert watched.look() == (0, 0)
    watched.run(land, fails=True)
    assert watched.look(SOON) == (0, 0), "the planner tries again first"
    assert watched.look() == (1, 0)
    watched.run(land, fails=True)
    assert watched.look() == (0, 0) and watched.look() == (0, 0)
    assert watched.states() == [("the job land fails", "open")]
    watched.run(publish, fails=True)
    assert watched.look() == (1, 0), "each job has its own"
    watched.run(land, fails=False)
    assert watched.look() == (0, 1)
    assert watched.states() == [("the job land fails", "resolved"), ("the job publish fails", "open")]
    watched.run(land, fails=True)
    assert watched.look() == (1, 0)
    rows = watched.house.rows(ALERTS)
    assert {row["rule"] for row in rows} == {RUN_FAILED} and len({row["alert_id"] for row in rows}) == 3
    assert all(row["channel"] == "oncall" for row in rows)


def test_many_failures_at_once_are_told_without_waiting_and_older_runs_that_are_forgotten_raise_nothing_anew(
    watched: Watched,
) -> None:
    for _ in range(MAX_FAILED_ATTEMPTS):
        watched.run(land, fails=True)
    assert watched.look(SOON) == (1, 0)
    oldest = watched.instance.get_runs(limit=10)[-1]
    watched.instance.delete_run(oldest.run_id)
    assert watched.look() == (0, 0), "it began later, by what is left; it is the same trouble"


def test_whoever_is_on_call_hears_of_it_once_and_of_one_that_is_over_nothing(watched: Watched) -> None:
    with http_target() as target:
        watched.house.addresses["ONCALL"] = target.address
        watched.run(land, fails=True)
        watched.look()
        assert dict(watched.house.desk().send_due()) == {"sent": 1}
        assert watched.house.desk().pending() is None
        watched.run(publish, fails=True)
        watched.look()
        watched.run(publish, fails=False)
        watched.look()
        assert dict(watched.house.desk().send_due()) == {}, "what is over before anybody was told"
        [message] = target.got
    assert "the job land fails: 1 run since its last success" in str(message)
    assert "docs/runbooks/pipeline.md" in str(message)
    assert sorted(row["act"] for row in watched.house.rows(LOG)) == ["resolved", "sending", "sent"]


def test_tables_that_fail_their_freshness_policy_are_one_alert(watched: Watched) -> None:
    keys = [dg.AssetKey(["logs", name]) for name in ("requests", "texts", "tool_calls", "feedback", "retrievals")]

    def become(state: FreshnessState, *those: dg.AssetKey) -> None:
        for key in those:
            watched.instance._report_runless_asset_event(
                FreshnessStateChange(key=key, new_state=state, previous_state=FreshnessState.UNKNOWN,
                                     state_change_timestamp=datetime.now(UTC).timestamp())
            )  # fmt: skip

    desk = watched.house.desk()
    become(FreshnessState.WARN, *keys)
    assert late_tables(watched.instance, keys) == []
    become(FreshnessState.FAIL, *keys[:4])
    [trouble] = late_tables(watched.instance, keys)
    assert trouble.rule == NOT_FRESH
    assert trouble.title.startswith("4 tables are late: logs.feedback, logs.requests, logs.texts and 1 more;")
    assert tell(desk, [trouble]) == (1, 0) and tell(desk, [trouble]) == (0, 0)
    become(FreshnessState.PASS, *keys[:4])
    assert tell(desk, late_tables(watched.instance, keys)) == (0, 1)


def test_the_last_runs_alone_are_looked_at(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_RUNS", 2)
    for _ in range(3):
        watched.run(land, fails=True)
    [trouble] = failing_jobs(watched.instance, ["land"], datetime.now(UTC) + LATER)
    assert "at least 2 runs" in trouble.title
