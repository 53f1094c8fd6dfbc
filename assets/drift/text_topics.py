"""drift.text_topics: which cluster each sampled text of a day lies in, and how the answers are written.

Here belongs the shape of the table; clusters stand in text_sketch.py, styles in style.py.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from assets.drift.style import STYLES, styles
from assets.drift.text_sketch import nearest, unpacked

COLUMNS = {
    "drift.text_sample": [
        "request_id", "user_token", "part", "text", "feature", "model", "tenant", "inclusion_probability",
    ],
    "drift.text_vectors": ["request_id", "part", "embedder", "vector"],
    "drift.text_clusters": ["part", "embedder", "reference", "fitted_day", "cluster", "centre"],
}  # fmt: skip
_SCHEMA = {
    "day": pl.Date, "request_id": pl.String, "user_token": pl.String, "part": pl.String, "feature": pl.String,
    "model": pl.String, "tenant": pl.String, "inclusion_probability": pl.Float64, "embedder": pl.String,
    "reference": pl.String, "cluster": pl.Int64, "similarity": pl.Float64, **dict.fromkeys(STYLES, pl.Boolean),
}  # fmt: skip


def text_topics(
    day: date, text_sample: pl.DataFrame, text_vectors: pl.DataFrame, text_clusters: pl.DataFrame
) -> pl.DataFrame:
    """One row per text that has a vector; all three are of `day`. `reference` and `cluster` are NULL where the embedder has
    no clusters yet, the styles where the text is no answer."""
    answer = pl.when(pl.col("part") == "output").then(pl.col("text"))
    texts = text_sample.with_columns(day=pl.lit(day), **styles(answer)).join(text_vectors, on=["request_id", "part"])
    found = [pl.DataFrame(schema=_SCHEMA)]
    for (part, embedder), some in texts.group_by("part", "embedder", maintain_order=True):
        of_part = text_clusters.filter((pl.col("part") == part) & (pl.col("embedder") == embedder)).sort("cluster")
        places = {"reference": pl.lit(None), "cluster": pl.lit(None), "similarity": pl.lit(None)}
        if of_part.height:
            place, similarity = nearest(unpacked(some["vector"]), unpacked(of_part["centre"]))
            places = {
                "reference": pl.lit(of_part["reference"][0]),
                "cluster": pl.lit(of_part["cluster"].gather(place)),
                "similarity": pl.lit(pl.Series(np.round(similarity, 4))),
            }
        some = some.with_columns(**places)
        found.append(some.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()))
    return pl.concat(found)
