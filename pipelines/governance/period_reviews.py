"""The reviews of weeks, months and quarters: asked of the published file, written below $NOCTURNE_HOME/reviews, and their
tasks, which stand in governance.reviews until somebody says what became of them.

Here belongs what a review is gathered from; its days, tasks and words are assets/governance/review.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from assets.governance.review import (
    ACTS,
    KINDS,
    RAISED,
    WEEKLY,
    Found,
    Period,
    Review,
    ReviewError,
    last_whole,
    period_named,
    raised,
    said,
)  # fmt: skip
from pipelines.governance.review_seed import REVIEWS_FILE, Asked, load_reviews
from resources import terminal
from resources.clock import Clock
from resources.contracts import contracts
from resources.durable import write_atomically
from resources.events import append, table_rows
from resources.failpoints import failpoint
from resources.markdown_page import page
from resources.publishing import Publisher
from resources.store import Store
from resources.warehouse import AnalystError, Connection, ask, open_locked, strip_comments

REVIEWS = "governance.reviews"
ACTOR = "nocturne"
_MOST_CHARACTERS = 2_000
Row = dict[str, Any]
BuiltIn = Callable[[], tuple[tuple[str, ...], list[tuple[Any, ...]]]]


@dataclass(frozen=True)
class Written:
    """A review that was written: where, what it says, and how many of its tasks are new."""

    review: Review
    path: Path
    page: Path
    text: str
    new_tasks: int

    def __str__(self) -> str:
        tasks = self.review.tasks()
        return f"{self.review.period.review}: {len(tasks)} tasks, {self.new_tasks} of them new; {self.page}"


class PeriodReviews:
    """The reviews of one warehouse. `would_train`: what the next night would train, a line each; None: it is not asked."""

    def __init__(self, store: Store, seeds: Path, clock: Clock, would_train: Callable[[], list[str]] | None = None):
        self.store = store
        self.seeds = seeds
        self.clock = clock
        self.folder = store.state / "reviews"
        self._built_in: dict[str, BuiltIn] = {"package_licences": package_licences}
        if would_train is not None:
            self._built_in["retraining"] = lambda: (("what would be trained",), [(line,) for line in would_train()])

    def write(self, kind: str = WEEKLY, name: str | None = None, links: Mapping[str, str] | None = None) -> Written:
        """Write the review of a period, the last whole one unless told otherwise, in the place of an earlier one, and its
        tasks, those that are not written down yet. Twice is once.

        Raises ReviewError, ReviewSeedError, AnalystError where nothing is published yet.
        """
        if kind not in KINDS:
            raise ReviewError(f"a review is one of {', '.join(KINDS)}; not {kind!r}")
        period = period_named(kind, name) if name else last_whole(kind, self.clock.last_due_day())
        review = self.gather(period, links or {})
        text = terminal.lines(review.markdown())
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{kind}-{period.name}.md"
        write_atomically(path, text.encode(), mode=0o600)
        write_atomically(path.with_suffix(".html"), page(text, f"{kind} review {period.name}").encode(), mode=0o600)
        failpoint("review.written")
        now = self.clock.now()
        new = append(self.store, REVIEWS, lambda there: raised(review.tasks(), there, now, ACTOR))
        return Written(review, path, path.with_suffix(".html"), text, len(new))

    def gather(self, period: Period, links: Mapping[str, str]) -> Review:
        """Ask every section of a period's kind. One that fails says so in its place, and ends no review."""
        sections = load_reviews(self.seeds / REVIEWS_FILE)[period.kind]
        con = open_locked(Publisher(self.store).door, [self.store.data])
        bound = {"first": period.first, "last": period.last, "first_before": period.first_before}
        found, absent = [], []
        try:
            for asked in sections:
                if asked.sql is not None and not _are_there(con, asked.sql):
                    absent.append(asked.section.title)
                else:
                    found.append(self._ask(con, asked, bound))
        finally:
            con.close()
        return Review(period, found, absent, links)

    def say(self, task: str, act: str, actor: str, note: str) -> Row:
        """Write down that a task, `weekly/2026-W46/open_alerts`, is done or dropped, and why. Raises ReviewError."""
        if not note.strip() or len(note) > _MOST_CHARACTERS:
            raise ReviewError(f"say what was done, or why not, in up to {_MOST_CHARACTERS:,} characters: --note '...'")
        now = self.clock.now()
        there = append(self.store, REVIEWS, lambda rows: [said(rows, task, ACTS[act], now, actor, note.strip())])
        return there[0]

    def open_tasks(self) -> list[Row]:
        """Tasks of which nobody has said anything yet, by when they are due."""
        newest: dict[tuple[str, str], Row] = {}
        for row in sorted(table_rows(self.store, REVIEWS), key=lambda row: row["change"]):
            newest[row["review"], row["section"]] = row
        still = [row for row in newest.values() if row["act"] == RAISED]
        return sorted(still, key=lambda row: (row["due_on"], row["review"], row["section"]))

    def _ask(self, con: Connection, asked: Asked, bound: Mapping[str, Any]) -> Found:
        section = asked.section
        try:
            if asked.sql is None:
                if section.name not in self._built_in:
                    return Found(section, failed="it is not asked here: run `make review`")
                columns, rows = self._built_in[section.name]()
                return Found(section, columns, rows[: section.most_rows], len(rows) > section.most_rows)
            answer = ask(con, asked.sql, bound, section.most_rows)
            return Found(section, answer.columns, answer.rows, answer.is_cut)
        except (AnalystError, ValueError) as error:
            return Found(section, failed=str(error).splitlines()[0])


def package_licences() -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """How many of the packages of this environment are under each licence, as they declare it, and which."""
    by_licence: dict[str, list[str]] = {}
    for one in distributions():
        told = _of(one, "License-Expression") or _classified(one.metadata.get_all("Classifier") or [])
        told = told or (_of(one, "License") or "").strip().split("\n")[0][:60] or "not declared"
        by_licence.setdefault(told, []).append(one.metadata["Name"])
    rows = [(name, len(set(names)), ", ".join(sorted(set(names)))) for name, names in by_licence.items()]
    return ("licence", "packages", "which"), sorted(rows, key=lambda row: (-row[1], row[0]))


def _of(package: Distribution, field: str) -> str | None:
    return next(iter(package.metadata.get_all(field) or []), None)


def _classified(classifiers: list[str]) -> str:
    return ", ".join(line.rsplit(" :: ", 1)[-1] for line in classifiers if line.startswith("License :: "))


def _are_there(con: Connection, sql: str) -> bool:
    """Whether the published file has what a section asks."""
    there = {
        f"{schema}.{name}"
        for schema, name in con.execute("select table_schema, table_name from information_schema.tables").fetchall()
    }
    named = set(re.findall(r"\b[a-z]+\.[a-z0-9_]+", strip_comments(sql)))
    return named & set(contracts()) <= there
