"""A warehouse of an older version under newer contracts and SQL: what docs/upgrading.md says happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from house import House, price, request, selected, with_sql

from resources.contracts import Column, ContractError

NAMES = ("logs.requests", "cost.charges", "cost.request_costs")


def older(root: Path) -> House:
    """A warehouse with a published day, made before logs.requests had `tokenizer_version`."""
    contracts = selected(*NAMES)
    requests = contracts["logs.requests"]
    kept = tuple(c for c in requests.columns if c.name != "tokenizer_version")
    select = f"-- One request.\nselect {', '.join(c.name for c in kept)} from (\n{requests.sql}\n) as whole"
    contracts["logs.requests"] = replace(with_sql(requests, root, select), columns=kept)
    house = House(root, contracts_=contracts)
    house.set_prices([price("large", 2.0)])
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z", tokenizer_version="t1")])
    house.night()
    return house


def test_a_new_column_of_a_computed_table_is_filled_for_all_open_days(tmp_path: Path) -> None:
    before = older(tmp_path)
    costs = before.ask("select request_id, contracted_amount from cost.request_costs")
    after = House(tmp_path, contracts_=selected(*NAMES))
    done = after.night()
    assert done["logs.requests", date(2026, 11, 8)].outcome == "replaced"
    assert after.ask("select request_id, tokenizer_version from logs.requests") == [("r1", "t1")]
    assert after.ask("select request_id, contracted_amount from cost.request_costs") == costs
    assert after.ask("select * from logs.restatements") == []
    assert after.is_quiet()


def test_a_column_of_another_type_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    before = older(tmp_path)
    prints = before.fingerprints()
    contracts = selected(*NAMES)
    requests = contracts["logs.requests"]
    columns = tuple(_as_text(c) if c.name == "latency_ms" else c for c in requests.columns)
    contracts["logs.requests"] = replace(requests, columns=columns)
    with pytest.raises(ContractError, match="latency_ms is stored as double, the contract says VARCHAR"):
        House(tmp_path, contracts_=contracts).plan()
    assert House(tmp_path, contracts_=before.store.contracts).fingerprints() == prints


def test_readers_see_the_old_snapshot_until_the_first_night_of_the_new_version_publishes(tmp_path: Path) -> None:
    before = older(tmp_path)
    after = House(tmp_path, contracts_=selected(*NAMES))
    after.land()
    after.compute()
    assert before.publisher.door.resolve() == after.publisher.door.resolve()
    columns = "select count(*) from duckdb_columns() where table_name = 'requests' and column_name = 'tokenizer_version'"
    assert after.ask(columns) == [(0,)]
    after.publish()
    assert after.ask(columns) == [(1,)]


def _as_text(column: Column) -> Column:
    return replace(column, type="VARCHAR", minimum=None, maximum=None)
