"""Suites as Dagster and `make evals` show them: gaps warn, a file that cannot be read fails, and neither stops the night."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from eval_house import EvalHouse, suite

from assets.release.assets import COVERED, SUITES, suites_asset
from pipelines.release.evals import show
from resources.contracts import contracts
from resources.events import table_rows
from resources.warehouse_resource import WarehouseResource


@pytest.fixture
def house(tmp_path: Path) -> EvalHouse:
    made = EvalHouse(tmp_path / "house")
    made.write_suite(suite(60))
    return made


def read(house: EvalHouse) -> tuple[bool, dg.AssetCheckSeverity, list[str]]:
    """(passed, severity, sentences) of the check of one materialization."""
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing),
        seeds_dir=str(house.seeds), durable=False,
    )  # fmt: skip
    done = dg.materialize([suites_asset(contracts())], resources={"warehouse": warehouse})
    [check] = done.get_asset_check_evaluations()
    assert done.success and check.check_name == COVERED
    told = check.metadata.get("sentences")
    return check.passed, check.severity, list(told.value) if told else []  # type: ignore[arg-type, call-overload]


def test_a_thin_suite_warns_and_a_broken_one_fails_and_its_row_is_gone(
    house: EvalHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(house)[0] and show(house.seeds, []) == 0
    house.write_suite([case for case in suite(30) if case.kind != "messy"][:12], "thin")
    passed, severity, told = read(house)
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
    assert told == ["thin: 12 cases; with fewer than 20 little can be said of a version", "thin: no case is messy"]
    rows = {row["suite"]: row for row in table_rows(house.store, SUITES)}
    assert (rows["thin"]["cases"], rows["thin"]["messy_cases"], rows["chat"]["gaps"]) == (12, 0, None)
    assert show(house.seeds, ["thin"]) == 1 and show(house.seeds, ["chat"]) == 0 and show(house.seeds, ["hats"]) == 2
    assert "- thin: no case is messy" in capsys.readouterr().out
    path = house.seeds / "evals" / "thin.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"case_id": "q1"}\n', encoding="utf-8")
    passed, severity, told = read(house)
    assert (passed, severity) == (False, dg.AssetCheckSeverity.ERROR) and told[0].startswith("thin.jsonl, line 13")
    assert [row["suite"] for row in table_rows(house.store, SUITES)] == ["chat"]
    assert show(house.seeds, []) == 1
