"""quality.scores: each answered response of a day, measured against its context, with the detector's guess.

Here belongs how an exchange is put together from the logs; how it is measured stands in answers.py and similarity.py.
Only texts that the embedder has not seen cost much.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl

from assets.quality.answers import Exchange, measured
from assets.quality.detector import HEURISTIC, Detector, from_json
from assets.quality.refusal import hedges, refuses
from assets.quality.similarity import Embed, similarities

RULES = "rules-2"
"""Raise it when a rule of measuring changes: rows of two scorers do not compare, and a detector is trained on one."""
_AT_ONCE = 500
_FACTS = {
    "request_id": pl.String, "user_token": pl.String, "conversation_token": pl.String, "tenant": pl.String,
    "feature": pl.String, "model": pl.String, "prompt_version": pl.String, "environment": pl.String,
}  # fmt: skip
_COUNTS = ("numbers", "dates", "names", "unsupported_numbers", "unsupported_dates", "unsupported_names")
_SHARES = ("support_mean", "support_min", "passage_support", "copied", "document_support")
_MEANINGS = ("similarity_mean", "similarity_min", "question_similarity", "coherence")
_MEASURED = {
    "has_context": pl.Boolean, "answer_characters": pl.Int64, "sentences": pl.Int64, **dict.fromkeys(_SHARES, pl.Float64),
    **dict.fromkeys(_COUNTS, pl.Int64), **dict.fromkeys(_MEANINGS, pl.Float64), "citation_coverage": pl.Float64,
    "citation_correct": pl.Float64,
}  # fmt: skip
_SCHEMA = {
    "day": pl.Date, **_FACTS, "risk_class": pl.String, "inclusion_probability": pl.Float64, "scorer": pl.String, **_MEASURED,
    "refuses": pl.Boolean, "hedges": pl.Boolean, "p_hallucinated": pl.Float64, "detector": pl.String,
}  # fmt: skip
_PLACE = ["file_id", "record_number"]
COLUMNS = {
    "logs.requests": [*_FACTS, "is_shadow", *_PLACE],
    "logs.texts": [*_PLACE, "record_kind", "part", "text", "inclusion_probability"],
    "logs.retrievals": ["request_id", "document_id", "document_rank", *_PLACE],
    "logs.tool_calls": ["request_id", "ts", *_PLACE],
    "service.features": ["feature", "risk_class"],
    "quality.detectors": ["detector", "trained_at", "scorer", "parameters", "is_adopted"],
}


def scores(
    day: date,
    requests: pl.DataFrame,
    texts: pl.DataFrame,
    retrievals: pl.DataFrame,
    tool_calls: pl.DataFrame,
    features: pl.DataFrame,
    detectors: pl.DataFrame,
    embed: Embed,
) -> pl.DataFrame:
    """One row per answered, not-shadow request of `day` whose answer's words are kept; without any, nothing is embedded.

    `detectors`: those trained before `day`. The newest that was adopted, and trained on this scorer's rows, guesses.
    """
    found = [pl.DataFrame(schema=_SCHEMA)]
    exchanges = _exchanges(requests, texts, retrievals, tool_calls).join(features, on="feature", how="left")
    for some in exchanges.sort("request_id").iter_slices(_AT_ONCE):
        columns, pieces = zip(*(measured(exchange) for exchange in _read(some)), strict=True)
        meanings, embedder = similarities(pieces, embed)
        scorer = f"{RULES}+{embedder}"
        both = [column | meaning for column, meaning in zip(columns, meanings, strict=True)]
        # Rounded: vectors made in another batch differ in their last digits, and the day is the same.
        told = pl.DataFrame(both, schema=_MEASURED).with_columns(pl.col(pl.Float64).round(4))
        rows = pl.concat([some, told], how="horizontal").with_columns(
            day=pl.lit(day), scorer=pl.lit(scorer), refuses=refuses(pl.col("output")), hedges=hedges(pl.col("output"))
        )
        guesses = detector_for(detectors, scorer)
        rows = rows.with_columns(
            p_hallucinated=pl.Series(guesses.probabilities(rows)).round(4), detector=pl.lit(guesses.name)
        )
        found.append(rows.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()))
    return pl.concat(found)


def detector_for(detectors: pl.DataFrame, scorer: str) -> Detector:
    """The detector for rows of a scorer: the newest that was adopted; HEURISTIC where there is none."""
    usable = detectors.filter(pl.col("is_adopted") & (pl.col("scorer") == scorer)).sort("trained_at", "detector")
    if usable.is_empty():
        return HEURISTIC
    return from_json(usable["detector"][-1], usable["parameters"][-1])


def _exchanges(
    requests: pl.DataFrame, texts: pl.DataFrame, retrievals: pl.DataFrame, tool_calls: pl.DataFrame
) -> pl.DataFrame:
    """Answered requests with their words: output, prompt, system, history, and lists of documents and results."""

    def part(name: str) -> pl.DataFrame:
        return texts.filter(pl.col("part") == name).select(*_PLACE, pl.col("text").alias(name))

    answers = texts.filter(
        (pl.col("part") == "output") & (pl.col("record_kind") == "request") & (pl.col("text").str.strip_chars() != "")
    ).select(*_PLACE, "inclusion_probability", output="text")
    found = requests.filter(~pl.col("is_shadow").fill_null(False)).join(answers, on=_PLACE)
    for name in ("prompt", "system", "history"):
        found = found.join(part(name), on=_PLACE, how="left")
    document = pl.struct("document_id", "document_rank", "document").alias("documents")
    documents = (
        retrievals.join(found, on="request_id", how="semi")
        .join(part("document"), on=_PLACE, how="left")
        .sort("request_id", "document_rank", "document_id", nulls_last=True)
        .group_by("request_id")
        .agg(document)
    )
    results = (
        tool_calls.join(found, on="request_id", how="semi")
        .join(part("result"), on=_PLACE)
        .sort("request_id", "ts", *_PLACE)
        .group_by("request_id")
        .agg(pl.col("result").alias("results"))
    )
    return found.join(documents, on="request_id", how="left").join(results, on="request_id", how="left")


def _read(rows: pl.DataFrame) -> Iterator[Exchange]:
    for row in rows.select("output", "prompt", "system", "history", "documents", "results").iter_rows():
        answer, question, system, history, documents, results = row
        found = tuple((d["document_id"], d["document_rank"], d["document"]) for d in documents or ())
        yield Exchange(answer, question, system, history, found, tuple(results or ()))
