"""Versions of inputs: what makes a day stale, and what must not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from core import core_contracts, core_house, day, file_states, priced
from house import House, request, with_sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources import day_inputs
from resources.contracts import Check, Column, Contract
from resources.day_inputs import DayInputs, code_digest, is_newer, live_files_sql, take_pins
from resources.maintenance import compact_ledgers
from resources.references import replace_reference
from resources.table_store import arrow_schema
from resources.warehouse import connect, fingerprint

MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)


def inputs_of(house: House) -> DayInputs:
    return DayInputs(house.store, take_pins(house.store, house.last_due_day))


def price_version(house: House, on: date) -> str:
    return inputs_of(house).of(house.store.contracts["cost.charges"], on)["cost.prices"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return priced(core_house(tmp_path))


# References


def price_rows(house: House, *spans: tuple[datetime, datetime]) -> None:
    """One rate, valid for these spans."""
    sample = house.store.rows(
        f"select * exclude (valid_from, valid_to) from ({house.store.scan_all('cost.prices')}) where charge_class = 'output'"
    )
    names = [c.name for c in house.store.contracts["cost.prices"].columns if c.name not in ("valid_from", "valid_to")]
    rate = dict(zip(names, sample[0], strict=True))
    rows = [rate | {"valid_from": since, "valid_to": until} for since, until in spans]
    schema = arrow_schema(house.store.contracts["cost.prices"])
    replace_reference(house.store, "cost.prices", pa.Table.from_pylist(rows, schema=schema))


ALWAYS = (datetime(2023, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.integers(-48, 72))
def test_a_price_that_holds_all_day_looks_the_same_whenever_it_began(house: House, hours: int) -> None:
    price_rows(house, ALWAYS)
    whole = price_version(house, day("11-03"))
    edge = MIDNIGHT + timedelta(hours=hours)
    price_rows(house, (ALWAYS[0], edge), (edge, ALWAYS[1]))
    assert (price_version(house, day("11-03")) == whole) == (not 0 < hours < 24)


def test_a_price_of_other_days_does_not_count(house: House) -> None:
    price_rows(house, ALWAYS)
    whole = price_version(house, day("11-03"))
    price_rows(house, (MIDNIGHT, MIDNIGHT + timedelta(days=1)))
    assert price_version(house, day("11-03")) == whole
    # Its last instant is not part of it.
    assert price_version(house, day("11-04")) == price_version(house, day("11-02")) != whole


def test_an_edge_at_another_hour_of_the_day_is_another_version(house: House) -> None:
    versions = set()
    for hour in (6, 7, 18):
        edge = MIDNIGHT + timedelta(hours=hour)
        price_rows(house, (ALWAYS[0], edge), (edge, ALWAYS[1]))
        versions.add(price_version(house, day("11-03")))
    assert len(versions) == 3


def test_a_new_catalogue_with_the_same_prices_is_the_same_book(house: House) -> None:
    rows = house.store.rows(f"select * from ({house.store.scan_all('cost.prices')})")
    names = [c.name for c in house.store.contracts["cost.prices"].columns]
    renamed = [dict(zip(names, row, strict=True)) | {"origin": "catalogue 9.9"} for row in rows]
    before = price_version(house, day("11-03"))
    schema = arrow_schema(house.store.contracts["cost.prices"])
    replace_reference(house.store, "cost.prices", pa.Table.from_pylist(renamed, schema=schema))
    assert price_version(house, day("11-03")) == before


# Ledgers


def landed_version(house: House, on: date) -> dict[str, str]:
    return {k: v for k, v in inputs_of(house).of(house.store.contracts["logs.requests"], on).items() if "@" in k}


def test_the_ledgers_version_depends_neither_on_order_nor_on_names_nor_on_compaction(tmp_path: Path) -> None:
    files = {f"{n}.jsonl": [request(f"r{n}", f"2026-11-0{3 + n % 2}T10:{n:02d}:00Z")] for n in range(10)}
    forwards, backwards = priced(core_house(tmp_path / "a")), priced(core_house(tmp_path / "b"))
    for name, rows in files.items():
        forwards.deliver(name, rows)
        forwards.land()
    for name, rows in reversed(files.items()):
        backwards.deliver(f"other-{name}", rows)
        backwards.land()
    before = [landed_version(forwards, day(d)) for d in ("11-02", "11-03", "11-04")]
    assert before == [landed_version(backwards, day(d)) for d in ("11-02", "11-03", "11-04")]
    assert compact_ledgers(forwards.store) > 0
    assert before == [landed_version(forwards, day(d)) for d in ("11-02", "11-03", "11-04")]


def test_rows_whose_file_is_not_recorded_yet_do_not_count(house: House) -> None:
    """The lander was killed between the rows and the file's row: readers and steps see neither."""
    house.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.land()
    stored = house.store.rows(f"select * replace ('half-landed' as file_id) from ({house.store.scan_all('logs.landed')})")
    names = [c.name for c in house.store.contracts["logs.landed"].columns]
    before = landed_version(house, day("11-03"))
    rows = pa.Table.from_pylist(
        [dict(zip(names, stored[0], strict=True))], schema=arrow_schema(house.store.contracts["logs.landed"])
    )
    house.store.open("logs.landed").append_once("ingest:half-landed", rows.to_reader(), {})
    assert landed_version(house, day("11-03")) == before
    house.night()
    assert house.ask("select count(*) from logs.landed") == [(1,)]
    assert house.ask("select count(*) from logs.requests") == [(1,)]


