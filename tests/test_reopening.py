"""What re-opens which days: each change of files, prices, code, tenants or checks, and exactly the days it must touch.

A night's outcomes name every table and day that was not fresh, so an equality with them is also the promise that
nothing else was computed. Every test ends with a second night that does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from core import COST, LOGS, at, by_outcome, core_contracts, core_house, day, declare_tenants, file_states, priced, reopened
from house import SOURCES, House, price, request, with_sql

from resources.contracts import Check, Column, Contract, ContractError, parse
from resources.maintenance import compact_ledgers
from resources.sources import Source

AFTER_REQUESTS = ("logs.request_days", *COST)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The core tables with one priced model, at 03:00 UTC of 2026-11-10: the ninth is the last due day."""
    return priced(core_house(tmp_path))


def assert_quiet(house: House) -> None:
    """A second night has nothing to do, and publishes nothing."""
    number = house.publisher.current_number()
    assert house.night() == {}
    assert house.is_quiet()
    assert house.publisher.current_number() == number


def restated(house: House) -> list[tuple[object, ...]]:
    return house.ask(
        "select table_name, strftime(day, '%m-%d'), grouping, measure, before, after, cause "
        "from logs.restatements order by all"
    )


def usd(text: str) -> Decimal:
    return Decimal(text)


def test_a_late_row_reopens_its_day_alone(house: House) -> None:
    house.deliver("early.jsonl", [request(f"r{n}", f"2026-11-0{n}T10:00:00Z") for n in range(1, 8)])
    house.night()
    house.deliver("late.jsonl", [request("late", "2026-11-03T23:00:00Z")])
    assert by_outcome(house.night()) == {
        "replaced": at(("logs.requests", *AFTER_REQUESTS), "11-03"),
        # The neighbours read the day for re-deliveries: same rows, only their inputs are recorded.
        "unchanged": at(["logs.requests"], "11-02", "11-04") | at(["logs.duplicates"], "11-02", "11-03", "11-04"),
    }
    assert_quiet(house)


