"""The shape of the two price tables: what one price row and one matching rule say, and their Arrow schemas.

No rates and no rules stand here: price_catalogue.py makes them from the catalogue, price_seeds.py from the seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from operator import attrgetter

import pyarrow as pa

ALWAYS_FROM = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS_TO = datetime(9999, 12, 31, tzinfo=UTC)
"""Validity without a known start or end. Sentinels, not NULL: a half-open range join needs both ends."""

NO_TOKEN_LIMIT = 1_000_000_000_000
"""`tier_to_tokens` of the last tier: above any request (the sum of all input classes at their contract maximum)."""

SECONDS_PER_DAY = 86_400

TOKEN_CLASSES = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_cache_read",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "image_output",
)
INPUT_CLASSES = TOKEN_CLASSES[:7]
CHARGE_CLASSES = (*TOKEN_CLASSES, "request")
UNITS = dict.fromkeys(TOKEN_CLASSES, "token") | {"request": "request"}

_RATE_STEP = Decimal("0.000001")


class PriceError(ValueError):
    """A price that cannot be written as a row of the price tables; says which one and what to do."""


@dataclass(frozen=True)
class PriceRow:
    """One rate and where it holds; the fields are the columns of cost.prices, in their order.

    A request is charged it when its context, total input tokens, second of the UTC day and time all lie inside;
    for one context and charge class no two rows ever hold at once.
    """

    price_id: str
    provider: str
    model: str
    charge_class: str
    unit: str
    is_batch: bool
    service_tier: str | None
    tier_from_tokens: int
    tier_to_tokens: int
    from_second_of_day: int
    to_second_of_day: int
    rate_per_million: Decimal
    contracted_rate_per_million: Decimal
    currency: str
    valid_from: datetime
    valid_to: datetime
    origin: str

    @property
    def context(self) -> tuple[str, str, bool, str | None]:
        return self.provider, self.model, self.is_batch, self.service_tier


@dataclass(frozen=True)
class RuleClause:
    """One clause of a matching rule; the fields are the columns of cost.price_models, in their order.

    A rule holds when all of its clauses hold; of the rules that hold, the lowest rank wins.
    """

    rule_id: str
    clause_number: int
    clause_count: int
    finds: str
    scope_provider: str | None
    operator: str
    operand: str
    rank: int
    found_provider: str
    found_model: str | None
    uses_price_context: bool
    valid_from: datetime
    valid_to: datetime
    origin: str


_UTC = pa.timestamp("us", tz="UTC")
_RATE = pa.decimal128(19, 6)
_ARROW_TYPES = {
    "is_batch": pa.bool_(),
    "tier_from_tokens": pa.int64(),
    "tier_to_tokens": pa.int64(),
    "from_second_of_day": pa.int32(),
    "to_second_of_day": pa.int32(),
    "rate_per_million": _RATE,
    "contracted_rate_per_million": _RATE,
    "valid_from": _UTC,
    "valid_to": _UTC,
    "clause_number": pa.int32(),
    "clause_count": pa.int32(),
    "rank": pa.int32(),
    "uses_price_context": pa.bool_(),
}


def _schema(row: type[PriceRow] | type[RuleClause]) -> pa.Schema:
    return pa.schema([(field.name, _ARROW_TYPES.get(field.name, pa.string())) for field in fields(row)])


PRICES_SCHEMA = _schema(PriceRow)
PRICE_MODELS_SCHEMA = _schema(RuleClause)


def arrow_table(rows: Iterable[PriceRow] | Iterable[RuleClause], schema: pa.Schema) -> pa.Table:
    """The rows as an Arrow table with the columns in contract order; an empty one keeps its types."""
    columns = list(zip(*map(attrgetter(*schema.names), rows), strict=True)) or [()] * len(schema)
    return pa.table([pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)], schema)


def midnight(day: date) -> datetime:
    """The UTC instant at which a day starts."""
    return datetime.combine(day, time(), UTC)


def rate(value: Decimal) -> Decimal:
    """A rate at the six decimals that the tables keep; a few catalogue rates are repeating decimals (0.08333…)."""
    return value.quantize(_RATE_STEP)


def overlaps(rows: Iterable[PriceRow]) -> list[tuple[PriceRow, PriceRow]]:
    """Pairs of rows that would both charge the same tokens; the price tables are right only if there are none."""
    by_key: dict[tuple[object, ...], list[PriceRow]] = {}
    for row in rows:
        by_key.setdefault((*row.context, row.charge_class), []).append(row)
    return [
        (first, second)
        for same in by_key.values()
        for number, first in enumerate(same)
        for second in same[number + 1 :]
        if first.valid_from < second.valid_to
        and second.valid_from < first.valid_to
        and first.tier_from_tokens < second.tier_to_tokens
        and second.tier_from_tokens < first.tier_to_tokens
        and first.from_second_of_day < second.to_second_of_day
        and second.from_second_of_day < first.to_second_of_day
    ]
