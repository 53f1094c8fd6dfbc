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
_ESTIMATES: dict[str, Any] = {
    "verdict": pl.String, "window_days": pl.Int32, "scope": pl.String, "feature": pl.String, "rate": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n_labelled": pl.Int64, "n_effective": pl.Float64,
}  # fmt: skip


def promise(slo: str = "available", **changes: Any) -> dict[str, Any]:
    """A row of service.slos: 99.9 % over 30 days."""
    return {
        "slo": slo,
        "feature": "chat",
        "indicator": "availability",
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


def estimate(**changes: Any) -> dict[str, Any]:
    """What slo_status reads of a row of quality.rates: 4 % (2 to 7) of the feature's answers of 30 days are hallucinated."""
    rate = {"verdict": "hallucinated", "window_days": 30, "scope": "feature", "feature": "chat", "rate": 0.04, "low": 0.02}
    return rate | {"high": 0.07, "n_labelled": 400, "n_effective": 500.0} | changes


def estimates(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=_ESTIMATES)


def steady(first: datetime, last: datetime, total: int, bad: int = 0) -> Iterable[tuple[datetime, int, int]]:
    """The same counts every five minutes from `first` up to, but not including, `last`."""
    steps = int((last - first) / timedelta(minutes=5))
    return ((first + timedelta(minutes=5 * step), total, bad) for step in range(steps))
