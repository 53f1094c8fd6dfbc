"""Starting processes that can be killed, and the list of the places at which a kill is rehearsed."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import alert_worker
import night_worker
import pytest

REPO = Path(__file__).resolve().parent.parent
STAGES = {
    "land": "landing", "reference": "references", "compute": "computing, replacing a day", "table": "any commit of a table",
    "publish": "publishing", "audit": "appending to the audit", "compact": "compaction", "vacuum": "vacuum",
    "retain": "retention and closing", "rotate": "change of key", "backup": "backup", "restore": "restore",
    "alert": "alerts", "probe": "golden prompts", "label": "labels", "judge": "judge",
    "index": "index releases", "cases": "evaluation cases", "evals": "evaluation runs",
    "detector": "training of the detector", "knowledge": "knowledge base", "registry": "model registry",
    "prompt": "prompts and releases", "release": "prompts and releases", "dataset": "datasets", "tuning": "tuning",
    "training": "trainings", "review": "reviews",
}  # fmt: skip
"""What the first part of a failpoint's name stands for."""
_CALL = re.compile(r"""\bfailpoint\(f?"([^"]+)"\)""")


def named_failpoints(expansions: Mapping[str, list[str]]) -> list[str]:
    """Every failpoint in the source; `expansions` says what the `{...}` of a name stands for."""
    found: set[str] = set()
    for folder in ("resources", "assets", "pipelines", "trainers"):
        for file in (REPO / folder).rglob("*.py"):
            for name in _CALL.findall(file.read_text(encoding="utf-8")):
                holes = re.findall(r"\{[^}]*\}", name)
                if not holes:
                    found.add(name)
                for hole in holes:
                    found.update(name.replace(hole, value) for value in expansions[hole])
    return sorted(found)


@cache
def forks() -> ForkServerContext:
    """A server that has imported what the tests start (tests/night_worker.py, tests/alert_worker.py) and opened nothing;
    processes are forked from it."""
    context = multiprocessing.get_context("forkserver")
    # A fork runs the parent's main file again; in a worker of pytest-xdist that is tests/conftest.py, which wants pytest.
    context.set_forkserver_preload([night_worker.__name__, alert_worker.__name__, pytest.__name__])
    with pytest.MonkeyPatch.context() as patch:
        # It would not find the tests' modules, and says nothing of what it could not import.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def status_of(target: Callable[..., Any], *arguments: Any, **environment: str) -> int | None:
    """How a function of some module ended in a process of its own, forked as a Worker is: minus the signal's number where
    it was killed."""
    process = forks().Process(target=_in_environment, args=(environment, target, arguments), daemon=True)
    process.start()
    process.join()
    return process.exitcode


def _in_environment(environment: Mapping[str, str], target: Callable[..., Any], arguments: Sequence[Any]) -> None:
    os.environ.update(environment)
    sys.exit(target(*arguments))


class Worker:
    """tests/night_worker.py in a process of its own: loaded, and waiting for `go`.

    It is forked from a server that has imported all and opened nothing, which saves the seconds of a new interpreter.
    """

    def __init__(self, folder: Path, *arguments: str, failpoint: str | None = None):
        self._says, told = forks().Pipe()
        command = [str(folder), *arguments]
        self.process = forks().Process(target=night_worker.serve, args=(told, command, failpoint), daemon=True)
        self.process.start()
        told.close()

    def wait_until_ready(self) -> None:
        kind, what = self._says.recv()
        assert kind == "ready", f"the worker did not start: {what}"

    def go(self) -> float:
        """Let it begin; the moment at which it did."""
        self._says.send("go")
        return time.monotonic()

    def kill(self) -> bool:
        """Kill it, whatever it is doing. True if it was still at it."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL

    def report(self) -> dict[str, Any]:
        """What it did; fails where it ended in an error."""
        kind, what = self._end()
        assert kind == "done", what
        return dict(what)

    def ended_by_kill(self) -> bool:
        """Wait for its end; whether it was a kill. An error fails."""
        kind, what = self._end()
        assert kind in ("done", "killed"), what
        return kind == "killed"

    def _end(self) -> tuple[str, Any]:
        try:
            kind, what = self._says.recv()
        except (EOFError, ConnectionResetError):
            kind, what = "killed", f"it ended with status {self.process.exitcode} and without a word"
        self.process.join()
        if kind == "killed" and self.process.exitcode != -signal.SIGKILL:
            kind = "failed"
        return kind, what


def run_worker(folder: Path, *arguments: str, failpoint: str | None = None) -> Worker:
    """A worker that has begun."""
    worker = Worker(folder, *arguments, failpoint=failpoint)
    worker.wait_until_ready()
    worker.go()
    return worker
