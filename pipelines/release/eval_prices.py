"""What answers cost by our price book: by the SELECT that prices logged requests, so that both agree to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from resources.store import Store
from resources.table_store import arrow_schema
from resources.warehouse import define_inputs

REQUESTS, CHARGES, PRICE_BOOK = "logs.requests", "cost.charges", ("cost.prices", "cost.price_models")
_SUMS = """
select request_id, sum(contracted_amount), count(*) filter (where state = 'unpriced')
from ({charges}) group by request_id
"""


@dataclass(frozen=True)
class Usage:
    """What one answer used, as its endpoint counts it; `cached_tokens` are among the input. `asked_model`: whose price holds
    where the price book does not know `model`, which is what the endpoint calls itself."""

    at: datetime
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    asked_model: str | None = None


def costs_usd(store: Store, used: Sequence[Usage]) -> list[Decimal | None]:
    """What each cost at contracted rates, in their order; None where tokens were not counted or no price is known."""
    found = _costs_usd(store, used)
    again = [n for n, one in enumerate(used) if found[n] is None and one.asked_model not in (None, one.model)]
    for n, cost in zip(again, _costs_usd(store, [replace(used[n], model=used[n].asked_model) for n in again]), strict=True):
        found[n] = cost
    return found


def _costs_usd(store: Store, used: Sequence[Usage]) -> list[Decimal | None]:
    found: list[Decimal | None] = [None] * len(used)
    counted = [(place, one) for place, one in enumerate(used) if None not in (one.input_tokens, one.output_tokens)]
    for day in sorted({one.at.date() for _, one in counted}):
        rows = [_request(place, one) for place, one in counted if one.at.date() == day]
        schema = arrow_schema(store.contracts[REQUESTS])
        requests = pa.Table.from_pylist([{**row, "day": day} for row in rows], schema=schema)
        charges = store.contracts[CHARGES].sql_path.read_text(encoding="utf-8")
        with store.connection() as con:
            con.register("asked_now", requests)
            try:
                prices = {name: store.scan_all(name) for name in PRICE_BOOK}
                define_inputs(con, {REQUESTS: "select * from asked_now", **prices})
                told = con.execute(_SUMS.format(charges=charges), {"day": day}).fetchall()
            finally:
                con.unregister("asked_now")
        for request_id, amount, unpriced in told:
            found[int(request_id)] = None if unpriced else amount
    return found


def _request(place: int, one: Usage) -> dict[str, object]:
    """As a logged request, with the classes of its tokens apart."""
    assert one.input_tokens is not None
    cached = min(one.cached_tokens or 0, one.input_tokens)
    return {
        "request_id": str(place), "ts": one.at, "provider": one.provider, "model": one.model,
        "input_tokens": one.input_tokens, "uncached_input_tokens": one.input_tokens - cached,
        "cache_read_tokens": cached or None, "output_tokens": one.output_tokens,
    }  # fmt: skip
