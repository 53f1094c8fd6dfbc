"""What a run has cost so far, and whether its bound is reached: exact where that decides, estimated where it does not.

To price answers takes a third of a second, however few they are. So they are priced some at a time: when rows are stored,
after one that used more tokens than any before it, and whenever the bound would be reached if all were as dear as the
dearest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal
from typing import Generic, TypeVar

from pipelines.release.eval_prices import Usage
from resources.chat_client import Reply
from resources.release_seed import RunSettings

K = TypeVar("K", bound=Hashable)
GIVES_UP_AFTER = 5
"""Questions in a row without an answer, each tried several times: the endpoint is left alone."""
Price = Callable[[Sequence[Usage]], Sequence[Decimal | None]]


class Spending(Generic[K]):
    """The money of one run, whose answers are told apart by K. `bound_usd` None: there is none. `unpriced`: paid answers
    that no price is known of, which no bound can hold."""

    def __init__(self, price: Price, bound_usd: Decimal | None = None):
        self.usd, self.unpriced = Decimal(0), 0
        self._price, self._bound = price, bound_usd
        self._known: dict[K, Decimal | None] = {}
        self._open: dict[K, Usage] = {}
        self._dearest = Decimal(0)
        self._most_tokens = (-1, -1)

    def paid(self, place: K, used: Usage) -> None:
        """An answer came that has to be paid."""
        self._open[place] = used

    def paid_usd(self, usd: Decimal) -> None:
        """Something else was paid, such as a judge."""
        self.usd += usd

    def costs(self, used: Mapping[K, Usage]) -> list[Decimal | None]:
        """What answers cost, paid or not, in their order; None: that is not known."""
        new = {place: usage for place, usage in used.items() if place not in self._known}
        self._known |= dict(zip(new, self._price(list(new.values())), strict=True))
        for place in [place for place in self._open if place in self._known]:
            self._count(self._known[place], self._open.pop(place))
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

    @property
    def blind_spot(self) -> str | None:
        """What the bound does not see, in words; None: nothing."""
        if not self.unpriced:
            return None
        return f"{self.unpriced:,} answers have no price: the bound cannot hold them"

    def _count(self, cost: Decimal | None, used: Usage) -> None:
        self.unpriced += cost is None
        usd = cost or Decimal(0)
        self.usd += usd
        self._dearest = max(self._dearest, usd)
        most_input, most_output = self._most_tokens
        self._most_tokens = max(most_input, used.input_tokens or 0), max(most_output, used.output_tokens or 0)


class Bounds:
    """When an endpoint is asked nothing more: time or money is over, its key is not accepted, or it does not answer. `why`
    says it; None: it is asked on."""

    def __init__(self, runs: RunSettings, spending: Spending[K], monotonic: Callable[[], float]):
        self.until = monotonic() + 60 * runs.minutes_a_run
        self.why: str | None = None
        self._runs, self._spending, self._monotonic = runs, spending, monotonic
        self._in_a_row, self._is_locked_out = 0, False

    def replied(self, reply: Reply) -> None:
        """A question was asked, with this outcome."""
        self._in_a_row = 0 if reply.error_class is None else self._in_a_row + 1
        self._is_locked_out |= reply.error_class == "unauthorised"

    def are_reached(self, under_way: int) -> bool:
        """Whether nothing more is asked, while so many questions are under way."""
        if self._monotonic() >= self.until:
            self.why = f"minutes_a_run ({self._runs.minutes_a_run:g}) are over"
        elif self._spending.is_over(under_way):
            self.why = f"usd_a_run ({self._runs.usd_a_run}) is spent"
        elif self._is_locked_out:
            self.why = "its key is not accepted"
        elif self._in_a_row >= GIVES_UP_AFTER:
            self.why = f"{self._in_a_row} questions in a row got no answer"
        return self.why is not None


def _is_larger(used: Usage, most: tuple[int, int]) -> bool:
    return (used.input_tokens or 0) > most[0] or (used.output_tokens or 0) > most[1]
