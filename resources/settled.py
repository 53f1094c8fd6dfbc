"""Which days may stand otherwise than when the readers' manifest was drafted. The others are not looked at again.

Whether a day is stale, and whether readers may see it, follows from the contracts and their code, from the commits of its
table, from the versions of the days that it reads, and from the last due day. A draft writes down what it saw of these
(`seen` of a manifest), and which days were not settled then: stale, behind, late, or held by retention. A day that was
settled stays so until one of them changes. What is not known for sure opens every day again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from resources import closed_days as closing
from resources import computing, day_inputs, days, manifest
from resources.contracts import Contract
from resources.day_inputs import DayInputs, digest
from resources.manifest import QuestionDay
from resources.store import Store

_JUDGES = [Path(str(module.__file__)) for module in (closing, computing, day_inputs, days, manifest)]


@cache
def _judges() -> str:
    return digest(*(path.read_text(encoding="utf-8") for path in [Path(__file__), *_JUDGES]))


class Reopened:
    """The days to be looked at, against what a manifest saw. `inputs` says what is there now.

    It speaks of the commits that the store's logs had read when it was made, and is asked before they read more.
    """

    def __init__(self, store: Store, inputs: DayInputs, readers: Mapping[str, Any]):
        self.store = store
        self.inputs = inputs
        self._seen: Mapping[str, Any] = readers.get("seen", {})
        self._tables: Mapping[str, Any] = readers["tables"]
        computed = (day for c in store.derived() for day in store.day_log(c.name).states)
        self.begin = min(inputs.days_with_rows().union(computed), default=None)
        """The first day that anything is known of."""

    def calendar(self) -> list[date]:
        """All days on which a table can have something to say, up to the last that is due."""
        windows = [w for c in self.store.derived() for w in c.reads.values() if not isinstance(w, str)]
        reach = max((abs(offset) for window in windows for offset in window), default=0)
        if self.begin is None:
            return []
        first = self.begin - timedelta(days=reach)
        return [first + timedelta(days=n) for n in range((self.inputs.last_due_day - first).days + 1)]

    def of(self, contract: Contract) -> list[date]:
        """The days of a derived table that may be stale, or shown otherwise than before."""
        found = self._telling(contract) if self.everything else self._days(contract)
        return sorted(day for day in found if day <= self.inputs.last_due_day)

    def seen(self, unsettled: Iterable[QuestionDay]) -> dict[str, Any]:
        """What a draft saw, for its manifest."""
        open_days: dict[str, list[str]] = defaultdict(list)
        for question, day in sorted(unsettled):
            open_days[question].append(day.isoformat())
        return {
            "rules": self._rules,
            "last_due_day": self.inputs.last_due_day.isoformat(),
            "begin": _text(self.begin),
            "commits": {c.name: _commit(self.store, c) for c in self.store.by_day()},
            "versions": {c.name: _by_text(self.inputs.versions_of(c)) for c in _ledgers_read(self.store)},
            "unsettled": open_days,
        }

    @cached_property
    def _rules(self) -> str:
        """Everything but data that decides how a day stands."""
        code = (self.inputs.code_of(contract) for contract in self.store.derived())
        return digest(_judges(), self.store.promises, *code)

    @cached_property
    def everything(self) -> bool:
        """Whether it cannot be told what changed, so that every day is looked at."""
        seen_ = self._seen
        return (
            not seen_
            or seen_["rules"] != self._rules
            or date.fromisoformat(seen_["last_due_day"]) > self.inputs.last_due_day
            or seen_["begin"] != _text(self.begin)
            or any(not self._continues(contract) for contract in self.store.by_day())
        )

    def _days(self, contract: Contract) -> set[date]:
        found = {date.fromisoformat(day) for day in self._seen["unsettled"].get(contract.question, ())}
        found |= self._changed(contract) | self._closed_by_class.get(contract.retention, set())
        last_seen = date.fromisoformat(self._seen["last_due_day"])
        due = {last_seen + timedelta(days=n) for n in range(1, (self.inputs.last_due_day - last_seen).days + 1)}
        found |= due
        for name, window in contract.reads.items():
            source = self.store.contracts[name]
            if isinstance(window, str):
                found |= self._revalued(source)
            else:
                found |= reading(self._changed(source) | due, window)
        return found

    def _telling(self, contract: Contract) -> set[date]:
        """All days on which a table can have something to say: those that it was computed for, those whose window holds a
        day with rows and, where it speaks of every day, all since the first day of anything. On the others it is fresh."""
        found = set(self.store.day_log(contract.name).states)
        if contract.every_day:
            found.update(self.calendar())
        for name, window in contract.reads.items():
            if not isinstance(window, str):
                source = self.store.contracts[name]
                derived = source.kind == "derived"
                found |= reading(self.store.day_log(name).states if derived else self.inputs.versions_of(source), window)
        return found

    def _continues(self, contract: Contract) -> bool:
        """Whether a table's log goes on from the commit that was seen."""
        if contract.name not in self._seen["commits"]:
            return False
        version, told = self._seen["commits"][contract.name]
        table = self.store.day_log(contract.name).table
        return bool(version <= table.version and table.commit_digest(version) == told)

    def _changed(self, source: Contract) -> set[date]:
        """Days of a table that a commit has spoken of since, or on which other files count now."""
        if source.name not in self._changes:
            since = self._seen["commits"][source.name][0]
            states = self.store.day_log(source.name).states.items()
            found = {day for day, state in states if state.commit_version > since}
            if source.name in self._seen["versions"]:
                was, now = self._seen["versions"][source.name], self.inputs.versions_of(source)
                found |= {day for day, version in now.items() if was.get(day.isoformat()) != version}
                found |= {day for text in was if (day := date.fromisoformat(text)) not in now}
            self._changes[source.name] = found
        return self._changes[source.name]

    def _revalued(self, reference: Contract) -> set[date]:
        """Days on which other rows of a reference are valid than were."""
        if reference.name not in self._changes:
            was, now = self._tables[reference.name]["version"], self.inputs.pins[reference.name]
            known = {day for c in self.store.derived() for day in self.store.day_log(c.name).states}
            self._changes[reference.name] = (
                set() if was == now else {day for day in known if self.inputs.is_revalued(reference, was, day)}
            )
        return self._changes[reference.name]

    @cached_property
    def _changes(self) -> dict[str, set[date]]:
        return {}

    @cached_property
    def _closed_by_class(self) -> dict[str, set[date]]:
        """A class of retention closes as a whole: a day closed in one of its tables is gone from all."""
        found: dict[str, set[date]] = defaultdict(set)
        for contract in self.store.by_day():
            closed = self.store.day_log(contract.name).closed
            if closed:
                found[contract.retention] |= self._changed(contract) & closed.keys()
        return found


def reading(days_: Iterable[date], window: tuple[int, int]) -> set[date]:
    """The days whose window holds one of some days."""
    return {day - timedelta(days=offset) for day in days_ for offset in range(window[0], window[1] + 1)}


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _commit(store: Store, contract: Contract) -> tuple[int, str]:
    table = store.day_log(contract.name).table
    return table.version, table.commit_digest(table.version)


def _by_text(versions: Mapping[date, str]) -> dict[str, str]:
    return {day.isoformat(): version for day, version in versions.items()}


def _ledgers_read(store: Store) -> list[Contract]:
    read = {name for contract in store.derived() for name in contract.reads}
    return [store.contracts[name] for name in sorted(read) if store.contracts[name].kind in ("ledger", "event")]
