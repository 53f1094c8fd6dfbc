"""What a run has cost so far, and whether its bound is reached: exact where that decides, estimated where it does not.

To price answers takes a third of a second, however few they are. So they are priced some at a time: when rows are stored,
after one that used more tokens than any before it, and whenever the bound would be reached if all were as dear as the
dearest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from pipelines.eval_prices import Usage
from pipelines.eval_rows import Place

Price = Callable[[Sequence[Usage]], Sequence[Decimal | None]]


class Spending:
    """The money of one run. `bound_usd` None: there is none."""

    def __init__(self, price: Price, bound_usd: Decimal | None = None):
        self.usd = Decimal(0)
        self._price, self._bound = price, bound_usd
        self._known: dict[Place, Decimal | None] = {}
        self._open: dict[Place, Usage] = {}
        self._dearest = Decimal(0)
        self._most_tokens = (-1, -1)

    def paid(self, place: Place, used: Usage) -> None:
        """An answer came that has to be paid."""
        self._open[place] = used

    def paid_usd(self, usd: Decimal) -> None:
        """Something else was paid, such as a judge."""
        self.usd += usd

    def costs(self, used: Mapping[Place, Usage]) -> list[Decimal | None]:
        """What answers cost, paid or not, in their order; None: that is not known."""
        new = {place: usage for place, usage in used.items() if place not in self._known}
        self._known |= dict(zip(new, self._price(list(new.values())), strict=True))
        for place in [place for place in self._open if place in self._known]:
            self._count(self._known[place] or Decimal(0), self._open.pop(place))
        return [self._known[place] for place in used]

    def is_over(self, under_way: int) -> bool:
        """Whether the bound is reached once the questions under way are answered, each at the price of the dearest so far.

        An answer that is dearer than all before it may exceed the bound; those are as many as are under way.
        """
        if self._bound is None:
            return False
        is_larger = any(_is_larger(used, self._most_tokens) for used in self._open.values())
        if self._open and (is_larger or self._at_most(under_way) >= self._bound):
            self.costs(dict(self._open))
        return self._at_most(under_way) >= self._bound

    def _at_most(self, under_way: int) -> Decimal:
        return self.usd + (len(self._open) + under_way) * self._dearest

    def _count(self, usd: Decimal, used: Usage) -> None:
        self.usd += usd
        self._dearest = max(self._dearest, usd)
        most_input, most_output = self._most_tokens
        self._most_tokens = max(most_input, used.input_tokens or 0), max(most_output, used.output_tokens or 0)


def _is_larger(used: Usage, most: tuple[int, int]) -> bool:
    return (used.input_tokens or 0) > most[0] or (used.output_tokens or 0) > most[1]
