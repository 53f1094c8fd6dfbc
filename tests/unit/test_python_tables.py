"""Tables that Python computes: held to their contract, and stale when anything that computes them changes."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from house import House, selected

from assets import python_tables
from assets.checks import rules
from assets.python_tables import python_table
from resources import day_inputs
from resources.computing import PythonTable, compute_day
from resources.contracts import ContractError, contracts
from resources.day_inputs import DayInputs, code_digest, python_sources, take_pins
from resources.embedder import Embedder, cache_folder

DAY = date(2026, 11, 5)
REQUEST_DAYS = contracts()["logs.request_days"]
"""A small table, as if Python computed it: see `without_sql`."""


def without_sql(folder: Path):
    return replace(REQUEST_DAYS, sql_file=folder / "absent.sql")


def copied(day: date, requests: pl.DataFrame) -> pl.DataFrame:
    """What sql/logs/request_days.sql selects of its requests, some columns apart."""
    wanted = [pl.col(c.name) if c.name in requests.columns else pl.lit(None).alias(c.name) for c in REQUEST_DAYS.columns]
    return requests.select(wanted).with_columns(day=pl.lit(day), is_root=pl.lit(True))


def without_b(day: date, requests: pl.DataFrame) -> pl.DataFrame:
    """As SQL computes them, but for one row."""
    return copied(day, requests.filter(pl.col("request_id") != "b"))


def test_a_day_that_python_computes_is_typed_checked_and_committed_as_any_other(tmp_path: Path) -> None:
    house = House(tmp_path, contracts_=selected("logs.request_days"))
    house.deliver("a.jsonl", [{"request_id": "a", "ts": f"{DAY}T10:00:00Z"}, {"request_id": "b", "ts": f"{DAY}T11:00:00Z"}])
    house.night()
    contract = without_sql(tmp_path)
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    python = PythonTable(without_b, {"logs.requests": ["request_id", "ts", "trace_id"]})
    first = compute_day(house.store, contract, DAY, inputs, rules(contract), python)
    again = compute_day(house.store, contract, DAY, inputs, rules(contract), python)
    assert (first.outcome, first.rows, again.outcome) == ("replaced", 1, "fresh")
    stored = house.store.rows(f"select request_id, day from ({house.store.scan_all(contract.name)}) order by 1")
    assert stored == [("a", DAY)]


def test_rows_of_another_day_are_held_back(tmp_path: Path) -> None:
    house = House(tmp_path, contracts_=selected("logs.request_days"))
    house.deliver("a.jsonl", [{"request_id": "a", "ts": f"{DAY}T10:00:00Z"}])
    house.night()
    contract = without_sql(tmp_path)
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))

    def astray(day: date, requests: pl.DataFrame) -> pl.DataFrame:
        return copied(day, requests).with_columns(day=pl.lit(date(2026, 11, 4)))

    assert compute_day(house.store, contract, DAY, inputs, rules(contract), PythonTable(astray)).outcome == "failed"


def test_neither_sql_nor_python_is_an_error_that_says_where_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"assets/logs/request_days\.py; write one of them"):
        python_table(without_sql(tmp_path))


def test_a_function_that_reads_another_table_than_its_contract_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Module:
        @staticmethod
        def request_days(day: date, charges: pl.DataFrame) -> pl.DataFrame:
            return charges

    monkeypatch.setattr(python_tables, "import_module", lambda name: Module)
    with pytest.raises(ContractError, match=r"takes \['day', 'charges'\], its contract reads \['day', 'requests'"):
        python_table(without_sql(tmp_path))


def test_a_change_in_a_file_that_it_imports_makes_its_days_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "assets" / "logs"
    folder.mkdir(parents=True)
    (folder / "request_days.py").write_text("from assets.logs.helper import one\nfrom assets.logs import other\n")
    (folder / "helper.py").write_text("one = 1\n")
    (folder / "other.py").write_text("from assets.logs.request_days import two\n")
    monkeypatch.setattr(day_inputs, "REPO", tmp_path)
    contract = without_sql(tmp_path)
    assert [path.name for path in python_sources(contract)] == ["helper.py", "other.py", "request_days.py"]
    before = code_digest(contract)
    (folder / "helper.py").write_text("one = 2\n")
    assert code_digest(contract) != before


def test_a_table_that_embeds_is_given_vectors_and_the_name_of_what_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Module:
        @staticmethod
        def request_days(day: date, requests: pl.DataFrame, embed: Any) -> pl.DataFrame:
            vectors, name = embed(requests["request_id"].to_list())
            return copied(day, requests.with_columns(trace_id=pl.lit(f"{name} {vectors.shape}")))

    contract = replace(without_sql(tmp_path), embeds=True)
    house = House(tmp_path, contracts_=selected("logs.request_days"))
    house.deliver("a.jsonl", [{"request_id": "a", "ts": f"{DAY}T10:00:00Z"}])
    house.night()
    monkeypatch.setattr(python_tables, "import_module", lambda name: Module)
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    with pytest.raises(RuntimeError, match="was given no embedder"):
        compute_day(house.store, contract, DAY, inputs, rules(contract), python_table(contract))
    told: list[str] = []
    embedder = Embedder(cache=cache_folder(house.store.state))
    compute_day(house.store, contract, DAY, inputs, rules(contract), python_table(contract, embedder, told.append))
    stored = house.store.rows(f"select trace_id from ({house.store.scan_all(contract.name)})")
    assert stored == [(f"{embedder.fingerprint[:8]} (1, 384)",)]
    assert told == ["logs.request_days: 1 of 1 new texts embedded"]
    folder = house.store.state / "embeddings"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
