"""The clock as an argument. Only pipelines/ makes one: a table never asks what time it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from resources.landing_area import Candidate


class Clock(Protocol):
    """What a run needs to know of time."""

    def now(self) -> datetime:
        """The present, with time zone UTC."""
        ...

    def last_due_day(self) -> date:
        """The newest UTC day that is over and whose nightly hour has come."""
        ...

    def is_settled(self, file: Candidate) -> bool:
        """Whether a file has been left alone for long enough to count as closed."""
        ...
