"""What an answer states that can be checked one by one: numbers, dates, names, and how many of each its context lacks.

Here they are put together; how each is found and compared stands in quantities.py, dates.py and names.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from assets.quality import dates, names, quantities
from assets.quality.dates import Dated
from assets.quality.quantities import Quantity
from assets.quality.sentences import plain
from assets.quality.support import Context


@dataclass(frozen=True)
class Claims:
    """Counts of one answer. None: not measured, because there is no context, or no capitals by which to tell names."""

    numbers: int
    dates: int
    names: int | None
    unsupported_numbers: int | None
    unsupported_dates: int | None
    unsupported_names: int | None


def claims(sentences: Sequence[str], context: Context | None) -> Claims:
    """What the sentences of an answer (without their citations) state, held against all texts of its context."""
    numbers, dated = _facts(" ".join(sentences))
    named = names.names(sentences)
    count = None if named is None else len(named)
    if context is None:
        return Claims(len(numbers), len(dated), count, None, None, None)
    known_numbers: set[Quantity] = set()
    known_dates: set[Dated] = set()
    for text in context.texts:
        some_numbers, some_dates = _facts(text)
        known_numbers.update(some_numbers)
        known_dates.update(some_dates)
    for year in dates.years(known_dates):
        value = frozenset({Decimal(year).normalize()})
        known_numbers.add(Quantity(value, value, None))
    return Claims(
        len(numbers),
        len(dated),
        count,
        quantities.unsupported(numbers, known_numbers),
        dates.unsupported(dated, known_dates),
        None if named is None else names.unsupported(named, context.words),
    )


@lru_cache(maxsize=4096)
def _facts(text: str) -> tuple[tuple[Quantity, ...], tuple[Dated, ...]]:
    dated, rest = dates.dates(plain(text))
    return tuple(quantities.quantities(rest)), tuple(dated)
