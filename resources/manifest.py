"""Which days readers may see together: the rule of publishing, as a pure function of what the tables' commits say.

A question's day is published when all its tables recorded the same inputs and the derived inputs are those that the
same manifest holds. Otherwise readers keep the question's earlier day, and the manifest says that it is behind, and
why. Ledgers, events and references hold nothing back: a day that has not seen the newest of them is published and
marked `late rows`; else a trickle of late rows would starve the readers for ever.

Days that retention has closed are gone for readers. A day that reads one is taken as it is, whatever its recorded inputs
say: it is not computed any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from resources.closed_days import ClosedDays
from resources.contracts import Contract
from resources.days import DayState

QuestionDay = tuple[str, date]
TableDay = tuple[str, date]


@dataclass(frozen=True)
class Entry:
    """A day of a derived table as a manifest holds it. `shown` is the version readers count, None without rows.

    `inputs` are known of a day that is judged; a manifest does not repeat what the commits record.
    """

    version: str
    rows: int
    inputs: Mapping[str, str]
    content_version: int

    @property
    def shown(self) -> str | None:
        return self.version if self.rows else None


Entries = dict[str, dict[date, Entry]]


@dataclass(frozen=True)
class Choice:
    """What the next manifest holds of the derived tables, and what it says of days that are not as they should be.

    `closed`, by table: days without an entry are gone; the others keep their rows, though something changed since.
    """

    entries: Entries
    behind: dict[QuestionDay, str]
    late: dict[QuestionDay, str]
    closed: dict[TableDay, str] = field(default_factory=dict)


def choose(
    derived: Iterable[Contract],
    states: Mapping[str, Mapping[date, DayState]],
    current: Entries,
    newest: Mapping[TableDay, Mapping[str, str]],
    closed: ClosedDays = ClosedDays(),  # noqa: B008  # frozen, and empty
    judged: Collection[QuestionDay] | None = None,
) -> Choice:
    """The derived days of the next manifest.

    `states`: the tables' days as their commits say now; `current`: the entries of the manifest that readers have;
    `newest`: the inputs that each (table, day) would record if it were computed now. `judged`: the question-days that may
    stand otherwise than in that manifest (resources/settled.py), by default all; the others keep their entries.
    """
    tables: dict[str, list[Contract]] = defaultdict(list)
    for contract in derived:
        tables[contract.question].append(contract)

    def is_judged(contract: Contract, day: date) -> bool:
        return judged is None or (contract.question, day) in judged

    candidates: Entries = {
        contract.name: {
            day: Entry(state.version, state.rows, state.inputs, state.content_version)
            for day, state in states.get(contract.name, {}).items()
            if is_judged(contract, day) and state.version is not None and not closed.gone(contract, day)
        }
        for question in tables.values()
        for contract in question
    }
    taken: set[QuestionDay] = {
        (contract.question, day)
        for question in tables.values()
        for contract in question
        for day in candidates[contract.name]
    }
    fixed = {
        (contract.name, day)
        for question in tables.values()
        for contract in question
        for day in states.get(contract.name, {})
        if is_judged(contract, day) and closed.why(contract, day)
    }
    reasons: dict[QuestionDay, str] = {}
    for question, day in sorted(taken):
        movable = [contract for contract in tables[question] if (contract.name, day) not in fixed]
        disagreement = _disagreement(movable, candidates, day)
        if disagreement:
            reasons[question, day] = disagreement
    taken -= set(reasons)

    def held(name: str, day: date) -> str | None:
        question = name.split(".")[0]
        source = candidates if (question, day) in taken else current
        entry = source.get(name, {}).get(day)
        return entry.shown if entry else None

    # Taking a day back can take another one back that was computed from it: until nothing changes.
    while True:
        dropped = {}
        for question, day in sorted(taken):
            movable = [contract for contract in tables[question] if (contract.name, day) not in fixed]
            mismatch = _mismatch(movable, candidates, day, held)
            if mismatch:
                dropped[question, day] = mismatch
        if not dropped:
            break
        reasons.update(dropped)
        taken -= set(dropped)

    entries: Entries = {}
    by_name = {contract.name: contract for question in tables.values() for contract in question}
    for name, days in candidates.items():
        question = name.split(".")[0]
        contract = by_name[name]
        kept = {
            day: entry
            for day, entry in current.get(name, {}).items()
            if (question, day) not in taken and not closed.gone(contract, day)
        }
        entries[name] = kept | {day: entry for day, entry in days.items() if (question, day) in taken}
    behind = dict(reasons)
    late: dict[QuestionDay, str] = {}
    untouched: dict[TableDay, str] = {}
    for question, contracts in tables.items():
        for contract in contracts:
            for day, state in states.get(contract.name, {}).items():
                gone = closed.gone(contract, day)
                if gone or (contract.name, day) in fixed:
                    reason = gone or _untouched(contract, day, state, newest, closed)
                    if reason:
                        untouched[contract.name, day] = reason
                elif not is_judged(contract, day):
                    continue
                elif state.failed:
                    behind[question, day] = f"failed: {contract.table} {', '.join(state.failed)}"
                elif (question, day) in taken:
                    older = _older(contract, state.inputs, newest.get((contract.name, day), state.inputs))
                    if older:
                        late[question, day] = f"late rows: {older}"
    return Choice(entries, behind, {key: reason for key, reason in late.items() if key not in behind}, untouched)


def _untouched(
    contract: Contract, day: date, state: DayState, newest: Mapping[TableDay, Mapping[str, str]], closed: ClosedDays
) -> str | None:
    """What would re-open a day, had retention not closed one that it reads."""
    was, now = closed.open_inputs(state.tried), closed.open_inputs(newest.get((contract.name, day), state.tried))
    changed = sorted({key.split("@")[0] for key in was.keys() | now.keys() if was.get(key) != now.get(key)})
    return f"{', '.join(changed)} changed, but {closed.why(contract, day)}" if changed else None


def _days_read(contract: Contract, name: str, day: date) -> list[date]:
    window = contract.reads[name]
    if isinstance(window, str):
        return []
    return [day + timedelta(days=offset) for offset in range(window[0], window[1] + 1)]


def _disagreement(tables: list[Contract], candidates: Entries, day: date) -> str | None:
    """Why the tables of one question-day do not belong together: two of them saw different inputs."""
    seen: dict[str, tuple[str, str | None]] = {}
    derived = set(candidates)
    for contract in tables:
        entry = candidates[contract.name].get(day)
        inputs = entry.inputs if entry else {}
        for name, window in contract.reads.items():
            if name in derived:
                continue
            if isinstance(window, str):
                keys = [name] if entry else []
            else:
                keys = [f"{name}@{read.isoformat()}" for read in _days_read(contract, name, day)]
            for key in keys:
                version = inputs.get(key)
                if key in seen and seen[key][1] != version:
                    return f"{seen[key][0]} and {contract.table} saw different {name}"
                seen[key] = (contract.table, version)
    return None


def _mismatch(tables: list[Contract], candidates: Entries, day: date, held: Any) -> str | None:
    """Why a question-day cannot stand beside the rest: it was computed from other rows than readers will have."""
    for contract in tables:
        entry = candidates[contract.name].get(day)
        if entry is None and contract.needs is not None and held(contract.needs, day) is None:
            continue
        inputs = entry.inputs if entry else {}
        for name in contract.reads:
            if name not in candidates:
                continue
            for read in _days_read(contract, name, day):
                if inputs.get(f"{name}@{read.isoformat()}") != held(name, read):
                    return f"{contract.table} has not seen {name} of {read.isoformat()} as it is now"
    return None


def _older(contract: Contract, recorded: Mapping[str, str], newest: Mapping[str, str]) -> str | None:
    """The ledger, event or reference inputs that changed since a day was computed."""
    changed = {
        key.split("@")[0]
        for key in recorded.keys() | newest.keys()
        if key != "code" and recorded.get(key) != newest.get(key)
    }
    return ", ".join(sorted(changed)) or None
