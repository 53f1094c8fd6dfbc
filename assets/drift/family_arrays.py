"""Rows of drift.profiles as the arrays that tests are computed from: frozen bins, padded, a place for every day.

Here belongs how stored bins become the few that are compared. They are frozen by the reference: what a new night brings
has no say in where the bins lie, only in what lies in them.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from assets.drift.distances import SMALLEST_SIGMA, Bools, Floats
from assets.drift.expectation import WINDOW_NIGHTS
from assets.drift.family import REFERENCE_NIGHTS, Family

DAYS = REFERENCE_NIGHTS + WINDOW_NIGHTS
KEY = ("segment_kind", "segment", "family", "metric")
FEATURES, CLUSTERS = ".rff", ".cluster"
"""Endings of the two metrics of profiles that make up one metric of an embedding."""
LOG_STEP = float(np.log(1.01 / 0.99))
"""What lies between two log bins (sql/_macros: log_bin), in natural logarithms."""
NUMERIC_BINS = 64
SIGMAS = 6
"""Numeric bins hold at most 1/32 of the reference, and are at most 12 σ / 32 wide as far as 6 σ from its mean."""
CATEGORIES = 32
FEWEST_OF_A_CATEGORY = 5
"""Categories with fewer rows in a mean reference night, and those beyond the commonest 31, are one: the rest."""


def families(day: date, profiles: pl.DataFrame, drift_tests: pl.DataFrame) -> list[tuple[pl.DataFrame, Family]]:
    """Each family that has rows in the 59 days up to `day`: its tests (columns KEY, in the arrays' order) and its arrays.

    Days under an alarm of `drift_tests` (from its window's first day on) leave the test's reference. Raises ValueError for
    a family that is not known here, and for features of texts without their clusters: they could never be an alarm.
    """
    first = day - timedelta(days=DAYS - 1)
    rows = (
        profiles.filter(pl.col("day").is_between(first, day))
        .with_columns(
            stored=pl.col("metric"),
            metric=pl.when(pl.col("family") == "embedding")
            .then(pl.col("metric").str.strip_suffix(FEATURES).str.strip_suffix(CLUSTERS))
            .otherwise(pl.col("metric")),
            at=(pl.col("day") - first).dt.total_days(),
        )
    )
    alarms = drift_tests.filter(pl.col("is_alarm") & (pl.col("day") < day))
    weekday = np.array([(first + timedelta(days=i)).weekday() for i in range(DAYS)])
    found = []
    for name in sorted(rows["family"].unique()):
        if name not in _ARRAYS:
            raise ValueError(f"drift.profiles has the family {name!r}; drift tests know {sorted(_ARRAYS)}")
        tests = rows.filter(pl.col("family") == name).select(KEY).unique().sort(KEY).with_row_index("test")
        alarmed = _alarmed_days(alarms.join(tests, on=KEY), first, tests.height)
        counted = rows.join(tests, on=KEY).filter(pl.col("bin").is_not_null() & (pl.col("n") > 0))
        found.append((tests.drop("test"), _ARRAYS[name](counted, weekday, alarmed)))
    return found


def _alarmed_days(alarms: pl.DataFrame, first: date, tests: int) -> Bools:
    """[test, day] that a window with an alarm covers."""
    alarmed = np.zeros((tests, DAYS), dtype=bool)
    for test, since, until in alarms.select("test", "window_first_day", "day").iter_rows():
        alarmed[test, max((since - first).days, 0) : max((until - first).days + 1, 0)] = True
    return alarmed


def _reference_counts(rows: pl.DataFrame, alarmed: Bools, *by: str) -> pl.DataFrame:
    """Per test and `by`: rows on all days `n`, and on the days of the reference `n_reference`."""
    is_reference = ~alarmed
    is_reference[:, REFERENCE_NIGHTS:] = False
    counted = rows.with_columns(in_reference=is_reference[rows["test"].to_numpy(), rows["at"].to_numpy()])
    return counted.group_by("test", *by).agg(
        pl.col("n").sum(), n_reference=pl.col("n").filter(pl.col("in_reference")).sum()
    )


def _numeric(rows: pl.DataFrame, weekday: np.ndarray, alarmed: Bools) -> Family:
    """Values on the log scale; zero and what is below it lie a factor e below the smallest positive value."""
    rows = rows.with_columns(x=pl.col("bin").replace("", None).cast(pl.Int32) * LOG_STEP)
    rows = rows.with_columns(x=pl.col("x").fill_null((pl.col("x").min().over("test") - 1.0).fill_null(0.0)))
    fine = _reference_counts(rows, alarmed, "x").sort("test", "x")
    total = pl.col("n_reference").sum().over("test")
    weight = pl.when(total > 0).then(pl.col("n_reference") / total).otherwise(0.0)
    fine = fine.with_columns(weight=weight)
    mean = (pl.col("weight") * pl.col("x")).sum().over("test")
    fine = fine.with_columns(off=pl.col("x") - mean)
    sigma = (pl.col("weight") * pl.col("off") ** 2).sum().over("test").sqrt().clip(lower_bound=SMALLEST_SIGMA)
    below = (pl.col("weight").cum_sum().over("test") - pl.col("weight") / 2).clip(0, 1)
    across = (pl.col("off") / (2 * SIGMAS * sigma) + 0.5).clip(0, 1)
    fine = fine.with_columns(
        bin_at=((below + across) / 2 * NUMERIC_BINS).floor().cast(pl.Int64).clip(0, NUMERIC_BINS - 1)
    )
    where = fine.group_by("test", "bin_at").agg(x=(pl.col("x") * pl.col("n")).sum() / pl.col("n").sum())
    positions = np.full((len(alarmed), NUMERIC_BINS), -np.inf)
    positions[where["test"].to_numpy(), where["bin_at"].to_numpy()] = where["x"].to_numpy()
    lowest = np.where(np.isfinite(positions), positions, np.inf).min(axis=1, keepdims=True)
    positions = np.maximum(np.maximum.accumulate(positions, axis=1), np.where(np.isfinite(lowest), lowest, 0.0))
    counts = _dense(rows.join(fine.select("test", "x", "bin_at"), on=["test", "x"]), "n", len(alarmed), NUMERIC_BINS)
    return Family("numeric", counts, counts.sum(axis=2), weekday, alarmed, positions=positions)


def _categorical(rows: pl.DataFrame, weekday: np.ndarray, alarmed: Bools) -> Family:
    counts = _categories(rows, alarmed)
    return Family("categorical", counts, counts.sum(axis=2), weekday, alarmed)


def _categories(rows: pl.DataFrame, alarmed: Bools) -> Floats:
    """Counts [test, day, category]; the last category is the rest, where new ones are, too."""
    totals = _reference_counts(rows, alarmed, "bin").sort("test", "n_reference", "bin", descending=[False, True, False])
    nights = _reference_counts(rows, alarmed, "at").group_by("test").agg(nights=(pl.col("n_reference") > 0).sum())
    common = pl.col("n_reference") >= FEWEST_OF_A_CATEGORY * pl.col("nights").clip(lower_bound=1)
    rank = pl.int_range(pl.len()).over("test").clip(upper_bound=CATEGORIES - 1)
    totals = totals.join(nights, on="test", maintain_order="left").with_columns(
        bin_at=pl.when(common).then(rank).otherwise(CATEGORIES - 1)
    )
    return _dense(rows.join(totals.select("test", "bin", "bin_at"), on=["test", "bin"]), "n", len(alarmed), CATEGORIES)


def _embedding(rows: pl.DataFrame, weekday: np.ndarray, alarmed: Bools) -> Family:
    """Mean features, and counts of the reference's clusters, of one metric."""
    features = rows.filter(pl.col("stored").str.ends_with(FEATURES)).with_columns(bin_at=pl.col("bin").cast(pl.Int64))
    width = 1 + int(features["bin_at"].max() or 0)  # type: ignore[arg-type]
    n = _dense(features.with_columns(bin_at=pl.lit(0)).unique(["test", "at"]), "n", len(alarmed), 1)[:, :, 0]
    means = _dense(features, "value_sum", len(alarmed), width) / np.maximum(n, 1)[:, :, None]
    clusters = _categories(rows.filter(pl.col("stored").str.ends_with(CLUSTERS)), alarmed)
    if gap := np.argwhere((n > 0) & (clusters.sum(axis=2) == 0)).tolist():
        test, at = gap[0]
        metric = rows.filter((pl.col("test") == test) & (pl.col("at") == at))["stored"][0]
        raise ValueError(f"{metric} has features of {len(gap)} days without counts of clusters; a profile has both")
    return Family("embedding", means, n, weekday, alarmed, clusters=clusters)


_ARRAYS = {"numeric": _numeric, "categorical": _categorical, "embedding": _embedding}


def _dense(rows: pl.DataFrame, column: str, tests: int, bins: int) -> Floats:
    """[test, day, bin], the column's sums at (`test`, `at`, `bin_at`)."""
    place = (rows["test"].to_numpy().astype(np.int64) * DAYS + rows["at"].to_numpy()) * bins + rows["bin_at"].to_numpy()
    values = np.bincount(place, weights=rows[column].to_numpy(), minlength=tests * DAYS * bins)
    return values.astype(np.float64).reshape(tests, DAYS, bins)
