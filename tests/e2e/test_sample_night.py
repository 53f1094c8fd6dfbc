"""The sample's first nights, through Dagster, against what was planted in it: nothing lost, nothing counted twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from hashed_words import HashedWordsResource

from pipelines.build import build_resources
from pipelines.nightly import Night, NightRun
from pipelines.settings import Settings
from resources.contracts import SEEDS
from resources.warehouse import open_published
from resources.warehouse_resource import EmbedderResource, WarehouseResource
from simulator.catalogue import TOKEN_COLUMNS
from simulator.traffic import simulate

LAST_DAY, REQUESTS_PER_DAY = date(2026, 10, 25), 300
FORMATS = {
    "otel": "otlp", "litellm": "litellm", "langfuse": "langfuse", "openai_raw": "openai", "anthropic_raw": "anthropic",
    "partner": "canonical",
}  # fmt: skip
"""The simulator's sources beside the gateway, and what they are read as."""
KINDS = ("request", "retrieval", "tool_call", "feedback")


class Warehouse:
    """One warehouse below `root`, with seeds of its own, run as `make nightly` runs it."""

    def __init__(self, root: Path, embedder: EmbedderResource):
        self.root = root
        self.embedder = embedder
        self.seeds = root / "seeds"
        shutil.copytree(SEEDS, self.seeds)
        declared = yaml.safe_load((self.seeds / "sources.yml").read_text(encoding="utf-8"))["sources"]
        declared |= {name: {"format": format_name} for name, format_name in FORMATS.items()}
        (self.seeds / "sources.yml").write_text(yaml.safe_dump({"sources": declared}), encoding="utf-8")
        self.settings = Settings(root / "home", root / "data", root / "landing", "2026-10-26T03:00:00", 0.0, "1GB")

    def night(self) -> Night:
        resources = build_resources(self.settings)
        resources["warehouse"] = WarehouseResource(
            data_dir=str(self.settings.data),
            state_dir=str(self.settings.home),
            landing_dir=str(self.settings.landing),
            seeds_dir=str(self.seeds),
            durable=False,
        )
        resources["embedder"] = self.embedder
        with dg.DagsterInstance.ephemeral() as instance:
            return NightRun(self.settings, lambda text: None, resources).run(instance)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        con = open_published(self.root / "data" / "warehouse.duckdb")
        try:
            return con.execute(sql).fetchall()
        finally:
            con.close()


@dataclass(frozen=True)
class Sample:
    """So many days of traffic, of which each holds all that is asked below."""

    days: int
    files_per_day: int
    seed: int
    embedder: EmbedderResource


