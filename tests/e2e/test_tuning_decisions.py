"""What the row of a night says of a training that does not begin, and what such a night leaves on the disk: nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from registry_house import migrated
from tuning_desk_house import DeskHouse

from pipelines.clock import WallClock
from pipelines.tuning.tuning_desk import TRIGGERS
from resources.events import table_rows


@pytest.fixture
def house(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> DeskHouse:
    return DeskHouse(tmp_path, migrated(tmp_path_factory.mktemp("template")))


def newest(house: DeskHouse) -> dict[str, Any]:
    return max(table_rows(house.store, TRIGGERS), key=lambda row: row["day"])


def test_a_night_without_a_dataset_says_why_in_its_row(house: DeskHouse) -> None:
    [told] = house.desk.decide().steps
    assert told.startswith("detector: no training: nothing speaks for it; no dataset: nothing in the logs")
    row = newest(house)
    [pairs] = [one for one in json.loads(row["evidence"]) if one["reason"] == "new_pairs"]
    assert pairs["why"].startswith("no dataset was made: nothing in the logs, feedback or labels")
    assert (row["fired"], row["dataset_version"], row["new_pairs"]) == (False, None, None)
    assert not list((house.store.state / "datasets").glob("*/*"))


def test_the_same_candidate_does_not_fire_night_after_night(house: DeskHouse) -> None:
    house.declare(min_new_pairs=100, max_age_days=1, cool_down_days=0)
    assert "is to be trained" in str(house.decide())
    assert house.work().troubles == []
    [candidate] = house.ledger.newest
    house.clock = WallClock(fixed_now="2026-11-13T03:00:00")
    [told] = house.decide().steps
    assert told.startswith("detector: max_age, held back by trained_already: the champion is 2 days old")
    assert told.endswith(f"it would be candidate {candidate}, which is promoted already")
    row = newest(house)
    assert (row["fired"], row["reason"], row["held_back_by"]) == (False, "max_age", "trained_already")
    assert row["dataset_version"] is None and list(house.ledger.newest) == [candidate]
