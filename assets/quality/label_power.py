"""quality.label_power: how many labels would halve the interval of a rate.

Here belongs the shape of the table; the forecast is power.py.
"""

from __future__ import annotations

from datetime import date
from math import ceil
from typing import Any

import polars as pl

from assets.quality.estimator import Rate
from assets.quality.power import labels_needed

WINDOWS_DAYS = (1, 7)
COLUMNS = {
    "quality.rates": [
        "verdict", "window_days", "scope", "feature", "rate", "low", "high", "n_responses", "n_scored", "n_labelled",
        "n_days", "n_effective", "rho", "lambda_used", "method", "sensitivity", "specificity", "rater_error",
    ]
}  # fmt: skip
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "verdict": pl.String, "window_days": pl.Int32, "feature": pl.String, "width": pl.Float64,
    "n_labelled": pl.Int64, "labels_needed": pl.Int64, "labels_a_day": pl.Int64, "is_raters_error": pl.Boolean,
}  # fmt: skip


def label_power(day: date, rates: pl.DataFrame) -> pl.DataFrame:
    """One row per verdict and window, of all answers and of each feature that is named. `rates`: those of the day."""
    named = (pl.col("scope") == "all") | ((pl.col("scope") == "feature") & pl.col("feature").is_not_null())
    rows = []
    for row in rates.filter(named & pl.col("window_days").is_in(WINDOWS_DAYS)).iter_rows(named=True):
        rate = _rate(row)
        needed = labels_needed(rate)
        width = None if rate.low is None or rate.high is None else round(rate.high - rate.low, 6)
        rows.append(
            {
                "day": day,
                "verdict": row["verdict"],
                "window_days": row["window_days"],
                "feature": row["feature"],
                "width": width,
                "n_labelled": rate.n_labelled,
                "labels_needed": needed,
                "labels_a_day": None if needed is None else ceil(needed / row["n_days"]),
                "is_raters_error": bool(needed is None and width and rate.n_effective),
            }
        )
    return pl.DataFrame(rows, schema=_SCHEMA)


def _rate(row: dict[str, Any]) -> Rate:
    return Rate(
        row["rate"],
        row["n_responses"],
        row["n_scored"],
        row["n_labelled"],
        row["n_effective"],
        row["rho"],
        row["lambda_used"],
        row["low"],
        row["high"],
        row["method"],
        row["sensitivity"],
        row["specificity"],
        row["rater_error"],
    )