def test_a_late_row_is_restated_measure_by_measure_with_its_cause(house: House) -> None:
    house.deliver("early.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.night()
    assert restated(house) == []
    house.deliver("late.jsonl", [request("late", "2026-11-03T10:01:00Z", uncached_input_tokens=500, output_tokens=0)])
    house.night()
    landed, requests = "logs.landed@2026-11-03", "logs.requests@2026-11-03"
    charges = "cost.charges@2026-11-03, cost.request_costs@2026-11-03"
    assert [row for row in restated(house) if row[0] == "logs.requests"] == [
        ("logs.requests", "11-03", "acme|large", "input_tokens", 1000, 1500, landed),
        ("logs.requests", "11-03", "acme|large", "rows", 1, 2, landed),
    ]
    by_cause = {(row[0], row[6]) for row in restated(house)}
    assert by_cause == {("logs.requests", landed), ("cost.charges", requests), ("cost.cost_15min", charges)}
    amounts = [row for row in restated(house) if row[2] == "USD|uncached_input|acme|large" and row[3] == "contracted_amount"]
    assert [row[4:6] for row in amounts] == [(usd("0.002"), usd("0.003"))] * 2


def test_a_price_corrected_long_ago_reprices_its_two_days_alone(house: House) -> None:
    days = ("10-01", "10-02", "10-03", "10-04", "11-09")
    house.deliver("a.jsonl", [request(f"r{d}", f"2026-{d}T10:00:00Z") for d in days])
    house.night()
    discount = {
        "provider": "acme", "model": "large", "contracted": {"uncached_input": "1.5"},
        "valid_from": day("10-02"), "valid_to": day("10-04"),
    }  # fmt: skip
    house.set_prices([price("large", 2.0), discount])
    done = house.night()
    assert by_outcome(done) == {"replaced": at(COST, "10-02", "10-03")}
    changed = [row for row in restated(house) if row[0] == "cost.charges"]
    assert changed == [
        ("cost.charges", d, "USD|uncached_input|acme|large", "contracted_amount", usd("0.002"), usd("0.0015"), "cost.prices")
        for d in ("10-02", "10-03")
    ]
    assert_quiet(house)


def test_a_price_of_tomorrow_leaves_yesterday_alone(house: House) -> None:
    house.deliver("a.jsonl", [request("r8", "2026-11-08T10:00:00Z"), request("r9", "2026-11-09T10:00:00Z")])
    house.night()
    house.set_prices([price("large", 2.0, until="2026-11-10"), price("large", 5.0, since="2026-11-10")])
    assert house.night() == {}
    # Delivered before the night of its day: the price of that day, not of the day before, is used.
    house.deliver("b.jsonl", [request("r10", "2026-11-10T01:00:00Z")])
    house.now = house.now.replace(day=11)
    house.night()
    costs = house.ask(
        "select day, sum(list_amount) from cost.charges where charge_class = 'uncached_input' group by 1 order by 1"
    )
    assert costs == [(day("11-08"), usd("0.002")), (day("11-09"), usd("0.002")), (day("11-10"), usd("0.005"))]
    assert restated(house) == []
    assert_quiet(house)


def test_changed_sql_recomputes_every_computed_day_and_equal_rows_disturb_nobody(house: House, tmp_path: Path) -> None:
    house.deliver("a.jsonl", [request(f"r{n}", f"2026-11-0{n}T10:00:00Z") for n in (2, 3)])
    house.night()
    number = house.publisher.current_number()
    before = house.publisher.manifest()["tables"]
    contracts = core_contracts()
    sql = contracts["logs.requests"].sql_path.read_text(encoding="utf-8")
    contracts["logs.requests"] = with_sql(contracts["logs.requests"], tmp_path, f"select * from ({sql}\n) as r where true")
    later = reopened(house, contracts)
    assert by_outcome(later.night()) == {"unchanged": at(["logs.requests"], "11-01", "11-02", "11-03", "11-04")}
    assert later.publisher.current_number() == number
    assert later.publisher.manifest()["tables"] == before
    assert_quiet(later)


def test_sql_that_computes_something_else_replaces_what_differs_and_nothing_below_that_is_equal(
    house: House, tmp_path: Path
) -> None:
    house.deliver("a.jsonl", [request(f"r{n}", f"2026-11-0{n}T10:00:00Z", region="eu") for n in (2, 3)])
    house.night()
    contracts = core_contracts()
    sql = contracts["logs.requests"].sql_path.read_text(encoding="utf-8")
    shown = "cast(landed.region as string) as region"
    assert shown in sql
    contracts["logs.requests"] = with_sql(
        contracts["logs.requests"], tmp_path, sql.replace(shown, "cast(upper(landed.region) as varchar) as region")
    )
    later = reopened(house, contracts)
    below = ("logs.request_days", "cost.charges", "cost.request_costs")
    assert by_outcome(later.night()) == {
        "replaced": at(["logs.requests"], "11-02", "11-03"),
        # The region stands in none of them. cost_15min reads only tables that stayed the same: it is not even looked at.
        "unchanged": at(["logs.requests"], "11-01", "11-04") | at(below, "11-02", "11-03"),
    }
    assert later.ask("select distinct region from logs.requests") == [("EU",)]
    assert_quiet(later)


def test_a_changed_comment_reopens_nothing(house: House, tmp_path: Path) -> None:
    house.deliver("a.jsonl", [request("r3", "2026-11-03T10:00:00Z")])
    house.night()
    contracts = core_contracts()
    for name in (*LOGS, *COST):
        sql = contracts[name].sql_path.read_text(encoding="utf-8")
        edited = "-- Said differently.\n" + sql.replace("\n", "\n\n  /* and more */ ", 1)
        contracts[name] = replace(with_sql(contracts[name], tmp_path, edited), columns=tuple(
            replace(column, meaning=f"{column.meaning} (reworded)") for column in contracts[name].columns
        ))  # fmt: skip
    later = reopened(house, contracts)
    assert later.plan().stale == []
    assert later.night() == {}


def test_a_retry_across_midnight_is_settled_the_night_after(house: House) -> None:
    house.deliver(
        "a.jsonl", [request("r8", "2026-11-08T10:00:00Z"), request("r", "2026-11-09T23:59:50Z", is_complete=False)]
    )
    house.deliver("b.jsonl", [request("r", "2026-11-10T00:00:10Z", is_complete=True)])
    done = house.night()
    assert {d for _, d in done} == {day("11-07"), day("11-08"), day("11-09")}
    assert house.ask("select day, request_id, is_complete from logs.requests order by 1") == [
        (day("11-08"), "r8", None),
        (day("11-09"), "r", False),
    ]
    assert_quiet(house)

    house.now = house.now.replace(day=11)
    assert by_outcome(house.night()) == {"replaced": at((*LOGS, *COST), "11-09", "11-10")}
    assert house.ask("select day, request_id, is_complete from logs.requests order by 1")[1:] == [(day("11-10"), "r", True)]
    assert house.ask("select day, request_id, winner_day from logs.duplicates") == [(day("11-09"), "r", day("11-10"))]
    # The day it left shows so: its figures are gone, and the record says what they were.
    gone = [row[:6] for row in restated(house) if row[0] == "cost.charges" and row[3] == "contracted_amount"]
    assert gone == [
        ("cost.charges", "11-09", "USD|output|acme|large", "contracted_amount", usd("0.0008"), None),
        ("cost.charges", "11-09", "USD|uncached_input|acme|large", "contracted_amount", usd("0.002"), None),
    ]
    assert_quiet(house)


def test_a_day_that_lost_its_last_row_becomes_empty_in_every_table(house: House) -> None:
    kept = request("r7", "2026-11-07T10:00:00Z")
    house.deliver("extract.jsonl", [request("r3", "2026-11-03T10:00:00Z"), kept], source="replacing")
    house.night()
    house.deliver("extract.jsonl", [kept], source="replacing")
    assert by_outcome(house.night()) == {
        # The seventh comes from another file now, and says so in logs.requests; what is computed from it is equal.
        "replaced": at(["logs.requests"], "11-03", "11-07") | at(AFTER_REQUESTS, "11-03"),
        "unchanged": at(["logs.requests"], "11-02", "11-04", "11-06", "11-08")
        | at(["logs.duplicates"], "11-02", "11-03", "11-04", "11-06", "11-07", "11-08")
        | at(("logs.request_days", "cost.charges", "cost.request_costs"), "11-07"),
    }
    for name in (*LOGS, *COST):
        assert {f.day for f in house.store.open(name).files()} <= {day("11-07")}
        assert house.ask(f"select count(*) from {name} where day = date '2026-11-03'") == [(0,)]
    assert [state for _, state in file_states(house)] == ["landed", "landed", "superseded"]
    assert_quiet(house)


def test_an_empty_extract_clears_its_rows_also_when_another_extract_is_empty_too(house: House) -> None:
    for number in (3, 5):
        house.deliver(f"extract-{number}.jsonl", [request(f"r{number}", f"2026-11-0{number}T10:00:00Z")], source="replacing")
    house.night()
    for number in (3, 5):
        house.deliver(f"extract-{number}.jsonl", [], source="replacing")
    house.night()
    assert house.ask("select count(*) from logs.requests") == [(0,)]
    assert house.ask("select count(*) from logs.landed") == [(0,)]
    assert_quiet(house)


def test_compacting_the_ledger_reopens_nothing(house: House) -> None:
    for number in range(12):
        house.deliver(f"f{number}.jsonl", [request(f"r{number}", f"2026-11-03T10:{number:02d}:00Z")])
    house.night()
    number = house.publisher.current_number()
    assert compact_ledgers(house.store) > 0
    assert len([f for f in house.store.open("logs.landed").files() if f.day == day("11-03")]) == 1
    assert house.plan().stale == []
    assert house.night() == {}
    assert house.publisher.current_number() == number
    assert house.ask("select count(*) from logs.landed") == [(12,)]


def trailing_contracts(folder: Path) -> dict[str, Contract]:
    """The core tables and `logs.trailing`: input tokens of 28 days."""
    contracts = core_contracts()
    window = Contract(
        question="logs",
        table="trailing",
        kind="derived",
        row="One day, with the input tokens of the 28 days that end with it.",
        owner="team:data-platform",
        columns=(
            replace(contracts["logs.requests"].column("day")),
            Column("tokens", "BIGINT", "Input tokens of 28 days"),
        ),
        key=("day",),
        reads={"logs.requests": (-27, 0)},
    )
    sql = (
        "-- One day.\nselect cast($day as date) as day, cast(sum(input_tokens) as bigint) as tokens from logs.requests "
        "having count(*) > 0\n"
    )
    contracts["logs.trailing"] = with_sql(window, folder, sql)
    return contracts


def november(first: int, last: int) -> list[str]:
    return [f"11-{n:02d}" for n in range(first, last + 1)]


def test_a_restated_day_reopens_the_28_days_that_look_back_on_it(tmp_path: Path) -> None:
    contracts = trailing_contracts(tmp_path)
    house = priced(core_house(tmp_path, "2026-12-20T03:00:00", contracts))
    house.deliver("a.jsonl", [request(f"r{n}", f"2026-11-{n:02d}T10:00:00Z") for n in (2, 12)])
    house.night()
    assert house.ask("select count(*), min(tokens), max(tokens) from logs.trailing") == [(38, 1000, 2000)]
    house.deliver("b.jsonl", [request("late", "2026-11-02T11:00:00Z")])
    assert by_outcome(house.night()) == {
        "replaced": at(("logs.requests", *AFTER_REQUESTS), "11-02") | at(["logs.trailing"], *november(2, 29)),
        "unchanged": at(["logs.requests"], "11-01", "11-03") | at(["logs.duplicates"], "11-01", "11-02", "11-03"),
    }
    assert_quiet(house)


def test_an_exact_redelivery_is_listed_and_touches_none_of_the_28_days(tmp_path: Path) -> None:
    contracts = trailing_contracts(tmp_path)
    house = priced(core_house(tmp_path, "2026-12-10T03:00:00", contracts))
    record = request("r2", "2026-11-02T10:00:00Z")
    house.deliver("a.jsonl", [record])
    house.night()
    house.deliver("again.jsonl", [record, request("other", "2026-12-10T01:00:00Z")])
    assert by_outcome(house.night()) == {
        "replaced": at(["logs.duplicates"], "11-02"),
        "unchanged": at(["logs.requests"], "11-01", "11-02", "11-03") | at(["logs.duplicates"], "11-01", "11-03"),
    }
    assert_quiet(house)


def test_a_reopened_day_with_equal_rows_touches_none_of_the_28_days(tmp_path: Path) -> None:
    contracts = trailing_contracts(tmp_path)
    house = priced(core_house(tmp_path, "2026-12-20T03:00:00", contracts))
    house.deliver("a.jsonl", [request("r2", "2026-11-02T10:00:00Z")])
    house.night()
    declare_tenants(house, "nobody-we-serve")
    assert by_outcome(house.night()) == {"unchanged": at(["logs.requests"], *november(1, 3))}
    assert_quiet(house)


def test_a_file_that_came_again_under_its_path_counts_instead_where_the_source_says_replace(house: House) -> None:
    house.deliver(
        "extract.jsonl", [request("r1", "2026-11-03T10:00:00Z"), request("gone", "2026-11-03T11:00:00Z")], "replacing"
    )
    house.night()
    house.deliver("extract.jsonl", [request("r1", "2026-11-03T10:00:00Z", output_tokens=7)], "replacing")
    assert by_outcome(house.night())["replaced"] == at(("logs.requests", *AFTER_REQUESTS), "11-03")
    assert house.ask("select request_id, output_tokens from logs.requests") == [("r1", 7)]
    assert house.ask("select count(*) from logs.landed") == [(1,)]
    assert house.ask("select count(*) from logs.duplicates") == [(0,)]
    assert_quiet(house)


def test_another_delivery_under_the_same_path_counts_too_where_the_source_says_append(house: House) -> None:
    house.deliver("app.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.night()
    house.deliver("app.jsonl", [request("r2", "2026-11-03T11:00:00Z")])
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]
    assert_quiet(house)


def test_a_file_that_merely_grew_counts_nothing_twice(house: House) -> None:
    first, second = request("r1", "2026-11-03T10:00:00Z"), request("r2", "2026-11-04T10:00:00Z")
    house.deliver("app.jsonl", [first])
    house.night()
    house.deliver("app.jsonl", [first, second])
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]
    assert house.ask("select count(*) from logs.duplicates") == [(0,)]
    assert house.ask("select count(*) from logs.landed") == [(2,)]
    assert [state for _, state in file_states(house)].count("superseded") == 1
    assert_quiet(house)


