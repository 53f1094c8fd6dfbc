"""The review of a week, a month or a quarter: its days, its tasks, and how it reads as Markdown.

Pure: all that is known comes in, and the same gives the same text. What is asked of the warehouse is warehouse/reviews.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

WEEKLY, MONTHLY, QUARTERLY = KINDS = ("weekly", "monthly", "quarterly")
RAISED: Final = "raised"
ACTS: Final = {"done": "done", "drop": "dropped"}
"""What a person says of a task, and how it is written down."""
_MARKS = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "`": "\\`", "[": "\\[", "*": "\\*", "_": "\\_"})
_EXACT_DIGITS = 6
Row = Mapping[str, Any]
NewRow = dict[str, Any]


class ReviewError(ValueError):
    """A review, or a task, that there is not; says what there is."""


@dataclass(frozen=True)
class Period:
    """The days of a review. `name`: 2026-W46, 2026-10 or 2026-Q3."""

    kind: str
    name: str
    first: date
    last: date

    @property
    def review(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def first_before(self) -> date:
        """The first day of the period before it."""
        return period_of(self.kind, self.first - timedelta(days=1)).first


@dataclass(frozen=True)
class Section:
    """A part of a review. `do`: what is to be done where it has rows, by `owner`, within `due_days`; None: it informs."""

    name: str
    title: str
    about: str | None = None
    do: str | None = None
    owner: str | None = None
    due_days: int = 7
    most_rows: int = 20


@dataclass(frozen=True)
class Found:
    """What a section found. `is_cut`: there are more rows than are shown. `failed`: why it could not be asked."""

    section: Section
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    is_cut: bool = False
    failed: str | None = None

    @property
    def is_task(self) -> bool:
        return self.section.do is not None and bool(self.rows)


@dataclass(frozen=True)
class Review:
    """A review: what each of its sections found. `absent`: sections whose tables the warehouse does not have."""

    period: Period
    found: Sequence[Found] = ()
    absent: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)

    def tasks(self) -> list[Row]:
        """What is to be done, by whom, and until when: one row a section."""
        return [
            {
                "review": self.period.review, "section": f.section.name, "task": f.section.do, "owner": f.section.owner,
                "due_on": self.period.last + timedelta(days=f.section.due_days), "findings": len(f.rows),
            }
            for f in self.found
            if f.is_task
        ]  # fmt: skip

    def markdown(self) -> str:
        """The review to read. Tasks first; a section without rows is one line."""
        period = self.period
        parts = [
            f"# {period.kind.capitalize()} review {period.name}",
            f"{period.first} to {period.last} (UTC), from what was published.",
            "## To do\n\n" + self._to_do(),
        ]
        parts += [_section(found) for found in self.found if found.rows or found.failed]
        quiet = [found.section.title for found in self.found if not found.rows and not found.failed]
        if quiet:
            parts.append("## Nothing found\n\n" + "\n".join(f"- {_cell(title)}" for title in quiet))
        if self.absent:
            parts.append("## Left out\n\nThe warehouse has no table for: " + ", ".join(self.absent) + ".")
        if self.links:
            parts.append("## More\n\n" + "\n".join(f"- {_cell(what)}: `{where}`" for what, where in self.links.items()))
        return "\n\n".join(parts) + "\n"

    def _to_do(self) -> str:
        tasks = self.tasks()
        if not tasks:
            return "Nothing: no section with something to do has found anything."
        titles = {found.section.name: found.section.title for found in self.found}
        rows = [(t["due_on"], t["owner"], titles[t["section"]], t["findings"], t["task"], t["section"]) for t in tasks]
        shown = _table(("due", "owner", "what was found", "rows", "what to do", "section"), sorted(rows))
        return f'{shown}\n\nDone: `make review ARGS="done {self.period.review}/<section> --note \'...\'"`'


def period_of(kind: str, day: date) -> Period:
    """The week (from Monday), month or quarter that a day lies in."""
    if kind == WEEKLY:
        first = day - timedelta(days=day.weekday())
        year, week, _ = first.isocalendar()
        return Period(kind, f"{year}-W{week:02}", first, first + timedelta(days=6))
    months = 1 if kind == MONTHLY else 3
    month = (day.month - 1) // months * months + 1
    first = date(day.year, month, 1)
    following = date(day.year + (month + months > 12), (month + months - 1) % 12 + 1, 1)
    name = f"{first:%Y-%m}" if kind == MONTHLY else f"{first.year}-Q{(month + 2) // 3}"
    return Period(kind, name, first, following - timedelta(days=1))


def last_whole(kind: str, last_due: date) -> Period:
    """The newest period all of whose days are due."""
    current = period_of(kind, last_due)
    return current if current.last == last_due else period_of(kind, current.first - timedelta(days=1))


def period_named(kind: str, name: str) -> Period:
    """The period of a name. Raises ReviewError for what is none of this kind."""
    try:
        if kind == WEEKLY and (found := re.fullmatch(r"(\d{4})-W(\d{2})", name)):
            return period_of(kind, date.fromisocalendar(int(found[1]), int(found[2]), 1))
        if kind == MONTHLY and (found := re.fullmatch(r"(\d{4})-(\d{2})", name)):
            return period_of(kind, date(int(found[1]), int(found[2]), 1))
        if kind == QUARTERLY and (found := re.fullmatch(r"(\d{4})-Q([1-4])", name)):
            return period_of(kind, date(int(found[1]), 3 * int(found[2]) - 2, 1))
    except ValueError:
        pass
    forms = {WEEKLY: "2026-W46", MONTHLY: "2026-10", QUARTERLY: "2026-Q3"}
    raise ReviewError(f"{name!r} names no {kind} review; write one such as {forms[kind]}")


def raised(tasks: Iterable[Row], there: Iterable[Row], now: datetime, actor: str) -> list[NewRow]:
    """Rows for the tasks that no earlier pass has written down."""
    known = {(row["review"], row["section"]) for row in there}
    return [
        {"day": now.date(), "recorded_at": now, "change": 1, "act": RAISED, "actor": actor, **task}
        for task in tasks
        if (task["review"], task["section"]) not in known
    ]


def said(there: Iterable[Row], task: str, act: str, now: datetime, actor: str, note: str) -> NewRow:
    """The row of what a person says of a task, `review/section`. Raises ReviewError where there is none that is open."""
    review, _, section = task.rpartition("/")
    mine = sorted(
        (row for row in there if (row["review"], row["section"]) == (review, section)), key=lambda row: row["change"]
    )
    if not mine:
        raise ReviewError(f"there is no task {task!r}; `make review ARGS=list` has those that are open")
    if mine[-1]["act"] != RAISED:
        raise ReviewError(f"{task} was {mine[-1]['act']} by {mine[-1]['actor']} on {mine[-1]['day']}")
    kept: NewRow = {name: mine[-1][name] for name in ("review", "section", "task", "owner", "due_on", "findings")}
    told = {"day": now.date(), "recorded_at": now, "act": act, "actor": actor, "note": note}
    return kept | told | {"change": mine[-1]["change"] + 1}


def _section(found: Found) -> str:
    head = f"## {_cell(found.section.title)}"
    about = f"\n\n{found.section.about}" if found.section.about else ""
    if found.failed:
        return f"{head}{about}\n\nCould not be asked: {_cell(found.failed)}"
    rest = f"\n\nMore than {len(found.rows)} rows; these are the first." if found.is_cut else ""
    return f"{head}{about}\n\n{_table(found.columns, found.rows)}{rest}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(_cell(name) for name in head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(_shown(value)) for value in row)} |" for row in rows)])


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case True | False:
            return "yes" if value else "no"
        case Decimal():
            return f"{value:,.6f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
        case float():
            return f"{value:,.{_EXACT_DIGITS}g}" if abs(value) < 1e6 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).translate(_MARKS)
