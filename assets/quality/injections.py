"""quality.injections: each text of a day in which somebody tries to make a model do what its owner did not want.

Here belongs which texts are read, and what became of the request. What counts as an attempt is injection_rules.py.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from assets.quality.injection_rules import VERSION
from assets.quality.injection_scores import ATTEMPT, categories, scored
from assets.quality.refusal import refuses

_PLACE = ["file_id", "record_number"]
_SAME = ["tenant", "feature", "environment", "user_token", "conversation_token"]
_OF_REQUEST = ["model", "api_key_token", "endpoint_trust"]
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "file_id": pl.String, "record_number": pl.Int64, "request_id": pl.String, "part": pl.String,
    "ts": pl.Datetime("us", "UTC"), **dict.fromkeys([*_SAME, *_OF_REQUEST], pl.String), "document_id": pl.String,
    "tool_name": pl.String, "prompt_fingerprint": pl.String, "score": pl.Float64, "categories": pl.String,
    "rules": pl.String, "detector": pl.String, "outcome": pl.String,
}  # fmt: skip
_BLOCKED = ["content_filter", "refusal"]
COLUMNS = {
    "logs.requests": [
        "request_id", "ts", *_PLACE, *_SAME, *_OF_REQUEST, "is_shadow", "prompt_fingerprint", "safety_input_verdict",
        "safety_output_verdict", "finish_reason", "error_class",
    ],
    "logs.texts": [*_PLACE, "part", "text"],
    "logs.retrievals": ["request_id", "ts", *_PLACE, *_SAME, "document_id"],
    "logs.tool_calls": ["request_id", "ts", *_PLACE, *_SAME, "tool_name"],
}  # fmt: skip


def injections(
    day: date, requests: pl.DataFrame, texts: pl.DataFrame, retrievals: pl.DataFrame, tool_calls: pl.DataFrame
) -> pl.DataFrame:
    """One row per kept prompt, document or tool's result of `day` that scores as an attempt; shadow traffic has none."""
    seen = requests.filter(~pl.col("is_shadow").fill_null(False))
    outcomes = seen.join(texts.filter(pl.col("part") == "output").select(*_PLACE, output="text"), on=_PLACE, how="left")
    outcomes = outcomes.select("request_id", *_OF_REQUEST, outcome=_outcome())
    # What belongs to a request of another day, or to none, is read all the same; only a shadow's is not.
    shadows = requests.filter(pl.col("is_shadow")).select("request_id")
    read = [
        seen.join(_part(texts, "prompt"), on=_PLACE).drop(_OF_REQUEST),
        retrievals.join(shadows, on="request_id", how="anti").join(_part(texts, "document"), on=_PLACE),
        tool_calls.join(shadows, on="request_id", how="anti").join(_part(texts, "result"), on=_PLACE),
    ]
    every = pl.concat(read, how="diagonal_relaxed").with_columns(is_given=pl.col("part") != "prompt")
    found = scored(every).filter(pl.col("score") >= ATTEMPT).join(outcomes, on="request_id", how="left")
    named = pl.col("rules").map_elements(lambda rules: ",".join(categories(rules.to_list())), return_dtype=pl.String)
    told = found.with_columns(
        day=pl.lit(day), detector=pl.lit(VERSION), categories=named, rules=pl.col("rules").list.join(",")
    )
    return told.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()).sort("part", "request_id", *_PLACE)


def _part(texts: pl.DataFrame, part: str) -> pl.DataFrame:
    return texts.filter(pl.col("part") == part).select(*_PLACE, "part", "text")


def is_blocked() -> pl.Expr:
    """A filter, or the provider, stopped the request or its answer."""
    stopped = [pl.col(name) == "block" for name in ("safety_input_verdict", "safety_output_verdict")]
    return pl.any_horizontal(*stopped, pl.col("finish_reason").is_in(_BLOCKED)).fill_null(False)


def _outcome() -> pl.Expr:
    return (
        pl.when(is_blocked()).then(pl.lit("blocked"))
        .when(pl.col("error_class").is_not_null()).then(pl.lit("failed"))
        .when(pl.col("output").is_null()).then(None)
        .when(refuses(pl.col("output"))).then(pl.lit("refused"))
        .otherwise(pl.lit("answered"))
    )  # fmt: skip
