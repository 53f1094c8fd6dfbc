"""One attempt at a training, whatever its kind: its folders, its curve, its clock, and whom it tells.

Time is counted over all attempts: a killed one has left its seconds in the curve.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.base_model import BaseModel
from resources.dataset_store import Dataset
from resources.durable import write_atomically
from resources.training_spec import CANCEL, CHECKPOINTS, CURVE, MODEL, TrainingSpec, read_curve
from trainers.checkpoints import newest_whole, step_of
from trainers.limits import Stop, reached

Report = Callable[[Mapping[str, Any]], None]
"""Sends a message to the orchestrator."""


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
    """What a kind of training works with. `asked` says whether somebody wants it to stop."""

    def __init__(
        self,
        spec: TrainingSpec,
        folder: Path,
        dataset: Dataset,
        base: BaseModel,
        asked: Callable[[], Stop | None],
        report: Report,
    ):
        self.spec = spec
        self.folder = folder
        self.dataset = dataset
        self.base = base
        self._asked = asked
        self._report = report
        self._began = time.monotonic()
        points = read_curve(folder)
        self._before = max((float(point["seconds"]) for point in points), default=0.0)
        self.checkpoint = newest_whole(self.checkpoints)
        self.resumed_from_step = None if self.checkpoint is None else step_of(self.checkpoint)
        # What was done after the checkpoint is done again.
        self.points = [point for point in points if point["step"] <= (self.resumed_from_step or 0)]
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
        return self._asked() or self._cancelled() or reached(self.spec.limits, self.seconds)

    def _cancelled(self) -> Stop | None:
        path = self.folder / CANCEL
        return Stop("cancelled", path.read_text(encoding="utf-8").strip()) if path.exists() else None

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
