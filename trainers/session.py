"""One attempt at a training, whatever its kind: its folders, its curve, its clock, and whom it tells.

Time is counted over all attempts: it is written down while it passes, so that a killed one has left its seconds.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.base_model import BaseModel
from resources.dataset_store import Dataset
from resources.durable import write_atomically
from resources.training_folder import OVERDUE, SECONDS_BEYOND, seconds_spent, write_spent
from resources.training_spec import CANCEL, CHECKPOINTS, CURVE, MODEL, SAYS, TrainingSpec, read_curve
from trainers.checkpoints import newest_whole, step_of
from trainers.limits import Stop, reached

Report = Callable[[Mapping[str, Any]], None]
"""Sends a message to the orchestrator."""
SECONDS_BETWEEN_COUNTS = 10.0
"""So much of its time may a kill lose."""


class TrainingDataError(ValueError):
    """Data, or a recipe, that a training cannot begin with; says why."""


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to. `stopped` None: it reached its end, and the model lies in Session.model."""

    steps: int
    planned_steps: int
    stopped: Stop | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """What a kind of training works with. `interrupted` says whether the process is to end."""

    def __init__(
        self,
        spec: TrainingSpec,
        folder: Path,
        dataset: Dataset,
        base: BaseModel,
        interrupted: Callable[[], Stop | None],
        report: Report,
    ):
        self.spec = spec
        self.folder = folder
        self.dataset = dataset
        self.base = base
        self._interrupted = interrupted
        self._report = report
        self._began = time.monotonic()
        self._before = seconds_spent(folder) or 0.0
        self.checkpoint = newest_whole(self.checkpoints)
        self.resumed_from_step = None if self.checkpoint is None else step_of(self.checkpoint)
        # What was done after the checkpoint is done again.
        self.points = [point for point in read_curve(folder) if point["step"] <= (self.resumed_from_step or 0)]
        self._write_curve()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    @property
    def model(self) -> Path:
        """Where the model is put when it is trained."""
        return self.folder / MODEL

    @property
    def seconds(self) -> float:
        """How long the training has taken, all attempts together."""
        return self._before + time.monotonic() - self._began

    def number(self, name: str) -> float:
        """A number of the recipe. Raises TrainingDataError."""
        value = self.spec.recipe.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TrainingDataError(f"the recipe of a {self.spec.kind} says {name}, a number; this one says {value!r}")
        return float(value)

    def whole(self, name: str) -> int:
        """A whole number of the recipe. Raises TrainingDataError."""
        return int(self.number(name))

    def stop(self) -> Stop | None:
        """Why to stop now, with a checkpoint; None: go on."""
        return self._cancelled() or self._interrupted() or reached(self.spec.limits, self.seconds)

    @contextmanager
    def counted(self, every_s: float = SECONDS_BETWEEN_COUNTS, beyond_s: float = SECONDS_BEYOND) -> Iterator[None]:
        """Write down again and again how long all attempts have taken, and end the process that hangs: one that goes on so
        long after its limit never looks at it, and perhaps nobody is there any more to end it."""
        over = threading.Event()

        def count() -> None:
            while not over.wait(every_s):
                write_spent(self.folder, self.seconds)
                if self.seconds > self.spec.limits.seconds + beyond_s:
                    print(f"{SAYS}it hung, and was ended long after its limit", file=sys.stderr, flush=True)
                    os._exit(OVERDUE)

        write_spent(self.folder, self.seconds)
        counting = threading.Thread(target=count, daemon=True)
        counting.start()
        try:
            yield
        finally:
            over.set()
            counting.join()
            write_spent(self.folder, self.seconds)

    def _cancelled(self) -> Stop | None:
        path = self.folder / CANCEL
        if not path.exists():
            return None
        return Stop("cancelled", path.read_text(encoding="utf-8", errors="replace").strip() or "somebody cancelled it")

    def point(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add a point to the curve, on disk and in the orchestrator."""
        point = {"step": step, **numbers, "seconds": round(self.seconds, 3)}
        self.points.append(point)
        line = json.dumps(point).encode() + b"\n"
        handle = os.open(self.folder / CURVE, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
        self._report({"event": "point", **point})

    def sealed(self, step: int) -> None:
        """Tell that a checkpoint is whole."""
        self._report({"event": "checkpoint", "step": step})

    def values(self, name: str) -> dict[int, float]:
        """A number of the curve by step."""
        return {int(point["step"]): float(point[name]) for point in self.points if name in point}

    def _write_curve(self) -> None:
        lines = "".join(json.dumps(point) + "\n" for point in self.points)
        write_atomically(self.folder / CURVE, lines.encode(), mode=0o600)
