"""Figures as people read them: units, money, times in UTC, intervals; and `not measured` for what is not known.

Here belongs how one value is written. No NaN, no bare float and no NULL gets past it.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

NOT_MEASURED = "not measured"
_SHARES = ("_share", "_rate", "share", "rate", "coverage", "precision", "target", "value_share")
_MONEY = ("_usd", "_amount", "usd", "amount")
_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000


def is_known(value: Any) -> bool:
    """Whether a value is one: NULL, NaN and the infinite are none."""
    if isinstance(value, float | Decimal):
        return math.isfinite(value)
    return value is not None


def unit_of(column: str, type_: str) -> str:
    """The unit of a table's column, by the house's names for columns."""
    name = column.lower()
    if name.endswith(_MONEY) and type_ != "VARCHAR":
        return "USD"
    if name.endswith("_ms"):
        return "ms"
    if name.endswith("_times"):
        return "times"
    if type_ in ("DOUBLE", "FLOAT") and name.endswith(_SHARES):
        return "share"
    return "count" if type_ not in ("VARCHAR", "BOOLEAN") else "facts"


def figure(value: Any, unit: str = "count") -> str:
    """A value with its unit, as a page says it."""
    if not is_known(value):
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value.total_seconds() * _SECOND)
    if isinstance(value, list | tuple):
        return ", ".join(figure(one, unit) for one in value)
    if not isinstance(value, int | float | Decimal):
        return str(value)
    return _number(value, unit)


def interval(low: Any, high: Any, unit: str) -> str:
    """An interval in the unit of its value; empty where it is not known."""
    if not (is_known(low) and is_known(high)):
        return ""
    if unit == "share":
        return f"{_percent(low, high)}–{_percent(high, low)} %"
    return f"{figure(low, unit)} – {figure(high, unit)}"


def change(now: Any, before: Any, unit: str) -> str:
    """How a value moved: shares in points, all else in percent of what it was."""
    if not (is_known(now) and is_known(before)):
        return ""
    if unit == "share":
        points = 100 * (float(now) - float(before))
        return f"{points:+.2f} points" if abs(points) < 1 else f"{points:+.1f} points"
    if not before:
        return ""
    return f"{100 * (float(now) / float(before) - 1):+.0f} %"


def _number(value: int | float | Decimal, unit: str) -> str:
    if unit == "USD":
        return _money(Decimal(str(value)))
    if unit == "share":
        return f"{_percent(value)} %"
    if unit == "ms":
        return _duration(float(value))
    if unit == "times":
        return f"{_short(float(value))}×"
    return f"{value:,}" if isinstance(value, int) else _short(float(value))


def _money(amount: Decimal) -> str:
    """Cents from 10 cents on; below, three digits that count, so that no small cost reads as none."""
    if not amount:
        return "$0.00"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size >= Decimal("0.1"):
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
    digits = 2 - size.adjusted()
    return f"{sign}${round(size, max(2, digits)):f}"


def _percent(value: float | Decimal | int, beside: float | Decimal | int | None = None) -> str:
    """A share in percent. Near 0 and near 1 it has the digits to tell it from them."""
    share = float(value)
    near = min(abs(share), abs(1 - share)) or 1.0
    if beside is not None:
        near = min(near, min(abs(float(beside)), abs(1 - float(beside))) or 1.0)
    digits = 1 if near >= 0.05 else 2 if near >= 0.001 else 3
    return f"{100 * share:.{digits}f}" if share not in (0.0, 1.0) else f"{100 * share:.0f}"


def _duration(milliseconds: float) -> str:
    if abs(milliseconds) < _SECOND:
        return f"{milliseconds:.0f} ms" if abs(milliseconds) >= 10 or not milliseconds else f"{milliseconds:.1f} ms"
    if abs(milliseconds) < _MINUTE:
        return f"{milliseconds / _SECOND:.2f} s"
    if abs(milliseconds) < _HOUR:
        return f"{milliseconds / _MINUTE:.1f} min"
    return f"{milliseconds / _HOUR:.1f} h"


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}'):f}"