def test_a_log_that_grew_into_a_file_known_under_another_name_counts_nothing_twice(house: House) -> None:
    first, second = request("r1", "2026-11-03T10:00:00Z"), request("r2", "2026-11-03T11:00:00Z")
    house.deliver("app.jsonl", [first])
    house.night()
    house.deliver("archive.jsonl", [first, second])
    house.night()
    house.deliver("app.jsonl", [first, second])
    house.night()
    assert house.ask("select count(*) from logs.landed") == [(2,)]
    assert house.ask("select count(*) from logs.duplicates") == [(0,)]
    assert_quiet(house)


def test_the_same_bytes_under_another_name_are_a_copy(house: House) -> None:
    row = request("r1", "2026-11-03T10:00:00Z")
    house.deliver("a.jsonl", [row])
    house.night()
    house.deliver("b.jsonl", [row])
    assert house.night() == {}
    assert ("gateway/b.jsonl", "copy") in file_states(house)
    assert house.ask("select count(*) from logs.landed") == [(1,)]
    assert_quiet(house)


@pytest.mark.parametrize(("name", "source"), [("a.jsonl.bak", "gateway"), ("a.csv", "traces")])
def test_the_same_bytes_refused_under_another_name_take_nothing_away(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, source: str
) -> None:
    monkeypatch.setitem(SOURCES, "traces", Source("traces", "azure_llm_2023"))
    path = house.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    house.night()
    beside = house.landing / source / name
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(path.read_bytes())
    assert house.night() == {}
    assert house.ask("select state from logs.files order by state_number") == [("landed",), ("refused",)]
    assert house.ask("select request_id from logs.requests") == [("r1",)]
    assert_quiet(house)


