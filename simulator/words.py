"""What is said around one request, as every format tells it in its own way: messages, documents, tool calls.

Here belong the shapes and what is known to be true about them. How they are drawn is in `dialogue.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from simulator.documents import Document

Label = Literal["grounded", "hallucinated", "refused", "unsafe"]
"""What an answer is by the handbook: right, wrong in a planted way, none given, or what an attacker wanted."""


@dataclass(frozen=True)
class Retrieved:
    """One document that was found; `rank` from 1."""

    document: Document
    rank: int
    score: float
    is_cited: bool


@dataclass(frozen=True)
class ToolCall:
    """One call that the model asked for, `after_ms` after its request. None: the source does not say."""

    id: str
    name: str
    arguments: dict[str, Any]
    after_ms: int
    result: str | None = None
    decision: str | None = None
    approver: str | None = None
    side_effect: str | None = None
    status: str | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Truth:
    """What is known about an answer. `answer` is the right one, `probability` that of a wrong one before it was drawn."""

    label: Label
    kind: str | None
    document_id: str | None
    rank: int | None
    probability: float
    answer: str | None = None
    attack: str | None = None


@dataclass(frozen=True)
class Words:
    """The words of one request. `history` holds (what was asked, what was answered), oldest first."""

    system: str
    history: tuple[tuple[str, str], ...]
    prompt: str
    output: str | None
    retrieved: tuple[Retrieved, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    retrieved_after_ms: int = 0
    truth: Truth | None = None
    planted: tuple[tuple[str, str, str], ...] = ()
    """(part, kind, the string) of everything planted here for the first time."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Canonical columns that get another value: `None` leaves one out."""

    def unanswered(self) -> Words:
        """As they stood before the answer had come."""
        return replace(self, output=None, retrieved=(), tool_calls=())

    def messages(self) -> list[dict[str, str]]:
        """System, history and prompt as chat messages, which most interfaces take."""
        told = [{"role": "system", "content": self.system}]
        for asked, answered in self.history:
            told += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        return [*told, {"role": "user", "content": self.prompt}]
