"""drift.drift_tests: every test of a night, with what it found and how sure that is.

Here belongs the shape of the table; what is computed stands in family.py, and from what in family_arrays.py.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from assets.drift.expectation import WINDOW_NIGHTS
from assets.drift.family import Family, answer
from assets.drift.family_arrays import KEY, families

COLUMNS = {
    "drift.profiles": ["day", *KEY, "bin", "n", "value_sum"],
    "drift.text_profiles": ["day", *KEY, "bin", "n", "value_sum"],
    "drift.drift_tests": ["day", *KEY, "window_first_day", "is_alarm"],
}
_SCHEMA = {
    "day": pl.Date,
    "segment_kind": pl.String,
    "segment": pl.String,
    "family": pl.String,
    "metric": pl.String,
    "window_first_day": pl.Date,
    "n": pl.Int64,
    "n_reference": pl.Int64,
    "reference_days": pl.Int64,
    "status": pl.String,
    "effect": pl.Float64,
    "floor": pl.Float64,
    "statistic": pl.Float64,
    "z": pl.Float64,
    "p": pl.Float64,
    "p_second_night": pl.Float64,
    "q": pl.Float64,
    "is_alarm": pl.Boolean,
    "night_z": pl.Float64,
    "night_effect": pl.Float64,
}


def drift_tests(
    day: date, profiles: pl.DataFrame, text_profiles: pl.DataFrame, drift_tests: pl.DataFrame
) -> pl.DataFrame:
    """One row per segment and metric that has a row in a profile within the 59 days up to `day`.

    `profiles`, `text_profiles`: rows of [-58, 0]; `drift_tests`: this table's rows of [-58, -1], whose alarms keep days
    out of the reference. NULL is what was not asked: too few days or rows (`status` not_enough_data).
    """
    both = pl.concat([profiles, text_profiles])
    answered = [_rows(day, tests, family) for tests, family in families(day, both, drift_tests)]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *answered])


def _rows(day: date, tests: pl.DataFrame, family: Family) -> pl.DataFrame:
    found = vars(answer(family))
    rows = tests.with_columns(
        day=pl.lit(day),
        window_first_day=pl.lit(day - timedelta(days=WINDOW_NIGHTS - 1)),
        **{name: pl.lit(value) if isinstance(value, float) else pl.Series(name, value) for name, value in found.items()},
    )
    floats = [name for name, kind in _SCHEMA.items() if kind == pl.Float64]
    return rows.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()).with_columns(
        pl.col(floats).fill_nan(None)
    )
