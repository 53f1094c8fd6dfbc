"""Which responses of a day people can be asked about, and which of them are suspicious.

Here belong the two questions that the draw asks of the tables as they are now; what is made of the answers is
assets/quality/label_draw.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from resources.store import Store
from resources.warehouse import define_inputs, scan

Row = dict[str, Any]
SCORES = "quality.scores"
_FACTS = """
    r.request_id, r.user_token, r.conversation_token, r.tenant, r.feature, r.model, r.prompt_version, r.may_label,
    f.risk_class
"""
_SCORED = f"""
select {_FACTS}, s.p_hallucinated
from quality.scores as s
inner join logs.requests as r on s.request_id = r.request_id
left join service.features as f on r.feature = f.feature
where is_counted_in(r.environment, f.environments)
order by r.request_id
"""
_ANSWERED = f"""
select {_FACTS}, cast(null as double) as p_hallucinated
from logs.requests as r
left join service.features as f on r.feature = f.feature
where coalesce(r.is_shadow, false) = false and is_counted_in(r.environment, f.environments) and exists (
    select 1 from logs.texts as t
    where t.file_id = r.file_id and t.record_number = r.record_number and t.record_kind = 'request' and t.part = 'output'
)
order by r.request_id
"""
COMPLAINTS = """
select
    request_id,
    case feedback_kind when 'rating' then 'thumbs_down' else feedback_kind end as reason
from logs.feedback
where
    request_day = $day and state = 'matched'
    and (
        feedback_kind in ('escalation', 'correction')
        or (feedback_kind = 'rating' and feedback_unit is null and feedback_value = 0)
    )
"""
"""What users say against responses of a day, a row each."""
_SUSPICIOUS = f"""
select request_id, case kind when 'canary_leak' then 'canary_leak' else 'unsafe' end as reason
from service.safety_events
union all
{COMPLAINTS}
union all
select r.request_id, 'incident' as reason
from logs.requests as r
inner join service.incidents as i on r.ts between i.evidence_from and i.evidence_to
inner join service.incidents as o on i.incident_id = o.incident_id and o.act = 'opened'
where (o.feature is null or o.feature = r.feature) and (o.model is null or o.model in (r.model, r.request_model))
"""


def population(store: Store, day: date) -> list[Row]:
    """The answered, not-shadow requests of a day whose answer's words are kept, with their scores; where there is
    quality.scores, the ones that it has. What its feature's promises do not count (environments) is left out; those that may
    not be labelled are among them, and say so."""
    inputs = {"logs.requests": {day}, "service.features": None}
    if SCORES in store.contracts:
        return ask(store, _SCORED, inputs | {SCORES: {day}}, {})
    return ask(store, _ANSWERED, inputs | {"logs.texts": {day}}, {})


def suspicious(store: Store, day: date, until: date, reasons: tuple[str, ...]) -> dict[str, str]:
    """The responses of a day that something speaks against, as known up to the day `until`: the first of `reasons` that
    holds, by request id."""
    said = {day + timedelta(days=n) for n in range((until - day).days + 1)}
    inputs = {
        "logs.requests": {day}, "service.safety_events": {day}, "logs.feedback": said, "service.incidents": None,
    }  # fmt: skip
    found: dict[str, str] = {}
    for row in ask(store, _SUSPICIOUS, inputs, {"day": day}):
        known = found.get(row["request_id"], row["reason"])
        if row["reason"] in reasons:
            found[row["request_id"]] = min(known, row["reason"], key=reasons.index)
    return found


def ask(store: Store, sql: str, inputs: Mapping[str, set[date] | None], parameters: Mapping[str, Any]) -> list[Row]:
    """The answer over the stored rows of these days (None: all) of each table."""
    views = {
        name: scan(store.contracts[name], [f.path for f in store.newest(name).files() if days is None or f.day in days])
        for name, days in inputs.items()
    }
    with store.connection() as con:
        define_inputs(con, views)
        con.execute("set timezone = 'UTC'")
        cursor = con.execute(sql, dict(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
