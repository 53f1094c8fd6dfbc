"""A deployment that nobody attends: production's daemon and code server as processes over Postgres, a supervisor that
restarts each as a restart policy would, and a killer that draws from a seed whom to kill, and when.

The code server is what its container is: killed, it takes its runs with it. Time stands still until a night is done.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from postgres_house import wait_for

from pipelines.clock import WallClock
from pipelines.planner import make_plan
from pipelines.runs import IN_FLIGHT, Runs
from pipelines.service.alert_desk import AlertDesk
from resources.contracts import REPO
from resources.durable import write_atomically
from resources.warehouse_resource import WarehouseResource

CODE, DAEMON, RUN = "code server", "daemon", "run"
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.1, 10.0, 10.0
"""Docker's policy: the pause before a restart doubles, there up to a minute, and is short again after ten seconds."""
POLL_S = 0.5
QUIET_S = 25.0
"""So long no run begins after the last one: each sensor has looked at least once."""


@dataclass
class Service:
    """A process that is started anew whenever it ends. `pause_s`: before its next start."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    ended: float | None = None
    starts: int = 0


class Site:
    """A deployment below `root`, with `variables` of production's instance (tests/postgres_house.py)."""

    def __init__(self, root: Path, variables: Mapping[str, str], channels: Mapping[str, str]):
        self.root = root
        self.now_file = root / "now"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        workspace = root / "workspace.yaml"
        server = {"host": "127.0.0.1", "port": int(port), "location_name": "nocturne"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
        folders = {f"NOCTURNE_{name.upper()}": str(root / name) for name in ("home", "data", "landing")}
        present = {"NOCTURNE_NOW": f"@{self.now_file}", "NOCTURNE_SETTLE_SECONDS": "0", "NOCTURNE_SENSOR_SECONDS": "15"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
        # A look at the freshness of all tables every 30 seconds costs more than the nights.
        seldom = {"FRESHNESS_DAEMON_INTERVAL_SECONDS": "300"}
        self.environment = {**kept, **variables, **folders, **present, **seldom, **channels}
        python = [sys.executable, "-W", "ignore", "-m"]
        self.services = {
            CODE: Service(CODE, [*python, "pipelines.code_server", "--port", port]),
            DAEMON: Service(DAEMON, [*python, "pipelines.daemon", "--workspace", str(workspace)]),
        }
        self.instance = dg.DagsterInstance.from_config(variables["DAGSTER_HOME"])
        self.warehouse = WarehouseResource(
            data_dir=str(root / "data"), state_dir=str(root / "home"), landing_dir=str(root / "landing")
        )
        self.clock = WallClock(settle_seconds=0.0, fixed_now=f"@{self.now_file}")

    def rest(self, sensors: Collection[str]) -> None:
        """Stop sensors, as the UI's switch does, once the code server has told of them."""
        with WorkspaceProcessContext(self.instance, WorkspaceFileTarget([str(self.root / "workspace.yaml")])) as context:
            location = context.create_request_context().get_code_location("nocturne")
            [repository] = location.get_repositories().values()
            for sensor in repository.get_sensors():
                if sensor.name in sensors:
                    self.instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)

    def set_now(self, now: datetime) -> None:
        write_atomically(self.now_file, now.isoformat().encode("ascii"))

    # the supervisor

    def attend(self) -> None:
        """Start whatever does not run, as the restart policy says."""
        for service in self.services.values():
            if service.process is None:
                self._start(service)
            elif service.process.poll() is not None:
                now = time.monotonic()
                if service.ended is None:
                    service.ended = now
                    steady = now - service.begun > STEADY_S
                    service.pause_s = FIRST_PAUSE_S if steady else min(2 * service.pause_s, LONGEST_PAUSE_S)
                if now - service.ended >= service.pause_s:
                    self._start(service)

    def _start(self, service: Service) -> None:
        with (self.root / f"{service.name.replace(' ', '_')}.log").open("ab") as log:
            service.process = subprocess.Popen(
                service.command, cwd=REPO, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        service.begun, service.ended = time.monotonic(), None
        service.starts += 1

    def kill(self, name: str) -> bool:
        """Kill a service with all that it started. False: it does not run at the moment."""
        process = self.services[name].process
        if process is None or process.poll() is not None:
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True

    def run_processes(self) -> list[int]:
        """The processes of runs, from the moment at which the code server starts them."""
        process = self.services[CODE].process
        if process is None or process.poll() is not None:
            return []
        return [pid for pid in _members(process.pid) if _is_run(pid)]

    def close(self) -> None:
        for name in self.services:
            self.kill(name)
        self.instance.dispose()

    def begin(self, without: Collection[str]) -> None:
        """Start the code server, then the daemon, as `depends_on` does; `without` these sensors."""
        code = self.services[CODE]
        self._start(code)
        check = [str(Path(sys.executable).with_name("dagster")), "api", "grpc-health-check", "-p", code.command[-1]]
        wait_for("code", lambda: subprocess.run(check, env=self.environment, capture_output=True).returncode == 0, 300)
        self.rest(without)
        self.attend()

    # what has become of the night

    def in_flight(self) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)))

    def what_is_left(self) -> str | None:
        """What keeps the night from being done; None where nothing does."""
        if self.warehouse.landing().waiting():
            return "files wait to be landed"
        if runs := self.in_flight():
            return f"in flight: {dict(Counter(run.job_name for run in runs))}"
        due, history = self.clock.last_due_day(), Runs(self.instance, "compute_days")
        plan = make_plan(self.warehouse.store(), due, history)
        if plan.ranges or plan.waiting:
            return f"stale days: {[(str(r.first), str(r.last), r.why) for r in plan.ranges]}, waiting {plan.waiting}"
        if self.warehouse.publisher().due(due, plan.waiting) is not None:
            return "something is to be published"
        if AlertDesk(self.warehouse.publisher(), Path(self.warehouse.seeds_dir), self.environment, self.clock.now).pending():
            return "alerts are to be raised or sent"
        newest = self.instance.get_run_records(limit=1)
        if newest and newest[0].end_time and time.time() - newest[0].end_time < QUIET_S:
            return "a run has just ended"
        return None


