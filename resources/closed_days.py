"""Which days retention has closed, and what that means for the tables that read them.

A closed day is never written again. A derived day that reads one is never computed again, whatever else changes: it
keeps its rows and counts as fresh, else a changed SQL would bring removed rows back, or sums without them. The record
of it stands in the commits of each table (days.py), and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from resources.contracts import Contract
from resources.days import Inputs
from resources.store import Store


@dataclass(frozen=True)
class ClosedDays:
    """Closed days by table, each with the reason. `classes` gives tables their class of retention."""

    by_table: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> ClosedDays:
        """As this process last saw the tables' commits; refresh(store) first where newer ones matter."""
        tables = store.by_day()
        closed = {c.name: found for c in tables if (found := store.day_log(c.name).closed)}
        return cls(closed, {c.name: c.retention for c in tables})

    def why(self, contract: Contract, day: date) -> str | None:
        """Why a day of a table is not computed any more; None where it may be."""
        if day in self.by_table.get(contract.name, {}):
            return f"{contract.name} of {day.isoformat()} is closed"
        for name, window in contract.reads.items():
            days = self.by_table.get(name)
            if not days or isinstance(window, str):
                continue
            for offset in range(window[0], window[1] + 1):
                if (read := day + timedelta(days=offset)) in days:
                    return f"{name} of {read.isoformat()} is closed"
        return None

    def gone(self, contract: Contract, day: date) -> str | None:
        """Why readers see no rows of a day; None where they do.

        A class closes as a whole: where a kill came between two of its tables, readers see the rows of neither.
        """
        return self._by_class.get(self.classes.get(contract.name, ""), {}).get(day)

    def open_inputs(self, inputs: Mapping[str, str]) -> Inputs:
        """Those of a day's inputs that can still change it."""
        return {key: version for key, version in inputs.items() if not self._is_closed(key)}

    def _is_closed(self, key: str) -> bool:
        table, _, day = key.partition("@")
        return bool(day) and date.fromisoformat(day) in self.by_table.get(table, {})

    @cached_property
    def _by_class(self) -> dict[str, dict[date, str]]:
        found: dict[str, dict[date, str]] = {}
        for name, days in self.by_table.items():
            found.setdefault(self.classes[name], {}).update(days)
        return found


def refresh(store: Store, names: Iterable[str] | None = None) -> None:
    """See the newest commits of the tables that are stored by day, or of some of them."""
    for name in [c.name for c in store.by_day()] if names is None else names:
        store.day_log(name).refresh()
