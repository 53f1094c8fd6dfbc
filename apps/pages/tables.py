"""Rows as tables of cells: which columns are shown, under which heading, aligned how, and where they lead.

Here belongs what a column's name says about it: `x_low` and `x_high` are the interval of `x`, `x_trend` is a line of its
last days, `request_id` leads to the request, `runbook` to the runbook, `evidence` to the analysts' page, and what begins
with `_` is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from apps.pages.drawings import spark
from apps.pages.figures import NOT_MEASURED, figure, interval, is_known, unit_of
from resources.warehouse import Answer

Row = dict[str, Any]

BADGES = {
    "page": "bad", "critical": "bad", "failed": "bad", "fail": "bad", "fails": "bad", "spent": "bad", "worse": "bad",
    "bypass": "bad", "regression": "bad", "rejected": "bad", "no": "bad", "quarantined": "bad", "burning": "bad",
    "ticket": "warn", "open": "warn", "behind": "warn", "late_rows": "warn", "waiting": "warn", "acknowledged": "warn",
    "at_risk": "warn", "not_decided": "warn", "weak": "warn", "error": "bad", "high": "bad", "major": "bad", "minor": "warn",
    "ok": "ok", "fresh": "ok", "pass": "ok", "passed": "ok", "kept": "ok", "better": "ok", "healthy": "ok", "met": "ok",
    "yes": "ok",
}  # fmt: skip
"""How words of state look; beside the colour the word itself stands there."""
NOTHING = "—"
"""A word that is not there: no error, no name. A number that is not there is not measured."""
STATES = ("severity", "state", "outcome", "reading", "verdict", "status", "agrees", "finding")
_INTERVALS = (("rate", "low", "high"), ("value", "low", "high"), ("precision", "low", "high"), ("good_share", "low", "high"))


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and what stands beside or behind it. `drawing` is SVG made here, of numbers alone."""

    text: str
    beside: str = ""
    href: str = ""
    badge: str = ""
    drawing: str = ""
    is_unknown: bool = False


@dataclass(frozen=True)
class Column:
    """A heading, and whether what stands below it is a number, which is aligned at its end."""

    name: str
    heading: str
    is_number: bool


@dataclass(frozen=True)
class Table:
    """What a page shows of an answer."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_cut: bool = False


def rows_of(answer: Answer) -> list[Row]:
    """An answer's rows by the names of its columns."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def table_of(answer: Answer, headings: Mapping[str, str], is_live: bool) -> Table:
    """An answer as a table. `is_live`: there is a server that its links lead to."""
    types = dict(zip(answer.columns, answer.types, strict=True))
    spans = _spans(answer.columns)
    hidden = {name for span in spans.values() for name in span} | {name for name in answer.columns if name.startswith("_")}
    shown = [name for name in answer.columns if name not in hidden]
    columns = tuple(Column(name, headings.get(name, heading(name)), _is_number(types[name], name)) for name in shown)
    rows = tuple(
        tuple(_cell(row, name, unit_of(name, types[name]), spans.get(name), is_live) for name in shown)
        for row in rows_of(answer)
    )
    return Table(columns, rows, answer.is_cut)


def plain_table(answer: Answer) -> Table:
    """An answer as it stands, column by column, for those who asked for it themselves."""
    columns = tuple(
        Column(name, name, _is_number(kind, "")) for name, kind in zip(answer.columns, answer.types, strict=True)
    )
    rows = tuple(tuple(_plain_cell(value) for value in row) for row in answer.rows)
    return Table(columns, rows, answer.is_cut)


def heading(name: str) -> str:
    """A column's name as words."""
    if name == "moment":
        return "time"
    words = name.removesuffix("_trend").removesuffix("_ms").removesuffix("_usd").removesuffix("_times")
    return words.replace("_", " ")


def request_address(request_id: str) -> str:
    """Where one request is shown."""
    return f"/debug/request?{urlencode({'id': request_id})}"


def _is_number(kind: str, name: str) -> bool:
    return not kind.startswith(("VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIME", "UUID", "ENUM")) and not name.endswith(
        "_trend"
    )


def _spans(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The columns of the interval of each column that has one."""
    there = set(names)
    found = {name: (f"{name}_low", f"{name}_high") for name in names if {f"{name}_low", f"{name}_high"} <= there}
    for name, low, high in _INTERVALS:
        if {name, low, high} <= there and not found:
            found[name] = (low, high)
    return found


def _cell(row: Row, name: str, unit: str, span: tuple[str, str] | None, is_live: bool) -> Cell:
    value = row[name]
    if name.endswith("_trend"):
        values = list(value or [])
        words = ", ".join(figure(one, unit_of(name.removesuffix("_trend"), "DOUBLE")) for one in values[-7:])
        return Cell("", drawing=spark(values, row.get("target"), f"the last days: {words}"))
    if not is_known(value):
        return Cell(NOTHING if unit == "facts" else NOT_MEASURED, is_unknown=True)
    text = figure(value, unit)
    beside = interval(row[span[0]], row[span[1]], unit) if span else ""
    if name in STATES:
        return Cell(text.replace("_", " "), badge=BADGES.get(text, "plain"))
    return Cell(text, beside, _href(name, text) if is_live else "")


def _href(name: str, text: str) -> str:
    if name == "request_id":
        return request_address(text)
    if name == "runbook":
        return f"/runbooks/{quote(text.rsplit('/', 1)[-1].removesuffix('.md'), safe='')}"
    if name == "evidence":
        return f"/sql?{urlencode({'question': text})}"
    return ""


def _plain_cell(value: Any) -> Cell:
    if value is None:
        return Cell("NULL", is_unknown=True)
    return Cell(f"{value:f}" if hasattr(value, "as_tuple") and value.is_finite() else str(value))
