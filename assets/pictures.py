"""Pictures of what a step has found, for the page of its asset: a night with a change of traffic, or a release, shows it.

Here belongs which rows a picture is made of, and how many there are. What it shows is assets/drift/pictures.py and
assets/release/pictures.py, how it is drawn resources/charts.py; they are imported when there is something to draw.
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
RELEASES = "release.before_after"
MOST = 3
"""Pictures of one step: each is 30 to 50 kB of Dagster's event log."""
MOST_DAYS_DRAWN = 7


def pictures(store: Store, contract: Contract, outcomes: Sequence[DayOutcome]) -> dict[str, str]:
    """{name: Markdown} of what the newest day that was computed, and has rows, has to show; else nothing.

    A line or a table for each, which the UI shows as it stands, and a picture, which it shows at a click: Markdown of 1,000
    characters and more is folded. What cannot be drawn says so: a picture is no reason to fail a night.
    """
    days = [o.day for o in outcomes if o.outcome in ("replaced", "unchanged") and o.rows]
    if contract.name not in (CHANGES, RELEASES) or not days:
        return {}
    return _of_changes(store, max(days)) if contract.name == CHANGES else _of_releases(store, max(days), len(days))


def _of_releases(store: Store, day: date, days: int) -> dict[str, str]:
    """The releases of a day with the most requests; drawn, where one of their metrics is told to differ."""
    from assets.release import pictures as drawing

    shown = {}
    rows = _rows(store, (RELEASES,), day, day, "*", "order by feature, environment, prompt_version, metric").to_dicts()
    for number, release in enumerate(drawing.largest(rows, MOST), 1):
        shown[f"release {number}, {day}"] = drawing.line(release)
        # The first picture of a process takes a second: a night that makes up for many others goes without.
        if days <= MOST_DAYS_DRAWN and any(row["reading"] in ("better", "worse") for row in release):
            shown[f"picture of release {number}"] = _drawn(drawing.picture(release), f"the same in numbers: {RELEASES}")
    return shown


def _of_changes(store: Store, day: date) -> dict[str, str]:
    """The largest changes of a day."""
    from assets.drift import pictures as drawing

    shown = {}
    ordered = "where place = 1 order by effect / floor desc, change_id"
    changes = _rows(store, (CHANGES,), day, day, "*", ordered)
    first = day - timedelta(days=drawing.DAYS - 1)
    for number, change in enumerate(changes.head(MOST).iter_rows(named=True), 1):
        tests = _of(store, (TESTS,), first, day, drawing.TESTS, change)
        stored = {**change, "metric": drawing.stored_metric(change)}
        profiles = _of(store, PROFILES, first, day, drawing.PROFILES, stored)
        words = f"change {change['change_id']}, the same in numbers: drift.drift_tests"
        drawn = _drawn(drawing.picture(change, tests, profiles), words)
        shown[f"change {number} of {changes.height}, {day}"] = drawing.line(change, tests)
        shown[f"picture of change {number}"] = drawn
    return shown


def _drawn(spec: dict[str, Any], words: str) -> str:
    from resources.charts import markdown_image

    try:
        return markdown_image(spec, words)
    except ValueError as error:
        return f"not drawn: {error}"


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
