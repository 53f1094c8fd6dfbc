"""The weekly review: gathered from the tables as they are stored, and written below $NOCTURNE_HOME/reviews.

Here belongs what a review reads; how it is told is assets/quality/weekly_review.py. The same tables give the same file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.quality.case_log import fold
from assets.quality.rate_scopes import with_retrieval
from assets.quality.weekly_review import Failed, Known, first_day, review, week_of
from pipelines.quality.label_population import ask
from pipelines.release.case_desk import LOG, PROPOSALS, CaseDesk
from pipelines.release.case_failures import facts, words_of
from resources import terminal
from resources.clock import Clock
from resources.durable import write_atomically
from resources.events import table_rows
from resources.labelling_seed import LABELLING_FILE, load_labelling
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
Response = tuple[date, str]
RATES = "quality.rates"
_REQUESTS = """
select day >= $first as is_this_week, feature, count(*) as requests
from logs.requests
where coalesce(is_shadow, false) = false
group by all
order by all
"""
_COSTS = """
select day, request_id, priced_contracted_amount as found
from cost.request_costs
where request_id in (select unnest($ids))
"""
_TOPICS = """
select day, request_id, reference || ' ' || cluster as found
from drift.text_topics
where part = 'prompt' and cluster is not null and request_id in (select unnest($ids))
"""
_FOUND = """
select day, request_id, feature, retrieval_score
from logs.retrievals
where request_id in (select unnest($ids))
union all
select day, min(request_id), feature, max(retrieval_score)
from logs.retrievals
group by day, feature
"""
_RATES = """
select day, verdict, feature, rate, low, high, n_labelled, method
from quality.rates
where window_days = 7 and scope in ('all', 'feature') and (scope = 'all' or feature is not null)
order by day, verdict, feature nulls first
"""


@dataclass(frozen=True)
class Reviewed:
    """A review that was written: where, and its text with the words that may be shown."""

    week: str
    path: Path
    text: str
    responses: int
    clusters: int
    open_cases: int

    def __str__(self) -> str:
        counted = f"{self.responses} responses failed, in {self.clusters} clusters; {self.open_cases} cases are open"
        return f"{self.week}: {counted}; {self.path}"


class ReviewDesk:
    """The reviews of one warehouse, files that are their owner's alone."""

    def __init__(self, cases: CaseDesk):
        self.store = cases.store
        self.seeds = cases.seeds
        self.clock = cases.clock
        self.folder = cases.store.state / "reviews"

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> ReviewDesk:
        """The desk of a warehouse."""
        return cls(CaseDesk.of(warehouse, clock))

    def last_week(self) -> str:
        """The newest week all of whose days are due."""
        return week_of(self.clock.last_due_day() - timedelta(days=6))

    def write(self, week: str | None = None) -> Reviewed:
        """Write the review of a week, the last whole one unless told otherwise, in the place of an earlier one.

        Raises ValueError for what is no week, LabellingSeedError.
        """
        week = week or self.last_week()
        known = self._known(week, first_day(week))
        text = terminal.lines(review(known))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{week}.md"
        write_atomically(path, text.encode(), mode=0o600)
        responses, clusters = {f.response for f in known.failed}, {f.cluster for f in known.failed}
        still = sum(case.state not in ("rejected", "released") for case in known.cases)
        return Reviewed(week, path, text, len(responses), len(clusters), still)

    def _known(self, week: str, first: date) -> Known:
        days, before = _days(first), _days(first - timedelta(days=7))
        counts = ask(self.store, _REQUESTS, {"logs.requests": {*days, *before}}, {"first": first})
        failed = self._failed(days)
        end = datetime.combine(days[-1], time.max, UTC)
        cases = [stood for case in fold(table_rows(self.store, LOG)).values() if (stood := case.as_of(end)) is not None]
        severities = list(load_labelling(self.seeds / LABELLING_FILE).severities)
        return Known(
            week=week,
            failed=failed,
            failed_before=self._failed(before),
            requests={row["feature"]: row["requests"] for row in counts if row["is_this_week"]},
            requests_before={row["feature"]: row["requests"] for row in counts if not row["is_this_week"]},
            rates=self._rates(days[-1]),
            cases=cases,
            words=dict(self._words(failed)),
            worst_severity=severities[-1],
        )

    def _failed(self, days: Sequence[date]) -> list[Failed]:
        rows = table_rows(self.store, PROPOSALS, set(days))
        ids = {row["request_id"] for row in rows}
        amounts = self._found("cost.request_costs", _COSTS, days, ids)
        topics = self._found("drift.text_topics", _TOPICS, days, ids)
        searched = self._searched(rows, days, ids)
        names = ("day", "request_id", "failure", "state", "reason", "feature", "case_id", "severity", "root_cause")
        return [
            Failed(
                **{name: row[name] for name in names},
                amount=amounts.get((row["day"], row["request_id"])),
                topic=topics.get((row["day"], row["request_id"])),
                retrieval=searched.get((row["day"], row["request_id"])),
            )
            for row in rows
        ]

    def _found(self, name: str, sql: str, days: Sequence[date], ids: Collection[str]) -> dict[Response, Any]:
        """What a table says of some responses; nothing where there is no such table."""
        if name not in self.store.contracts or not ids:
            return {}
        rows = ask(self.store, sql, {name: set(days)}, {"ids": sorted(ids)})
        return {(row["day"], row["request_id"]): row["found"] for row in rows}

    def _searched(self, rows: Sequence[Row], days: Sequence[date], ids: Collection[str]) -> dict[Response, str]:
        """How the search for each response's documents went, by the names of quality.rates."""
        if not rows:
            return {}
        found = ask(self.store, _FOUND, {"logs.retrievals": set(days)}, {"ids": sorted(ids)})
        schema = {"day": pl.Date, "request_id": pl.String, "feature": pl.String}
        retrievals = pl.DataFrame(found, schema={**schema, "retrieval_score": pl.Float64})
        # A response of each feature and day that searched stands beside those that failed: it tells "found nothing" from
        # "does not search".
        failed = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
        answers = pl.concat([failed, retrievals.select(*schema)]).unique()
        named = with_retrieval(answers, retrievals.drop("feature")).select("day", "request_id", "retrieval")
        return {(day, request_id): name for day, request_id, name in named.iter_rows()}

    def _rates(self, last: date) -> list[Row] | None:
        if RATES not in self.store.contracts:
            return None
        return ask(self.store, _RATES, {RATES: {last, last - timedelta(days=7)}}, {})

    def _words(self, failed: Sequence[Failed]) -> Iterator[tuple[Response, tuple[str, str | None]]]:
        """Question and answer of what is proposed, where they are kept and may be shown today."""
        until = self.clock.last_due_day()
        for day in sorted({f.day for f in failed}):
            ids = {f.request_id for f in failed if f.day == day and f.state == "proposed"}
            now = facts(self.store, day, ids) if ids else {}
            may = {i for i, row in now.items() if row["may_label"] is not False and row["may_train"] is not False}
            for request_id, words in (words_of(self.store, day, until, may) if may else {}).items():
                yield (day, request_id), (words.question, words.answer)


def _days(first: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(7)]
