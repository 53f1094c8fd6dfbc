"""By what answers are grouped for a rate: all, a feature, a model ..., and how good the documents were that were found.

Here belong the groups and which of them have a row; what is estimated of one stands in rates.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from assets.quality.inclusion import Ints

SCOPES: Mapping[str, tuple[str, ...]] = {
    "all": (), "feature": ("feature",), "model": ("model",), "prompt_version": ("feature", "prompt_version"),
    "tenant": ("tenant",), "retrieval": ("retrieval",),
}  # fmt: skip
LARGEST = 20
"""So many of a scope's values have a row though nobody has judged any of their answers."""
_MANY_VALUES = ("model", "prompt_version", "tenant")
LOW_SCORE, HIGH_SCORE = 0.5, 0.75
RETRIEVAL_DAYS = 7
"""Retrievals of so many days are looked at."""


@dataclass(frozen=True)
class Group:
    """The answers of one value of a scope: `names` are its columns' values, `rows` its rows in the order of the table."""

    scope: str
    names: dict[str, str | None]
    rows: Ints


def groups(answers: pl.DataFrame, window_days: int) -> Iterator[Group]:
    """The groups of a window that have a row, by size. `answers`: rows of quality.label_frame with `retrieval`, and
    `is_judged` where somebody judged a drawn one."""
    numbered = answers.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    for scope, columns in SCOPES.items():
        if scope == "retrieval" and window_days > RETRIEVAL_DAYS:
            continue
        if not columns:
            yield Group(scope, {}, numbered["row"].to_numpy())
            continue
        found = (
            numbered.group_by(columns)
            .agg("row", is_judged=pl.col("is_judged").any(), size=pl.col("excluded").is_null().sum())
            .sort("size", *columns, descending=[True, *[False] * len(columns)], nulls_last=True)
            .with_row_index("place")
        )
        if scope in _MANY_VALUES:
            found = found.filter(pl.col("is_judged") | (pl.col("place") < LARGEST))
        for place, names in enumerate(found.select(columns).iter_rows(named=True)):
            yield Group(scope, names, found["row"][place].to_numpy())


def with_retrieval(answers: pl.DataFrame, retrievals: pl.DataFrame) -> pl.DataFrame:
    """The same rows with `retrieval`: a name for the best score that the index gave a document of the answer."""
    best = retrievals.group_by("day", "request_id").agg(best=pl.col("retrieval_score").max()).with_columns(found=True)
    joined = answers.join(best, on=["day", "request_id"], how="left", maintain_order="left")
    is_found = pl.col("found").fill_null(False)
    searches = is_found.any().over("day", "feature")
    return joined.with_columns(
        retrieval=pl.when(~is_found)
        .then(pl.when(searches).then(pl.lit("nothing_found")).otherwise(pl.lit("no_search")))
        .when(pl.col("best").is_null())
        .then(pl.lit("no_score"))
        .when(~pl.col("best").is_between(0, 1))
        .then(pl.lit("other_scale"))
        .when(pl.col("best") < LOW_SCORE)
        .then(pl.lit("low_score"))
        .when(pl.col("best") < HIGH_SCORE)
        .then(pl.lit("middle_score"))
        .otherwise(pl.lit("high_score"))
    ).drop("best", "found")
