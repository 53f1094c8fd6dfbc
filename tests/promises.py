"""Promises and their counts, as the tables that Python computes get them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

DAY = date(2026, 1, 15)
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
_COUNTS = {
    "day": pl.Date, "bucket_start": pl.Datetime("us", "UTC"), "slo": pl.String, "feature": pl.String, "model": pl.String,
    "total": pl.Int64, "good": pl.Int64, "bad": pl.Int64,
}  # fmt: skip


def promise(slo: str = "available", **changes: Any) -> dict[str, Any]:
    """A row of service.slos: 99.9 % over 30 days."""
    return {
        "slo": slo,
        "feature": "chat",
        "target": 0.999,
        "window_days": 30,
        "severity_policy": "page",
        "is_sampled": False,
        "is_measured": True,
    } | changes


def promises(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows) or [promise()])


def counts(*rows: tuple[datetime, int, int] | tuple[datetime, int, int, str | None], slo: str = "available") -> pl.DataFrame:
    """Rows of service.slo_5min: (bucket_start, total, bad) and perhaps the model."""
    return pl.DataFrame(
        [
            {
                "day": start.date(),
                "bucket_start": start,
                "slo": slo,
                "feature": "chat",
                "model": rest[0] if rest else "m1",
                "total": total,
                "good": total - bad,
                "bad": bad,
            }
            for start, total, bad, *rest in rows
        ],
        schema=_COUNTS,
    )


def steady(first: datetime, last: datetime, total: int, bad: int = 0) -> Iterable[tuple[datetime, int, int]]:
    """The same counts every five minutes from `first` up to, but not including, `last`."""
    steps = int((last - first) / timedelta(minutes=5))
    return ((first + timedelta(minutes=5 * step), total, bad) for step in range(steps))
