"""Rows that were read before: as stored, whatever happened to the table since."""

from __future__ import annotations

from pathlib import Path

import pytest
from core import core_house
from house import request

from resources import stored_rows
from resources.contracts import Contract
from resources.maintenance import compact_ledgers
from resources.store import Store
from resources.warehouse import scan


def states(store: Store) -> list[dict[str, object]]:
    return stored_rows.stored_rows(store, "logs.files", ("arrived_at", "file_id", "state_number"))


def afresh(store: Store) -> list[dict[str, object]]:
    """As a process that has read nothing sees them."""
    return states(Store(store.data, store.state, store.contracts))


def test_a_file_of_an_earlier_night_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(contract: Contract, paths: list[str]) -> str:
        read.extend(paths)
        return scan(contract, paths)

    monkeypatch.setattr(stored_rows, "scan", noted)
    house = core_house(tmp_path)
    for number in range(3):
        house.deliver(f"{number}.jsonl", [request(f"r{number}", "2026-11-03T10:00:00Z")])
        house.land()
    found = states(house.store)
    assert len(read) == len(set(read)) == 3
    assert found == afresh(house.store)


def test_states_are_neither_lost_nor_doubled_when_the_table_is_compacted(tmp_path: Path) -> None:
    house = core_house(tmp_path)
    for number in range(10):
        house.deliver(f"{number}.jsonl", [request(f"r{number}", "2026-11-03T10:00:00Z")])
        house.land()
    before = states(house.store)
    assert compact_ledgers(house.store) > 0
    assert states(house.store) == before == afresh(house.store)
    house.deliver("0.jsonl", [request("r0", "2026-11-03T10:00:00Z"), request("r10", "2026-11-03T10:00:00Z")])
    house.land()
    after = states(house.store)
    assert after == afresh(house.store)
    assert [s["state"] for s in after if s["path"].endswith("/0.jsonl")] == ["landed", "superseded", "landed"]
