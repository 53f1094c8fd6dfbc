"""The flattened catalogue: complete, without overlaps, and matched as genai-prices matches."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEquals,
    ClauseRegex,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from assets.cost.price_catalogue import catalogue_prices, class_rates, contexts, price_tables
from assets.cost.price_matching import conjunctions
from assets.cost.price_rows import (
    CHARGE_CLASSES,
    NO_TOKEN_LIMIT,
    PRICE_MODELS_SCHEMA,
    PRICES_SCHEMA,
    PriceError,
    PriceRow,
    overlaps,
)
from resources.contracts import CONTRACTS, _read, parse


def _provider(*models: ModelInfo) -> Provider:
    return Provider(id="acme", name="Acme", api_pattern="acme", models=list(models))


def _model(prices: ModelPrice | list[ConditionalPrice], variants: list[PriceVariant] | None = None) -> ModelInfo:
    return ModelInfo(id="m1", match=ClauseEquals("m1"), prices=prices, price_variants=variants)


def _rows(prices: ModelPrice | list[ConditionalPrice], variants: list[PriceVariant] | None = None) -> list[PriceRow]:
    return catalogue_prices([_provider(_model(prices, variants))], "test")


@pytest.mark.parametrize(("table", "schema"), [("prices", PRICES_SCHEMA), ("price_models", PRICE_MODELS_SCHEMA)])
def test_columns_are_those_of_the_contract(table: str, schema: pa.Schema) -> None:
    contract = parse("cost", table, _read(CONTRACTS / "cost" / f"{table}.yml"))
    assert schema.names == [column.name for column in contract.columns]


def test_charge_classes_are_the_token_columns_of_the_log() -> None:
    landed = parse("logs", "landed", _read(CONTRACTS / "logs" / "landed.yml"))
    names = [c.name for c in landed.columns]
    first, last = names.index("uncached_input_tokens"), names.index("image_output_tokens")
    assert (*(name.removesuffix("_tokens") for name in names[first : last + 1]), "request") == CHARGE_CLASSES


def test_catalogue_is_deterministic_and_names_each_price_once(catalogue: tuple[pa.Table, pa.Table]) -> None:
    prices, price_models = catalogue
    again_prices, again_models = price_tables()
    assert prices.equals(again_prices)
    assert price_models.equals(again_models)
    ids = prices["price_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert len(ids) > 30_000
    rules = list(zip(price_models["rule_id"].to_pylist(), price_models["clause_number"].to_pylist(), strict=True))
    assert len(set(rules)) == len(rules)


def test_a_class_without_its_own_rate_costs_what_contains_it_costs() -> None:
    rates = class_rates(ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(8)))
    assert rates["cache_read"] == rates["audio_input"] == rates["uncached_input"] == ((0, NO_TOKEN_LIMIT, Decimal(2)),)
    assert rates["reasoning"] == rates["output"] == ((0, NO_TOKEN_LIMIT, Decimal(8)),)
    assert "request" not in rates


def test_a_class_the_catalogue_does_not_price_is_left_out_but_a_free_one_is_not() -> None:
    rates = class_rates(ModelPrice(input_mtok=Decimal(0)))
    assert rates["uncached_input"] == ((0, NO_TOKEN_LIMIT, Decimal(0)),)
    assert "output" not in rates
    assert class_rates(ModelPrice(audio_hours=Decimal(1))) == {}


def test_cache_write_lifetimes_are_two_rates() -> None:
    price = ModelPrice(input_mtok=Decimal(3), cache_write_mtok=Decimal("3.75"), cache_write_1h_mtok=Decimal(6))
    rates = class_rates(price)
    assert [rates[name][0][2] for name in ("cache_write_5m", "cache_write_1h")] == [Decimal("3.75"), Decimal(6)]


def test_a_tier_starts_one_token_after_its_start_and_rules_the_output_too() -> None:
    def tiers(low: int, high: int) -> TieredPrices:
        return TieredPrices(base=Decimal(low), tiers=[Tier(start=200_000, price=Decimal(high))])

    rates = class_rates(ModelPrice(input_mtok=tiers(2, 4), output_mtok=tiers(8, 12)))
    assert rates["uncached_input"] == ((0, 200_001, Decimal(2)), (200_001, NO_TOKEN_LIMIT, Decimal(4)))
    assert rates["output"] == ((0, 200_001, Decimal(8)), (200_001, NO_TOKEN_LIMIT, Decimal(12)))


def test_fee_per_request_is_a_class_and_in_no_token_rate() -> None:
    rates = class_rates(ModelPrice(input_mtok=Decimal(1), requests_kcount=Decimal(12)))
    assert rates["request"] == ((0, NO_TOKEN_LIMIT, Decimal(12_000)),)
    assert rates["uncached_input"] == ((0, NO_TOKEN_LIMIT, Decimal(1)),)


def test_a_dated_change_splits_only_the_class_it_changes() -> None:
    before = ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(8)))
    after = ConditionalPrice(
        StartDateConstraint(date(2026, 5, 1)), prices=ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(6))
    )
    rows = {row.price_id: row for row in _rows([before, after])}
    change = datetime(2026, 5, 1, tzinfo=UTC)
    assert "acme/m1:uncached_input:since=2026-05-01" not in rows
    assert rows["acme/m1:output"].valid_to == rows["acme/m1:output:since=2026-05-01"].valid_from == change


def test_contexts_are_batch_and_service_tiers_and_nothing_else() -> None:
    half = ModelPrice(input_mtok=Decimal(1))
    variants = [
        PriceVariant({"processing": "batch"}, half),
        PriceVariant({"service_tier": "flex"}, half),
        PriceVariant({"route": "mistral/eu"}, half),
    ]
    found = contexts(_model(ModelPrice(input_mtok=Decimal(2)), variants))
    assert [(c.is_batch, c.service_tier) for c in found] == [(False, None), (False, "flex"), (True, None), (True, "flex")]


def test_lookahead_becomes_a_clause_that_must_not_match() -> None:
    logic = ClauseAnd([ClauseContains("Gemini"), ClauseRegex(r"^(?!.*-[tT](?:$|-))")])
    assert conjunctions(logic) == [(("contains", "gemini"), ("not_regex", r"^(?:.*-[tT](?:$|-))"))]
    assert conjunctions(ClauseRegex("^(?![^/]+/)a|b")) == [(("not_regex", "^(?:[^/]+/)"), ("regex", "^a|b"))]


@pytest.mark.parametrize("pattern", ["a(?=b)", "(?<!a)b", r"(a)\1"])
def test_a_pattern_that_re2_cannot_express_is_refused(pattern: str) -> None:
    with pytest.raises(PriceError, match="RE2 cannot express"):
        conjunctions(ClauseRegex(pattern))


def test_overlaps_are_found() -> None:
    row = _rows(ModelPrice(input_mtok=Decimal(2)))[0]
    assert overlaps([row, row]) == [(row, row)]


FOUND: list[tuple[str | None, str, str | None]] = [
    ("OpenAI", "GPT-4o", "openai/gpt-4o"),
    ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("gcp.gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("aws.bedrock", "nobody.knows-it", None),
    ("azure.ai.openai", "gpt-4o", "openai/gpt-4o"),
    ("litellm", "anthropic/claude-opus-4-1", "anthropic/claude-opus-4-1"),
    (None, "claude-opus-4-1", "anthropic/claude-opus-4-1"),
    (None, "unheard-of", None),
]


@pytest.mark.parametrize(("provider", "model", "found"), FOUND)
def test_logged_names_find_their_entry(
    catalogue: tuple[pa.Table, pa.Table], charge_day: Any, provider: str | None, model: str, found: str | None
) -> None:
    request = {
        "request_id": "r",
        "ts": datetime(2026, 1, 15, 10, tzinfo=UTC),
        "provider": provider,
        "model": model,
        "uncached_input_tokens": 10,
        "input_tokens": 10,
        "output_tokens": 0,
    }
    (charge,) = charge_day(catalogue, date(2026, 1, 15), [request])
    assert (charge["price_id"] or "").split(":")[0] == (found or "")
    assert charge["state"] == ("priced" if found else "unpriced")


def test_an_override_of_the_standard_price_reaches_requests_of_the_default_tier(
    catalogue: tuple[pa.Table, pa.Table],
) -> None:
    """Providers answer service_tier "default" where nobody asked for one; rows of its own would shut overrides out."""
    prices, _ = catalogue
    tiers = set(prices.column("service_tier").to_pylist())
    assert "default" not in tiers
    assert {"priority", "flex"} <= tiers
