"""The wall clock, and which days are due by it. Nothing outside pipelines/ asks what time it is."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg


class WallClock(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The present in UTC. `fixed_now` (ISO 8601) holds it still, for rehearsals and tests."""

    nightly_hour_utc: int = 2
    settle_seconds: float = 5.0
    fixed_now: str | None = None

    def now(self) -> datetime:
        if self.fixed_now:
            fixed = datetime.fromisoformat(self.fixed_now)
            return fixed.replace(tzinfo=UTC) if fixed.tzinfo is None else fixed.astimezone(UTC)
        return datetime.now(UTC)

    def last_due_day(self) -> date:
        return (self.now() - timedelta(hours=self.nightly_hour_utc)).date() - timedelta(days=1)

    def is_settled(self, path: Path) -> bool:
        """A file untouched for `settle_seconds` counts as closed; its age is real time, whatever `fixed_now` says."""
        try:
            return time.time() - path.stat().st_mtime >= self.settle_seconds
        except FileNotFoundError:
            return False
