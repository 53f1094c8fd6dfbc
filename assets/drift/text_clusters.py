"""drift.text_clusters: the frozen clusters of meaning by which days compare, carried from one day to the next.

Here belongs when clusters are found; how, stands in text_sketch.py.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256

import polars as pl

from assets.drift.text_sketch import clusters, packed, unpacked

FEWEST_TEXTS = 200
"""Of three days together: with fewer, clusters are chance."""
MOST_CLUSTERS = 20
COLUMNS = {"drift.text_vectors": ["day", "request_id", "part", "embedder", "vector"]}
_SCHEMA = {
    "day": pl.Date, "part": pl.String, "embedder": pl.String, "reference": pl.String, "fitted_day": pl.Date,
    "cluster": pl.Int64, "n": pl.Int64, "centre": pl.String,
}  # fmt: skip


def text_clusters(day: date, text_vectors: pl.DataFrame, text_clusters: pl.DataFrame) -> pl.DataFrame:
    """The clusters of every reference that stands on `day`: those of the days before, and those of a part whose embedder
    of the day has none, if there are enough texts.

    `text_vectors`: rows of [-2, 0]; `text_clusters`: this table's rows of [-27, -1].
    """
    newest = pl.col("day") == pl.col("day").max().over("part", "embedder")
    found = [pl.DataFrame(schema=_SCHEMA), text_clusters.filter(newest).with_columns(day=pl.lit(day)).select(list(_SCHEMA))]
    today = text_vectors.filter(pl.col("day") == day).select("part", "embedder").unique().sort("part", "embedder")
    for part, embedder in today.iter_rows():
        of_embedder = (pl.col("part") == part) & (pl.col("embedder") == embedder)
        texts = text_vectors.filter(of_embedder).sort("day", "request_id")
        if texts.height >= FEWEST_TEXTS and text_clusters.filter(of_embedder).is_empty():
            found.append(_fitted(day, part, embedder, texts))
    return pl.concat(found).sort("part", "reference", "cluster")


def _fitted(day: date, part: str, embedder: str, texts: pl.DataFrame) -> pl.DataFrame:
    centres, sizes = clusters(unpacked(texts["vector"]), MOST_CLUSTERS)
    # By what it is, not by what was found: a late row moves centres a little, and it is the same reference.
    reference = sha256(f"{embedder} {part} {day.isoformat()}".encode()).hexdigest()[:8]
    return pl.DataFrame(
        {
            "day": day, "part": part, "embedder": embedder, "reference": reference, "fitted_day": day,
            "cluster": range(len(sizes)), "n": sizes, "centre": packed(centres),
        },
        schema=_SCHEMA,
    )  # fmt: skip