def test_a_copy_stands_in_when_the_file_it_copies_is_replaced(house: House) -> None:
    row = request("r1", "2026-11-03T10:00:00Z")
    house.deliver("today.jsonl", [row], "replacing")
    house.night()
    # An extract set aside under another name before the new one comes in its place.
    house.deliver("yesterday.jsonl", [row], "replacing")
    house.deliver("today.jsonl", [request("r2", "2026-11-04T10:00:00Z")], "replacing")
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]
    house.deliver("yesterday.jsonl", [], "replacing")
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r2",)]
    assert_quiet(house)


def test_a_file_put_back_to_its_earlier_content_counts_again(house: House) -> None:
    both = [request("r1", "2026-11-03T10:00:00Z"), request("r2", "2026-11-05T10:00:00Z")]
    house.deliver("extract.jsonl", both, "replacing")
    house.night()
    first = house.fingerprints()
    house.deliver("extract.jsonl", both[:1], "replacing")
    house.night()
    assert house.ask("select request_id from logs.requests") == [("r1",)]
    house.deliver("extract.jsonl", both, "replacing")
    house.night()
    assert house.ask("select request_id from logs.requests order by 1") == [("r1",), ("r2",)]
    now = house.fingerprints()
    assert {name: now[name] for name in (*LOGS, *COST)} == {name: first[name] for name in (*LOGS, *COST)}
    assert_quiet(house)


