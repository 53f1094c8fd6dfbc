"""Overrides: what is refused, and that one never touches a day outside its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import yaml
from genai_prices.types import ClauseStartsWith, ModelInfo, ModelPrice, PriceVariant, Provider

from assets.cost.price_catalogue import price_tables
from assets.cost.price_seeds import PriceSeedError, parse_overrides
from resources.contracts import SEEDS

ENTRY: dict[str, Any] = {"provider": "acme", "model": "m1", "valid_from": date(2026, 1, 1), "rates": {"output": "9.5"}}
ACME = [
    Provider(
        id="acme",
        name="Acme",
        api_pattern="acme",
        models=[
            ModelInfo(
                id="m1",
                match=ClauseStartsWith("m1"),
                prices=ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(8)),
                price_variants=[
                    PriceVariant({"processing": "batch"}, ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(4)))
                ],
            )
        ],
    )
]


def _tables(*entries: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    return price_tables(parse_overrides({"overrides": [ENTRY | entry for entry in entries]}), ACME)


def _on(table: pa.Table, day: date) -> list[dict[str, Any]]:
    """The rows valid on a day, their validity clipped to it: what the staleness of the day is judged by."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    valid = [row for row in table.to_pylist() if row["valid_from"] <= start < row["valid_to"]]
    return sorted(({k: v for k, v in row.items() if k not in ("valid_from", "valid_to")} for row in valid), key=str)


def _rates(prices: pa.Table, day: date, model: str = "m1", is_batch: bool = False) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        row["charge_class"]: (row["rate_per_million"], row["contracted_rate_per_million"])
        for row in _on(prices, day)
        if row["model"] == model and row["is_batch"] == is_batch
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"modle": "x"}, "unknown keys"),
        ({"provider": None}, "'provider' is a name"),
        ({"valid_from": "January"}, "valid_from is a day"),
        ({"valid_from": datetime(2026, 1, 1, 5)}, "valid_from is a day"),
        ({"valid_to": date(2026, 1, 1)}, "valid_to is the first day without"),
        ({"rates": {"input": 1}}, "charge classes are"),
        ({"rates": {"output": -1}}, "rates.output is -1"),
        ({"rates": {"output": "cheap"}}, "rates.output is 'cheap'"),
        ({"rates": {"output": True}}, "rates.output is True"),
        ({"rates": {"output": "0.0000001"}}, "at most six decimals"),
        ({"rates": {}}, "give `rates`, `contracted` or both"),
        ({"currency": "EUR"}, "only USD"),
        ({"is_batch": "yes"}, "is_batch is true or false"),
    ],
)
def test_a_faulty_override_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(PriceSeedError, match=f"override 1.*{says}"):
        parse_overrides({"overrides": [ENTRY | change]})


def test_a_rate_given_twice_for_a_day_is_refused() -> None:
    with pytest.raises(PriceSeedError, match=r"override 2 .* gives output again for days of override 1"):
        _tables({"valid_to": date(2026, 2, 1)}, {"valid_from": date(2026, 1, 31)})


def test_a_discount_without_a_list_price_is_refused() -> None:
    with pytest.raises(PriceSeedError, match="output has no list price"):
        _tables({"model": "new", "rates": {"uncached_input": 1}, "contracted": {"output": 1}})


def test_a_provider_taken_for_another_is_refused() -> None:
    with pytest.raises(PriceSeedError, match="takes provider 'my-openai' for 'openai'"):
        price_tables(parse_overrides({"overrides": [ENTRY | {"provider": "my-openai", "model": "gpt-4o"}]}))


@pytest.mark.parametrize("empty", [None, {}, {"overrides": None}, {"overrides": []}])
def test_no_overrides_are_none(empty: object) -> None:
    assert parse_overrides(empty) == []


def test_the_seed_file_is_empty_and_its_examples_hold() -> None:
    text = (SEEDS / "prices.yml").read_text(encoding="utf-8")
    assert parse_overrides(yaml.safe_load(text)) == []
    example = text[text.index("# overrides:") : text.index("\noverrides: []")]
    overrides = parse_overrides(yaml.safe_load("\n".join(line[2:] for line in example.splitlines())))
    assert len(overrides) == 3
    price_tables(overrides)


def test_an_override_holds_on_its_days_and_leaves_the_others_as_they_were() -> None:
    plain, _ = price_tables((), ACME)
    prices, _ = _tables({"valid_from": date(2026, 3, 10), "valid_to": date(2026, 3, 12)})
    for day in (date(2026, 3, 9), date(2026, 3, 12)):
        assert _on(prices, day) == _on(plain, day)
    for day in (date(2026, 3, 10), date(2026, 3, 11)):
        assert _rates(prices, day)["output"] == (Decimal("9.5"), Decimal("9.5"))
        assert _rates(prices, day)["uncached_input"] == (Decimal(2), Decimal(2))
        assert _rates(prices, day, is_batch=True)["output"] == (Decimal(4), Decimal(4))


def test_rules_of_an_override_hold_on_its_days_only() -> None:
    _, plain = price_tables((), ACME)
    _, rules = _tables({"model": "m1-snapshot", "valid_from": date(2026, 3, 10), "valid_to": date(2026, 3, 12)})
    assert _on(rules, date(2026, 3, 9)) == _on(plain, date(2026, 3, 9))
    assert len(_on(rules, date(2026, 3, 10))) == len(_on(plain, date(2026, 3, 10))) + 1


def test_a_contracted_rate_leaves_the_list_price() -> None:
    prices, _ = _tables({"rates": None, "contracted": {"output": 6}})
    assert _rates(prices, date(2026, 1, 1))["output"] == (Decimal(8), Decimal(6))


def test_an_override_of_a_snapshot_is_not_one_of_the_model() -> None:
    prices, _ = _tables({"model": "M1-Snapshot"})
    assert _rates(prices, date(2026, 1, 1))["output"] == (Decimal(8), Decimal(8))
    assert _rates(prices, date(2026, 1, 1), "m1-snapshot") == {
        name: (Decimal("9.5"), Decimal("9.5")) if name == "output" else rates
        for name, rates in _rates(prices, date(2026, 1, 1)).items()
    }


def test_a_context_without_prices_starts_from_the_standard_ones() -> None:
    prices, _ = _tables({"service_tier": "priority", "rates": {"output": 16}})
    tier = {
        r["charge_class"]: r["rate_per_million"] for r in _on(prices, date(2026, 1, 1)) if r["service_tier"] == "priority"
    }
    assert (tier["output"], tier["uncached_input"]) == (Decimal(16), Decimal(2))


def test_a_model_of_ones_own_is_charged(charge_day: Any) -> None:
    tables = _tables({"provider": "vllm", "model": "own/7b", "rates": {"uncached_input": "0.1", "output": "0.4"}})
    tokens = {"uncached_input_tokens": 10, "input_tokens": 10, "output_tokens": 0}
    request = {"request_id": "r", "provider": "vLLM", "model": "Own/7B", **tokens}
    (charge,) = charge_day(tables, date(2026, 1, 1), [request | {"ts": datetime(2026, 1, 1, tzinfo=UTC)}])
    assert (charge["state"], charge["list_amount"]) == ("priced", Decimal("0.000001"))
    (charge,) = charge_day(tables, date(2025, 12, 31), [request | {"ts": datetime(2025, 12, 31, 23, tzinfo=UTC)}])
    assert (charge["state"], charge["reason"]) == ("unpriced", "unknown_provider")
