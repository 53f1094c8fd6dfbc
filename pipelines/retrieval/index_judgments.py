"""What the logs and people say answers a question: documents that answers cited, that users opened, that labels vouch for.

Here belong the rows behind the judgments cited, clicks and labels, a request each; the questions' words, and what a release
finds for them, are index_queries.py and index_measures.py. Datasets for training take the same (dataset_desk.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from assets.quality.judged import mean_of_each
from pipelines.quality.label_population import ask
from resources.events import table_rows
from resources.store import Store

LABELS = "quality.labels"
OPENED = ("clicked", "citation_accepted")
"""Outcomes that name a document: feedback_label is its id, feedback_value 1."""
BLAMED_ON_RETRIEVAL = frozenset({"retrieval_missed", "retrieval_wrong"})
Judgments = Mapping[str, frozenset[str]]
"""By request id, the documents (or chunks) that answer its question."""
_CITED = """
select distinct request_id, document_id
from logs.retrievals
where is_cited
"""
_CLICKS = """
select distinct request_id, feedback_label as document_id
from logs.feedback
where
    feedback_kind = 'outcome' and feedback_name in (select unnest($names)) and feedback_value = 1
    and feedback_unit is null and feedback_label is not null and state = 'matched'
"""


@dataclass(frozen=True)
class Opinion:
    """What people said of the responses of some days. `vouched`: the context supports all of the answer, and nothing in it
    is made up, so that what it cited answers the question. `blamed`: the search found the wrong documents. `days`: of those
    that are vouched for."""

    days: set[date] = field(default_factory=set)
    vouched: frozenset[str] = frozenset()
    blamed: frozenset[str] = frozenset()


def cited(store: Store, days: set[date]) -> Judgments:
    """By what answers named, of searches of these days."""
    return _by_request(ask(store, _CITED, {"logs.retrievals": days}, {}))


def clicks(store: Store, days: set[date]) -> Judgments:
    """By what users opened or accepted, as said on these days. A document at the top is opened more often, and one that was
    not shown never: where they agree with other judgments they help, alone they praise the index that was live."""
    return _by_request(ask(store, _CLICKS, {"logs.feedback": days}, {"names": list(OPENED)}))


def opinion(store: Store, days: Collection[date], without: Collection[str] = ()) -> Opinion:
    """What people say of responses of these days; of several annotators more than half must vouch, and one may blame.
    `without`: annotators who are not believed."""
    rows = [row for row in table_rows(store, LABELS, set(days)) if row["annotator"] not in without]
    if not rows:
        return Opinion()
    columns = [c.name for c in store.contracts[LABELS].columns]
    labels = pl.DataFrame(rows, schema=columns, infer_schema_length=None)
    blamed = frozenset(labels.filter(pl.col("root_cause").is_in(sorted(BLAMED_ON_RETRIEVAL)))["request_id"])
    means = mean_of_each(labels).filter((pl.col("grounded") > 0.5) & (pl.col("hallucinated") < 0.5))
    vouched = means.filter(~pl.col("request_id").is_in(sorted(blamed)))
    return Opinion(set(vouched["day"]), frozenset(vouched["request_id"]), blamed)


def _by_request(rows: list[dict[str, str]]) -> Judgments:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["request_id"], set()).add(row["document_id"])
    return {request: frozenset(documents) for request, documents in found.items()}
