"""service.slo_status: how much of each promise's budget is left at the end of a day, and until when (docs/slos.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.service.indicators import INDICATORS
from assets.service.intervals import wilson

COLUMNS = {
    "service.slo_5min": ["day", "slo", "feature", "total", "bad"],
    "quality.rates": ["verdict", "window_days", "scope", "feature", "rate", "low", "high", "n_labelled", "n_effective"],
}
PACE_DAYS = 3
"""The forecast goes on as the last days went."""
LEAST_BAD_EVENTS = 3
"""Fewer say nothing of the pace, nor that a budget of less than one event is spent."""
_TOLERANCE = 1e-9
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "slo": pl.String, "feature": pl.String, "window_first_day": pl.Date, "total": pl.Int64, "good": pl.Int64,
    "bad": pl.Int64, "good_share": pl.Float64, "low": pl.Float64, "high": pl.Float64, "target": pl.Float64,
    "budget": pl.Float64, "burned_share": pl.Float64, "remaining_share": pl.Float64, "exhausted_on_forecast": pl.Date,
    "is_spent": pl.Boolean, "state": pl.String,
}  # fmt: skip

Days = NDArray[np.float64]


def slo_status(day: date, slo_5min: pl.DataFrame, rates: pl.DataFrame, slos: pl.DataFrame) -> pl.DataFrame:
    """The rows of service.slo_status of a day: one for each promise and feature, measured or not. `rates`: the day's."""
    of_features = rates.filter(scope="feature").iter_rows(named=True)
    estimates = {(rate["verdict"], rate["feature"], rate["window_days"]): rate for rate in of_features}
    by_day = slo_5min.group_by("slo", "feature", "day").agg(pl.col("total", "bad").sum())
    series = by_day.partition_by("slo", "feature", as_dict=True)
    rows = []
    for promise in slos.sort("slo", "feature").iter_rows(named=True):
        first_day = day - timedelta(days=promise["window_days"] - 1)
        row = {name: promise[name] for name in ("slo", "feature", "target")} | {"day": day, "window_first_day": first_day}
        total, bad = np.zeros(promise["window_days"]), np.zeros(promise["window_days"])
        counted = series.get((promise["slo"], promise["feature"]), by_day.clear())
        for on, events, broken in counted.select("day", "total", "bad").iter_rows():
            if on >= first_day:
                total[(on - first_day).days], bad[(on - first_day).days] = events, broken
        verdict = INDICATORS[promise["indicator"]].verdict
        if not promise["is_measured"]:
            row["state"] = "not_measured"
        elif verdict:
            row |= _estimated(promise, estimates.get((verdict, promise["feature"], promise["window_days"])))
        else:
            row |= _status(day, promise, total, bad)
        rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)


def _estimated(promise: Mapping[str, Any], rate: Mapping[str, Any] | None) -> dict[str, Any]:
    """What people's verdicts on a few answers say of a window's. Nothing was counted, so that nothing is good or bad but a
    share; its budget is spent by the bound of the interval, and labels that come days late make no forecast."""
    row: dict[str, Any] = {"total": rate["n_labelled"] if rate else 0, "state": "not_enough_data"}
    if rate is None or rate["rate"] is None:
        return row
    shares = tuple(rate[name] for name in ("rate", "low", "high"))
    if not INDICATORS[promise["indicator"]].verdict_is_good:
        shares = 1 - shares[0], 1 - shares[2], 1 - shares[1]
    good, low, high = (round(share, 6) for share in shares)
    row |= {"good_share": good, "low": low, "high": high}
    may_be_bad = (1 - promise["target"]) * rate["n_effective"]
    is_proven = (1 - good) * rate["n_effective"] >= LEAST_BAD_EVENTS and high < promise["target"]
    if may_be_bad < 1 - _TOLERANCE and not is_proven:
        return row
    burned = (1 - high) / (1 - promise["target"])
    is_spent = burned >= 1 - _TOLERANCE
    told = {"burned_share": round(burned, 9), "remaining_share": round(1 - burned, 9)}
    return row | told | {"is_spent": is_spent, "state": "spent" if is_spent else "ok"}


def _status(day: date, promise: Mapping[str, Any], total_by_day: Days, bad_by_day: Days) -> dict[str, Any]:
    """What the counts of a window say. Budget is spent by the share of bad events; of a sample of opinions, by the lower
    bound of its interval."""
    total, bad = int(total_by_day.sum()), int(bad_by_day.sum())
    budget = round((1 - promise["target"]) * total, 6)
    low, high = (float(bound) for bound in wilson(total - bad, total))
    row: dict[str, Any] = {"total": total, "good": total - bad, "bad": bad, "budget": budget, "state": "not_enough_data"}
    if total:
        row |= {"good_share": (total - bad) / total, "low": low, "high": high}
    # A budget of less than one event is spent by the first: that says nothing, unless even the interval is below the target.
    is_proven = bad >= LEAST_BAD_EVENTS and high < promise["target"]
    if budget < 1 - _TOLERANCE and not is_proven:
        return row
    burned = float(_burned(np.array(total), np.array(bad), promise))
    is_spent = burned >= 1 - _TOLERANCE
    exhausted_on = None if is_spent else _exhausted_on(day, promise, total_by_day, bad_by_day)
    return row | {
        "burned_share": round(burned, 9),
        "remaining_share": round(1 - burned, 9),
        "exhausted_on_forecast": exhausted_on,
        "is_spent": is_spent,
        "state": "spent" if is_spent else "burning" if exhausted_on else "ok",
    }


def _burned(total: Days, bad: Days, promise: Mapping[str, Any]) -> Days:
    """The share of the budget that is spent."""
    share = 1 - wilson(total - bad, total)[1] if promise["is_sampled"] else bad / np.maximum(total, 1)
    spent: Days = share / (1 - promise["target"])
    return spent


def _exhausted_on(day: date, promise: Mapping[str, Any], total_by_day: Days, bad_by_day: Days) -> date | None:
    """The day on which nothing is left if every day goes on as the last PACE_DAYS did on average, and the oldest days
    leave the window one by one; None where that does not happen within another window."""
    if bad_by_day[-PACE_DAYS:].sum() < LEAST_BAD_EVENTS:
        return None
    ahead = np.arange(1, len(total_by_day) + 1)
    total, bad = (
        counts.sum() - np.cumsum(counts) + ahead * counts[-PACE_DAYS:].sum() / PACE_DAYS
        for counts in (total_by_day, bad_by_day)
    )
    spent = np.flatnonzero(_burned(total, bad, promise) >= 1 - _TOLERANCE)
    return day + timedelta(days=int(ahead[spent[0]])) if len(spent) else None
