"""Looking for requests: by an id of any kind, or by what is known of them.

Here belongs what can be asked for. Every value is bound; empty fields are not asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from apps.pages.door import Snapshot
from apps.pages.tables import Table, table_of
from resources.warehouse import Answer

HERE = Path(__file__).parent
MOST_FOUND = 100
FIRST_DAYS = (1, 8)
"""Where a search stops when it has found enough: after so many of the newest days, before it asks all."""
OUTCOMES = ("failed", "slow", "blocked", "cut off", "unpriced")
QUESTION = (HERE / "sql" / "search" / "requests.sql").read_text(encoding="utf-8")
_CHOICES = """
select
    list(distinct feature order by feature) as feature,
    list(distinct tenant order by tenant) as tenant,
    list(distinct model order by model) as model
from logs.requests
where day > $day - 14
"""
MOST_CHOICES = 200
REQUEST_DAY = "select max(day) from logs.request_days where request_id = $request_id"
_LONGEST = 200


@dataclass(frozen=True)
class Filter:
    """What is asked for; None is not asked. `any_id`: a request, trace, conversation or user."""

    any_id: str | None = None
    day: date | None = None
    feature: str | None = None
    tenant: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    outcome: str | None = None
    least_usd: float | None = None
    least_ms: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filter:
        """The filter that a form's fields say; what cannot be read is not asked."""
        texts = {name: given.get(name, "").strip()[:_LONGEST] or None for name in cls.__dataclass_fields__}
        return cls(
            texts["any_id"], _day(texts["day"]), texts["feature"], texts["tenant"], texts["model"], texts["prompt_version"],
            texts["outcome"] if texts["outcome"] in OUTCOMES else None,
            _number(texts["least_usd"]), _number(texts["least_ms"]),
        )  # fmt: skip


NO_FILTER = Filter()


def find(snapshot: Snapshot, asked: Filter) -> Table:
    """The newest requests that fit. Raises AnalystError.

    The newest days are asked first, and more of them only until there are enough: a filter that fits much reads one day.
    """
    given = dict(zip(Filter.__dataclass_fields__, astuple(asked), strict=True))
    found: list[Answer] = []
    for first, last in _spans(snapshot.day, asked):
        missing = MOST_FOUND + 1 - sum(len(answer.rows) for answer in found)
        if missing > 0:
            parameters = given | {"first": first, "last": last, "most": missing}
            found.append(snapshot.ask(QUESTION, parameters, missing))
    rows = [row for answer in found for row in answer.rows]
    return table_of(replace(found[0], rows=rows[:MOST_FOUND], is_cut=len(rows) > MOST_FOUND), {}, is_live=True)


def _spans(newest: date | None, asked: Filter) -> Iterator[tuple[date, date]]:
    """First and last days that are asked together, the newest first. An id is on any of them, and a day that is asked for on
    one: both are asked at once."""
    last = date.max
    if newest is not None and asked.day is None and asked.any_id is None:
        for days in FIRST_DAYS:
            first = newest - timedelta(days=days - 1)
            yield first, last
            last = first - timedelta(days=1)
    yield date.min, last


def choices(snapshot: Snapshot) -> dict[str, list[str]]:
    """What fields offer: the names of the last two weeks."""
    if snapshot.day is None or not snapshot.has_all(_CHOICES):
        return {}
    answer = snapshot.ask(_CHOICES, {"day": snapshot.day})
    found = zip(answer.columns, answer.rows[0], strict=True)
    return {name: [one for one in names or [] if one][:MOST_CHOICES] for name, names in found}


def request_day(snapshot: Snapshot, request_id: str) -> date | None:
    """The day that a request lies on; None where no published one has it. Raises AnalystError."""
    found: Any = snapshot.ask(REQUEST_DAY, {"request_id": request_id}).rows[0][0]
    return found if isinstance(found, date) else None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
