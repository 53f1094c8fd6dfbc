"""Delta tables behind a few verbs: what conflicts, what is appended once, and what a changed contract does to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from core import core_contracts, core_house, priced, reopened
from house import request, with_sql

from resources import table_store
from resources.contracts import Column, Contract, ContractError
from resources.table_store import CommitConflict, TableStore, arrow_schema

DAY, NEXT = date(2026, 11, 3), date(2026, 11, 4)
DAILY = Contract(
    "logs",
    "small",
    "derived",
    "a row",
    "team:x",
    (Column("day", "DATE", "Day"), Column("name", "VARCHAR", "Name")),
    key=("name",),
)


def rows(contract: Contract, *named: tuple[date, str]) -> pa.RecordBatchReader:
    records = [{"day": day, "name": name} for day, name in named]
    return pa.Table.from_pylist(records, schema=arrow_schema(contract)).to_reader()


def two_handles(folder: Path) -> tuple[TableStore, TableStore]:
    first, second = TableStore(folder, durable=False), TableStore(folder, durable=False)
    first.open(DAILY)
    return first, second


@pytest.mark.parametrize("first_writes", [(), ((DAY, "a"),)])
@pytest.mark.parametrize("second_writes", [(), ((DAY, "b"),)])
def test_two_commits_of_one_day_conflict_even_when_both_are_empty(
    tmp_path: Path, first_writes: tuple[tuple[date, str], ...], second_writes: tuple[tuple[date, str], ...]
) -> None:
    first, second = (store.open(DAILY) for store in two_handles(tmp_path))
    first.replace_day(DAY, rows(DAILY, *first_writes), 1, {"by": 1})
    with pytest.raises(CommitConflict):
        second.replace_day(DAY, rows(DAILY, *second_writes), 1, {"by": 2})
    second.refresh()
    assert [c.metadata for c in second.commits()] == [{"by": 1}]


def test_recording_inputs_conflicts_with_a_replacement_of_the_day(tmp_path: Path) -> None:
    first, second = (store.open(DAILY) for store in two_handles(tmp_path))
    first.record_day(DAY, 1, {})
    with pytest.raises(CommitConflict):
        second.replace_day(DAY, rows(DAILY), 1, {})


def test_commits_of_two_days_both_stand(tmp_path: Path) -> None:
    first, second = (store.open(DAILY) for store in two_handles(tmp_path))
    first.record_day(DAY, 1, {"day": 1})
    second.record_day(NEXT, 1, {"day": 2})
    second.refresh()
    assert [c.metadata for c in second.commits()] == [{"day": 1}, {"day": 2}]


def test_replacing_a_day_leaves_the_others_alone_and_may_empty_it(tmp_path: Path) -> None:
    table = TableStore(tmp_path, durable=False).open(DAILY)
    table.replace_day(DAY, rows(DAILY, (DAY, "a")), 1, {})
    table.replace_day(NEXT, rows(DAILY, (NEXT, "b")), 1, {})
    table.replace_day(DAY, rows(DAILY), 2, {})
    assert [(f.day, f.rows) for f in table.files()] == [(NEXT, 1)]


def test_an_append_of_one_transaction_counts_once(tmp_path: Path) -> None:
    first, second = two_handles(tmp_path)
    assert first.open(DAILY).append_once("ingest:x", rows(DAILY, (DAY, "a")), {})
    assert not second.open(DAILY).append_once("ingest:x", rows(DAILY, (DAY, "a")), {})
    assert second.open(DAILY).append_once("ingest:y", rows(DAILY, (DAY, "b")), {})
    assert sum(f.rows for f in first.open(DAILY).files()) == 2


def test_a_racing_append_of_one_transaction_is_refused(tmp_path: Path) -> None:
    first, second = (store.open(DAILY) for store in two_handles(tmp_path))
    first.append_once("ingest:x", rows(DAILY, (DAY, "a")), {})
    with pytest.raises(CommitConflict):
        second.append_once("ingest:x", rows(DAILY, (DAY, "a")), {})


def test_commits_are_read_from_where_the_reader_left_off(tmp_path: Path) -> None:
    table = TableStore(tmp_path, durable=False).open(DAILY)
    for number in range(1, 4):
        table.record_day(DAY, number, {"n": number})
    assert [c.metadata["n"] for c in table.commits()] == [1, 2, 3]
    assert [c.metadata["n"] for c in table.commits(after=2)] == [3]
    assert table.commits(after=table.version) == []


def test_a_changed_type_is_refused_with_what_to_do(tmp_path: Path) -> None:
    store = TableStore(tmp_path, durable=False)
    store.open(DAILY)
    changed = replace(DAILY, columns=(DAILY.columns[0], Column("name", "BIGINT", "Name")))
    with pytest.raises(
        ContractError,
        match=r"logs\.small\.name is stored as .*string.*, the contract says BIGINT; give the new meaning a new column name",
    ):
        store.open(changed)


def test_a_column_that_the_contract_dropped_stays_stored_and_is_null_from_then_on(tmp_path: Path) -> None:
    store = TableStore(tmp_path, durable=False)
    wide = replace(DAILY, columns=(*DAILY.columns, Column("note", "VARCHAR", "Note")))
    records = [{"day": DAY, "name": "a", "note": "x"}]
    before = pa.Table.from_pylist(records, schema=arrow_schema(wide)).to_reader()
    store.open(wide).replace_day(DAY, before, 1, {})
    table = store.open(DAILY)
    table.replace_day(NEXT, rows(DAILY, (NEXT, "b")), 1, {})
    table.record_day(NEXT, 2, {})
    assert [(f.day, f.rows) for f in store.open(wide).files()] == [(DAY, 1), (NEXT, 1)]


def test_a_type_that_no_table_may_have_is_refused() -> None:
    with pytest.raises(ContractError, match="'JSON' is not stored"):
        arrow_schema(replace(DAILY, columns=(Column("name", "JSON", "Name"),)))


def test_a_gained_column_is_null_on_older_days_for_steps_and_for_readers(tmp_path: Path) -> None:
    """Two generations of files: the days of before the new column and those after it, read together."""
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", [request("r3", "2026-11-03T10:00:00Z")])
    house.night()

    contracts = core_contracts()
    landed, requests = contracts["logs.landed"], contracts["logs.requests"]
    gained = Column("datacenter", "VARCHAR", "Where it ran")
    sql = requests.sql_path.read_text(encoding="utf-8").replace(
        "as input_tokens\n",
        "as input_tokens,\n    cast(landed.datacenter as varchar) as datacenter\n",
    )
    assert "datacenter" in sql
    contracts["logs.landed"] = replace(landed, columns=(*landed.columns, gained))
    contracts["logs.requests"] = with_sql(replace(requests, columns=(*requests.columns, gained)), tmp_path, sql)
    later = reopened(house, contracts)
    done = later.night()
    # The new column is part of what logs.requests promises: every day of it is computed anew, from files that lack it.
    assert done["logs.requests", DAY].outcome == "replaced"
    assert later.ask("select request_id, datacenter from logs.requests") == [("r3", None)]
    assert later.ask("select request_id, datacenter from logs.landed") == [("r3", None)]
    assert later.is_quiet()


def test_older_days_that_are_not_computed_anew_show_null_in_the_published_view(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", [request("r3", "2026-11-03T10:00:00Z"), request("r5", "2026-11-05T10:00:00Z")])
    house.land()
    house.night()
    contracts = core_contracts()
    table = contracts["logs.request_days"]
    sql = table.sql_path.read_text(encoding="utf-8").replace(
        "from logs.requests", ", cast('x' as varchar) as note from logs.requests", 1
    )
    contracts["logs.request_days"] = with_sql(
        replace(table, columns=(*table.columns, Column("note", "VARCHAR", "A note"))), tmp_path, sql.replace("ts\n,", "ts,")
    )
    later = reopened(house, contracts)
    plan = later.plan()
    assert {s.table for s in plan.stale} == {"logs.request_days"}
    # Only the newer day is computed before the next publishing.
    newer = replace(plan, ranges=[r for r in plan.ranges if r.first > DAY])
    assert {d for _, d in later.compute(newer)} == {date(2026, 11, 5)}
    later.publish()
    assert later.ask("select day, note from logs.request_days order by day") == [(DAY, None), (date(2026, 11, 5), "x")]


def test_a_table_of_an_earlier_release_is_opened_as_fast_as_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handle reads every commit since the last checkpoint: a table that was made without the interval gets it, once."""
    early = {key: value for key, value in table_store._CONFIGURATION.items() if key != "delta.checkpointInterval"}
    with monkeypatch.context() as earlier:
        earlier.setattr(table_store, "_CONFIGURATION", early)
        TableStore(tmp_path, durable=False).open(DAILY)
    table = TableStore(tmp_path, durable=False).open(DAILY)
    assert TableStore(tmp_path, durable=False).open(DAILY).version == table.version == 1
    for sequence in range(1, 45):
        table.record_day(DAY, sequence, {})
    log = tmp_path / "logs" / "small" / "_delta_log"
    assert sorted(int(path.name[:20]) for path in log.glob("*.checkpoint.parquet")) == [19, 39]
    assert len(TableStore(tmp_path, durable=False).open(DAILY).commits()) == 44
    assert table.has_whole_files
