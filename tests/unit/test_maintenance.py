"""Keeping house: what vacuum spares and removes, and that readers notice nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from core import core_house, day, priced
from house import House, request

from assets.checks import rules
from resources import audit
from resources.computing import compute_day
from resources.day_inputs import DayInputs, take_pins
from resources.maintenance import clear_staging, vacuum
from resources.warehouse import open_published

NOW_HOURS = 0
"""Retention in these tests: whatever is superseded before the moment of the vacuum goes."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One day, published; then a late row, published an hour later."""
    made = priced(core_house(tmp_path))
    made.deliver("a.jsonl", [request("r1", "2026-11-03T10:00:00Z")])
    made.night()
    return made


def late_row(house: House, name: str = "late") -> None:
    house.now += timedelta(hours=1)
    house.deliver(f"{name}.jsonl", [request(name, "2026-11-03T11:00:00Z")])
    house.night()


def parquet(house: House) -> set[Path]:
    return {p for p in house.store.data.rglob("*.parquet") if "_delta_log" not in p.parts}


def named(house: House, number: int) -> set[Path]:
    """Every file that a manifest names."""
    found: set[Path] = set()
    for table in house.publisher.manifest(number)["tables"].values():
        for entry in table["days"].values() if table["kind"] == "derived" else [table]:
            found.update(Path(path) for path in entry["files"])
    return found


def test_files_of_a_snapshot_superseded_just_now_are_spared_and_an_open_session_goes_on(house: House) -> None:
    session = open_published(house.publisher.door)
    first = house.publisher.current_number()
    late_row(house)
    assert named(house, first) - named(house, first + 1), "the late row replaced files"
    removed = vacuum(house.publisher, house.now, NOW_HOURS)
    assert removed.snapshots == 0
    assert named(house, first) | named(house, first + 1) <= parquet(house)
    assert session.execute("select count(*) from logs.requests").fetchall() == [(1,)]
    assert house.ask("select count(*) from logs.requests") == [(2,)]
    session.close()


def test_snapshots_superseded_longer_ago_than_the_retention_go_with_their_files(house: House) -> None:
    first = house.publisher.current_number()
    late_row(house)
    only_first = named(house, first) - named(house, first + 1)
    removed = vacuum(house.publisher, house.now + timedelta(minutes=1), NOW_HOURS)
    assert removed.snapshots == first
    assert removed.table_files >= len(only_first) > 0
    assert not only_first & parquet(house)
    assert not (house.publisher.folder / f"warehouse-{first}.duckdb").exists()
    assert not (house.publisher.folder / f"manifest-{first}.json").exists()
    assert house.ask("select count(*) from logs.requests") == [(2,)]
    assert house.is_quiet()
    # The door may be published anew from what is left.
    late_row(house, "later")
    assert house.ask("select count(*) from cost.request_costs") == [(3,)]


def test_with_the_default_retention_nothing_young_goes(house: House) -> None:
    late_row(house)
    before = parquet(house)
    assert vacuum(house.publisher, house.now + timedelta(days=6)).table_files == 0
    assert parquet(house) == before


def test_orphans_of_a_killed_writer_go(house: House) -> None:
    folder = house.store.tables.folder(house.store.contracts["logs.requests"]) / "day=2026-11-03"
    orphan = folder / "part-00000-11111111-1111-1111-1111-111111111111-c000.zstd.parquet"
    orphan.write_bytes(next(folder.glob("*.parquet")).read_bytes())
    vacuum(house.publisher, house.now, NOW_HOURS)
    assert not orphan.exists()
    assert house.ask("select count(*) from logs.requests") == [(1,)]


def test_a_file_that_only_readers_still_need_is_spared_however_old(house: House) -> None:
    """requests is computed anew, its sister is not: the question is behind, and readers keep files that no table has."""
    house.now += timedelta(hours=1)
    house.deliver("late.jsonl", [request("late", "2026-11-03T11:00:00Z")])
    house.land()
    requests = house.store.contracts["logs.requests"]
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    assert compute_day(house.store, requests, day("11-03"), inputs, rules(requests)).outcome == "replaced"
    house.publish()
    kept = {Path(p) for p in house.publisher.manifest()["tables"]["logs.requests"]["days"]["2026-11-03"]["files"]}
    live = {Path(f.path) for f in house.store.open("logs.requests").files()}
    assert kept and not kept & live
    vacuum(house.publisher, house.now + timedelta(days=400), NOW_HOURS)
    assert kept <= parquet(house)
    assert house.ask("select request_id from logs.requests") == [("r1",)]
    states = house.ask("select distinct state from governance.freshness where question = 'logs' and day = date '2026-11-03'")
    assert states == [("behind",)]
    house.night()
    assert house.ask("select count(*) from logs.requests") == [(2,)]


def test_a_session_older_than_the_retention_gets_an_error_and_never_wrong_rows(house: House) -> None:
    session = open_published(house.publisher.door)
    late_row(house)
    vacuum(house.publisher, house.now + timedelta(days=30), NOW_HOURS)
    with pytest.raises(duckdb.IOException):
        session.execute("select * from logs.requests").fetchall()
    session.close()


def test_a_vacuum_is_an_act_on_record_and_one_that_found_nothing_is_not(house: House) -> None:
    late_row(house)
    vacuum(house.publisher, house.now + timedelta(minutes=1), NOW_HOURS)
    vacuum(house.publisher, house.now + timedelta(minutes=2), NOW_HOURS)
    chain = audit.entries(house.store)
    assert [row["action"] for row in chain].count("vacuumed") == 1
    assert audit.broken_link(chain) is None
    assert house.night() == {}


def test_staging_of_killed_runs_goes_and_rejected_rows_stay(house: House) -> None:
    killed = house.store.staging / "4242" / "logs" / "requests" / "2026-11-03.parquet"
    rejected = house.store.staging / "rejected" / "cost" / "charges" / "2026-11-03.parquet"
    for path in (killed, rejected):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"rows")
    clear_staging(house.store)
    assert not killed.exists() and rejected.exists()
