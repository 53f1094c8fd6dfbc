"""When a training must stop before its end: somebody asked, its orchestrator is gone, or its time or money is spent."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Literal

from resources.training_spec import CANCEL
from resources.tuning_seed import LimitsSeed


@dataclass(frozen=True)
class Stop:
    """A reason to stop, as Done.state and Done.reason have it."""

    state: Literal["cancelled", "limit"]
    reason: str


def cost_usd(limits: LimitsSeed, seconds: float) -> Decimal:
    """What a training of so many seconds costs, to 6 decimals."""
    return (limits.usd_per_hour * Decimal(repr(seconds)) / 3600).quantize(Decimal("1e-6"))


def reached(limits: LimitsSeed, seconds: float) -> Stop | None:
    """The limit that a training of so many seconds, all attempts together, has reached."""
    if limits.usd and cost_usd(limits, seconds) >= limits.usd:
        return Stop("limit", f"it has cost {cost_usd(limits, seconds):.2f} USD, and may cost {limits.usd}")
    if seconds >= limits.hours * 3600:
        return Stop("limit", f"it has taken {seconds / 3600:.2f} hours, and may take {limits.hours:g}")
    return None


class Asked:
    """Whether somebody asked the process to stop: by SIGTERM or SIGINT, by a file `cancel` in the candidate's folder, or by
    the end of the process that started it."""

    def __init__(self, folder: Path) -> None:
        self._by = ""
        self._file = folder / CANCEL
        self._parent = os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def stop(self) -> Stop | None:
        """Why to stop, if anybody asked."""
        if not self._by and os.getppid() != self._parent:
            self._by = "the process that started it is gone"
        if not self._by and self._file.exists():
            self._by = self._file.read_text(encoding="utf-8", errors="replace").strip() or "somebody cancelled it"
        return Stop("cancelled", self._by) if self._by else None

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._by = f"it was asked to stop by {signal.Signals(number).name}"