@dataclass
class Killer:
    """Draws kills: so many a night, each after a pause, each of somebody. What it did is counted in `kills`."""

    site: Site
    chance: random.Random
    most_a_night: int
    pauses_s: tuple[float, float]
    kills: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    _left: int = 0
    _next: float = 0.0
    _victim: str = ""

    def begin_night(self) -> None:
        self._left = self.chance.randint(1, self.most_a_night)
        self._draw()

    def _draw(self) -> None:
        self._next = time.monotonic() + self.chance.uniform(*self.pauses_s)
        self._victim = self.chance.choices((DAEMON, CODE, RUN), (0.3, 0.25, 0.45))[0]

    def look(self) -> str | None:
        """Kill, if the moment has come and the victim is there; who it was."""
        if not self._left or time.monotonic() < self._next:
            return None
        if self._victim == RUN:
            processes = self.site.run_processes()
            if not processes:
                return None
            os.kill(self.chance.choice(sorted(processes)), signal.SIGKILL)
        elif not self.site.kill(self._victim):
            return None
        killed = self._victim
        self.kills[killed] += 1
        self._left -= 1
        self._draw()
        return killed


def live_through(site: Site, killer: Killer | None, seconds: float, say: str) -> float:
    """A night that is begun, until nothing is left to do; how long it took. Fails after so many seconds."""
    begun = time.monotonic()
    if killer:
        killer.begin_night()
    looked, left = 0.0, None
    while True:
        site.attend()
        if killer and (who := killer.look()):
            print(f"{say} {time.monotonic() - begun:5.0f} s: {who} killed", flush=True)
        if time.monotonic() - looked > 4:
            left, looked = site.what_is_left(), time.monotonic()
            if left is None:
                return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, f"{say}: after {seconds:.0f} s {left}; runs {history(site)}"
        time.sleep(POLL_S)


def history(site: Site) -> list[str]:
    """The last runs, newest first, for a person."""
    records = site.instance.get_run_records(limit=20)
    return [
        f"{r.create_timestamp.astimezone(UTC):%H:%M:%S} {r.dagster_run.job_name} {r.dagster_run.status.value} "
        f"{r.dagster_run.run_id[:8]}"
        for r in records
    ]


def _members(group: int) -> list[int]:
    """The processes of a process group, as Linux shows them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def _is_run(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"execute_run" in words or any(b"spawn_main" in word for word in words)
