"""Which responses failed, and the words that a case would be made of: what the desk of cases asks of the tables.

What is made of the answers is assets/quality/case_proposals.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from assets.quality.failures import Failure, labelled_failures
from pipelines.quality.label_population import COMPLAINTS, ask
from pipelines.response_words import response_words
from resources.events import table_rows
from resources.store import Store

Row = dict[str, Any]
LABELS = "quality.labels"
_SAID = f"select distinct request_id, reason from ({COMPLAINTS})"
_FACTS = """
select request_id, user_token, feature, model, prompt_version, may_label, may_train
from logs.requests
where day = $day and coalesce(is_shadow, false) = false and request_id in (select unnest($ids))
"""
_CORRECTIONS = """
select f.request_id, t.text
from logs.feedback as f
inner join logs.texts as t on t.file_id = f.file_id and t.record_number = f.record_number
where
    f.request_day = $day and f.state = 'matched' and t.part = 'correction' and f.request_id in (select unnest($ids))
    and coalesce(f.may_label, true) and coalesce(t.may_label, true)
order by f.request_id, f.ts desc, t.text desc
"""
_DOCUMENTS = """
select request_id, document_id
from logs.retrievals
where request_id in (select unnest($ids))
group by request_id, document_id
order by request_id, min(document_rank) nulls last, document_id
"""


@dataclass(frozen=True)
class Words:
    """What was said in a response, as far as it is kept and may be shown. `context`: documents, then results of tools."""

    question: str
    history: str | None
    context: Sequence[str]
    answer: str | None
    correction: str | None

    @property
    def texts(self) -> list[str]:
        """All of them."""
        return [text for text in (self.question, self.history, self.answer, self.correction) if text] + list(self.context)


def failures(store: Store, days: Sequence[date], until: date, severities: Sequence[str]) -> list[Failure]:
    """What went wrong with responses of these days, as known up to the day `until`: labels, then complaints."""
    labels = table_rows(store, LABELS, set(days))
    columns = [column.name for column in store.contracts[LABELS].columns]
    frame = pl.DataFrame(labels, schema=columns, infer_schema_length=None)
    found = labelled_failures(frame, severities) if labels else []
    for day in days:
        inputs = {"logs.feedback": _since(day, until)}
        found += [Failure(day, row["request_id"], row["reason"]) for row in ask(store, _SAID, inputs, {"day": day})]
    return found


def facts(store: Store, day: date, ids: Collection[str]) -> dict[str, Row]:
    """By request id, what logs.requests says of responses of a day; shadow traffic, which nobody saw, is left out."""
    rows = ask(store, _FACTS, {"logs.requests": {day}}, {"day": day, "ids": sorted(ids)})
    return {row["request_id"]: row for row in rows}


def words_of(store: Store, day: date, until: date, ids: Collection[str]) -> dict[str, Words]:
    """By request id, the words of responses of a day whose question is kept. The newest correction counts."""
    corrections: dict[str, str] = {}
    inputs = {"logs.feedback": _since(day, until), "logs.texts": _since(day - timedelta(days=1), until + timedelta(days=1))}
    for row in ask(store, _CORRECTIONS, inputs, {"day": day, "ids": sorted(ids)}):
        corrections.setdefault(row["request_id"], row["text"])
    found = {}
    for request_id, row in response_words(store, day, sorted(ids)).items():
        texts = row["texts"]
        question, history, answer = ("\n".join(texts.get(part, [])) or None for part in ("prompt", "history", "output"))
        if question:
            context = [*texts.get("document", []), *texts.get("result", [])]
            found[request_id] = Words(question, history, context, answer, corrections.get(request_id))
    return found


def document_ids(store: Store, day: date, ids: Collection[str]) -> dict[str, list[str]]:
    """By request id, the documents that were retrieved for responses of a day, the best first."""
    near = {day + timedelta(days=n) for n in (-1, 0, 1)}
    found: dict[str, list[str]] = {}
    for row in ask(store, _DOCUMENTS, {"logs.retrievals": near}, {"ids": sorted(ids)}):
        found.setdefault(row["request_id"], []).append(row["document_id"])
    return found


def _since(day: date, until: date) -> set[date]:
    return {day + timedelta(days=n) for n in range((until - day).days + 1)}
