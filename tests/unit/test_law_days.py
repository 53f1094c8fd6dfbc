"""Laws over what readers see: asked of the days that changed, and remembered for the others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from core import core_house, day, priced
from house import House, request

from assets.governance.assets import failing_days
from resources.contracts import Check
from resources.validation import judged_days

OLD, NEW = day("10-01"), day("11-03")
FEW = Check("few", "requests > 1", "No day has more than one request")


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", [request(f"r{d}", f"{d}T10:00:00Z") for d in (OLD, NEW)])
    house.night()
    return house


def failing(house: House, check: Check = FEW) -> dict[str, int]:
    return failing_days(house.publisher, house.store.contracts["governance.accounting"], check)


def law_days(house: House) -> dict[str, str]:
    return judged_days(house.publisher.manifest(), house.store.contracts["governance.accounting"], FEW)


def test_a_law_broken_on_an_old_day_is_found_when_that_day_changes(house: House) -> None:
    assert failing(house) == {}
    house.deliver("late.jsonl", [request("late", f"{OLD}T11:00:00Z")])
    house.night()
    assert failing(house) == {str(OLD): 1}


def test_a_broken_law_is_told_every_night_until_it_is_healed(house: House) -> None:
    late = house.deliver("x.jsonl", [request("late", f"{OLD}T11:00:00Z")], "replacing")
    house.night()
    assert failing(house) == failing(house) == {str(OLD): 1}
    house.now += timedelta(days=1)
    house.night()
    assert failing(house) == {str(OLD): 1}
    house.deliver(late.name, [], "replacing")
    house.night()
    assert failing(house) == {}


def test_a_day_that_did_not_change_is_not_asked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(house) == {}

    def refuse(path: Any) -> Any:
        raise AssertionError("the published file was opened")

    monkeypatch.setattr("assets.governance.assets.open_published", refuse)
    assert failing(house) == {}


def test_another_law_of_the_same_name_is_asked_of_every_day(house: House) -> None:
    assert failing(house) == {}
    assert failing(house, Check("few", "requests > 0", "No day has a request")) == {str(OLD): 1, str(NEW): 1}


def test_a_new_row_changes_its_day_and_a_day_that_is_behind_its_neighbours_too(house: House) -> None:
    before = law_days(house)
    house.deliver("late.jsonl", [request("late", f"{OLD}T11:00:00Z")])
    house.night()
    after = law_days(house)
    assert {d for d in after if after[d] != before.get(d)} == {str(OLD)}
    manifest = house.publisher.manifest()
    behind = manifest | {"behind": {f"logs {OLD}": "why not"}}
    marked = judged_days(behind, house.store.contracts["governance.accounting"], FEW)
    around = {str(OLD + timedelta(days=offset)) for offset in (-1, 0, 1)}
    assert {d for d in marked if marked[d] != after[d]} == around & marked.keys()
    assert str(OLD) in around & marked.keys()
