"""A page as it is shown: its panels over one snapshot, each with its figures, its drawing, its table and its SQL.

Here belongs what becomes of a panel's rows, and that a few panels are asked at once: a board is there before they are, and
each section waits for its own. A panel whose tables are not published is left out; one that cannot be asked says why, and
the others stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from apps.pages import charts, drawings
from apps.pages.door import Snapshot
from apps.pages.figures import NOT_MEASURED, change, figure, interval, is_known
from apps.pages.panels import SHOWN_AS, SQL, Panel, panels
from apps.pages.tables import Row, Table, rows_of, table_of
from resources.warehouse import AnalystError, Answer, parameters_of, strip_comments

AT_ONCE = 2
"""Panels that are made at the same time: one is drawn while another is asked. They share the memory of the file."""
_makers = ThreadPoolExecutor(AT_ONCE, "panel")


@dataclass(frozen=True)
class Tile:
    """One figure: the row of the whole (its `day` is NULL), and the days before it."""

    value: str
    span: str
    n: str
    change: str
    direction: str
    target: str
    drawing: str


@dataclass(frozen=True)
class Shown:
    """A panel as it stands on a page. `drawing` is SVG whose texts are escaped; `problem` why there is nothing to see."""

    panel: Panel
    parameters: Mapping[str, Any]
    tile: Tile | None = None
    drawing: str = ""
    table: Table | None = None
    problem: str = ""
    is_empty: bool = False


@dataclass(frozen=True)
class Section:
    """Panels that belong together: its figures, its charts, its tables, in this order. They may still be on their way."""

    title: str
    making: tuple[tuple[Panel, Future[Shown | None]], ...]

    @cached_property
    def shown(self) -> tuple[Shown, ...]:
        """Its panels whose tables are published; waits for them."""
        return tuple(found for _, one in self.making if (found := one.result()) is not None)

    @property
    def absent(self) -> tuple[str, ...]:
        """The titles of the others; waits as well."""
        return tuple(panel.title for panel, one in self.making if one.result() is None)

    def kind(self, *ways: str) -> list[Shown]:
        """Those that are shown in one of these ways."""
        return [one for one in self.shown if one.panel.show in ways]


@dataclass(frozen=True)
class Board:
    """All that a page shows of one snapshot."""

    sections: tuple[Section, ...]
    day: Any
    published_at: datetime

    @property
    def absent(self) -> tuple[str, ...]:
        """The titles of panels whose tables are not published; waits for all."""
        return tuple(title for section in self.sections for title in section.absent)


def board(snapshot: Snapshot, page: str, parameters: Mapping[str, Any], is_live: bool = True, root: Path = SQL) -> Board:
    """The page's panels in their sections; it does not wait for them. Raises PanelError."""
    making = [(panel, _makers.submit(show, snapshot, panel, parameters, is_live)) for panel in panels(page, root)]
    sections = [Section(title, tuple(group)) for title, group in groupby(making, key=lambda one: one[0].section)]
    return Board(tuple(sections), snapshot.day, snapshot.published_at)


def show(snapshot: Snapshot, panel: Panel, parameters: Mapping[str, Any], is_live: bool = True) -> Shown | None:
    """One panel; None where a table that it names is not published."""
    bound = parameters_of(strip_comments(panel.sql), parameters)
    try:
        if not snapshot.has_all(panel.sql):
            return None
        answer = snapshot.ask(panel.sql, bound)
    except AnalystError as error:
        return Shown(panel, bound, problem=f"This cannot be asked of the published file: {str(error).splitlines()[0]}")
    if missing := SHOWN_AS[panel.show] - set(answer.columns):
        return Shown(panel, bound, problem=f"The panel's SQL lacks the columns {', '.join(sorted(missing))}.")
    return _made(panel, bound, answer, is_live)


def _made(panel: Panel, bound: Mapping[str, Any], answer: Answer, is_live: bool) -> Shown:
    rows = rows_of(answer)
    table = table_of(*_in_units(panel, answer), is_live)
    key = panel.key.replace("/", "-")
    if panel.show == "tile":
        return Shown(panel, bound, tile=_tile(panel, rows), table=table, is_empty=not rows)
    if panel.show in ("line", "bars"):
        draw = charts.line if panel.show == "line" else charts.bars
        drawing = draw(panel, rows, key)
        return Shown(panel, bound, drawing=drawing, table=table, is_empty=not drawing)
    if panel.show == "steps":
        return Shown(panel, bound, drawing=drawings.steps(rows, panel.title), table=table, is_empty=not rows)
    return Shown(panel, bound, table=table, is_empty=not rows)


def _tile(panel: Panel, rows: list[Row]) -> Tile:
    whole: Row = next((row for row in rows if row.get("day") is None), {})
    days = sorted((row for row in rows if row.get("day") is not None), key=lambda row: row["day"])
    value, before, target = whole.get("value"), whole.get("before"), whole.get("target")
    if not is_known(value):
        text = NOT_MEASURED
    elif isinstance(value, str):
        text = value
    else:
        text = figure(value, panel.unit)
    words = f"{panel.title}, day by day: {', '.join(figure(row['value'], panel.unit) for row in days[-7:])}"
    return Tile(
        text,
        interval(whole.get("low"), whole.get("high"), panel.unit),
        figure(whole["n"]) if is_known(whole.get("n")) else "",
        change(value, before, panel.unit),
        _direction(panel, value, before),
        figure(target, panel.unit) if is_known(target) else "",
        drawings.spark([row["value"] for row in days], target, words),
    )


def _direction(panel: Panel, value: Any, before: Any) -> str:
    if panel.good == "neither" or not (is_known(value) and is_known(before)) or value == before:
        return "even"
    return "better" if (value > before) == (panel.good == "up") else "worse"


def _in_units(panel: Panel, answer: Answer) -> tuple[Answer, dict[str, str]]:
    """The answer with the columns that the panel draws named after its unit, so that a table says them alike; headings."""
    suffix = {"share": "_share", "USD": "_usd", "ms": "_ms", "times": "_times"}.get(panel.unit, "")
    own = {name: f"{name}{suffix}" for name in ("value", "before", "target")}
    own |= {"low": f"value{suffix}_low", "high": f"value{suffix}_high"}
    if panel.show not in ("tile", "line", "bars"):
        return answer, panel.columns
    headings = {own.get(name, name): panel.columns.get(name, name) for name in answer.columns}
    return Answer(tuple(own.get(name, name) for name in answer.columns), answer.types, answer.rows, answer.is_cut), headings
