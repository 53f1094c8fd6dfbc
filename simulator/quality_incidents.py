"""Incidents of quality: answers are as quick and as cheap as ever, and oftener wrong.

The base, and what an incident may override, is in `incidents.py`. What a wrong answer says is in `inventions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator.chunk import BoolArray, Chunk
from simulator.fragments import ANSWERED
from simulator.incidents import in_ms
from simulator.service_incidents import DeployWindow

ANSWERING_FROM_DOCUMENTS = ("support_chat", "doc_search", "summaries", "voice_agent")
"""Features whose right answer is a sentence of the handbook, so that another one is known to be wrong."""


@dataclass(frozen=True)
class HallucinationRise(DeployWindow):
    """A declared new version of a feature's prompt, under which `size` more of the answers that could be right are made up.

    It is taken back at `end`, or replaced by the next version that comes by itself. Nothing fails. Raises ValueError for a
    feature that does not answer from the handbook.
    """

    size_is = "points of rate, as a fraction"
    needs_texts = True
    brings = "another prompt_version, and answers that say what no document says"
    found_by = ("hallucination_rise",)
    may_wake = ("quality_fall", "drift", "burn_rate")

    def __post_init__(self) -> None:
        if self.scope.get("feature") not in ANSWERING_FROM_DOCUMENTS:
            raise ValueError(f"{self.name}: give one feature of {', '.join(ANSWERING_FROM_DOCUMENTS)}, not {self.scope}")

    @property
    def declared_until(self) -> datetime:
        return self.start + timedelta(hours=1)

    def touches(self, chunk: Chunk) -> BoolArray:
        return super().touches(chunk) & chunk.between(in_ms(self.start), in_ms(self.end))

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        answered: BoolArray = rows & (chunk.codes["outcome"] == ANSWERED)
        chunk.codes["made_up_permille"][answered] = round(1000 * self.size)
        return answered

    def as_truth(self) -> dict[str, Any]:
        return {name: told for name, told in super().as_truth().items() if name != "burst_end"}
