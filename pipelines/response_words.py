"""What was said in a response: its words as they are kept, for those who may see them.

Here belongs the way from a request to its texts, those of its documents and tools included. Who asks decides what becomes of
them; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from resources.store import Store
from resources.warehouse import define_inputs, scan

Row = dict[str, Any]
_WORDS = """
with wanted as (
    select r.request_id, r.feature, r.file_id, r.record_number, r.may_label
    from logs.requests as r
    where r.day = $day and r.request_id in (select unnest($ids))
),
given as (
    select w.request_id, t.part, t.text, 0 as rank, t.may_label
    from wanted as w
    inner join logs.texts as t on t.file_id = w.file_id and t.record_number = w.record_number
    where t.record_kind = 'request'
    union all
    select w.request_id, t.part, t.text, v.document_rank as rank, t.may_label
    from wanted as w
    inner join logs.retrievals as v on v.request_id = w.request_id
    inner join logs.texts as t on t.file_id = v.file_id and t.record_number = v.record_number
    where t.part = 'document'
    union all
    select w.request_id, t.part, t.text, c.record_number as rank, t.may_label
    from wanted as w
    inner join logs.tool_calls as c on c.request_id = w.request_id
    inner join logs.texts as t on t.file_id = c.file_id and t.record_number = c.record_number
    where t.part = 'result'
)
select w.request_id, w.feature, coalesce(w.may_label, true) as may_label, g.part, g.text
from wanted as w
left join given as g on g.request_id = w.request_id and coalesce(g.may_label, true)
order by w.request_id, g.part, g.rank nulls last, g.text
"""


def response_words(store: Store, day: date, ids: Collection[str]) -> dict[str, Row]:
    """By request id of the day: its `feature`, whether it `may_label`, and its `texts` by part, those alone that people may
    be shown. A request of which nothing is kept has no texts."""
    near = {day + timedelta(days=n) for n in (-1, 0, 1)}
    names = ("logs.texts", "logs.requests", "logs.retrievals", "logs.tool_calls")
    views = {
        name: scan(store.contracts[name], [f.path for f in store.newest(name).files() if f.day in near]) for name in names
    }
    found: dict[str, Row] = {}
    with store.connection() as con:
        define_inputs(con, views)
        for request_id, feature, may_label, part, text in con.execute(_WORDS, {"day": day, "ids": list(ids)}).fetchall():
            known = found.setdefault(request_id, {"feature": feature, "may_label": may_label, "texts": {}})
            if part is not None:
                known["texts"].setdefault(part, []).append(text)
    return found
