"""How well pieces of text that a search found cover the stretches that answer a question, in characters.

Pure. A document that is found says little of a chunker: one that cuts a page into a single piece always finds it. After the
token-wise evaluation of chunkers by Smith and Troynikov (Chroma, 2024), in characters, which no tokenizer decides on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[str, int, int]
"""A document, and the characters [start, end) of its text."""


@dataclass(frozen=True)
class Coverage:
    """Shares from 0 to 1. `recall`: of the answer, what was found. `precision`: of what was found, what is answer; what was
    found twice counts twice, for a model reads, and one pays for, both. `iou`: of both together, what is both."""

    recall: float
    precision: float
    iou: float


def coverage(found: Sequence[Span], wanted: Sequence[Span]) -> Coverage:
    """How found pieces cover the wanted stretches. Raises ValueError where nothing is wanted."""
    answer = union(wanted)
    if not answer:
        raise ValueError("a question without a stretch that answers it says nothing of what was found")
    hit = sum(_shared(one, other) for one in union(found) for other in answer)
    length, read = _length(answer), _length(found)
    return Coverage(hit / length, hit / read if read else 0.0, hit / (read + length - hit))


def union(spans: Iterable[Span]) -> list[Span]:
    """The same characters as stretches that do not touch each other, in order."""
    joined: list[Span] = []
    for document, start, end in sorted(spans):
        if joined and joined[-1][0] == document and start <= joined[-1][2]:
            joined[-1] = (document, joined[-1][1], max(joined[-1][2], end))
        elif end > start:
            joined.append((document, start, end))
    return joined


def _shared(one: Span, other: Span) -> int:
    return max(0, min(one[2], other[2]) - max(one[1], other[1])) if one[0] == other[0] else 0


def _length(spans: Iterable[Span]) -> int:
    return sum(end - start for _, start, end in spans)