def test_all_days_of_all_tables_of_a_run_read_the_list_of_files_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows every night: a look into it for every day would be a year long."""
    house.deliver("a.jsonl", [request(f"r{n}", f"2026-11-0{2 + n}T10:00:00Z") for n in range(3)])
    house.land()
    looks: list[str] = []
    monkeypatch.setattr(day_inputs, "live_files_sql", lambda files: looks.append(files) or live_files_sql(files))
    assert {outcome.outcome for outcome in house.compute().values()} == {"replaced"}
    assert len(looks) == 1


def test_a_run_reads_what_it_pinned_and_not_what_landed_meanwhile(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.land()
    pinned = house.plan()
    house.deliver("b.jsonl", [request("r2", "2026-11-03T11:00:00Z")])
    house.land()
    house.compute(pinned)
    house.publish()
    assert house.ask("select request_id from logs.requests") == [("r1",)]
    assert house.ask(
        "select distinct state from governance.freshness where question = 'logs' and day = date '2026-11-03'"
    ) == [("late_rows",)]
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]


def test_a_run_that_started_earlier_gives_the_day_up_to_one_that_started_later(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.land()
    slow = house.plan()
    house.deliver("b.jsonl", [request("r2", "2026-11-03T11:00:00Z")])
    house.night()
    assert {outcome.outcome for outcome in house.compute(slow).values()} == {"given_up"}
    assert house.ask("select count(*) from logs.requests") == [(2,)]
    assert house.plan().stale == []


def test_newer_is_anything_seen_later() -> None:
    ours: dict[str, Any] = {"last_due_day": "2026-11-09", "logs.files": 4, "cost.prices": 2}
    assert not is_newer(ours, ours)
    assert is_newer(ours | {"cost.prices": 3}, ours)
    assert is_newer(ours | {"last_due_day": "2026-11-10"}, ours)
    assert is_newer(ours | {"logs.files": 5, "cost.prices": 1}, ours)
    assert not is_newer(ours | {"a.table_gone_since": 9}, ours)


def test_the_same_bytes_in_another_folder_are_a_copy_whatever_order_they_come_in(tmp_path: Path) -> None:
    for names in (("gateway", "replacing"), ("replacing", "gateway")):
        house = core_house(tmp_path / names[0])
        for source in names:
            house.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")], source)
            house.land()
        assert sorted(state for _, state in file_states(house)) == ["copy", "landed"]


# Fingerprints

TEXTS = Contract("logs", "texts", "derived", "a row", "team:x", (Column("a", "VARCHAR", "A"), Column("b", "VARCHAR", "B")))
texts = st.one_of(st.none(), st.text(alphabet="|\\N,'a", max_size=4), st.sampled_from(["", "NULL", "\\N", "|", "\x1f"]))
records = st.lists(st.tuples(texts, texts), max_size=5)


@pytest.fixture(scope="module")
def con() -> Any:
    return connect()


def fingerprint_of(con: Any, contract: Contract, rows: list[tuple[Any, ...]]) -> str:
    table = pa.Table.from_pylist(
        [dict(zip((c.name for c in contract.columns), row, strict=True)) for row in rows], schema=arrow_schema(contract)
    )
    con.register("fingerprinted", table)
    return fingerprint(con, contract, "select * from fingerprinted")[0]


@settings(max_examples=150, deadline=None)
@given(records, st.randoms())
def test_a_fingerprint_does_not_depend_on_order(con: Any, rows: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert fingerprint_of(con, TEXTS, shuffled) == fingerprint_of(con, TEXTS, rows)


@settings(max_examples=300, deadline=None)
@given(records, records)
def test_other_rows_have_another_fingerprint(con: Any, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> None:
    assert (fingerprint_of(con, TEXTS, one) == fingerprint_of(con, TEXTS, other)) == (Counter(one) == Counter(other))


def test_null_and_what_looks_like_it_and_separators_are_told_apart(con: Any) -> None:
    firsts = ["", "NULL", "\\N", "|", "\\", "\\|", "x"]
    rows: list[tuple[Any, ...]] = [(first, "x") for first in (None, *firsts)]
    rows += [("|x", None), ("", "|x"), ("\\", "|x"), ("x", None)]
    assert len({fingerprint_of(con, TEXTS, [row]) for row in rows}) == len(rows)


def test_equal_rows_do_not_cancel(con: Any) -> None:
    one, two, three, none = (fingerprint_of(con, TEXTS, [("a", "b")] * n) for n in (1, 2, 3, 0))
    assert len({one, two, three, none}) == 4


def test_a_sum_whose_last_digits_wander_is_the_same_number(con: Any) -> None:
    sums = Contract("logs", "sums", "derived", "a row", "team:x", (Column("total", "DOUBLE", "Total"),))
    total = sum([0.1] * 10)
    assert total != 1.0
    assert fingerprint_of(con, sums, [(total,)]) == fingerprint_of(con, sums, [(1.0,)])
    assert fingerprint_of(con, sums, [(1.000001,)]) != fingerprint_of(con, sums, [(1.0,)])


def test_a_volatile_column_is_left_out_and_a_renamed_one_is_not(con: Any) -> None:
    volatile = replace(TEXTS, volatile=("b",))
    assert fingerprint_of(con, volatile, [("a", "x")]) == fingerprint_of(con, volatile, [("a", "y")])
    renamed = replace(TEXTS, columns=(TEXTS.columns[0], replace(TEXTS.columns[1], name="c")))
    assert fingerprint_of(con, renamed, [("a", "x")]) != fingerprint_of(con, TEXTS, [("a", "x")])


# Code


def test_the_code_digest_sees_what_changes_rows_or_verdicts_and_nothing_else(tmp_path: Path) -> None:
    charges = core_contracts()["cost.charges"]
    sql = charges.sql_path.read_text(encoding="utf-8")

    folders = (tmp_path / str(number) for number in count())

    def edited(text: str) -> Contract:
        return with_sql(charges, next(folders), text)

    before = code_digest(charges)
    check = Check("rule", "quantity > 5", "Meaning")
    same = [
        edited(f"-- comment\n{sql}"),
        edited(sql.replace("\n", "\n\n")),
        replace(charges, row="Said otherwise.", caveats=None),
        replace(charges, columns=tuple(replace(c, meaning="Said otherwise") for c in charges.columns)),
        replace(charges, checks=(*charges.checks, replace(check, blocking=False))),
    ]
    assert [code_digest(contract) for contract in same] == [before] * len(same)
    other = [
        edited(f"{sql} limit 1"),
        edited(sql.replace("'unpriced'", "'un--priced'", 1)),  # not a comment
        replace(charges, columns=charges.columns[:-1]),
        replace(charges, checks=(*charges.checks, check)),
        replace(charges, checks=(*charges.checks, replace(check, failing="quantity > 6"))),
        replace(charges, code_version="2"),
    ]
    assert len({before, *(code_digest(contract) for contract in other)}) == len(other) + 1


def test_a_comment_sign_inside_a_text_is_no_comment(tmp_path: Path) -> None:
    days = core_contracts()["logs.request_days"]
    one = with_sql(days, tmp_path / "1", "select '-- a' as request_id -- a comment")
    two = with_sql(days, tmp_path / "2", "select '-- b' as request_id /* another */")
    assert code_digest(one) != code_digest(two)
