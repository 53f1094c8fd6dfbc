"""A wall clock that steps back, by an hour or a day, within a night or between nights: nothing is lost or undone.

Order in the ledger, in the days and in the audit comes from numbers that commits carry, never from the time.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import crash_house as scene
import pytest
from core import core_house, file_states, priced
from crash_house import leftovers, prepare, priced_anew, published_copy, seen_by_readers, state_of
from house import CALENDAR_START, SOURCES, House, request
from retention_house import HOLD, RetentionHouse, said

from pipelines.clock import WallClock
from resources import audit
from resources.landing import Landing
from resources.maintenance import compact_ledgers, vacuum
from resources.retention import RetentionError

STEPS = [timedelta(hours=1), timedelta(days=1)]
AN_HOUR = pytest.param(timedelta(hours=1), marks=pytest.mark.proof, id="1:00:00")
"""Where a longer step meets all that an hour does, and a day that is due no more."""
ARRIVAL = {name: ("arrived_at", "day") for name in ("logs.files", "logs.quarantine")}
ARRIVAL |= {name: ("arrived_at",) for name in ("logs.landed", "logs.texts", "logs.requests")}
"""What says when a file came. Under a clock that is wrong it is wrong, too."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("scene") / "prepared")


def compute_and_publish(house: House) -> None:
    while (plan := house.plan()).ranges:
        house.compute(plan)
    house.publish()


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    house = published_copy(prepared, tmp_path_factory.mktemp("undisturbed") / "house")
    priced_anew(house)
    house.night()
    return house


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_clock_that_steps_back_within_a_night_changes_nothing_in_the_end(
    prepared: Path, undisturbed: House, tmp_path: Path, step: timedelta
) -> None:
    house = published_copy(prepared, tmp_path / "house")
    old, now = seen_by_readers(house), house.now
    priced_anew(house)
    house.land()
    house.now = now - step
    compute_and_publish(house)
    # What the earlier clock calls due is there; a day that is due no more is left as it is, and not taken back.
    seen = seen_by_readers(house)
    assert all(seen[name] for name, rows in old.items() if rows)
    vacuum(house.publisher, house.now)
    assert seen_by_readers(house) == seen, "files of a snapshot from the future are files of a snapshot"
    house.now = now
    house.night()
    state, wanted = state_of(house), state_of(undisturbed)
    # A night in between may have published once more.
    for found in (state, wanted):
        found["audit"] = [(action, subject) for _, action, subject in found["audit"] if action != "published"]
        found["published"].pop(audit.AUDIT)
        found.pop("manifest")
    assert state == wanted
    assert house.is_quiet() and leftovers(house) == []


