"""Fields that several seeds have: amounts of money, features."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from resources.chat_endpoint import EndpointError

_MOST_USD = Decimal(100_000)


def usd(where: str, raw: Mapping[str, Any], key: str) -> Decimal:
    """An amount of USD of an entry, to the digits that it is written with. Raises EndpointError."""
    value = raw.get(key)
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= _MOST_USD or amount != round(amount, 6):
        raise EndpointError(f"{where}: {key} is a number of USD from 0 on, with six decimals at most; not {value!r}")
    return amount


def features(where: str, raw: Any) -> frozenset[str] | None:
    """Names of features, None where they are left out: all. Raises EndpointError."""
    if raw is None:
        return None
    if not isinstance(raw, list) or not raw or not all(isinstance(feature, str) and feature for feature in raw):
        raise EndpointError(f"{where}: features is a list of names of features; left out: all. Not {raw!r}")
    return frozenset(raw)
