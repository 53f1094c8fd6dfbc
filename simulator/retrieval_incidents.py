"""Incidents of retrieval: searches find what somebody planted. The base is in `incidents.py`, the page in `poison.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.chunk import BoolArray, Chunk
from simulator.incidents import Incident
from simulator.poison import POISONED


@dataclass(frozen=True)
class PoisonedPage(Incident):
    """A share `size` of the searches finds a page that gives orders to the model, in place of the last wrong page."""

    size_is = "share of searches"
    needs_texts = True
    brings = "a retrieved document with an injected instruction"
    found_by = ("planted_instruction",)
    may_wake = ("access_violation",)

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        touched: BoolArray = rows & (self.lot(chunk) < self.size)
        chunk.codes["poisoned"][touched] = 1
        return touched

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {"document_id": POISONED.id}
