"""The genai-prices catalogue as dated price rows, read off by calling its own calculator.

Here belongs everything that knows how genai-prices computes. Calling `calc_price` for each request takes 0.1 ms;
calling it once for each model, context, date, time of day, tier and charge class gives a table that SQL can join,
with the same amounts. Source: genai_prices 0.2.3, types.py (`ModelInfo.get_prices`, `ModelPrice.calc_price`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.cost.price_matching import catalogue_rules
from assets.cost.price_rows import (
    ALWAYS_FROM,
    ALWAYS_TO,
    INPUT_CLASSES,
    NO_TOKEN_LIMIT,
    PRICE_MODELS_SCHEMA,
    PRICES_SCHEMA,
    SECONDS_PER_DAY,
    TOKEN_CLASSES,
    UNITS,
    PriceError,
    PriceRow,
    arrow_table,
    midnight,
    overlaps,
    rate,
)
from assets.cost.price_seeds import Override, apply_overrides

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_TEXT_IN = {"family": "tokens", "direction": "input", "modality": "text"}
_AUDIO_IN = _TEXT_IN | {"modality": "audio"}
_TEXT_OUT = {"family": "tokens", "direction": "output", "modality": "text"}
_CLASS_DIMENSIONS: dict[str, dict[str, str]] = {
    "uncached_input": _TEXT_IN,
    "cache_read": _TEXT_IN | {"token_type": "cache_read"},
    "cache_write_5m": _TEXT_IN | {"token_type": "cache_write", "cache_ttl": "5m"},
    "cache_write_1h": _TEXT_IN | {"token_type": "cache_write", "cache_ttl": "1h"},
    "audio_input": _AUDIO_IN,
    "audio_cache_read": _AUDIO_IN | {"token_type": "cache_read"},
    "image_input": _TEXT_IN | {"modality": "image"},
    "output": _TEXT_OUT,
    "reasoning": _TEXT_OUT | {"token_type": "reasoning"},
    "audio_output": _TEXT_OUT | {"modality": "audio"},
    "image_output": _TEXT_OUT | {"modality": "image"},
}
_MILLION = 1_000_000
STANDARD_TIER = "default"
"""What OpenAI's answers call the tier that is not one."""

TierRates = tuple[tuple[int, int, Decimal], ...]
"""(tier_from_tokens, tier_to_tokens, rate per million), covering [0, NO_TOKEN_LIMIT)."""
DayRates = tuple[tuple[int, int, TierRates], ...]
"""(from_second_of_day, to_second_of_day, its tiers), covering the day; no tiers where nothing is charged."""


@dataclass(frozen=True)
class Context:
    """What the buyer chose. Only these two reach us from the logs; other catalogue contexts are never met."""

    is_batch: bool = False
    service_tier: str | None = None

    @property
    def as_price_context(self) -> dict[str, str]:
        batch = {"processing": "batch"} if self.is_batch else {}
        return batch | ({"service_tier": self.service_tier} if self.service_tier else {})


def price_tables(
    overrides: Sequence[Override] = (), providers: Sequence[Provider] | None = None
) -> tuple[pa.Table, pa.Table]:
    """cost.prices and cost.price_models as Arrow tables in contract column order.

    The catalogue is the one bundled with the installed genai-prices, never one it downloads: the same installation
    gives the same tables. Overrides win where they are valid. Raises PriceError for a price or rule that the tables
    cannot hold, and if two rows would charge the same tokens.
    """
    from genai_prices import __version__

    origin = f"genai-prices {__version__}"
    if providers is None:
        from genai_prices.data import providers as bundled

        providers = bundled
    prices = catalogue_prices(providers, origin)
    prices, rules = apply_overrides(prices, catalogue_rules(providers, origin), overrides, providers)
    for first, second in overlaps(prices):
        raise PriceError(f"{first.price_id} and {second.price_id} hold at the same time: tokens would be charged twice")
    return arrow_table(prices, PRICES_SCHEMA), arrow_table(rules, PRICE_MODELS_SCHEMA)


def catalogue_prices(providers: Sequence[Provider], origin: str) -> list[PriceRow]:
    """All price rows of a catalogue, in its order."""
    rates_by_price: dict[str, dict[str, TierRates]] = {}

    def rates(price: ModelPrice) -> dict[str, TierRates]:
        key = repr(price)
        if key not in rates_by_price:
            rates_by_price[key] = class_rates(price)
        return rates_by_price[key]

    return [
        row for provider in providers for model in provider.models for row in _model_rows(provider.id, model, origin, rates)
    ]


