"""The rule of publishing, on small warehouses made by hand: which days readers may see together."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import VALID, Contract
from resources.days import DayState, Inputs
from resources.manifest import Choice, Entries, Entry, choose

DAY = date(2026, 11, 3)


def table(name: str, reads: Mapping[str, tuple[int, int] | str]) -> Contract:
    question, stem = name.split(".")
    return Contract(question, stem, "derived", "a row", "team:x", (), reads=dict(reads))


REQUESTS = table("logs.requests", {"logs.landed": (-1, 1)})
DUPLICATES = table("logs.duplicates", {"logs.landed": (-1, 1)})
CHARGES = table("cost.charges", {"logs.requests": (0, 0), "cost.prices": VALID})
SUMS = table("cost.sums", {"cost.charges": (0, 0)})
TRAILING = table("drift.trailing", {"logs.requests": (-2, 0), "cost.charges": (0, 0)})
ALL = [REQUESTS, DUPLICATES, CHARGES, SUMS, TRAILING]


def state(day: date, version: str | None, inputs: Inputs, rows: int = 1, failed: tuple[str, ...] = ()) -> DayState:
    return DayState(day, 1, version, rows, inputs, inputs, failed, {}, 1, 1, 0, 0)


def entry(version: str, inputs: Inputs, rows: int = 1) -> Entry:
    return Entry(version, rows, inputs, 1)


def on(name: str, day: date = DAY) -> str:
    return f"{name}@{day.isoformat()}"


def two_tables(charges: DayState | None, requests: DayState, current: Entries | None = None) -> Choice:
    states = {"logs.requests": {DAY: requests}, "cost.charges": {DAY: charges} if charges else {}}
    return choose([REQUESTS, CHARGES], states, current or {}, {})


def test_days_that_fit_together_are_taken_together() -> None:
    choice = two_tables(
        charges=state(DAY, "c1", {on("logs.requests"): "r1", "cost.prices": "p"}),
        requests=state(DAY, "r1", {on("logs.landed"): "l"}),
    )
    assert choice.entries["logs.requests"][DAY].version == "r1"
    assert choice.entries["cost.charges"][DAY].version == "c1"
    assert choice.behind == choice.late == {}


def test_a_question_that_has_not_seen_its_input_keeps_its_earlier_day_and_is_behind() -> None:
    earlier = {
        "logs.requests": {DAY: entry("r1", {on("logs.landed"): "l1"})},
        "cost.charges": {DAY: entry("c1", {on("logs.requests"): "r1", "cost.prices": "p"})},
    }
    choice = two_tables(
        charges=state(DAY, "c1b", {on("logs.requests"): "r1", "cost.prices": "p"}),
        requests=state(DAY, "r2", {on("logs.landed"): "l2"}),
        current=earlier,
    )
    assert choice.entries["logs.requests"][DAY].version == "r2"
    assert choice.entries["cost.charges"][DAY].version == "c1"
    assert choice.behind == {("cost", DAY): "charges has not seen logs.requests of 2026-11-03 as it is now"}


def test_an_empty_input_day_counts_like_a_missing_one() -> None:
    choice = two_tables(charges=state(DAY, "c0", {"cost.prices": "p"}, rows=0), requests=state(DAY, "r0", {}, rows=0))
    assert choice.entries["cost.charges"][DAY].shown is None
    assert choice.behind == {}


def test_a_failed_table_keeps_its_earlier_rows_and_is_named() -> None:
    requests = state(DAY, "r1", {on("logs.landed"): "l1"}, failed=("unique_key",))
    duplicates = state(DAY, "d2", {on("logs.landed"): "l2"})
    current = {
        "logs.requests": {DAY: entry("r1", {on("logs.landed"): "l1"})},
        "logs.duplicates": {DAY: entry("d1", {on("logs.landed"): "l1"})},
    }
    choice = choose(
        [REQUESTS, DUPLICATES], {"logs.requests": {DAY: requests}, "logs.duplicates": {DAY: duplicates}}, current, {}
    )
    assert choice.entries == current
    assert choice.behind == {("logs", DAY): "failed: requests unique_key"}


def test_what_is_held_back_holds_back_what_was_computed_from_it() -> None:
    """logs is held back on one day only; cost of that day has seen the held-back rows; so has the window that looks back."""
    later = DAY + timedelta(days=1)
    states = {
        "logs.requests": {DAY: state(DAY, "r2", {on("logs.landed"): "l2"}), later: state(later, "q1", {})},
        "logs.duplicates": {DAY: state(DAY, "d1", {on("logs.landed"): "l1"}), later: state(later, "e1", {})},
        "cost.charges": {
            DAY: state(DAY, "c2", {on("logs.requests"): "r2"}),
            later: state(later, "k1", {on("logs.requests", later): "q1"}),
        },
        "cost.sums": {
            DAY: state(DAY, "s2", {on("cost.charges"): "c2"}),
            later: state(later, "t1", {on("cost.charges", later): "k1"}),
        },
        "drift.trailing": {
            later: state(
                later, "w2", {on("logs.requests"): "r2", on("logs.requests", later): "q1", on("cost.charges", later): "k1"}
            )
        },
    }
    choice = choose(ALL, states, {}, {})
    assert set(choice.behind) == {("logs", DAY), ("cost", DAY), ("drift", later)}
    assert choice.entries["cost.charges"] == {later: entry("k1", {on("logs.requests", later): "q1"})}
    assert choice.entries["drift.trailing"] == {}


def test_late_rows_hold_nothing_back_and_are_named() -> None:
    states = {
        "logs.requests": {DAY: state(DAY, "r1", {on("logs.landed"): "l1"})},
        "logs.duplicates": {DAY: state(DAY, "d1", {on("logs.landed"): "l1"})},
    }
    newest = {(name, DAY): {on("logs.landed"): "l2"} for name in states}
    choice = choose([REQUESTS, DUPLICATES], states, {}, newest)
    assert choice.entries["logs.requests"][DAY].version == "r1"
    assert choice.behind == {}
    assert choice.late == {("logs", DAY): "late rows: logs.landed"}


def test_changed_code_alone_is_not_late_rows() -> None:
    states = {"logs.requests": {DAY: state(DAY, "r1", {"code": "a"})}}
    assert choose([REQUESTS], states, {}, {("logs.requests", DAY): {"code": "b"}}).late == {}


def test_a_table_never_computed_holds_back_its_question_on_that_day() -> None:
    """A new table joins a question: its days appear only with it, the earlier ones stay before the readers."""
    requests = state(DAY, "r2", {on("logs.landed"): "l2"})
    current = {"logs.requests": {DAY: entry("r1", {on("logs.landed"): "l1"})}}
    choice = choose([REQUESTS, DUPLICATES], {"logs.requests": {DAY: requests}}, current, {})
    assert choice.entries["logs.requests"] == current["logs.requests"]
    assert choice.behind == {("logs", DAY): "requests and duplicates saw different logs.landed"}


def test_a_table_that_reads_only_derived_ones_and_was_never_computed_holds_its_question_back() -> None:
    states = {
        "logs.requests": {DAY: state(DAY, "r1", {})},
        "cost.charges": {DAY: state(DAY, "c1", {on("logs.requests"): "r1"})},
    }
    choice = choose([REQUESTS, CHARGES, SUMS], states, {}, {})
    assert choice.entries["cost.charges"] == {}
    assert set(choice.behind) == {("cost", DAY)}


def test_two_tables_of_one_question_that_saw_different_rows_wait_for_each_other() -> None:
    states = {
        "logs.requests": {DAY: state(DAY, "r2", {on("logs.landed"): "l2"})},
        "logs.duplicates": {DAY: state(DAY, "d1", {on("logs.landed"): "l1"})},
    }
    choice = choose([REQUESTS, DUPLICATES], states, {}, {})
    assert choice.entries == {"logs.requests": {}, "logs.duplicates": {}}
    assert set(choice.behind) == {("logs", DAY)}


# Histories: a small warehouse in which rows land, days are computed in any order, some fail, and publishing goes on.

DAYS = [DAY + timedelta(days=n) for n in range(3)]
TABLES = {contract.name: contract for contract in ALL}


class Warehouse:
    """The five tables over three days, with versions instead of rows."""

    def __init__(self) -> None:
        self.landed: dict[date, str] = {}
        self.prices = "p0"
        self.states: dict[str, dict[date, DayState]] = {name: {} for name in TABLES}
        self.current: Entries = {}
        self.clock = 0

    def wanted(self, name: str, day: date) -> Inputs:
        inputs: Inputs = {}
        for source, window in TABLES[name].reads.items():
            if isinstance(window, str):
                inputs[source] = self.prices
                continue
            for read in (day + timedelta(days=n) for n in range(window[0], window[1] + 1)):
                if source == "logs.landed":
                    version = self.landed.get(read)
                else:
                    known = self.states[source].get(read)
                    version = known.shown if known else None
                if version is not None:
                    inputs[on(source, read)] = version
        return inputs

    def compute(self, name: str, day: date, result: str) -> None:
        self.clock += 1
        before, wanted = self.states[name].get(day), self.wanted(name, day)
        if result == "fails":
            kept = before or state(day, None, {}, rows=0)
            failed = DayState(
                day,
                self.clock,
                kept.version,
                kept.rows,
                kept.inputs,
                wanted,
                ("rule",),
                {},
                self.clock,
                kept.content_version,
                0,
                0,
            )
            self.states[name][day] = failed
            return
        version = (
            f"{name} v{self.clock}" if result == "differs" or before is None or before.version is None else before.version
        )
        rows = 0 if result == "empties" else 1
        self.states[name][day] = DayState(
            day, self.clock, version if rows else "none", rows, wanted, wanted, (), {}, self.clock, self.clock, 0, 0
        )

    def newest(self) -> dict[tuple[str, date], Inputs]:
        return {(name, day): self.wanted(name, day) for name, days in self.states.items() for day in days}

    def choose(self, shuffle: int | None = None) -> Choice:
        derived, states = list(ALL), self.states
        if shuffle is not None:
            random.Random(shuffle).shuffle(derived)
            states = {name: dict(reversed(states[name].items())) for name in reversed(states)}
        return choose(derived, states, self.current, self.newest())


moves = st.lists(
    st.one_of(
        st.tuples(st.just("land"), st.sampled_from(DAYS)),
        st.tuples(st.just("reprice")),
        st.tuples(
            st.just("compute"),
            st.sampled_from(sorted(TABLES)),
            st.sampled_from(DAYS),
            st.sampled_from(["differs", "differs", "equals", "empties", "fails"]),
        ),
        st.tuples(st.just("night")),
        st.tuples(st.just("publish")),
    ),
    max_size=25,
)


def played(story: list[tuple[object, ...]]) -> Warehouse:
    warehouse = Warehouse()
    for number, (move, *rest) in enumerate(story):
        if move == "land":
            warehouse.landed[rest[0]] = f"l{number}"  # type: ignore[index]
        elif move == "reprice":
            warehouse.prices = f"p{number}"
        elif move == "compute":
            warehouse.compute(*rest)  # type: ignore[arg-type]
        elif move == "night":
            for name in TABLES:
                for day in DAYS:
                    warehouse.compute(name, day, "differs")
        else:
            warehouse.current = warehouse.choose().entries
    return warehouse


def shown(entries: Entries, name: str, day: date) -> str | None:
    found = entries.get(name, {}).get(day)
    return found.shown if found else None


@settings(max_examples=150, deadline=None)
@given(moves)
def test_no_two_questions_are_ever_shown_from_different_versions_unless_one_is_named_behind(
    story: list[tuple[object, ...]],
) -> None:
    warehouse = played(story)
    choice = warehouse.choose()
    for name, days in choice.entries.items():
        question = name.split(".")[0]
        for day, held in days.items():
            if (question, day) in choice.behind:
                continue
            for source, window in TABLES[name].reads.items():
                if isinstance(window, str) or source == "logs.landed":
                    continue
                for read in (day + timedelta(days=n) for n in range(window[0], window[1] + 1)):
                    assert held.inputs.get(on(source, read)) == shown(choice.entries, source, read)


@settings(max_examples=150, deadline=None)
@given(moves)
def test_publishing_twice_is_publishing_once(story: list[tuple[object, ...]]) -> None:
    warehouse = played(story)
    first = warehouse.choose()
    warehouse.current = first.entries
    assert warehouse.choose() == first


@settings(max_examples=100, deadline=None)
@given(moves, st.integers(0, 100))
def test_the_choice_does_not_depend_on_the_order_of_tables_and_days(story: list[tuple[object, ...]], shuffle: int) -> None:
    warehouse = played(story)
    straight, shuffled = warehouse.choose(), warehouse.choose(shuffle)
    assert shuffled.entries == straight.entries
    assert shuffled.behind.keys() == straight.behind.keys()
    assert shuffled.late.keys() == straight.late.keys()


@settings(max_examples=100, deadline=None)
@given(moves)
def test_a_day_that_passed_is_never_taken_from_readers(story: list[tuple[object, ...]]) -> None:
    warehouse = played(story)
    choice = warehouse.choose()
    for name, days in warehouse.current.items():
        assert days.keys() <= choice.entries[name].keys()


@settings(max_examples=50, deadline=None)
@given(moves)
def test_after_an_undisturbed_night_nobody_is_behind(story: list[tuple[object, ...]]) -> None:
    warehouse = played([*story, ("night",)])
    choice = warehouse.choose()
    assert choice.behind == choice.late == {}
    for name, days in warehouse.states.items():
        assert {day: known.version for day, known in days.items()} == {d: e.version for d, e in choice.entries[name].items()}
