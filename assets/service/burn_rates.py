"""service.burn_rates: hour by hour, which burn-rate rule of which promise would have fired (docs/slos.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.service.burn_rules import (
    CONFIDENCE,
    LOOK_BACK_DAYS,
    RULES,
    STEP_MIN,
    STEPS_A_DAY,
    BurnRule,
    Counts,
    Replay,
    replay,
    trailing,
)
from assets.service.intervals import clopper_pearson_low

STEPS_AN_HOUR = 60 // STEP_MIN
_STEPS = (LOOK_BACK_DAYS + 1) * STEPS_A_DAY
_TIME = pl.Datetime("us", "UTC")
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "slo": pl.String, "feature": pl.String, "rule": pl.String, "hour_start": _TIME, "severity": pl.String,
    "factor": pl.Float64, "long_window_min": pl.Int32, "short_window_min": pl.Int32, "long_total": pl.Int64,
    "long_bad": pl.Int64, "long_burn_rate": pl.Float64, "short_burn_rate": pl.Float64, "lower_bound": pl.Float64,
    "steps_firing": pl.Int32, "first_firing_at": _TIME, "last_firing_at": _TIME, "state": pl.String, "top_model": pl.String,
}  # fmt: skip


def burn_rates(day: date, slo_5min: pl.DataFrame, slos: pl.DataFrame) -> pl.DataFrame:
    """The rows of service.burn_rates of a day: each rule in each hour in whose long window anything was bad."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=LOOK_BACK_DAYS)
    series = slo_5min.with_columns(
        step=((pl.col("bucket_start").dt.convert_time_zone("UTC") - start).dt.total_minutes() // STEP_MIN).cast(pl.Int64)
    ).partition_by("slo", "feature", as_dict=True)
    rows: list[dict[str, Any]] = []
    for promise in slos.filter("is_measured").sort("slo", "feature").iter_rows(named=True):
        counted = series.get((promise["slo"], promise["feature"]))
        if counted is not None:
            rows += _rows_of(day, start, promise, counted)
    found = pl.DataFrame(rows, schema=_SCHEMA)
    bound = clopper_pearson_low(found["long_bad"].to_numpy(), found["long_total"].to_numpy(), CONFIDENCE)
    return found.with_columns(lower_bound=pl.Series(bound, dtype=pl.Float64))


def _rows_of(day: date, start: datetime, promise: Mapping[str, Any], counted: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of one promise about one feature."""
    total, bad = (_grid(counted, name) for name in ("total", "bad"))
    models = {model: _grid(part, "bad") for (model,), part in counted.partition_by("model", as_dict=True).items() if model}
    rows = []
    for rule in RULES:
        seen = replay(total, bad, promise["target"], rule, promise["window_days"], promise["is_sampled"])
        by_model = {model: trailing(counts, rule.long_min // STEP_MIN) for model, counts in models.items()}
        for first in range(LOOK_BACK_DAYS * STEPS_A_DAY, _STEPS, STEPS_AN_HOUR):
            hour = slice(first, first + STEPS_AN_HOUR)
            if seen.long_bad[hour].any():
                rows.append({"day": day} | _row(start, promise, rule, seen, hour, by_model))
    return rows


def _row(
    start: datetime, promise: Mapping[str, Any], rule: BurnRule, seen: Replay, hour: slice, by_model: Mapping[str, Counts]
) -> dict[str, Any]:
    """One rule in one hour. Its figures are those of the worst step: one that fires, else one that is over the limit,
    else the one that burns fastest; the first of equals."""
    budget = 1 - promise["target"]
    firing = np.flatnonzero(seen.is_firing[hour]) + hour.start
    shares = seen.long_bad[hour] / np.maximum(seen.long_total[hour], 1)
    worst = hour.start + max(
        range(STEPS_AN_HOUR),
        key=lambda step: (seen.is_firing[hour][step], seen.exceeds[hour][step], shares[step], -step),
    )
    short_total = int(seen.short_total[worst])
    by_bad = sorted((-int(counts[worst]), model) for model, counts in by_model.items() if counts[worst] > 0)
    return {
        "slo": promise["slo"],
        "feature": promise["feature"],
        "rule": rule.name,
        "hour_start": _at(start, hour.start),
        "severity": "ticket" if promise["severity_policy"] == "ticket" else rule.severity,
        "factor": rule.factor(promise["window_days"]),
        "long_window_min": rule.long_min,
        "short_window_min": rule.short_min,
        "long_total": int(seen.long_total[worst]),
        "long_bad": int(seen.long_bad[worst]),
        "long_burn_rate": float(shares[worst - hour.start]) / budget,
        "short_burn_rate": int(seen.short_bad[worst]) / short_total / budget if short_total else None,
        "steps_firing": len(firing),
        # A window is known when its last five minutes are over.
        "first_firing_at": _at(start, int(firing[0]) + 1) if len(firing) else None,
        "last_firing_at": _at(start, int(firing[-1]) + 1) if len(firing) else None,
        "state": "firing" if len(firing) else "thin" if seen.exceeds[hour].any() else "quiet",
        "top_model": by_bad[0][1] if by_bad else None,
    }


def _grid(counted: pl.DataFrame, column: str) -> Counts:
    """Counts by step from the first day of the look-back to the end of the day; 0 where there was no event."""
    grid: Counts = np.zeros(_STEPS, dtype=np.int64)
    np.add.at(grid, counted["step"].to_numpy(), counted[column].to_numpy())
    return grid


def _at(start: datetime, step: int) -> datetime:
    return start + timedelta(minutes=STEP_MIN * step)
