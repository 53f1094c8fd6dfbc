"""Dagster's daemon in one process and at a time that is told: schedules and sensors of `build_defs` are evaluated, and the
runs that they ask for are executed, on a real instance.

It differs from the daemon in what it leaves out: one thing happens at a time, nothing waits for an interval, and a run is no
process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator

from pipelines.build import build_defs
from pipelines.checkout import EDITED
from pipelines.run_troubles import troubles_of
from resources.durable import write_atomically
from resources.process_mark import process_mark
from resources.warehouse_resource import PROCESS_TAG

MAX_ROUNDS = 20
"""Looks of all sensors before one that still asks for runs counts as one that never ends."""


class RestlessError(RuntimeError):
    """Sensors that do not come to rest, or that stopped because the checkout was edited."""


@dataclass
class TickingDaemon:
    """The schedules and sensors of a warehouse. `now_file` is what its clock reads (`NOCTURNE_NOW=@file`).

    `resting`: schedules and sensors that are not asked; it may change between two moments. `failures`: what went wrong in
    runs, in sentences.
    """

    instance: dg.DagsterInstance
    resources: Mapping[str, Any]
    now_file: Path
    say: Callable[[str], None]
    resting: Collection[str] = ()
    failures: list[str] = field(default_factory=list)
    runs: int = 0
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _run_keys: set[tuple[str, str]] = field(default_factory=set)
    _until: datetime | None = None

    def __post_init__(self) -> None:
        self.repository = build_defs(self.resources).get_repository_def()

    def live_until(self, until: datetime) -> None:
        """Every moment since the last one at which a schedule is due, and then this one: schedules, then sensors until they
        rest. The first time there are none before."""
        for moment, schedules in sorted(self._due(until).items()):
            self._set_now(moment)
            for schedule in schedules:
                self._run_schedule(schedule, moment)
            self.settle()
        self._set_now(until)
        self.settle()
        self._until = until

    def settle(self) -> None:
        """Ask all sensors again and again, until none asks for a run. Raises RestlessError."""
        for _ in range(MAX_ROUNDS):
            # A list: each sensor is asked, whatever those before it wanted.
            if not any([self._run_sensor(sensor) for sensor in self.repository.sensor_defs]):
                return
        raise RestlessError(f"after {MAX_ROUNDS} looks sensors still ask for runs; the last failures: {self.failures[-3:]}")

    def _set_now(self, now: datetime) -> None:
        write_atomically(self.now_file, now.isoformat().encode("ascii"))

    def _due(self, until: datetime) -> dict[datetime, list[dg.ScheduleDefinition]]:
        """The schedules that begin by themselves, by their last moment: one that was missed is caught up with once."""
        due: dict[datetime, list[dg.ScheduleDefinition]] = {}
        for schedule in self.repository.schedule_defs:
            if schedule.name in self.resting or schedule.default_status != dg.DefaultScheduleStatus.RUNNING:
                continue
            if self._until:
                moments = list(_moments(schedule, self._until, until))
                if moments:
                    due.setdefault(moments[-1], []).append(schedule)
        return due

    def _run_schedule(self, schedule: dg.ScheduleDefinition, moment: datetime) -> None:
        context = dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=moment, resources=dict(self.resources),
            repository_def=self.repository,
        )  # fmt: skip
        for wanted in schedule.evaluate_tick(context).run_requests or []:
            self._execute(wanted.job_name or schedule.job_name, wanted)

    def _run_sensor(self, sensor: dg.SensorDefinition) -> bool:
        """Whether it asked for a run that it had not asked for before."""
        if sensor.name in self.resting or sensor.default_status != dg.DefaultSensorStatus.RUNNING:
            return False
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self._cursors.get(sensor.name), sensor_name=sensor.name,
            repository_def=self.repository, resources=dict(self.resources),
        )  # fmt: skip
        told = sensor.evaluate_tick(context)
        if told.skip_message == EDITED:
            raise RestlessError("files of this checkout were edited meanwhile, so that sensors stopped; run it again")
        self._cursors[sensor.name] = told.cursor
        has_run = False
        for wanted in told.run_requests or []:
            key = (sensor.name, wanted.run_key or str(uuid4()))
            if key not in self._run_keys:
                self._run_keys.add(key)
                self._execute(wanted.job_name or sensor.job_name, wanted)
                has_run = True
        return has_run

    def _execute(self, job: str | None, wanted: dg.RunRequest) -> None:
        if job is None:
            raise RestlessError(f"a run was asked for, and not of which job: {wanted.run_key}")
        run_id = str(uuid4())
        self.runs += 1
        result = self.repository.get_job(job).execute_in_process(
            instance=self.instance, run_id=run_id, raise_on_error=False,
            tags={**wanted.tags, PROCESS_TAG: process_mark(run_id)},
            run_config={**(wanted.run_config or {}), "loggers": {"progress": {}}},
        )  # fmt: skip
        for trouble in troubles_of(result, job):
            self.failures.append(trouble)
            self.say(f"  {trouble}")


def _moments(schedule: dg.ScheduleDefinition, after: datetime, until: datetime) -> Iterator[datetime]:
    """The moments of a schedule later than `after`, up to `until`."""
    cron, zone = schedule.cron_schedule, schedule.execution_timezone
    for moment in schedule_execution_time_iterator(after.timestamp() + 1, cron, zone):
        if moment > until:
            return
        yield moment.astimezone(UTC)