def _model_rows(
    provider: str, model: ModelInfo, origin: str, rates: Callable[[ModelPrice], dict[str, TierRates]]
) -> Iterator[PriceRow]:
    dates = _change_dates(model)
    seconds = _change_seconds(model)
    standard: dict[bool, object] = {}
    for context in contexts(model):
        cells = {
            (day, second): rates(model.get_prices(_at(day, second), context.as_price_context or None))
            for day in dates
            for second in seconds
        }
        if context.service_tier is None:
            standard[context.is_batch] = cells
        elif context.service_tier == STANDARD_TIER and cells == standard.get(context.is_batch):
            # Providers answer "default" where nobody asked for a tier: an override of the standard price must reach it.
            continue
        for charge_class in UNITS:
            days = [
                (day, _merged([(second, cells[day, second].get(charge_class, ())) for second in seconds], SECONDS_PER_DAY))
                for day in dates
            ]
            yield from _class_rows(provider, model.id, charge_class, context, days, origin)


def _class_rows(
    provider: str, model: str, charge_class: str, context: Context, days: list[tuple[date, DayRates]], origin: str
) -> Iterator[PriceRow]:
    for number, (day, windows) in enumerate(days):
        if number and windows == days[number - 1][1]:
            continue
        until = next((later for later, other in days[number + 1 :] if other != windows), None)
        valid_from = midnight(day) if number else ALWAYS_FROM
        for from_second, to_second, tiers in windows:
            for tier_from, tier_to, per_million in tiers:
                yield PriceRow(
                    price_id=_price_id(
                        provider, model, charge_class, context, tier_from, from_second, to_second, day if number else None
                    ),
                    provider=provider,
                    model=model,
                    charge_class=charge_class,
                    unit=UNITS[charge_class],
                    is_batch=context.is_batch,
                    service_tier=context.service_tier,
                    tier_from_tokens=tier_from,
                    tier_to_tokens=tier_to,
                    from_second_of_day=from_second,
                    to_second_of_day=to_second,
                    rate_per_million=per_million,
                    contracted_rate_per_million=per_million,
                    currency="USD",
                    valid_from=valid_from,
                    valid_to=midnight(until) if until else ALWAYS_TO,
                    origin=origin,
                )


def _price_id(
    provider: str,
    model: str,
    charge_class: str,
    context: Context,
    tier_from: int,
    from_second: int,
    to_second: int,
    since: date | None,
) -> str:
    """Readable and independent of everything but the price itself, so that an override elsewhere does not rename it."""
    parts = [f"{provider}/{model}:{charge_class}"]
    if context.is_batch:
        parts.append("batch")
    if context.service_tier:
        parts.append(f"tier={context.service_tier}")
    if tier_from:
        parts.append(f"input>={tier_from}")
    if (from_second, to_second) != (0, SECONDS_PER_DAY):
        parts.append(f"at={_clock(from_second)}-{_clock(to_second)}")
    if since:
        parts.append(f"since={since}")
    return ":".join(parts)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}" + (f":{second % 60:02}" if second % 60 else "")


def contexts(model: ModelInfo) -> list[Context]:
    """Each combination of batch and service tier that may change a price of the model; the standard one first."""
    reachable = [v.when for v in model.price_variants or () if set(v.when) <= {"processing", "service_tier"}]
    batch = [False, True] if any(when.get("processing") == "batch" for when in reachable) else [False]
    tiers = dict.fromkeys(when["service_tier"] for when in reachable if "service_tier" in when)
    return [Context(is_batch, tier) for is_batch, tier in product(batch, [None, *tiers])]


def _constraints(model: ModelInfo) -> list[object]:
    conditional = model.prices if isinstance(model.prices, list) else []
    return [c.constraint for c in (*conditional, *(model.price_variants or ())) if c.constraint is not None]


def _change_dates(model: ModelInfo) -> list[date]:
    from genai_prices.types import StartDateConstraint

    starts = {c.start_date for c in _constraints(model) if isinstance(c, StartDateConstraint)}
    return sorted({ALWAYS_FROM.date(), *starts})


def _change_seconds(model: ModelInfo) -> list[int]:
    from genai_prices.types import TimeOfDateConstraint

    found = {0}
    for constraint in _constraints(model):
        if isinstance(constraint, TimeOfDateConstraint):
            found |= {_second_of_day(constraint.start_time, model), _second_of_day(constraint.end_time, model)}
    return sorted(found)


