"""Starting processes that can be killed, and the list of the places at which a kill is rehearsed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
WORKER = REPO / "tests" / "night_worker.py"
STAGES = {
    "land": "landing", "reference": "references", "compute": "computing, replacing a day", "table": "any commit of a table",
    "publish": "publishing", "audit": "appending to the audit", "compact": "compaction", "vacuum": "vacuum",
    "retain": "retention and closing", "rotate": "change of key", "backup": "backup", "restore": "restore",
    "alert": "alerts", "probe": "golden prompts", "label": "labels", "judge": "judge",
    "cases": "evaluation cases", "detector": "training of the detector",
}  # fmt: skip
"""What the first part of a failpoint's name stands for."""
_CALL = re.compile(r"""\bfailpoint\(f?"([^"]+)"\)""")


def named_failpoints(expansions: Mapping[str, list[str]]) -> list[str]:
    """Every failpoint in the source; `expansions` says what the `{...}` of a name stands for."""
    found: set[str] = set()
    for folder in ("resources", "assets", "pipelines"):
        for file in (REPO / folder).rglob("*.py"):
            for name in _CALL.findall(file.read_text(encoding="utf-8")):
                holes = re.findall(r"\{[^}]*\}", name)
                if not holes:
                    found.add(name)
                for hole in holes:
                    found.update(name.replace(hole, value) for value in expansions[hole])
    return sorted(found)


class Worker:
    """tests/night_worker.py in a process of its own: loaded, and waiting for `go`."""

    def __init__(self, folder: Path, *arguments: str, failpoint: str | None = None):
        environment = {**os.environ, **({"NOCTURNE_FAILPOINT": failpoint} if failpoint else {})}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER), str(folder), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"the worker did not start: {line} {self.process.communicate()[1]}")

    def go(self) -> float:
        """Let it begin; the moment at which it did."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return time.monotonic()

    def kill(self) -> bool:
        """Kill it, whatever it is doing. True if it was still at it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        return self.process.returncode == -signal.SIGKILL

    def report(self) -> dict[str, Any]:
        """What it did; fails where it ended in an error."""
        out, errors = self.process.communicate()
        assert self.process.returncode == 0, errors[-3000:]
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result

    def ended_by_kill(self) -> bool:
        """Wait for its end; whether it was a kill. An error fails."""
        _, errors = self.process.communicate()
        assert self.process.returncode in (0, -signal.SIGKILL), errors[-3000:]
        return self.process.returncode == -signal.SIGKILL


def run_worker(folder: Path, *arguments: str, failpoint: str | None = None) -> Worker:
    """A worker that has begun."""
    worker = Worker(folder, *arguments, failpoint=failpoint)
    worker.wait_until_ready()
    worker.go()
    return worker
