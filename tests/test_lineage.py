"""docs/lineage.md says what the SQL does now, column by column."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from house import all_contracts, with_sql

from pipelines.pages.lineage import Lineage, lineage_of, schema_of
from pipelines.pages.lineage_page import PAGE, lineage_page
from resources.contracts import contracts


def of(name: str) -> Lineage:
    promised = contracts()
    return lineage_of(promised[name], promised, schema_of(promised))


@cache
def page() -> str:
    return lineage_page(contracts())


def test_the_page_is_made_from_the_sql_as_it_is_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs` and commit docs/lineage.md"


def test_money_comes_from_quantities_and_prices() -> None:
    amount = of("cost.charges").columns["contracted_amount"]
    assert {"cost.prices.contracted_rate_per_million", "logs.requests.output_tokens"} <= set(amount)
    assert of("cost.cost_daily").columns["contracted_amount"] == ("cost.cost_15min.contracted_amount",)


def test_a_column_that_only_filters_is_no_origin_and_its_table_is_named(tmp_path: Path) -> None:
    promised = all_contracts()
    sql = """-- One request.
    select r.request_id, upper(r.model) as model, count(*) as n
    from logs.requests as r join cost.charges as c on c.request_id = r.request_id and c.day = $day
    where r.provider = 'acme' group by r.request_id, r.model"""
    contract = with_sql(promised["cost.request_costs"], tmp_path, sql)
    columns = (contract.column("request_id"), contract.column("model"), replace(contract.column("model"), name="n"))
    found = lineage_of(replace(contract, columns=columns), promised, schema_of(promised))
    assert found.columns == {"request_id": ("logs.requests.request_id",), "model": ("logs.requests.model",), "n": ()}
    assert set(found.tables) >= {"logs.requests", "cost.charges"}


def test_every_table_is_on_the_page_and_every_drawing_names_what_it_draws() -> None:
    assert set(re.findall(r"^### (\S+)$", page(), flags=re.MULTILINE)) == set(contracts())
    for drawing in re.findall(r"```mermaid\n(.+?)```", page(), flags=re.DOTALL):
        named = set(re.findall(r"^  (\w+)[\[(]", drawing, flags=re.MULTILINE))
        drawn = {end for edge in re.findall(r"^  (\w+) --> (\w+)$", drawing, flags=re.MULTILINE) for end in edge}
        assert drawn <= named