def test_a_file_put_back_is_counted_as_it_was_landed_first(house: House) -> None:
    """Its rows are those of the first landing: a row that was quarantined then is not landed by waiting a week."""
    future = request("r2", "2026-11-15T10:00:00Z")
    house.deliver("extract.jsonl", [request("r1", "2026-11-03T10:00:00Z"), future], "replacing")
    house.night()
    house.deliver("extract.jsonl", [], "replacing")
    house.night()
    house.now = house.now.replace(day=20)
    house.deliver("extract.jsonl", [request("r1", "2026-11-03T10:00:00Z"), future], "replacing")
    house.night()
    claimed = house.ask("select records_landed from logs.files where state = 'landed' and records > 0 order by state_number")
    assert claimed == [(1,), (1,)]
    assert house.ask("select count(*) from logs.landed") == [(1,)]
    assert house.ask("select day, count(*) from logs.requests group by day") == [(day("11-03"), 1)]
    assert_quiet(house)


def test_a_declared_tenant_reopens_only_what_shows_its_name(house: House) -> None:
    house.deliver(
        "a.jsonl",
        [request("r3", "2026-11-03T10:00:00Z", tenant="larkspur"), request("r6", "2026-11-06T10:00:00Z", tenant="x")],
    )
    house.night()
    declare_tenants(house, "larkspur")
    named = ("logs.requests", "cost.request_costs", "cost.cost_15min")
    assert by_outcome(house.night()) == {
        "replaced": at(named, "11-03"),
        "unchanged": at(["logs.requests"], "11-02", "11-04", "11-05", "11-06", "11-07")
        | at(("logs.request_days", "cost.charges"), "11-03"),
    }
    assert house.ask("select tenant from cost.cost_15min where day = date '2026-11-03' group by 1") == [("larkspur",)]
    assert_quiet(house)


def with_check(contracts: dict[str, Contract], failing: str) -> dict[str, Contract]:
    check = Check("small_answers", failing, "Answers are small")
    charges = contracts["cost.charges"]
    return contracts | {"cost.charges": replace(charges, checks=(*charges.checks, check))}