@pytest.mark.parametrize("step", [AN_HOUR, timedelta(hours=23)], ids=str)
def test_files_that_come_under_a_clock_that_stepped_back_count_as_they_would(
    prepared: Path, undisturbed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    for name, columns in ARRIVAL.items():
        monkeypatch.setitem(scene.VOLATILE, name, columns)
    house = published_copy(prepared, tmp_path / "house")
    house.now -= step
    priced_anew(house)
    house.night()
    house.now += step
    house.night()
    found, wanted = seen_by_readers(house), seen_by_readers(undisturbed)
    assert {name for name in wanted if found[name] != wanted[name]} <= {audit.AUDIT}
    assert audit.broken_link(audit.entries(house.store)) is None
    assert house.is_quiet()


@pytest.mark.parametrize("step", [AN_HOUR, timedelta(days=1)], ids=str)
def test_days_are_not_taken_back_by_a_whole_night_under_an_earlier_clock(
    prepared: Path, tmp_path: Path, step: timedelta
) -> None:
    house = published_copy(prepared, tmp_path / "house")
    priced_anew(house)
    house.night()
    before = seen_by_readers(house)
    house.now -= step
    assert house.night() == {}
    compact_ledgers(house.store)
    seen = seen_by_readers(house)
    # Days that the earlier clock does not call due are said to be unsettled; no row of theirs is touched.
    assert {name for name in before if seen[name] != before[name] and not name.startswith("governance.")} == set()
    house.now += step
    house.night()
    seen = seen_by_readers(house)
    assert {name for name in before if seen[name] != before[name]} <= {audit.AUDIT}
    assert house.is_quiet()


def test_acts_recorded_under_an_earlier_clock_stand_behind_those_before_them(tmp_path: Path) -> None:
    house = core_house(tmp_path)
    for subject, hours in (("first", 0), ("second", -1), ("third", -25)):
        audit.append(house.store, "tested", subject, {}, house.now + timedelta(hours=hours))
    chain = audit.entries(house.store)
    assert [entry["subject"] for entry in chain] == ["first", "second", "third"]
    assert [entry["seq"] for entry in chain] == [1, 2, 3]
    assert audit.broken_link(chain) is None


def test_a_file_from_before_the_step_waits_until_the_clock_has_caught_up_and_is_named(tmp_path: Path) -> None:
    house, clock = priced(core_house(tmp_path)), WallClock(settle_seconds=5)
    path = house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z")])
    written = time.time() + 3600
    os.utime(path, (written, written))
    landing = Landing(house.store, house.landing, SOURCES, CALENDAR_START)
    report = landing.land(house.now, clock.is_settled)
    assert (report.files, report.still_written) == ([], ["gateway/a.jsonl"])
    os.utime(path, (written - 3700, written - 3700))
    assert [file.state for file in landing.land(house.now, clock.is_settled).files] == ["landed"]


def test_a_content_that_was_put_back_under_an_earlier_clock_is_what_its_file_holds(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    ours, theirs = ([request(name, "2026-11-08T10:00:00Z")] for name in ("ours", "theirs"))
    for records, hours in ((ours, 1), (theirs, -2), (ours, 0)):
        house.deliver("a.jsonl", records, "replacing")
        house.land()
        house.now += timedelta(hours=hours)
    house.deliver("b.jsonl", ours, "replacing")
    house.night()
    assert [state for path, state in file_states(house) if path.endswith("b.jsonl")] == ["copy"]
    assert house.ask("select request_id from logs.requests") == [("ours",)]
    assert house.ask("select count(*) from logs.duplicates") == [(0,)]


def retained_house(tmp_path: Path) -> RetentionHouse:
    house = RetentionHouse(tmp_path, now="2026-11-10T03:00:00")
    priced(house)
    for number in (1, 2, 9):
        house.deliver(f"{number}.jsonl", [said(f"r{number}", f"11-0{number}")])
    house.night()
    house.pass_days(6)
    return house


@pytest.mark.parametrize("days", [pytest.param(1, marks=pytest.mark.proof), 6])
def test_a_day_that_was_closed_stays_closed_under_an_earlier_clock(tmp_path: Path, days: int) -> None:
    house = retained_house(tmp_path)
    house.retain()
    house.night()
    stored = house.stored("logs.landed")
    assert "11-01" not in stored
    house.now -= timedelta(days=days)
    house.deliver("late.jsonl", [said("late", "11-01")])
    house.retain()
    house.night()
    house.vacuum(hours=0)
    assert house.stored("logs.landed") == stored
    assert house.ask("select sum(records_beyond_retention) from logs.files") == [(1,)]
    assert audit.broken_link(audit.entries(house.store)) is None
    house.now += timedelta(days=days)
    house.retain()
    house.night()
    assert house.stored("logs.landed") == stored and house.is_quiet()


def test_a_hold_that_ended_holds_again_under_an_earlier_clock_and_is_no_id_used_twice(tmp_path: Path) -> None:
    house = retained_house(tmp_path)
    hold = replace(HOLD, until=date(2026, 11, 15), first_day=date(2026, 11, 9), last_day=date(2026, 11, 9), request=())
    for days in (-1, 1, -1, 1):
        house.pass_days(days)
        house.retain([hold])
    acts: list[Any] = [e["action"] for e in audit.entries(house.store) if e["subject"] == hold.id]
    assert acts == ["hold_began", "hold_ended"]
    house.pass_days(-1)
    with pytest.raises(RetentionError, match="ended before"):
        house.retain([replace(hold, until=date(2026, 12, 1))])
