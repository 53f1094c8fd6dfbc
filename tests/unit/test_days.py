"""Replaying a table's commits: what a day is after any sequence of outcomes, however often the log was read between."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import Column, Contract, Measures
from resources.days import DayLog, Restatement, day_commit
from resources.table_store import Table, TableStore, arrow_schema

DAYS = [date(2026, 11, 3) + timedelta(days=n) for n in range(2)]
CONTRACT = Contract(
    "logs",
    "small",
    "derived",
    "a row",
    "team:x",
    (Column("day", "DATE", "Day"), Column("tokens", "BIGINT", "Tokens")),
    measures=Measures(("tokens",), ()),
)


def small_table(folder: Path) -> Table:
    return TableStore(folder, durable=False).open(CONTRACT)


def rows(day: date, count: int) -> pa.RecordBatchReader:
    return pa.table({"day": [day] * count, "tokens": list(range(count))}, schema=arrow_schema(CONTRACT)).to_reader()


def commit(table: Table, day: date, sequence: int, outcome: str, number: int, count: int = 1) -> None:
    """Commit an outcome as a step does; `number` makes its inputs and version unlike any other's."""
    metadata = day_commit(
        day,
        sequence,
        outcome,
        inputs={"code": "c", f"logs.landed@{day}": f"i{number}"},
        pins={"last_due_day": "2026-11-09"},
        version=f"v{number}",
        rows=count,
        failed={"rule": 1} if outcome == "failed" else None,
        measures={"": {"rows": str(count), "tokens": str(number)}} if count else {},
    )
    if outcome == "replaced":
        table.replace_day(day, rows(day, count), sequence, metadata)
    else:
        table.record_day(day, sequence, metadata)


