"""Retention: days close by class, rows go for good, sums stay, holds win, and nothing that closed comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from core import by_outcome, core_contracts, day
from house import price, with_sql
from retention_house import KEPT, RetentionHouse, said

from resources import audit
from resources.contracts import ContractError, contracts, parse
from resources.day_inputs import DayInputs, take_pins
from resources.retention import Hold, RetentionError, load_holds, load_policy
from resources.warehouse import open_published

ROWS = ("cost.request_costs", "cost.charges", "logs.duplicates", "logs.request_days", "logs.requests", "logs.landed")

OPEN = {*(day(f"11-0{n}") for n in range(3, 10)), day("11-10")}
"""Days that are computed after 11-02 has closed: the one after the last delivery reads it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days of requests, landed and computed; published files name absolute paths, so tests publish their copy."""
    root = tmp_path_factory.mktemp("made")
    house = RetentionHouse(root)
    house.set_prices([price("large", 2.0)])
    for number in range(1, 10):
        house.deliver(f"{number}.jsonl", [said(f"r{number}", f"11-0{number}")])
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    return root


@pytest.fixture
def house(made: Path, tmp_path: Path) -> RetentionHouse:
    import shutil

    shutil.copytree(made, tmp_path / "house")
    found = RetentionHouse(tmp_path / "house")
    found.publish()
    return found


def sums(house: RetentionHouse) -> list[tuple[Any, ...]]:
    return house.ask("select day, charge_class, quantity, contracted_amount from cost.cost_15min order by all")


def acts(house: RetentionHouse, action: str) -> list[str]:
    return [e["subject"] for e in audit.entries(house.store) if e["action"] == action]


def test_a_closed_day_keeps_its_sums_when_its_rows_are_gone(house: RetentionHouse) -> None:
    before = sums(house)
    house.pass_days(3)
    house.night()
    done = house.retain()
    # The tables of requests have an empty day before the first, which reads it.
    closed = {table: [d for d in days if d >= day("11-01")] for table, days in done.closed.items()}
    assert closed == {"logs.texts": closed["logs.texts"], **{table: [day("11-01"), day("11-02")] for table in ROWS}}
    house.publish()
    assert sums(house) == before
    for table in ("logs.requests", "logs.landed", "logs.request_days", "cost.request_costs"):
        assert [house.count(table, d) for d in ("11-01", "11-02", "11-03")] == [0, 0, 1], table
        assert house.stored(table)[0] == "11-03"
    assert house.state("logs.requests", "11-02") == ("closed", "rows: kept for 10 days")
    assert house.state("cost.cost_15min", "11-02")[0] == "fresh"
    assert house.is_quiet()
    assert house.night() == {}


def test_words_go_before_rows_and_their_rows_stay(house: RetentionHouse) -> None:
    done = house.retain()
    assert done.closed == {"logs.texts": [day(f"11-0{n}") for n in range(1, 7)]}
    assert house.stored("logs.texts") == ["11-07", "11-08", "11-09"]
    house.publish()
    assert house.count("logs.requests", "11-01") == 1
    assert house.is_quiet()


def test_a_day_goes_when_it_was_kept_long_enough_and_not_a_day_before(house: RetentionHouse) -> None:
    house.now = house.now.replace(day=11)
    assert "logs.landed" not in house.retain().closed
    house.pass_days(1)
    assert house.retain().closed["logs.landed"] == [day("11-01")]


def test_changed_sql_does_not_bring_removed_rows_back_and_is_told(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    house.publish()
    before = sums(house)
    changed = core_contracts()
    for name in ("logs.requests", "cost.charges", "cost.cost_15min"):
        changed[name] = with_sql(changed[name], house.root, changed[name].sql_path.read_text() + "\nlimit 1000000")
    later = RetentionHouse(house.root, changed)
    later.now = house.now
    touched = {key[1] for key in later.night()}
    assert touched == OPEN
    assert ("logs.requests", day("11-03")) not in {(s.table, s.day) for s in later.plan().stale}
    assert later.stored("logs.requests")[0] == "11-03"
    assert sums(later) == before
    assert later.state("cost.cost_15min", "11-02") == ("closed", "code changed, but cost.charges of 2026-11-02 is closed")
    assert later.state("logs.requests", "11-03") == ("closed", "code changed, but logs.landed of 2026-11-02 is closed")
    assert later.state("cost.cost_15min", "11-04") == ("fresh", None)
    assert later.is_quiet()


def test_a_corrected_price_leaves_closed_days_and_their_sums_alone(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    house.set_prices([price("large", 20.0)])
    before = {row[0]: row for row in sums(house) if row[1] == "output"}
    done = by_outcome(house.night())
    assert {d for _, d in done["replaced"]} == OPEN
    after = {row[0]: row for row in sums(house) if row[1] == "output"}
    assert {d for d in after if after[d] == before[d]} == {day("11-01"), day("11-02")}
    assert house.state("cost.cost_15min", "11-01")[0] == "fresh"
    assert house.state("cost.charges", "11-01") == ("closed", "rows: kept for 10 days")


def test_a_late_row_for_a_closed_day_is_counted_and_not_landed(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    house.publish()
    before = sums(house)
    house.deliver("late.jsonl", [said("late", "11-02"), said("young", "11-04"), "{no json"])
    done = house.night()
    counts = "records, records_landed, records_quarantined, records_beyond_retention, texts, texts_beyond_retention"
    assert house.ask(f"select {counts} from logs.files where path = 'gateway/late.jsonl'") == [(2, 1, 0, 1, 0, 1)]
    assert house.stored("logs.landed")[0] == "11-03" and house.stored("logs.texts") == []
    assert min(d for _, d in done) == day("11-04")
    assert [row for row in sums(house) if row[0] < day("11-04")] == [row for row in before if row[0] < day("11-04")]
    assert house.count("logs.requests", "11-04") == 2
    assert house.is_quiet()


def test_a_late_row_beside_a_closed_day_is_landed_and_the_day_that_cannot_count_it_says_so(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    house.deliver("late.jsonl", [said("late", "11-03")])
    house.night()
    assert house.count("logs.landed", "11-03") == 2 and house.count("logs.requests", "11-03") == 1
    assert house.state("logs.requests", "11-03") == (
        "closed",
        "logs.landed changed, but logs.landed of 2026-11-02 is closed",
    )
    con = open_published(house.publisher.door)
    assert con.execute("select is_settled from governance.accounting where day = date '2026-11-03'").fetchall() == [(False,)]
    con.close()
    assert house.is_quiet()


def test_a_file_that_grew_supersedes_its_prefix_though_a_day_of_both_is_closed(house: RetentionHouse) -> None:
    house.deliver("grows.jsonl", [said("g1", "11-02"), said("g2", "11-08")])
    house.night()
    house.pass_days(3)
    house.retain()
    house.deliver("grows.jsonl", [said("g1", "11-02"), said("g2", "11-08"), said("g3", "11-09")])
    house.night()
    counts = "state, records_landed, records_beyond_retention"
    rows = house.ask(f"select {counts} from logs.files where path = 'gateway/grows.jsonl'")
    assert sorted(rows) == [("landed", 2, 0), ("landed", 2, 1), ("superseded", 2, 0)]
    assert (house.count("logs.requests", "11-08"), house.count("logs.requests", "11-09")) == (2, 2)
    assert house.is_quiet()


def test_a_hold_wins_and_when_it_ends_the_day_goes(house: RetentionHouse) -> None:
    house.pass_days(3)
    policy = replace(KEPT, landing_files=1)
    hold = Hold("matter-1", "dispute", date(2026, 11, 10), first_day=day("11-02"), last_day=day("11-03"))
    done = house.retain([hold], policy)
    assert done.closed["logs.landed"] == [day("11-01")]
    assert done.held == {"matter-1": [day("11-02"), day("11-03")]} and done.gone == {}
    assert "11-02" in house.stored("logs.texts") and "11-02" in house.stored("logs.requests")
    assert (house.landing / "gateway" / "2.jsonl").exists() and not (house.landing / "gateway" / "1.jsonl").exists()
    assert house.retain([hold], policy).closed == {}
    ended = house.retain([replace(hold, until=date(2026, 11, 12))], policy)
    assert ended.closed["logs.landed"] == [day("11-02")] and ended.held == {}
    assert not (house.landing / "gateway" / "2.jsonl").exists()
    assert acts(house, "hold_began") == acts(house, "hold_ended") == ["matter-1"]
    with pytest.raises(RetentionError, match=r"matter-1 have ended before"):
        house.retain([hold])


@pytest.mark.parametrize("who", ["tenant", "user", "request"])
def test_a_hold_on_somebody_keeps_the_whole_days_on_which_they_have_a_row(house: RetentionHouse, who: str) -> None:
    house.deliver("other.jsonl", [said("theirs", "11-02") | {"tenant": "other-corp"}])
    house.night()
    token = house.area().keyring(house.now).token("user", "user-theirs")
    named = {"tenant": "other-corp", "user": token, "request": "theirs"}[who]
    subject: dict[str, Any] = {who: (named,)}
    hold = Hold("matter-2", "dispute", date(2026, 11, 10), **subject)
    house.pass_days(3)
    done = house.retain([hold])
    assert done.held == {"matter-2": [day("11-02")]}
    assert done.closed["logs.landed"] == [day("11-01")]
    house.publish()
    assert house.count("logs.requests", "11-02") == 2
    assert house.stored("logs.texts")[0] == "11-02"


def test_a_hold_that_comes_too_late_is_told_what_is_gone(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    late = Hold("matter-3", "dispute", date(2026, 11, 13), first_day=day("11-02"), last_day=day("11-10"))
    gone = "rows of 2026-11-02, text of 8 days from 2026-11-02 to 2026-11-09"
    assert house.retain([late]).gone == {"matter-3": gone}
    assert house.retain([late]).gone == {"matter-3": gone}
    assert acts(house, "hold_came_too_late") == ["matter-3"]
    assert house.stored("logs.landed")[0] == "11-03"


def test_retention_twice_is_once(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    versions = {c.name: house.store.open(c.name).version for c in house.store.by_day()}
    done = house.retain()
    assert (done.closed, done.removed_rows, done.landing_files) == ({}, 0, 0)
    assert {c.name: house.store.open(c.name).version for c in house.store.by_day()} == versions


def test_each_closed_day_of_a_class_is_an_act_on_record(house: RetentionHouse) -> None:
    house.pass_days(3)
    house.retain()
    closed = acts(house, "days_closed")
    assert [s for s in closed if s.startswith("rows")] == [f"rows of 2026-{d}" for d in ("10-31", "11-01", "11-02")]
    assert [s for s in closed if s.startswith("text")] == [f"text of 2026-11-0{n}" for n in range(1, 10)]
    assert audit.broken_link(audit.entries(house.store)) is None


def test_nobody_s_published_session_loses_a_file(house: RetentionHouse) -> None:
    session = open_published(house.publisher.door)
    house.pass_days(3)
    house.retain()
    house.publish()
    house.vacuum()
    assert session.execute("select count(*) from logs.requests where day <= date '2026-11-02'").fetchall() == [(2,)]
    session.close()
    house.pass_days(8)
    house.vacuum(hours=0)
    assert house.ask("select count(*) from logs.requests") == [(7,)]


def test_a_run_that_began_before_the_closing_gives_the_day_up(house: RetentionHouse) -> None:
    """Its pins are older than the closing; what counts is what the table says when the step writes."""
    house.pass_days(3)
    house.set_prices([price("large", 20.0)])
    plan = house.plan()
    assert {s.day for s in plan.stale} >= {day("11-01")}
    house.retain()
    done = house.compute(plan)
    assert {d for _, d in done} == OPEN
    assert house.stored("cost.charges")[0] == "11-03"


def test_days_of_a_half_landed_file_wait_until_it_is_landed(house: RetentionHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deliver("half.jsonl", [said("half", "11-02")])

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    house.pass_days(3)
    with monkeypatch.context() as patch:
        patch.setattr("resources.landing.Landing._record", stop)
        with pytest.raises(KeyboardInterrupt):
            house.land()
    done = house.retain()
    assert done.half_landed == ["gateway/half.jsonl"]
    assert done.closed["logs.landed"] == [day("11-01")]
    house.land()
    assert house.retain().closed["logs.landed"] == [day("11-02")]


def test_a_stage_that_nothing_came_of_is_made_anew_without_what_has_closed(
    house: RetentionHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.deliver("staged.jsonl", [said("staged", "11-02")])

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("resources.landing.Landing._append_stage", stop)
        with pytest.raises(KeyboardInterrupt):
            house.land()
    house.pass_days(3)
    house.retain()
    assert not [path for path in house.area().stages.rglob("*") if path.suffix == ".arrow"]
    house.land()
    counted = house.store.rows(
        f"select records_landed, records_beyond_retention, cast(arrived_at as date) from "
        f"({house.store.scan_all('logs.files')}) where path = 'gateway/staged.jsonl'"
    )
    assert counted == [(0, 1, day("11-10"))]


def test_files_of_a_landing_place_that_is_somebody_else_s_stay(house: RetentionHouse) -> None:
    from resources.closing import Retention

    house.pass_days(30)
    before = sorted(house.landing.rglob("*"))
    Retention(house.publisher, house.area(), KEPT, []).run(house.now)
    assert sorted(house.landing.rglob("*")) == before
    house.retain()
    assert not [path for path in house.landing.rglob("*") if path.is_file()]


def test_a_file_that_has_not_landed_or_came_in_another_s_place_is_not_removed(house: RetentionHouse) -> None:
    house.pass_days(30)
    house.deliver("waiting.jsonl", [said("w", "12-01")])
    house.deliver("1.jsonl", [said("r1", "11-01"), said("another", "12-01")])
    house.retain()
    assert sorted(p.name for p in house.landing.rglob("*") if p.is_file()) == ["1.jsonl", "waiting.jsonl"]


def test_restatements_of_a_closed_day_stay_known(house: RetentionHouse) -> None:
    house.deliver("late.jsonl", [said("late", "11-02")])
    house.night()
    restated = "select table_name, grouping, measure, before, after from logs.restatements order by all"
    before = house.ask(restated)
    assert {row[0] for row in before} >= {"logs.requests", "cost.charges"}
    house.pass_days(3)
    house.retain()
    house.publish()
    assert house.ask(restated) == before


def test_rows_that_a_check_held_back_go_with_their_day(house: RetentionHouse) -> None:
    rejected = house.store.staging / "rejected" / "cost" / "charges"
    rejected.mkdir(parents=True)
    for name in ("2026-11-02", "2026-11-03"):
        (rejected / f"{name}.parquet").write_bytes(b"rows")
    house.pass_days(3)
    house.retain()
    assert [path.name for path in rejected.iterdir()] == ["2026-11-03.parquet"]


def test_inputs_of_a_day_that_reads_a_closed_one_do_not_make_it_stale_whatever_the_pins(house: RetentionHouse) -> None:
    house.pass_days(3)
    old = take_pins(house.store, house.last_due_day)
    house.retain()
    inputs = DayInputs(house.store, old)
    requests = house.store.contracts["logs.requests"]
    assert inputs.closed(requests, day("11-02")) == "logs.requests of 2026-11-02 is closed"
    assert inputs.closed(requests, day("11-03")) == "logs.landed of 2026-11-02 is closed"
    assert inputs.closed(requests, day("11-04")) is None


# seeds and contracts


def test_the_seeds_of_this_checkout_can_be_used() -> None:
    policy = load_policy(contracts=contracts())
    assert policy.keep_days == {"text": 30, "rows": 400, "aggregates": None}
    assert policy.last_expired("aggregates", date(2026, 11, 10)) is None
    assert policy.last_expired("forever", date(2026, 11, 10)) is None
    assert policy.last_expired("text", date(2026, 12, 2)) == date(2026, 11, 1)
    assert load_holds() == []


def test_every_table_about_people_or_single_records_expires() -> None:
    kept = {c.name: c.retention for c in contracts().values()}
    assert kept["logs.texts"] == "text"
    assert {kept[name] for name in (*ROWS, "logs.quarantine")} == {"rows"}
    assert {kept[name] for name in ("logs.files", "governance.audit", "cost.prices")} == {"forever"}
    assert kept["cost.cost_15min"] == "aggregates"
    assert [
        n for n, c in contracts().items() if c.is_partitioned and c.subject_key and kept[n] not in ("rows", "text")
    ] == []


@pytest.mark.parametrize(
    ("table", "said_", "problem"),
    [
        ("texts", "rows", "column of class text"),
        ("landed", "forever", "rows about a person"),
        ("files", "always", "allowed: text, rows, aggregates, forever"),
        ("tenants", "rows", "a reference is not stored by day"),
    ],
)
def test_a_contract_cannot_keep_what_must_go(table: str, said_: str, problem: str) -> None:
    raw = yaml.safe_load((Path(__file__).parents[2] / f"warehouse/contracts/logs/{table}.yml").read_text(encoding="utf-8"))
    with pytest.raises(ContractError, match=problem):
        parse("logs", table, raw | {"retention": said_})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("keep_days: {text: 30, rows: 400}\nlanding_files: 30", "to each of text, rows, aggregates"),
        ("keep_days: {text: 0, rows: 400, aggregates: forever}\nlanding_files: 30", "text is 0; write a whole number"),
        ("keep_days: {text: yes, rows: 400, aggregates: forever}\nlanding_files: 30", "text is True"),
        ("keep_days: {text: 500, rows: 400, aggregates: forever}\nlanding_files: 30", "text are kept longer"),
        (
            "keep_days: {text: 5, rows: 28, aggregates: forever}\nlanding_files: 30",
            "looks back 28 days on logs.request_days",
        ),
        ("keep_days: {text: 5, rows: 90, aggregates: forever}", "keep_days and landing_files"),
        ("keep_days: [", "not YAML"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "retention.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RetentionError, match=problem):
        load_policy(path, contracts())


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"reason": "r", "since": date(2026, 1, 1), "tenant": "a"}, "lacks 'id'"),
        ({"id": "h", "reason": "r", "since": date(2026, 1, 1)}, "would keep everything"),
        ({"id": "h", "reason": "r", "since": "soon", "tenant": "a"}, "since is 'soon'; write a day"),
        ({"id": "h", "reason": "r", "since": date(2026, 1, 1), "user": "anna@example.com"}, "takes pseudonyms"),
        ({"id": "h", "reason": "r", "since": date(2026, 1, 1), "users": "a"}, "and no other"),
        ({"id": "h", "reason": "r", "since": date(2026, 1, 1), "tenant": []}, "a name, or a list"),
        (
            {
                "id": "h",
                "reason": "r",
                "since": date(2026, 1, 1),
                "first_day": date(2026, 2, 2),
                "last_day": date(2026, 2, 1),
            },
            "is after last_day",
        ),
    ],
)
def test_a_hold_that_cannot_be_meant_is_refused(tmp_path: Path, entry: dict[str, Any], problem: str) -> None:
    path = tmp_path / "legal_holds.yml"
    path.write_text(yaml.safe_dump({"holds": [entry]}), encoding="utf-8")
    with pytest.raises(RetentionError, match=problem):
        load_holds(path)


def test_two_holds_of_one_id_are_refused(tmp_path: Path) -> None:
    entry = {"id": "h", "reason": "r", "since": date(2026, 1, 1), "tenant": "a"}
    path = tmp_path / "legal_holds.yml"
    path.write_text(yaml.safe_dump({"holds": [entry, entry]}), encoding="utf-8")
    with pytest.raises(RetentionError, match="two holds have the id 'h'"):
        load_holds(path)