def test_a_repaired_check_releases_the_day_that_it_held_back(house: House) -> None:
    house = reopened(house, with_check(core_contracts(), "charge_class = 'output' and quantity > 50"))
    house.deliver(
        "a.jsonl", [request("r3", "2026-11-03T10:00:00Z"), request("r5", "2026-11-05T10:00:00Z", output_tokens=10)]
    )
    done = by_outcome(house.night())
    assert done["failed"] == at(["cost.charges"], "11-03")
    assert at(COST, "11-05") <= done["replaced"]
    # What is computed beside the missing table (missing is not zero) is not shown either.
    for name in COST:
        assert house.ask(f"select distinct day from {name}") == [(day("11-05"),)]
    states = (
        "select table_name, state from governance.freshness where question = 'cost' and day = date '2026-11-03' order by 1"
    )
    assert ("charges", "failed") in house.ask(states)
    assert_quiet(house)  # it is not tried again while nothing changes

    repaired = reopened(house, with_check(core_contracts(), "charge_class = 'output' and quantity > 5000"))
    done = by_outcome(repaired.night())
    # A new rule is a new promise: every day is held against it.
    assert done["replaced"] >= at(COST, "11-03")
    assert at(["cost.charges"], "11-05") <= done["unchanged"]
    assert "failed" not in done
    assert repaired.ask("select day, count(*) from cost.charges group by 1 order by 1") == [
        (day("11-03"), 2),
        (day("11-05"), 2),
    ]
    assert {state for _, state in repaired.ask(states)} == {"fresh"}
    assert_quiet(repaired)


def test_a_held_back_correction_leaves_readers_the_earlier_rows(house: House) -> None:
    house = reopened(house, with_check(core_contracts(), "charge_class = 'output' and quantity > 500"))
    house.deliver("a.jsonl", [request("r3", "2026-11-03T10:00:00Z")])
    house.night()
    house.deliver("b.jsonl", [request("huge", "2026-11-03T11:00:00Z", output_tokens=501)])
    assert by_outcome(house.night())["failed"] == at(["cost.charges"], "11-03")
    assert house.ask("select request_id from cost.charges group by 1") == [("r3",)]
    # The other question goes on; its readers see both.
    assert house.ask("select count(*) from logs.requests") == [(2,)]
    assert house.ask("select state from governance.freshness where table_name = 'charges' and day = date '2026-11-03'") == [
        ("failed",)
    ]
    assert_quiet(house)


def running_contracts(folder: Path) -> dict[str, Contract]:
    """The core tables and `logs.running`: input tokens since the first day, told by the table's own day before."""
    contracts = core_contracts()
    raw = {
        "row": "One day, with the input tokens of all days up to it.",
        "kind": "derived",
        "owner": "team:data-platform",
        "key": ["day"],
        "reads": {"logs.requests": [0, 0], "logs.running": [-1, -1]},
        "columns": {"tokens": {"type": "BIGINT", "meaning": "Input tokens of all days up to it"}},
    }
    sql = (
        "-- One day.\nselect cast($day as date) as day, cast(sum(n) as bigint) as tokens from ("
        "select input_tokens as n from logs.requests union all select tokens as n from logs.running) as t "
        "having count(*) > 0\n"
    )
    contracts["logs.running"] = with_sql(parse("logs", "running", raw), folder, sql)
    return contracts


def test_a_table_that_reads_its_own_day_before_is_computed_from_day_to_day_until_it_is_settled(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path, "2026-11-06T03:00:00", running_contracts(tmp_path)))
    house.deliver("a.jsonl", [request(f"r{n}", f"2026-11-0{n}T10:00:00Z") for n in (2, 3, 5)])
    house.night()
    running = "select day::text, tokens from logs.running order by 1"
    assert house.ask(running) == [
        ("2026-11-02", 1000), ("2026-11-03", 2000), ("2026-11-04", 2000), ("2026-11-05", 3000),
    ]  # fmt: skip
    house.deliver("b.jsonl", [request("late", "2026-11-03T11:00:00Z")])
    assert by_outcome(house.night())["replaced"] >= at(["logs.running"], "11-03", "11-04", "11-05")
    assert [tokens for _, tokens in house.ask(running)] == [1000, 3000, 3000, 4000]
    assert_quiet(house)


def test_a_table_may_not_read_its_own_day(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="its own earlier days alone"):
        parse("logs", "running", {"row": "r", "kind": "derived", "owner": "o", "reads": {"logs.running": [-1, 0]}})
