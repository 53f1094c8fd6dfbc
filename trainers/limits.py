"""When a training must stop before its end: somebody cancelled it, it was interrupted, or its time or money is spent."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from resources.tuning_seed import LimitsSeed


@dataclass(frozen=True)
class Stop:
    """A reason to stop, as Done.state and Done.reason have it."""

    state: Literal["cancelled", "interrupted", "limit"]
    reason: str


def reached(limits: LimitsSeed, seconds: float) -> Stop | None:
    """The limit that a training of so many seconds, all attempts together, has reached."""
    if limits.usd and (cost := limits.cost_usd(seconds)) >= limits.usd:
        return Stop("limit", f"it has cost {cost:.2f} USD, and may cost {limits.usd}")
    if seconds >= limits.hours * 3600:
        return Stop("limit", f"it has taken {seconds / 3600:.2f} hours, and may take {limits.hours:g}")
    return None


class Interrupted:
    """Whether the process is to end for a reason that says nothing of the training: SIGTERM or SIGINT (its machine is shut
    down, its run ended), or the end of the process that started it."""

    def __init__(self) -> None:
        self._by = ""
        self._parent = os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def stop(self) -> Stop | None:
        """Why to stop, if so."""
        if not self._by and os.getppid() != self._parent:
            self._by = "the process that started it is gone"
        return Stop("interrupted", self._by) if self._by else None

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._by = f"it was asked to stop by {signal.Signals(number).name}"
