"""drift.text_vectors: the sampled texts of a day as vectors.

Here belongs the shape of the table. The model is the embedder's (resources/embedder.py), which is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl

from assets.drift.text_sketch import Vectors, packed

Embed = Callable[[list[str]], tuple[Vectors, str]]
"""Texts -> a vector of length 1 for each, and the short name of what made them."""
COLUMNS = {"drift.text_sample": ["request_id", "user_token", "part", "text"]}
_SCHEMA = {"day": pl.Date, "request_id": pl.String, "user_token": pl.String, "part": pl.String, "embedder": pl.String,
           "vector": pl.String}  # fmt: skip


def text_vectors(day: date, text_sample: pl.DataFrame, embed: Embed) -> pl.DataFrame:
    """One row per row of `text_sample`, which is of `day`. Without texts nothing is embedded."""
    if text_sample.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    vectors, embedder = embed(text_sample["text"].to_list())
    made = text_sample.with_columns(day=pl.lit(day), embedder=pl.lit(embedder), vector=pl.Series(packed(vectors)))
    return made.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())
