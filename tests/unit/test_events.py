"""Event tables: what is decided on is what is there, whoever else writes; a key is written once; closed days are closed."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alert_house import AlertHouse

from pipelines.service.alert_desk import DEPLOYMENTS
from resources.days import day_commit
from resources.events import ClosedDayError, append, table_rows
from resources.table_store import Table

DAY = date(2026, 11, 9)
NOON = datetime(2026, 11, 9, 12, tzinfo=UTC)


def stated(change: int, day: date = DAY, what: str = "x") -> dict[str, Any]:
    return {
        "day": day, "deployment_id": "d", "change": change, "starts_at": NOON, "ends_at": NOON.replace(hour=13),
        "feature": None, "model": None, "prompt_version": None, "what": what, "actor": "ada", "recorded_at": NOON,
        "is_cancelled": False,
    }  # fmt: skip


def test_a_key_is_written_once_and_the_first_row_stays(tmp_path: Path) -> None:
    store = AlertHouse(tmp_path).store
    assert append(store, DEPLOYMENTS, lambda there: [stated(1), stated(1, what="again")]) == [stated(1)]
    before = store.open(DEPLOYMENTS).version
    assert append(store, DEPLOYMENTS, lambda there: [stated(1, what="later")]) == []
    assert store.open(DEPLOYMENTS).version == before, "nothing new is no commit"
    assert append(store, DEPLOYMENTS, lambda there: [stated(1, what="later"), stated(2)]) == [stated(2)]
    assert table_rows(store, DEPLOYMENTS) == [stated(1), stated(2)]


def test_of_many_that_number_at_once_each_gets_a_number_of_its_own(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    stores = [AlertHouse(tmp_path).store for _ in range(4)]
    got: list[int] = []

    def write(store: Any) -> None:
        for _ in range(3):
            (row,) = append(store, DEPLOYMENTS, lambda there: [stated(len(there) + 1)])
            got.append(row["change"])

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 13)) == [row["change"] for row in table_rows(house.store, DEPLOYMENTS)]


def test_who_lost_a_race_decides_on_what_the_winner_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = AlertHouse(tmp_path).store, AlertHouse(tmp_path).store
    plain, seen = Table.append_numbered, []

    def overtaken(self: Table, *arguments: Any) -> bool:
        monkeypatch.setattr(Table, "append_numbered", plain)
        append(theirs, DEPLOYMENTS, lambda there: [stated(1)])
        return plain(self, *arguments)

    monkeypatch.setattr(Table, "append_numbered", overtaken)

    def decide(there: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.append(len(there))
        return [] if there else [stated(1, what="ours")]

    assert append(ours, DEPLOYMENTS, decide) == []
    assert seen == [0, 1] and table_rows(ours, DEPLOYMENTS) == [stated(1)]


def test_a_closed_day_takes_no_event_and_says_so(tmp_path: Path) -> None:
    store = AlertHouse(tmp_path).store
    store.open(DEPLOYMENTS).record_day(DAY, 1, day_commit(DAY, 1, "closed", {}, {}, reason="kept for 3 days"))
    with pytest.raises(ClosedDayError, match="retention has closed 2026-11-09"):
        append(store, DEPLOYMENTS, lambda there: [stated(1), stated(2, day=date(2026, 11, 10))])
    assert table_rows(store, DEPLOYMENTS) == []


def test_a_row_of_a_day_that_was_not_looked_at_is_refused(tmp_path: Path) -> None:
    store = AlertHouse(tmp_path).store
    append(store, DEPLOYMENTS, lambda there: [stated(1)])
    other = date(2026, 11, 8)
    assert append(store, DEPLOYMENTS, lambda there: [stated(2, day=other)] if not there else [], days={other})
    with pytest.raises(ValueError, match="2026-11-09, a day that was not looked at"):
        append(store, DEPLOYMENTS, lambda there: [stated(3)], days={other})
    assert [row["change"] for row in table_rows(store, DEPLOYMENTS, {DAY})] == [1]
