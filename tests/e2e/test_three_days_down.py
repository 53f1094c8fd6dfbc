"""Down for three days: each schedule catches up with one run, not three, and the warehouse is that of three nights."""

import logging
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from core import core_house
from dagster._core.remote_origin import CodeLocationOrigin, InProcessCodeLocationOrigin
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs
from house import House, request

from pipelines.governance.maintain import MAINTAIN
from pipelines.jobs import LAND
from resources.calendar import calendar
from resources.contracts import REPO

DAYS = ("2026-11-09", "2026-11-10", "2026-11-11")


class ThisProcess(WorkspaceLoadTarget):
    """The project's own definitions, loaded here instead of in a code server."""

    def create_origins(self) -> Sequence[CodeLocationOrigin]:
        file = str(REPO / "pipelines" / "definitions.py")
        target = LoadableTargetOrigin(executable_path=sys.executable, python_file=file, working_directory=str(REPO))
        return [InProcessCodeLocationOrigin(target, location_name="nocturne")]


class Scheduler:
    """The daemon's scheduler at the times that it is told, over an instance whose queue nobody empties."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext):
        self.instance = instance
        self._workspace = workspace

    def tick(self, when: str) -> Counter[str]:
        """What it asks for when it looks at a time (UTC): runs by job."""
        now = datetime.fromisoformat(when).replace(tzinfo=UTC)
        before = {run.run_id for run in self.instance.get_runs()}
        with freeze_time(now):
            # It remembers nothing of earlier ticks but what is stored, as a daemon that was started anew.
            list(launch_scheduled_runs(self._workspace, logging.getLogger("scheduler"), now, iteration_times={}))
        return Counter(run.job_name for run in self.instance.get_runs() if run.run_id not in before)


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    for name in ("HOME", "DATA", "LANDING"):
        monkeypatch.setenv(f"NOCTURNE_{name}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance, WorkspaceProcessContext(instance, ThisProcess()) as found:
        yield Scheduler(instance, found)


def test_each_schedule_is_on_and_after_three_days_down_asks_once(scheduler: Scheduler) -> None:
    hour = calendar().nightly_hour_utc
    assert scheduler.tick(f"2026-11-09T{hour - 1:02}:50:00") == {}
    states = {state.instigator_name for state in scheduler.instance.all_instigator_state()}
    location = scheduler._workspace.create_request_context().get_code_location("nocturne")
    [repository] = location.get_repositories().values()
    assert states == {schedule.name for schedule in repository.get_schedules()}, "on without anybody's click"
    assert scheduler.tick(f"2026-11-09T{hour:02}:00:30") == {LAND: 1}
    assert scheduler.tick(f"2026-11-09T{hour:02}:01:30") == {}, "a tick is one run"
    caught_up = scheduler.tick("2026-11-12T20:00:00")
    assert (caught_up[LAND], caught_up[MAINTAIN]) == (1, 1)
    newest = scheduler.instance.get_runs(dg.RunsFilter(job_name=LAND), limit=1)[0]
    assert newest.tags[SCHEDULED_EXECUTION_TIME_TAG] == f"2026-11-12T{hour:02}:00:00+00:00"


def deliver(house: House, day: str) -> None:
    """A day's file, with a row that comes a day late and one that comes twice."""
    late = request(f"late-{day}", f"2026-11-{int(day[-2:]) - 1:02}T23:00:00Z", tenant="somebody")
    rows = [request(f"{day}-{n}", f"{day}T{n:02}:00:00Z", user_id=f"u{n % 3}") for n in range(5)]
    house.deliver(f"{day}.jsonl", [*rows, late, rows[0]])


def test_one_night_after_three_days_makes_the_warehouse_of_three_nights(tmp_path: Path) -> None:
    nightly, caught_up = core_house(tmp_path / "nightly"), core_house(tmp_path / "caught-up")
    for day in DAYS:
        deliver(nightly, day)
        nightly.now = datetime(2026, 11, int(day[-2:]) + 1, 3, tzinfo=UTC)
        nightly.night()
        deliver(caught_up, day)
    shutil.copytree(nightly.store.state / "keys", caught_up.store.state / "keys")  # Or all pseudonyms are others.
    caught_up.now = nightly.now
    caught_up.night()
    assert caught_up.is_quiet() and nightly.is_quiet()
    one, other = nightly.fingerprints(), caught_up.fingerprints()
    # When a file arrived is told with its rows, and the audit has three nights or one. All else is the same.
    arrivals = {"logs.files", "logs.landed", "logs.requests", "governance.audit"}
    assert {name for name in one if one[name] != other[name]} <= arrivals
    rows = "select * exclude (arrived_at) from logs.requests order by all"
    assert caught_up.ask(rows) == nightly.ask(rows) != []