@pytest.fixture(
    scope="module",
    params=[
        Sample(days=2, files_per_day=1, seed=6, embedder=HashedWordsResource()),
        pytest.param(Sample(days=4, files_per_day=2, seed=11, embedder=EmbedderResource()), marks=pytest.mark.proof),
    ],
    ids=lambda sample: f"{sample.days}-days",
)
def sample(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Warehouse, dict[str, Any], Night]:
    root = tmp_path_factory.mktemp("sample")
    size: Sample = request.param
    warehouse = Warehouse(root, size.embedder)
    first_day = LAST_DAY - timedelta(days=size.days - 1)
    for _ in simulate(
        root / "landing", root / "truth", first_day, size.days, REQUESTS_PER_DAY, seed=size.seed,
        files_per_day=size.files_per_day, texts=True, others=tuple(FORMATS),
    ):  # fmt: skip
        pass
    truth = json.loads((root / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    return warehouse, truth, warehouse.night()


def test_every_request_and_duplicate_is_where_it_was_planted(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, truth, night = sample
    assert night.failures == []
    columns = "day, landed_records, requests, retrievals, tool_calls, feedback, duplicates, unaccounted_records, is_settled"
    found = {str(day): counts for day, *counts in warehouse.ask(f"select {columns} from governance.accounting")}
    planted = {}
    for day, facts in truth["days"].items():
        landed, records = ({k: _of_kind(facts, k, what) for k in KINDS} for what in ("landed_records", "records"))
        # A request that two tools log is one request, and a duplicate.
        kinds = [facts["requests"], *(records[kind] for kind in KINDS[1:])]
        if any(landed.values()):
            planted[day] = [sum(landed.values()), *kinds, sum(landed.values()) - sum(kinds), 0, True]
    assert found == planted
    twice = [pair for night in truth["deliveries"].values() for pair in night["made"]["words"]["logged_twice"]]
    ids = ", ".join(f"'{pair['request_id']}'" for pair in twice)
    assert twice and warehouse.ask(f"select count(*) from logs.requests where request_id in ({ids})") == [(len(twice),)]


def _of_kind(facts: dict[str, Any], kind: str, what: str) -> int:
    return sum(kinds[kind][what] for kinds in facts["by_source"].values() if kind in kinds)


def test_every_line_is_accounted_for(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, truth, _ = sample
    sums = "lines, lines_blank, lines_refused, records_quarantined, records_landed, records_ignored"
    found = {path: counts for path, *counts in warehouse.ask(f"select path, {sums} from logs.files where state = 'landed'")}
    names = ("lines", "blank_lines", "lines_refused", "records_quarantined", "records_landed", "records_ignored")
    files = [file for night in truth["deliveries"].values() for file in night["files"]]
    assert found == {file["path"]: [file[name] for name in names] for file in files}
    assert truth["totals"]["lines_refused"] and truth["totals"]["records_quarantined"]
    (rows,) = warehouse.ask("select count(*) from logs.quarantine")
    assert rows[0] == truth["totals"]["lines_refused"] + truth["totals"]["records_quarantined"]


def test_tokens_by_day_and_model_are_what_was_planted(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, truth, _ = sample
    classes = TOKEN_COLUMNS
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in classes)
    rows = warehouse.ask(f"select day, request_model, count(*), {sums} from logs.requests group by day, request_model")
    found = {(str(day), model): tuple(int(n) for n in numbers) for day, model, *numbers in rows}
    planted = {
        (day, model): (facts["requests"], *(facts[name] for name in classes))
        for day, models in truth["days"].items()
        for model, facts in models["by_model"].items()
        if facts["requests"]
    }
    assert found == planted


def test_the_new_model_is_listed_and_not_zero(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, truth, _ = sample
    (planted,) = [incident for incident in truth["incidents"] if incident["kind"] == "NewModel"]
    found = warehouse.ask("select model, reason, first_day from cost.unpriced_models where reason = 'unknown_model'")
    assert [(model, reason) for model, reason, _ in found] == [(planted["model"], "unknown_model")]
    assert all(str(first_day) >= planted["first_day"] for _, _, first_day in found)
    charges = warehouse.ask(f"select distinct state, list_amount from cost.charges where model = '{planted['model']}'")
    assert ("unpriced", None) in charges
    # A zero stands only where zero is known: answered from a cache, or failed without a token.
    assert {state for state, amount in charges if amount is not None} <= {"not_billed"}


def test_the_second_night_commits_nothing(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, _, first = sample
    second = warehouse.night()
    assert (second.commits, second.is_published, second.manifest) == (0, False, first.manifest)


def test_the_agreed_price_restates_its_days_and_no_other(sample: tuple[Warehouse, dict[str, Any], Night]) -> None:
    warehouse, truth, _ = sample
    (planted,) = [incident for incident in truth["incidents"] if incident["kind"] == "PriceChange"]
    costs = "select day, sum(list_amount), sum(contracted_amount) from cost.cost_daily group by day order by day"
    before = {str(day): amounts for day, *amounts in warehouse.ask(costs)}
    shutil.copyfile(warehouse.root / "truth" / "price_override_example.yml", warehouse.seeds / "prices.yml")
    assert warehouse.night().failures == []
    after = {str(day): amounts for day, *amounts in warehouse.ask(costs)}
    changed = {day for day in before if before[day] != after[day]}
    assert changed == {day for day in before if day >= planted["first_day"]}
    assert all(after[day][0] == before[day][0] and after[day][1] < before[day][1] for day in changed)
    (restated,) = warehouse.ask(
        "select sum(after - before) from logs.restatements "
        "where table_name = 'cost.charges' and measure = 'contracted_amount'"
    )
    assert restated[0] == sum((after[day][1] - before[day][1] for day in changed), Decimal(0))