def _second_of_day(at: time, model: ModelInfo) -> int:
    if at.microsecond:
        raise PriceError(f"{model.id}: a price changes at {at}, inside a second; the price table knows whole seconds")
    offset = at.utcoffset() or timedelta()
    return (at.hour * 3600 + at.minute * 60 + at.second - int(offset.total_seconds())) % SECONDS_PER_DAY


def _at(day: date, second: int) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(seconds=second)


def _merged(cells: list[tuple[int, TierRates]], end: int) -> DayRates:
    kept = [cell for number, cell in enumerate(cells) if not number or cell[1] != cells[number - 1][1]]
    ends = [start for start, _ in kept[1:]] + [end]
    return tuple((start, to, tiers) for (start, tiers), to in zip(kept, ends, strict=True))


def class_rates(price: ModelPrice) -> dict[str, TierRates]:
    """Each charge class that a model price charges, with its rate in each tier of the total input.

    A class is charged if the catalogue prices its unit or one that contains it (cached tokens of a model without a
    cache price cost what input costs). A class that it does not price at all is left out: `calc_price` would make it
    free in silence.
    """
    starts = _tier_starts(price)
    edges = [0, *(start + 1 for start in starts), NO_TOKEN_LIMIT]
    found: dict[str, TierRates] = {}

    @cache
    def cost_of_input(tokens: int) -> Decimal:
        return _total(price, _input_usage(tokens))

    for charge_class in TOKEN_CLASSES:
        if not _is_priced(price, charge_class):
            continue
        tiers: list[tuple[int, int, Decimal]] = []
        for tier_from, tier_to in pairwise(edges):
            total_input = tier_to - 1 if tier_to != NO_TOKEN_LIMIT else max(tier_from, _MILLION)
            per_million = rate(_rate_at(price, charge_class, total_input, cost_of_input))
            if tiers and tiers[-1][2] == per_million:
                tiers[-1] = (tiers[-1][0], tier_to, per_million)
            else:
                tiers.append((tier_from, tier_to, per_million))
        found[charge_class] = tuple(tiers)
    if price.requests_kcount is not None:
        found["request"] = ((0, NO_TOKEN_LIMIT, rate(_total(price, {}) * _MILLION)),)
    return found


def _tier_starts(price: ModelPrice) -> list[int]:
    from genai_prices.types import TieredPrices

    tiered = {key: value for key, value in vars(price).items() if isinstance(value, TieredPrices)}
    if "requests_kcount" in tiered:
        raise PriceError("a fee per request that depends on the input tokens cannot be told from the token rates")
    return sorted({tier.start for value in tiered.values() for tier in value.tiers})


def _rate_at(price: ModelPrice, charge_class: str, total_input: int, cost_of_input: Callable[[int], Decimal]) -> Decimal:
    """Rate per million of one class for a request of `total_input` input tokens, by two calls of the calculator."""
    tokens, beside = (total_input, 0) if charge_class in INPUT_CLASSES else (_MILLION, total_input)
    with_class = _total(price, _input_usage(beside) | usage_of({charge_class: tokens}))
    return (with_class - cost_of_input(beside)) * _MILLION / tokens


def _input_usage(tokens: int) -> dict[str, int]:
    return usage_of({"uncached_input": tokens}) if tokens else {}


def _total(price: ModelPrice, usage: Mapping[str, int]) -> Decimal:
    from genai_prices.types import Usage

    return price.calc_price(Usage(**usage))["total_price"]


@cache
def _usage_keys(charge_class: str) -> tuple[tuple[str, str], ...]:
    """(usage key, price key) of each unit of the catalogue that contains the class."""
    from genai_prices.data_units import unit_data

    return tuple(
        (usage_key, unit.get("price_key", usage_key))
        for usage_key, unit in unit_data.items()
        if unit["dimensions"].items() <= _CLASS_DIMENSIONS[charge_class].items()
    )


def _is_priced(price: ModelPrice, charge_class: str) -> bool:
    return any(getattr(price, price_key) is not None for _, price_key in _usage_keys(charge_class))


def usage_of(tokens: Mapping[str, int]) -> dict[str, int]:
    """Our disjoint classes as genai-prices counts them: each of its units is the sum of the classes inside it."""
    usage: dict[str, int] = {}
    for charge_class, count in tokens.items():
        for usage_key, _ in _usage_keys(charge_class):
            usage[usage_key] = usage.get(usage_key, 0) + count
    return usage
