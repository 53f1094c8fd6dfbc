"""Pictures of what a step has found, for the page of its asset: a night with a change of traffic shows it.

Here belongs which rows a picture is made of, and how many there are. What it shows is assets/drift/pictures.py, how it is
drawn resources/charts.py; both are imported when there is something to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from resources.computing import DayOutcome
from resources.contracts import Contract
from resources.store import Store
from resources.warehouse import scan

CHANGES, TESTS, PROFILES = "drift.changes", "drift.drift_tests", ("drift.profiles", "drift.text_profiles")
MOST = 3
"""Pictures of one step: each is 30 to 40 kB of Dagster's event log."""


def pictures(store: Store, contract: Contract, outcomes: Sequence[DayOutcome]) -> dict[str, str]:
    """{name: Markdown} of the largest changes of the newest day that was computed and has any; else nothing.

    A line for each, which the UI shows as it stands, and a picture, which it shows at a click: Markdown of 1,000 characters
    and more is folded. What cannot be drawn says so: a picture is no reason to fail a night.
    """
    days = [o.day for o in outcomes if o.outcome in ("replaced", "unchanged") and o.rows]
    if contract.name != CHANGES or not days:
        return {}
    from assets.drift import pictures as drawing
    from resources.charts import markdown_image

    day, shown = max(days), {}
    ordered = "where place = 1 order by effect / floor desc, change_id"
    changes = _rows(store, (CHANGES,), day, day, "*", ordered)
    first = day - timedelta(days=drawing.DAYS - 1)
    for number, change in enumerate(changes.head(MOST).iter_rows(named=True), 1):
        tests = _of(store, (TESTS,), first, day, drawing.TESTS, change)
        stored = {**change, "metric": drawing.stored_metric(change)}
        profiles = _of(store, PROFILES, first, day, drawing.PROFILES, stored)
        words = f"change {change['change_id']}, the same in numbers: drift.drift_tests"
        try:
            drawn = markdown_image(drawing.picture(change, tests, profiles), words)
        except ValueError as error:
            drawn = f"not drawn: {error}"
        shown[f"change {number} of {changes.height}, {day}"] = drawing.line(change, tests)
        shown[f"picture of change {number}"] = drawn
    return shown


def _of(store: Store, names: Sequence[str], first: date, last: date, columns: Sequence[str], test: dict[str, Any]) -> Any:
    key = ("segment_kind", "segment", "family", "metric")
    return _rows(
        store, names, first, last, ", ".join(columns), "where " + " and ".join(f"{name} = ${name}" for name in key),
        {name: test[name] for name in key},
    )  # fmt: skip


def _rows(
    store: Store, names: Sequence[str], first: date, last: date, columns: str, rest: str,
    parameters: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Stored rows of the days from first to last as a polars DataFrame, of those of the tables that are there."""
    selects = []
    for name in names:
        if name in store.contracts:
            files = [f.path for f in store.open(name).files() if f.day is not None and first <= f.day <= last]
            selects.append(f"select {columns} from ({scan(store.contracts[name], files)})")
    with store.connection() as con:
        return con.sql(f"select * from ({' union all '.join(selects)}) {rest}", params=parameters or {}).pl()
