"""Every case below tests/sql, and the promise of every SELECT: the columns of its contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sql_cases import Case, CaseError, output_columns, read_case, run_case, typed, unmatched

from resources.contracts import contracts

CASES = Path(__file__).parent / "sql"
FILES = sorted(CASES.glob("*/*/*.yml"))
WITH_SQL = [c for c in contracts().values() if c.kind in ("derived", "view") and c.is_sql]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}/{path.stem}")
def test_case(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    rows, broken = run_case(case, contracts(), tmp_path)
    expected = [typed(contracts()[case.table], row) for row in case.expect]
    missing, surplus = unmatched(expected, rows)
    named = {name for row in expected for name in row}
    shown = [{name: value for name, value in row.items() if name in named} for row in surplus]
    assert not missing and not surplus, f"expected and not there: {missing}\nthere and not expected: {shown}"
    assert broken == set(case.breaks)


@pytest.mark.parametrize("contract", WITH_SQL, ids=lambda contract: contract.name)
def test_a_select_yields_the_columns_of_its_contract(contract) -> None:
    """In this order and with these types, without the casts that staging adds: others run the SQL as it stands."""
    assert list(output_columns(contract, contracts()).items()) == [(c.name, c.type) for c in contract.columns]


def test_every_case_folder_is_a_table() -> None:
    folders = {f"{path.parent.parent.name}.{path.parent.name}" for path in FILES}
    assert folders <= {c.name for c in WITH_SQL}
    assert not list(CASES.rglob("*.yaml")), "cases end in .yml"


# the runner itself can fail

SMALL = Case(
    "logs.request_days",
    day=date(2026, 1, 15),
    given={"logs.requests": [{"day": "2026-01-15", "request_id": "a", "ts": "2026-01-15 10:00:00+00"}]},
    expect=[{"request_id": "a"}],
)


def test_a_broken_rule_is_reported(tmp_path: Path) -> None:
    case = replace(SMALL, given={"logs.requests": [{"day": "2026-01-15", "request_id": "a"}]})
    assert run_case(case, contracts(), tmp_path)[1] == {"required_columns"}


def test_a_row_outside_the_window_is_refused(tmp_path: Path) -> None:
    case = replace(SMALL, given={"logs.requests": [{"day": "2026-01-14", "request_id": "a"}]})
    with pytest.raises(CaseError, match="never gets there"):
        run_case(case, contracts(), tmp_path)


def test_an_unknown_column_and_an_unread_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="has no column surprise"):
        run_case(replace(SMALL, given={"logs.requests": [{"surprise": 1}]}), contracts(), tmp_path)
    with pytest.raises(CaseError, match=r"does not read logs\.landed"):
        run_case(replace(SMALL, given={"logs.landed": []}), contracts(), tmp_path)


def test_rows_are_matched_one_to_one() -> None:
    a, b = {"x": 1, "y": 1}, {"x": 1, "y": 2}
    assert unmatched([{"x": 1}, {"x": 1, "y": 1}], [a, b]) == ([], [])
    assert unmatched([{"x": 1}, {"x": 1}], [a]) == ([{"x": 1}], [])
    assert unmatched([{"y": 2}], [a, b]) == ([], [a])
