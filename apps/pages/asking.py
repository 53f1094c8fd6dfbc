"""Questions of analysts and their answers: each in a process of its own, which is killed when its time is up.

DuckDB can be told to stop, but not all that it does listens: one call of `repeat` went on for 100 seconds. Here belongs
starting such a process, and what is said of one that did not answer; what holds it back from within is answering.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import date
from typing import Any

from apps.pages.door import Door
from resources.contracts import REPO
from resources.warehouse import AnalystError, Answer

SECONDS = 20
MOST_ROWS = 1_000
MOST_AT_ONCE = 2
LONGEST_QUESTION = 20_000
_COMMAND = [sys.executable, "-W", "ignore", "-m", "apps.pages.answering"]


class Asking:
    """Asks the file behind a door. One process waits ready, as starting one takes longer than most questions do."""

    def __init__(self, door: Door, seconds: float = SECONDS, memory_limit: str = "1GB"):
        self.door = door
        self.seconds = seconds
        self.memory_limit = memory_limit
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._ready: subprocess.Popen[str] | None = None

    def ask(self, question: str, parameters: Mapping[str, Any], max_rows: int = MOST_ROWS) -> Answer:
        """The answer, every value as text. Raises AnalystError."""
        if len(question) > LONGEST_QUESTION:
            raise AnalystError(f"the question is longer than {LONGEST_QUESTION:,} characters")
        if not self._places.acquire(blocking=False):
            raise AnalystError(f"{MOST_AT_ONCE} questions are being answered; ask again in a moment")
        try:
            told = self._told(self._take(), question, parameters, max_rows)
        finally:
            self._places.release()
            self.make_ready()  # Now, not before: it would slow down the one that answers.
        if "error" in told:
            raise AnalystError(told["error"])
        rows = [tuple(row) for row in told["rows"]]
        return Answer(tuple(told["columns"]), tuple(told["types"]), rows, told["is_cut"])

    def close(self) -> None:
        """End the process that waits."""
        with self._lock:
            if self._ready is not None:
                self._ready.kill()
                self._ready.communicate()
                self._ready = None

    def make_ready(self) -> None:
        """Start the process that answers next, if none waits."""
        with self._lock:
            if self._ready is None or self._ready.poll() is not None:
                self._ready = _start()

    def _take(self) -> subprocess.Popen[str]:
        with self._lock:
            ready, self._ready = self._ready, None
        return ready if ready is not None and ready.poll() is None else _start()

    def _told(
        self, process: subprocess.Popen[str], question: str, parameters: Mapping[str, Any], max_rows: int
    ) -> dict[str, Any]:
        asked = {
            "path": str(self.door.path), "readable": [str(folder) for folder in self.door.readable], "question": question,
            "parameters": {name: _as_json(value) for name, value in parameters.items()}, "max_rows": max_rows,
            "seconds": self.seconds, "memory_limit": self.memory_limit,
        }  # fmt: skip
        try:
            said, _ = process.communicate(json.dumps(asked), timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise AnalystError(
                f"the question took longer than {self.seconds:g} seconds and was stopped; ask about fewer days or columns"
            ) from None
        finally:
            process.kill()
            process.wait()
        if process.returncode or not said:
            raise AnalystError("the question was stopped: it needed more memory or processor time than one question gets")
        told: dict[str, Any] = json.loads(said)
        return told


def _start() -> subprocess.Popen[str]:
    # No environment: what it holds is no analyst's business.
    return subprocess.Popen(
        _COMMAND, cwd=REPO, env={"PATH": os.defpath}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
    )  # fmt: skip


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
