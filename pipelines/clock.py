"""The wall clock, and which days are due by it. Nothing outside pipelines/ asks what time it is."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from resources.landing_area import Candidate

FROM_FILE = "@"


def read_present(fixed_now: str) -> datetime:
    """The time that is written there, or in the file that is named there. Raises ValueError where there is none."""
    if not fixed_now.startswith(FROM_FILE):
        return datetime.fromisoformat(fixed_now)
    path = Path(fixed_now.removeprefix(FROM_FILE))
    try:
        return datetime.fromisoformat(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error


class WallClock(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The present in UTC. `fixed_now` (ISO 8601) holds it still, for rehearsals and tests; `@` and the path of a file that
    holds such a time lets whoever writes the file move it, while processes that know only the path go on."""

    nightly_hour_utc: int = 2
    settle_seconds: float = 5.0
    fixed_now: str | None = None

    def now(self) -> datetime:
        if self.fixed_now:
            fixed = read_present(self.fixed_now)
            return fixed.replace(tzinfo=UTC) if fixed.tzinfo is None else fixed.astimezone(UTC)
        return datetime.now(UTC)

    def last_due_day(self) -> date:
        return (self.now() - timedelta(hours=self.nightly_hour_utc)).date() - timedelta(days=1)

    def is_settled(self, file: Candidate) -> bool:
        """A file untouched for `settle_seconds` counts as closed; its age is real time, whatever `fixed_now` says."""
        return file.is_whole or time.time() - file.modified_ns / 1e9 >= self.settle_seconds
