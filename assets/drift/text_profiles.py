"""drift.text_profiles: what the texts of a day were about and how answers were written, as rows that add up.

Here belongs the shape of the table, that of drift.profiles. What a text is about was decided in text_topics.py.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from assets.drift.family import FEWEST_ROWS
from assets.drift.family_arrays import CLUSTERS, FEATURES
from assets.drift.style import STYLES
from assets.drift.text_sketch import Floats, features, unpacked

KINDS = ("all", "feature", "model", "tenant")
COLUMNS = {
    "drift.text_vectors": ["request_id", "part", "vector"],
    "drift.text_topics": [
        "request_id", "part", "feature", "model", "tenant", "embedder", "reference", "cluster", *STYLES,
    ],
    "drift.profiles": ["segment_kind", "segment", "metric", "n"],
}  # fmt: skip
_OF_ALL_REQUESTS = "error_class"
"""The metric of drift.profiles in which every request has a value: the size of a segment."""
_SCHEMA = {
    "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "family": pl.String, "metric": pl.String,
    "bin": pl.String, "n": pl.Int64, "value_sum": pl.Float64, "unmeasured": pl.Int64,
}  # fmt: skip


def text_profiles(day: date, text_vectors: pl.DataFrame, text_topics: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Rows per segment and metric; all three are of `day`. Segments are those that `text_topics` names."""
    requests = profiles.filter(pl.col("metric") == _OF_ALL_REQUESTS).group_by("segment_kind", "segment")
    sizes = requests.agg(requests=pl.col("n").sum())
    found = [pl.DataFrame(schema=_SCHEMA)]
    placed = text_topics.filter(pl.col("reference").is_not_null()).join(text_vectors, on=["request_id", "part"])
    # Once for every kind of segment; in one order, or a sum's last digits would depend on that of the rows.
    placed = placed.sort("request_id", "part").with_row_index("place")
    points = features(unpacked(placed["vector"])) if placed.height else np.empty((0, 0))
    places = placed.select("request_id", "part", "place")
    for kind in KINDS:
        segment = pl.lit("") if kind == "all" else pl.col(kind)
        of_kind = text_topics.with_columns(segment_kind=pl.lit(kind), segment=segment).filter(segment.is_not_null())
        counted = _categories(of_kind)
        missing = (
            counted.group_by("segment_kind", "segment", "family", "metric")
            .agg(texts=pl.col("n").sum())
            .join(sizes, on=["segment_kind", "segment"])
            .with_columns(unmeasured=pl.col("requests") - pl.col("texts"), n=pl.lit(0))
            .filter(pl.col("unmeasured") > 0)
        )
        sums = _features(of_kind.join(places, on=["request_id", "part"]), points)
        found += [_rows(day, counted), _rows(day, missing), _rows(day, sums)]
    return pl.concat(found).sort("segment_kind", "segment", "family", "metric", "bin")


def _rows(day: date, rows: pl.DataFrame) -> pl.DataFrame:
    given = rows.with_columns(day=pl.lit(day))
    absent = [name for name in _SCHEMA if name not in given.columns]
    return given.with_columns(**dict.fromkeys(absent, pl.lit(None))).select(
        pl.col(name).cast(kind) for name, kind in _SCHEMA.items()
    )


def _metric(ending: str) -> pl.Expr:
    return pl.col("part") + "_embedding." + pl.col("reference") + ending


def _categories(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts per cluster, per style of answers, and per embedder."""
    clusters = texts.filter(pl.col("cluster").is_not_null()).with_columns(
        family=pl.lit("embedding"), metric=_metric(CLUSTERS), bin=pl.col("cluster").cast(pl.String)
    )
    embedders = texts.with_columns(family=pl.lit("categorical"), metric=pl.col("part") + "_embedder", bin=pl.col("embedder"))
    told = texts.unpivot(STYLES, index=["segment_kind", "segment"], variable_name="metric").drop_nulls("value")
    written = told.with_columns(
        family=pl.lit("categorical"),
        metric="output_" + pl.col("metric"),
        bin=pl.when("value").then(pl.lit("yes")).otherwise(pl.lit("no")),
    )
    by = ["segment_kind", "segment", "family", "metric", "bin"]
    counted = pl.concat([rows.select(by) for rows in (clusters, embedders, written)])
    return counted.group_by(by).agg(n=pl.len())


def _features(texts: pl.DataFrame, points: Floats) -> pl.DataFrame:
    """Sums of features, of segments with texts enough: a night of fewer is no night (family.py). `place` is a text's row in
    `points`."""
    known = texts.with_columns(family=pl.lit("embedding"), metric=_metric(FEATURES))
    known = known.filter(pl.len().over("segment", "metric") >= FEWEST_ROWS).sort("segment", "metric", "place")
    groups = known.group_by("segment_kind", "segment", "family", "metric", maintain_order=True).agg("place", n=pl.len())
    sums = [np.round(points[places.to_numpy()].sum(axis=0), 6) for places in groups["place"]]
    bins = [str(number) for number in range(points.shape[1])]
    return groups.with_columns(
        bin=pl.Series([bins] * len(sums), dtype=pl.List(pl.String)), value_sum=pl.Series(sums, dtype=pl.List(pl.Float64))
    ).explode("bin", "value_sum")
