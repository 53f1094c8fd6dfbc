"""What datasets are made of: requests and their words, what people said of them, and whom of them to believe.

Here belong the questions that every kind of dataset asks of the tables. Rows come as they are kept: what may be trained is
on is decided with them (`fault_of`), so that what is left out is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import polars as pl

from assets.tuning.poison import Judgement, flippers
from assets.tuning.refine import MAY_TRAIN, NO_WORDS
from pipelines.quality.label_population import SCORES, ask
from resources.events import closed_days_of, table_rows
from resources.store import Store

Row = dict[str, Any]
LABELS, TEXTS = "quality.labels", "logs.texts"
MOST_DAYS = 90
"""Days of requests that datasets are made of, where texts are kept for longer."""
GRACE_DAYS = 14
"""For so long a dataset is there before retention takes it: to train, to judge, and for a person to approve."""
SURELY_NOT, SURELY = 0.2, 0.8
"""From which p_hallucinated on the scores have an opinion of their own."""
_ASKED = """
select
    r.day, r.ts, r.request_id, r.tenant, r.feature, coalesce(r.user_token, r.api_key_token) as subject,
    r.conversation_token, r.source, r.prompt_language as language, r.may_train,
    max(case when t.part = 'prompt' then t.text end) as prompt,
    max(case when t.part = 'history' then t.text end) as history,
    max(case when t.part = 'system' then t.text end) as system,
    max(case when t.part = 'output' then t.text end) as answer,
    bool_and(coalesce(t.may_train, true)) as texts_may_train
from logs.requests as r
left join logs.texts as t on t.file_id = r.file_id and t.record_number = r.record_number and t.record_kind = 'request'
where coalesce(r.is_shadow, false) = false and r.request_id in (select unnest($ids))
group by all
order by r.ts, r.request_id
"""


def days_kept(store: Store, last: date, keep_days: int | None = None) -> set[date]:
    """The days up to `last` whose words are kept, at most MOST_DAYS of them; none that soon goes, of words that are kept for
    `keep_days`: a dataset goes with the first of its days, and is to be there until its candidate has been judged."""
    there = {file.day for file in store.newest(TEXTS).files() if file.day} - closed_days_of(store, TEXTS)
    reach = MOST_DAYS if keep_days is None else min(MOST_DAYS, keep_days - min(GRACE_DAYS, keep_days // 2))
    return {day for day in there if last - timedelta(days=reach) < day <= last}


def near(days: Collection[date]) -> set[date]:
    """The same and the days next to them: what belongs to a request may have been logged past midnight."""
    return {day + timedelta(days=n) for day in days for n in (-1, 0, 1)}


def said_on(days: set[date], last: date) -> set[date]:
    """The days on which something may have been said of requests of these days, up to the day after `last`."""
    first = min(days, default=last)
    return {first + timedelta(days=n) for n in range((last - first).days + 2)}


def asked(store: Store, days: set[date], ids: Collection[str]) -> list[Row]:
    """Requests of these days with their words, in the order of time; shadow traffic, which nobody saw, is left out."""
    if not ids:
        return []
    return ask(store, _ASKED, {"logs.requests": days, TEXTS: near(days)}, {"ids": sorted(ids)})


def fault_of(row: Mapping[str, Any], *needed: str | None) -> str | None:
    """Why nothing may be trained on a row of `asked`; None: it may be. `needed`: words that must be there."""
    if row["may_train"] is False or row["texts_may_train"] is False:
        return MAY_TRAIN
    return None if all(text and text.strip() for text in needed) else NO_WORDS


def facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What every candidate says of its request."""
    return {
        "day": row["day"], "ts": row["ts"], "request_id": row["request_id"], "user": row["subject"],
        "conversation": row["conversation_token"], "log_source": row["source"], "language": row["language"],
    }  # fmt: skip


def name_of(*parts: str) -> str:
    """A name for what these parts are of: 32 hex digits."""
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def labels(store: Store, days: Collection[date]) -> list[Row]:
    """The rows of quality.labels of responses of these days."""
    return table_rows(store, LABELS, set(days))


def labels_frame(store: Store, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of quality.labels as the rules of quality take them."""
    return pl.DataFrame(rows, schema=[c.name for c in store.contracts[LABELS].columns], infer_schema_length=None)


def annotators_of(rows: Iterable[Row]) -> dict[str, set[str]]:
    """Who judged each response, by request id."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row["request_id"]].add(row["annotator"])
    return found


def distrusted(store: Store, rows: Sequence[Row]) -> dict[str, float]:
    """Annotators who say the opposite of others of whether a response is made up, and how often they do."""
    days = {row["day"] for row in rows}
    said = {
        (row["day"], row["request_id"], row["annotator"]): row
        for row in sorted(rows, key=lambda row: (row["labelled_at"], row["label_id"]))
    }
    judged = [
        Judgement((day, request), annotator, row["hallucinated"])
        for (day, request, annotator), row in said.items()
        if row["hallucinated"] is not None
    ]
    if days and SCORES in store.contracts:
        select = f"select day, request_id, p_hallucinated from {SCORES} where p_hallucinated not between $low and $high"
        for row in ask(store, select, {SCORES: days}, {"low": SURELY_NOT, "high": SURELY}):
            item = (row["day"], row["request_id"])
            judged.append(Judgement(item, SCORES, row["p_hallucinated"] > SURELY, is_model=True))
    return flippers(judged)
