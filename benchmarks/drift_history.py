"""What a night of drift.drift_tests costs where few and where many days of profiles are stored; part of benchmarks/drift.py.

    python -m benchmarks.drift_history FOLDER DAYS     # makes a warehouse of so many days below FOLDER
    python -m benchmarks.drift_history FOLDER          # computes the newest day in it and prints CPU and wall seconds

Real Delta tables, the real contract, checks and commit, in a process of its own; drift.profiles, drift.text_profiles and
drift.drift_tests alone. The profiles' numbers are made up; their history is written by the table's own day commits.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.checks import rules
from assets.python_tables import python_table
from benchmarks.drift_ours import tested
from resources.computing import compute_day
from resources.contracts import contracts
from resources.day_inputs import DayInputs, take_pins
from resources.days import day_commit
from resources.store import Store
from resources.table_store import arrow_schema

LAST_DAY = date(2026, 10, 31)
TABLES = ("drift.profiles", "drift.text_profiles", "drift.drift_tests")
SEGMENTS, METRICS, BINS, ROWS = 20, 20, 60, 5_000


def profiles_of(day: date) -> pl.DataFrame:
    """Rows of drift.profiles: 20 features, 20 metrics each, half of them numbers in 60 bins, half of six categories."""
    rng = np.random.default_rng(day.toordinal())
    weights = np.exp(-0.5 * ((np.arange(BINS) - BINS / 2) / 10) ** 2)
    rows = []
    for segment in range(SEGMENTS):
        for metric in range(METRICS):
            is_number = metric < METRICS // 2
            counts = rng.multinomial(ROWS, weights / weights.sum() if is_number else [0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
            names = [str(100 + i) for i in range(BINS)] if is_number else list("abcdef")
            rows.append(
                pl.DataFrame(
                    {
                        "day": day, "segment_kind": "feature", "segment": f"s{segment:02}",
                        "family": "numeric" if is_number else "categorical", "metric": f"m{metric:02}", "bin": names,
                        "n": counts,
                    }
                )
            )  # fmt: skip
    return pl.concat(rows).filter(pl.col("n") > 0).with_columns(
        value_sum=pl.lit(None, pl.Float64), unmeasured=pl.lit(None, pl.Int64)
    )  # fmt: skip


def opened(folder: Path) -> Store:
    """The warehouse below a folder, of these tables alone."""
    return Store(folder / "data", folder / "state", {name: contracts()[name] for name in TABLES}, threads=2, durable=False)


def make(folder: Path, days: int) -> None:
    """`days` days of profiles up to LAST_DAY, and the tests of all days before it."""
    store = opened(folder)
    calm = None
    for offset in reversed(range(days)):
        day = LAST_DAY - timedelta(days=offset)
        _put(store, "drift.profiles", day, profiles_of(day))
        if offset:
            calm = _calm_tests(day) if calm is None else calm
            window = {"day": pl.lit(day), "window_first_day": pl.lit(day - timedelta(days=2))}
            _put(store, "drift.drift_tests", day, calm.with_columns(**window))


def _calm_tests(day: date) -> pl.DataFrame:
    """The tests of a night that has three days alone: each is there, and none is an alarm."""
    rows = pl.concat([profiles_of(day - timedelta(days=i)) for i in range(3)])
    return tested(day, rows)


def _put(store: Store, name: str, day: date, rows: pl.DataFrame) -> None:
    log = store.day_log(name)
    columns = rows.select(c.name for c in store.contracts[name].columns).to_arrow().cast(arrow_schema(store.contracts[name]))
    log.table.replace_day(day, columns.to_reader(), 1, day_commit(day, 1, "replaced", {}, {}, f"made {day}", rows.height))


def night(folder: Path) -> dict[str, float]:
    """CPU and wall seconds of the newest day's tests: looking at the store, reading, testing, checking, committing."""
    wall, cpu = time.perf_counter(), time.process_time()
    store = opened(folder)
    contract = store.contracts["drift.drift_tests"]
    inputs = DayInputs(store, take_pins(store, LAST_DAY))
    outcome = compute_day(store, contract, LAST_DAY, inputs, rules(contract), python_table(contract))
    if outcome.outcome != "replaced" or outcome.rows != SEGMENTS * METRICS:
        raise SystemExit(f"the night is {outcome.outcome}, {outcome.rows} rows; expected were {SEGMENTS * METRICS} new ones")
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if len(sys.argv) > 2:
        make(where, int(sys.argv[2]))
    else:
        print(json.dumps(night(where)))
