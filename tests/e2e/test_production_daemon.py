"""Production's instance, for real: Postgres, a code server and daemons are processes, and daemons are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._cli.job import _create_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from postgres_house import postgres, production_home, wait_for

from resources.contracts import REPO

pytestmark = pytest.mark.proof
BIN = Path(sys.executable).parent


class Site:
    """A deployment with a code location of one job, whose runs write lines into a file."""

    def __init__(self, root: Path, variables: dict[str, str]):
        self.root = root
        self.lines = root / "lines"
        self.lines.touch()
        self.environment = {**os.environ, **variables, "WORKER_LINES": str(self.lines)}
        self.workspace = root / "workspace.yaml"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        server = {"host": "127.0.0.1", "port": self.port, "location_name": "worker"}
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
        self.instance = dg.DagsterInstance.from_config(variables["DAGSTER_HOME"])
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=REPO, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._processes.append(process)
        return process

    def code_server(self) -> None:
        file = ("--python-file", str(REPO / "tests" / "production_worker.py"), "--location-name", "worker")
        self.start("code", str(BIN / "dagster"), "code-server", "start", "-h", "127.0.0.1", "-p", str(self.port), *file)
        check = [str(BIN / "dagster"), "api", "grpc-health-check", "-p", str(self.port)]
        wait_for("the code server", lambda: subprocess.run(check, env=self.environment, capture_output=True).returncode == 0)

    def daemon(self, name: str) -> subprocess.Popen[bytes]:
        """As the image starts it."""
        return self.start(name, sys.executable, "-m", "pipelines.daemon", "--workspace", str(self.workspace))

    def enqueue(self, number: int, seconds: float) -> list[str]:
        """Runs of the job, as the UI's button asks for them."""
        with WorkspaceProcessContext(self.instance, WorkspaceFileTarget([str(self.workspace)])) as process_context:
            workspace = process_context.create_request_context()
            location = workspace.get_code_location("worker")
            [repository] = location.get_repositories().values()
            job = repository.get_full_job("short")
            made = []
            for _ in range(number):
                run = _create_run(
                    instance=self.instance, code_location=location, remote_repo=repository, remote_job=job, run_config={},
                    tags={"seconds": str(seconds)}, op_selection=None, run_id=None,
                )  # fmt: skip
                self.instance.submit_run(run.run_id, workspace)
                made.append(run.run_id)
        return made

    def said(self) -> list[str]:
        return self.lines.read_text(encoding="utf-8").splitlines()

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.instance.dispose()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("production")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        variables = production_home(
            root / "dagster", stack.enter_context(postgres()), start_timeout_seconds=30, poll_interval_seconds=10
        )
        for name, value in variables.items():
            patch.setenv(name, value)
        site = Site(root, variables)
        stack.callback(site.close)
        site.code_server()
        yield site


def in_flight(site: Site) -> bool:
    return any(not run.is_finished for run in site.instance.get_runs())


def statuses(site: Site) -> Counter[dg.DagsterRunStatus]:
    return Counter(run.status for run in site.instance.get_runs())


def test_runs_that_wait_while_the_daemon_is_dead_start_when_it_is_back_and_none_twice(site: Site) -> None:
    """The daemon dies as it takes runs from the queue. One that it had taken and not launched is nobody's until the start
    timeout: then it has failed, and run_retries asks for it anew."""
    runs = site.enqueue(4, seconds=1)
    assert statuses(site) == {dg.DagsterRunStatus.QUEUED: 4}
    first = site.daemon("first")
    wait_for("a run", lambda: site.said())
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert statuses(site)[dg.DagsterRunStatus.SUCCESS] < 4
    site.daemon("second")
    wanted = Counter(f"{act} {run}" for act in ("began", "ended") for run in runs)
    wait_for("all of them", lambda: len(site.said()) >= 8 and not in_flight(site), seconds=300)
    assert Counter(site.said()) == wanted, "each began once, ended once"


def test_a_second_daemon_refuses_in_a_sentence_and_the_first_goes_on(site: Site) -> None:
    third = site.daemon("third")
    assert third.wait(timeout=60) == 1
    assert site.log("third").strip().splitlines()[-1].startswith("daemon: another daemon works for this instance")
    [run] = site.enqueue(1, seconds=0)
    wait_for("the run", lambda: f"ended {run}" in site.said())


def test_dagsters_own_daemon_does_not_refuse_and_only_says_so(site: Site) -> None:
    """Why pipelines/daemon.py takes a lock: held here, so that somebody sees when Dagster begins to refuse."""
    beside = site.start("beside", str(BIN / "dagster-daemon"), "run", "--workspace", str(site.workspace))
    wait_for("the error", lambda: "You likely have multiple" in site.log("beside") + site.log("second"), seconds=120)
    assert beside.poll() is None