steps = st.lists(
    st.tuples(
        st.sampled_from(DAYS),
        st.sampled_from(["replaced", "unchanged", "failed"]),
        st.integers(0, 2),
        st.booleans(),  # whether the log is refreshed after this commit
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_reading_the_log_bit_by_bit_equals_reading_it_once(history: list[tuple[date, str, int, bool]]) -> None:
    with TemporaryDirectory() as folder:
        store = TableStore(Path(folder), durable=False)
        log = DayLog(store.open(CONTRACT))
        sequences = dict.fromkeys(DAYS, 0)
        accepted: dict[date, tuple[str, int]] = {}
        for number, (day, outcome, count, is_read) in enumerate(history):
            if outcome == "unchanged" and day not in accepted:
                outcome = "replaced"
            sequences[day] += 1
            commit(store.open(CONTRACT), day, sequences[day], outcome, number, count)
            if outcome == "replaced":
                accepted[day] = (f"v{number}", count)
            if is_read:
                log.refresh()
        log.refresh()
        whole = DayLog(store.open(CONTRACT))
        assert log.states == whole.states
        assert log.restatements == whole.restatements
        for day, state in whole.states.items():
            assert (state.version, state.rows) == accepted.get(day, (None, 0))
            assert sum(f.rows for f in whole.table.files() if f.day == day) == state.rows
            assert state.sequence == sequences[day]


def test_a_failed_attempt_keeps_the_rows_and_records_what_was_tried(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "replaced", 1, count=2)
    commit(table, DAYS[0], 2, "failed", 2, count=9)
    state = DayLog(table).states[DAYS[0]]
    assert (state.version, state.rows, state.failed) == ("v1", 2, ("rule",))
    assert state.inputs[f"logs.landed@{DAYS[0]}"] == "i1"
    assert state.tried[f"logs.landed@{DAYS[0]}"] == "i2"
    assert (state.content_version, state.commit_version) == (1, 2)


def test_a_first_attempt_that_fails_leaves_the_day_absent_for_windows(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "failed", 1)
    state = DayLog(table).states[DAYS[0]]
    assert state.version is None
    assert state.shown is None


def test_a_passed_attempt_forgets_the_failure(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "replaced", 1)
    commit(table, DAYS[0], 2, "failed", 2)
    commit(table, DAYS[0], 3, "unchanged", 3)
    state = DayLog(table).states[DAYS[0]]
    assert (state.failed, state.version, state.inputs) == ((), "v1", state.tried)


def test_what_changed_is_restated_across_failures_and_unchanged_nights(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    for sequence, (outcome, number) in enumerate(
        [("replaced", 1), ("failed", 2), ("unchanged", 3), ("replaced", 4)], start=1
    ):
        commit(table, DAYS[0], sequence, outcome, number)
    (found,) = DayLog(table).restatements
    assert (found.measure, found.before, found.after, found.cause) == ("tokens", "1", "4", f"logs.landed@{DAYS[0]}")
    assert found.commit_version == 4


def test_the_first_computation_and_the_first_after_a_failed_one_restate_nothing(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "failed", 1)
    commit(table, DAYS[0], 2, "replaced", 2)
    commit(table, DAYS[1], 1, "replaced", 3)
    assert DayLog(table).restatements == []


def test_a_group_that_appears_or_vanishes_is_restated_with_null(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "replaced", 5, count=1)
    commit(table, DAYS[0], 2, "replaced", 6, count=0)
    commit(table, DAYS[0], 3, "replaced", 7, count=1)
    changes: list[Any] = [(r.measure, r.before, r.after) for r in DayLog(table).restatements]
    assert changes == [("rows", "1", None), ("tokens", "5", None), ("rows", None, "1"), ("tokens", None, "7")]
    assert all(isinstance(r, Restatement) for r in DayLog(table).restatements)
    assert DayLog(table).states[DAYS[0]].shown == "v7"


def test_a_closed_day_keeps_its_version_until_its_rows_are_removed_and_stays_closed(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "replaced", 1, count=2)
    log = DayLog(small_table(tmp_path))
    table.record_day(DAYS[0], 2, day_commit(DAYS[0], 2, "closed", {}, {}, reason="kept long enough"))
    log.refresh()
    state = log.states[DAYS[0]]
    assert (state.closed, state.shown, state.rows) == ("kept long enough", "v1", 2)
    assert state.inputs == state.tried != {}
    table.replace_day(DAYS[0], rows(DAYS[0], 0), 3, day_commit(DAYS[0], 3, "removed", {}, {}, reason="kept long enough"))
    log.refresh()
    assert log.closed == {DAYS[0]: "kept long enough"}
    assert (log.states[DAYS[0]].shown, log.states[DAYS[0]].rows, log.paths(DAYS[0])) == (None, 0, [])
    assert log.states == DayLog(small_table(tmp_path)).states


def test_a_day_that_was_never_computed_can_be_closed(tmp_path: Path) -> None:
    table = small_table(tmp_path)
    table.record_day(DAYS[1], 1, day_commit(DAYS[1], 1, "closed", {}, {}, reason="kept long enough"))
    state = DayLog(table).states[DAYS[1]]
    assert (state.closed, state.version, state.sequence) == ("kept long enough", None, 1)


@settings(max_examples=25, deadline=None)
@given(steps, st.integers(1, 4))
def test_a_log_read_from_its_checkpoint_equals_one_read_from_its_commits(
    history: list[tuple[date, str, int, bool]], every: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr("resources.days.CHECKPOINT_COMMITS", every)
        store, checkpoint = TableStore(Path(folder), durable=False), Path(folder) / "logs.small.json"
        table, sequences = store.open(CONTRACT), dict.fromkeys(DAYS, 0)
        for number, (day, outcome, count, look) in enumerate(history):
            sequences[day] += 1
            table.refresh()
            commit(table, day, sequences[day], outcome, number, count)
            if look:
                DayLog(store.open(CONTRACT), checkpoint)
        short, whole = DayLog(store.open(CONTRACT), checkpoint), DayLog(store.open(CONTRACT))
        assert short.states == whole.states
        assert short.restatements == whole.restatements
        assert short.closed == whole.closed


def test_a_checkpoint_of_a_table_that_was_made_anew_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.days.CHECKPOINT_COMMITS", 1)
    checkpoint = tmp_path / "logs.small.json"
    for name, number in (("before", 1), ("after", 2)):
        table = small_table(tmp_path / name)
        commit(table, DAYS[0], 1, "replaced", number)
        log = DayLog(small_table(tmp_path / name), checkpoint)
        assert log.states[DAYS[0]].version == f"v{number}"
        assert log.states[DAYS[0]].inputs == {"code": "c", f"logs.landed@{DAYS[0]}": f"i{number}"}


def test_a_table_restored_to_before_its_checkpoint_is_read_from_its_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.days.CHECKPOINT_COMMITS", 1)
    table = small_table(tmp_path)
    commit(table, DAYS[0], 1, "replaced", 1)
    commit(table, DAYS[0], 2, "replaced", 2)
    checkpoint = tmp_path / "logs.small.json"
    DayLog(small_table(tmp_path), checkpoint)
    earlier = TableStore(tmp_path, durable=False).open(CONTRACT, version=1)
    assert DayLog(earlier, checkpoint).states[DAYS[0]].version == "v1"
