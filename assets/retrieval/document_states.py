"""What was known of each document, and when: retrieval.documents, which notes changes, as spans of time.

Pure: rows of the event table come in. Which reading noted what is pipelines/retrieval/knowledge_desk.py.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

ALWAYS_TO = datetime(9999, 12, 31, tzinfo=UTC)
MOST_EARLIER_VERSIONS = 20
READS = (
    "document_id", "recorded_at", "index_name", "corpus", "version", "state", "access_label", "valid_until", "updated_at",
)  # fmt: skip
COLUMNS = (
    "document_id", "valid_from", "valid_to", "index_name", "corpus", "version", "earlier_versions", "state", "access_label",
    "valid_until",
)  # fmt: skip
_SAYS = ("index_name", "corpus", "version", "state", "access_label", "valid_until")


def document_states(documents: pl.DataFrame) -> pl.DataFrame:
    """The rows of retrieval.document_states from those of retrieval.documents (the columns in READS, times in UTC).

    A reading that found nothing new of what is told here begins no span. When a span begins is told by the contract.
    """
    before = {name: pl.col(name).shift(1).over("document_id") for name in (*_SAYS, "recorded_at")}
    is_first = pl.int_range(pl.len()).over("document_id") == 0
    noted = documents.sort("document_id", "recorded_at", "state", "version").with_columns(
        is_first=is_first, noted_before=before["recorded_at"]
    )
    differs = pl.any_horizontal(pl.col(name).ne_missing(was) for name, was in before.items() if name in _SAYS)
    changes = noted.filter(pl.col("is_first") | differs).with_columns(valid_from=_begins())
    spans = changes.with_columns(
        valid_to=pl.col("valid_from").shift(-1).over("document_id").fill_null(pl.lit(ALWAYS_TO, dtype=_time(documents)))
    )
    return _with_earlier_versions(spans.filter(pl.col("valid_from") < pl.col("valid_to"))).select(COLUMNS)


def _time(documents: pl.DataFrame) -> pl.DataType:
    return documents.schema["recorded_at"]


def _begins() -> pl.Expr:
    """When what a reading noted begins to be so."""
    recorded, updated = pl.col("recorded_at"), pl.col("updated_at")
    day_before = recorded.dt.truncate("1d").dt.offset_by("-1d")
    stated = pl.when(updated <= recorded).then(updated)
    is_first_reading = recorded.dt.date() == recorded.dt.date().min().over("corpus")
    known_since = pl.when(is_first_reading).then(stated.fill_null(day_before)).otherwise(
        pl.max_horizontal(stated.fill_null(day_before), day_before)
    )
    changed = pl.when(updated > pl.col("noted_before")).then(stated).fill_null(recorded)
    return pl.when(pl.col("is_first")).then(known_since).otherwise(changed)


def _with_earlier_versions(spans: pl.DataFrame) -> pl.DataFrame:
    """Only documents that ever changed are looked at one by one."""
    earlier: list[str | None] = []
    known: dict[str, list[str]] = {}
    for document_id, version in spans.select("document_id", "version").iter_rows():
        versions = known.setdefault(document_id, [])
        before = [one for one in versions if one != version][:MOST_EARLIER_VERSIONS]
        earlier.append(",".join(before) or None)
        known[document_id] = [version, *before]
    return spans.with_columns(earlier_versions=pl.Series(earlier, dtype=pl.String))
