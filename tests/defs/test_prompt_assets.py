"""Prompts as Dagster runs them: faults are told each night until they are mended, a registry that is down fails alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from prompt_house import PromptHouse, manifest

from assets.release.assets import PROMPTS, SOUND, prompts_asset
from assets.tables import asset_key
from pipelines.clock import WallClock
from pipelines.release.prompt_desk import PromptDesk
from pipelines.release.prompt_runs import registry_asset
from resources.contracts import contracts
from resources.events import table_rows
from resources.warehouse_resource import RegistryResource, WarehouseResource

FIRST = {"support-chat@v12.yml": manifest(version="v12", rollback_to=...)}
FAULTY = {"support-chat@v13.yml": manifest(owner="team:nobody")}
BROKEN = {"other.yml": {"prompt": "other"}}


@pytest.fixture
def house(tmp_path: Path) -> PromptHouse:
    house = PromptHouse(tmp_path)
    house.declare(FIRST)
    return house


def resources(house: PromptHouse, uri: str = "") -> dict[str, Any]:
    data, home = str(house.root / "data"), str(house.root / "home")
    folders = {"data_dir": data, "state_dir": home, "landing_dir": str(house.landing)}
    return {
        "warehouse": WarehouseResource(**folders, seeds_dir=str(house.seeds), durable=False),
        "clock": WallClock(fixed_now="2026-11-10T03:00:00"),
        "registry": RegistryResource(uri=uri),
    }


def read(house: PromptHouse) -> tuple[bool, list[str], bool]:
    """(the check passed, what it told, the table changed) of one materialization."""
    done = dg.materialize([prompts_asset(contracts())], resources=resources(house))
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.asset_key) == (SOUND, asset_key(PROMPTS))
    told = check.metadata.get("sentences")
    (made,) = done.asset_materializations_for_node("release__prompts")
    return check.passed, list(told.value) if told else [], bool(made.metadata["changed"].value)


def test_faults_are_told_each_night_and_hold_no_other_version_back(house: PromptHouse) -> None:
    assert read(house)[:2] == (True, [])
    house.declare({**FIRST, **FAULTY, **BROKEN})
    for _ in range(2):
        passed, told, _ = read(house)
        assert not passed
        assert [sentence.split(":")[0] for sentence in told] == ["other.yml", "support-chat@v13.yml"]
    rows = {row["prompt_version"]: row["fault_count"] for row in table_rows(house.store, PROMPTS)}
    assert rows == {"v12": 0, "v13": 1}
    house.declare({**FIRST, "support-chat@v13.yml": manifest()})
    assert read(house)[:2] == (True, [])
    assert read(house) == (True, [], False)


def test_a_warehouse_that_never_synced_does_not_ask_the_registry(house: PromptHouse) -> None:
    assert not PromptDesk.of(resources(house)["warehouse"], RegistryResource(), WallClock()).is_used()
    assert not (house.root / "home" / "mlflow").exists()


def test_a_registry_that_is_down_is_told_in_a_sentence(house: PromptHouse) -> None:
    done = dg.materialize(
        [registry_asset(contracts())], resources=resources(house, "http://127.0.0.1:9"), raise_on_error=False
    )
    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    assert "does not answer" in str(failure.step_failure_data.error)
