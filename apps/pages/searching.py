"""Looking for requests: by an id of any kind, or by what is known of them.

Here belongs what can be asked for. Every value is bound; empty fields are not asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from apps.pages.door import Snapshot
from apps.pages.tables import Table, table_of

HERE = Path(__file__).parent
MOST_FOUND = 100
OUTCOMES = ("failed", "slow", "blocked", "cut off", "unpriced")
_FIND = (HERE / "sql" / "search" / "requests.sql").read_text(encoding="utf-8")
_CHOICES = """
select feature, tenant, model from logs.requests where day > $day - 14
"""
_DAY = "select max(day) from logs.request_days where request_id = $request_id"
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
    """The newest requests that fit. Raises AnalystError."""
    parameters = dict(zip(Filter.__dataclass_fields__, astuple(asked), strict=True))
    return table_of(snapshot.ask(_FIND, parameters, MOST_FOUND), {}, is_live=True)


def choices(snapshot: Snapshot) -> dict[str, list[str]]:
    """What fields offer: the names of the last two weeks."""
    if snapshot.day is None or not snapshot.has_all(_CHOICES):
        return {"feature": [], "tenant": [], "model": []}
    found = {}
    for name in ("feature", "tenant", "model"):
        answer = snapshot.ask(
            f"select distinct {name} from ({_CHOICES}) where {name} is not null order by 1", {"day": snapshot.day}, 200
        )
        found[name] = [str(row[0]) for row in answer.rows]
    return found


def request_day(snapshot: Snapshot, request_id: str) -> date | None:
    """The day that a request lies on; None where no published one has it. Raises AnalystError."""
    found: Any = snapshot.ask(_DAY, {"request_id": request_id}).rows[0][0]
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
