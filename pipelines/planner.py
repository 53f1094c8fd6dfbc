"""Which days are stale, and why: the one answer, for `make nightly`, the schedule and the sensor.

A day of a derived table is stale when its recorded inputs differ from what is there now, or when a day that it reads
is stale. Late rows, a corrected price, a changed SQL file, a backfill and a crash half-way are therefore one thing.
A day that retention has closed, or that reads one, is never stale.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.tables import days_between
from pipelines.runs import DIGEST_TAG
from resources import closed_days
from resources.closed_days import ClosedDays
from resources.computing import has_something_to_say, is_stale
from resources.day_inputs import DayInputs, digest, is_newer, take_pins
from resources.days import DayState, Inputs, Pins
from resources.publishing import Publisher
from resources.settled import Reopened, reading
from resources.store import Store
from resources.warehouse_resource import PINS_TAG

MAX_FAILED_ATTEMPTS = 3
MAX_ATTEMPTS = 20
"""Runs that succeed and leave their days stale: two versions of the code are at work. Prices that come and go are fewer."""
WHY_TAG = "nocturne/why"


_DAY = re.compile(r" of \d{4}-\d{2}-\d{2}")


class History(Protocol):
    """What the planner asks about earlier runs (pipelines/runs.py)."""

    def in_flight_days(self) -> set[date]: ...

    def ended(self, digest: str) -> tuple[int, int]: ...


@dataclass(frozen=True)
class StaleDay:
    """One day of one table that must be looked at, with the reasons a person would give."""

    table: str
    day: date
    reasons: tuple[str, ...]
    inputs: Inputs


@dataclass(frozen=True)
class DayRange:
    """Contiguous stale days: one run. `inputs_digest` names exactly what it would compute from."""

    first: date
    last: date
    inputs_digest: str
    attempt: int
    pins: Pins
    causes: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The commonest causes, for a person."""
        more = len(self.causes) - 2
        return "; ".join(self.causes[:2]) + (f"; and {more} more" if more > 0 else "")

    @property
    def run_key(self) -> str:
        return f"{self.first}..{self.last}:{self.inputs_digest}:{self.attempt}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run: its days, what it was launched for, and what it reads."""
        return {
            ASSET_PARTITION_RANGE_START_TAG: self.first.isoformat(),
            ASSET_PARTITION_RANGE_END_TAG: self.last.isoformat(),
            DIGEST_TAG: self.inputs_digest,
            PINS_TAG: json.dumps(self.pins, sort_keys=True),
            WHY_TAG: self.why,
        }


@dataclass(frozen=True)
class Plan:
    """What is to be done now. `waiting`: days whose runs failed, and whether they are tried again."""

    stale: list[StaleDay] = field(default_factory=list)
    ranges: list[DayRange] = field(default_factory=list)
    waiting: dict[date, str] = field(default_factory=dict)
    in_flight: set[date] = field(default_factory=set)

    @property
    def waiting_tag(self) -> str:
        """The waiting days as the tag that tells publishing of them."""
        return json.dumps({day.isoformat(): reason for day, reason in sorted(self.waiting.items())})

    @property
    def is_quiet(self) -> bool:
        return not self.ranges and not self.in_flight


def make_plan(store: Store, last_due_day: date, history: History) -> Plan:
    """The stale days of every derived table, as ranges to run. Reads commits and the ledger's files, never rows."""
    pins = take_pins(store, last_due_day)
    stale = stale_days(store, pins, Publisher(store).manifest())
    in_flight = history.in_flight_days()
    open_days = {s.day for s in stale} - in_flight
    ranges, waiting = [], {}
    for first, last in _contiguous(open_days):
        in_range = [s for s in stale if first <= s.day <= last]
        digest_ = _digest_of(in_range)
        ended, failed = history.ended(digest_)
        if failed >= MAX_FAILED_ATTEMPTS or ended >= MAX_ATTEMPTS:
            reason = (
                f"{ended} runs with these inputs ended, {failed} of them failed; "
                "tried again when rows, prices or code change"
            )
        else:
            ranges.append(DayRange(first, last, digest_, ended, pins, _causes(in_range)))
            reason = f"{failed} runs with these inputs failed; it is tried again" if failed else ""
        if reason:
            waiting.update(dict.fromkeys(days_between(first, last), reason))
    return Plan(stale, ranges, waiting, in_flight & {s.day for s in stale})


def stale_days(store: Store, pins: Pins, readers: Mapping[str, Any] | None = None) -> list[StaleDay]:
    """Every stale day of every derived table, inputs first.

    `readers`: the manifest that readers have. Days that were settled when it was drafted, and of which nothing changed
    since, are not looked at again (resources/settled.py); without it all days are.
    """
    inputs = DayInputs(store, pins)
    closed_days.refresh(store)
    closed = ClosedDays.of(store)
    reopened = Reopened(store, inputs, readers or {"tables": {}})
    calendar = set(reopened.calendar())
    found: list[StaleDay] = []
    stale: dict[str, set[date]] = {}
    for contract in store.derived():
        log = store.day_log(contract.name)
        # Not its own earlier days: a late row would re-open all days up to now. What they really change is seen
        # once they are computed, in the next round.
        waited_for = {
            name: (window, stale[name])
            for name, window in contract.reads.items()
            if name in stale and name != contract.name and not isinstance(window, str)
        }
        wait = {day for window, days in waited_for.values() for day in reading(days, window)}
        for day in sorted((wait | set(reopened.of(contract))) & calendar):
            wanted, state = inputs.of(contract, day), log.state(day)
            if state is not None and is_newer(state.pins, pins):
                continue
            if closed.why(contract, day):
                continue
            will_come = contract.needs is not None and day in stale.get(contract.needs, ())
            if state is None and not will_come and not has_something_to_say(contract, day, wanted):
                continue
            waits = [
                f"{name} of {read} is stale"
                for name, (window, days) in waited_for.items()
                for read in inputs.window(day, window)
                if read in days
            ]
            is_due = is_stale(contract, day, state, wanted, reopened.begin, will_come)
            reasons = [*explain(state, wanted), *waits] if is_due else waits
            if reasons:
                stale.setdefault(contract.name, set()).add(day)
                found.append(StaleDay(contract.name, day, tuple(reasons), wanted))
    return found


def explain(state: DayState | None, wanted: Inputs) -> list[str]:
    """Why a day is stale, in words."""
    if state is None:
        return ["never computed"]
    reasons = []
    for name in sorted(state.tried.keys() | wanted.keys()):
        if state.tried.get(name) == wanted.get(name):
            continue
        table, _, day = name.partition("@")
        where = f" of {day}" if day else ""
        if name == "code":
            reasons.append("its SQL, columns or checks changed")
        elif name not in state.tried:
            reasons.append(f"{table}{where} has rows now")
        elif name not in wanted:
            reasons.append(f"{table}{where} has no rows any more")
        else:
            reasons.append(f"{table}{where} changed")
    return reasons


def _causes(stale: list[StaleDay]) -> tuple[str, ...]:
    """Why days are stale, the commonest first; days that only wait for others add nothing."""
    counts = Counter(
        f"{s.table} {_DAY.sub('', reason)}" for s in stale for reason in s.reasons if not reason.endswith("is stale")
    )
    return tuple(f"{cause} ({count} days)" if count > 1 else cause for cause, count in counts.most_common())


def _contiguous(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as ranges (first, last), both included."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _digest_of(stale: Iterable[StaleDay]) -> str:
    return digest(*(json.dumps([s.table, s.day.isoformat(), s.inputs], sort_keys=True) for s in stale))
