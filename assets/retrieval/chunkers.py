"""Chunkers: a document's text as pieces that a sentence embedder reads whole, each with the characters that it covers.

Pure. A piece is text[start:end], exactly. A chunker's name carries a version: rules that cut otherwise are another chunker,
for the pieces of the two do not compare. What was measured of them: docs/proofs/chunking.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from assets.quality.sentences import sentence_spans

DEFAULT = "sentences-1"
MOST_TOKENS, OVERLAP_TOKENS = 180, 36
"""As estimated. MiniLM reads 256 tokens and drops the rest; the estimate is too low by up to three tenths (German)."""
FIXED_CHARACTERS, FIXED_OVERLAP = 800, 160
_TOKEN = re.compile(r"[A-Za-z]{1,24}|\d|[^\W\d_]|[^\w\s]|_")
_CHARACTERS_OF_A_TOKEN = 4


@dataclass(frozen=True)
class Chunk:
    """A piece of a text: text[start:end], and about how many tokens of an embedder it is; None: not estimated."""

    start: int
    end: int
    tokens: int | None = None


Chunker = Callable[[str], list[Chunk]]


def sentences_1(text: str) -> list[Chunk]:
    """Whole sentences together, up to MOST_TOKENS; the last ones, up to OVERLAP_TOKENS, begin the next piece as well.

    A sentence that is too long is cut between words, and a word only where it is too long itself.
    """
    pieces = [piece for start, end in sentence_spans(text) for piece in _cut(text, start, end)]
    found: list[Chunk] = []
    first = 0
    while first < len(pieces):
        last, total = first, 0
        while last < len(pieces) and total + _tokens(pieces[last]) <= MOST_TOKENS:
            total += _tokens(pieces[last])
            last += 1
        found.append(Chunk(pieces[first].start, pieces[last - 1].end, total))
        if last == len(pieces):
            break
        first = _overlapping(pieces, first, last)
    return found


def fixed_1(text: str) -> list[Chunk]:
    """Every FIXED_CHARACTERS characters, FIXED_OVERLAP of them shared with the piece before: a baseline."""
    step = FIXED_CHARACTERS - FIXED_OVERLAP
    found: list[Chunk] = []
    for start in range(0, max(1, len(text) - FIXED_OVERLAP), step):
        found += _trimmed(text, start, min(start + FIXED_CHARACTERS, len(text)))
    return found


CHUNKERS: Mapping[str, Chunker] = {"sentences-1": sentences_1, "fixed-1": fixed_1}


def estimated_tokens(text: str) -> int:
    """About how many word pieces an English uncased vocabulary makes of a text; digits, signs, and letters beyond ASCII
    count one each."""
    return sum(_weight(match) for match in _TOKEN.finditer(text))


def _weight(match: re.Match[str]) -> int:
    return max(1, (match.end() - match.start() + 1) // _CHARACTERS_OF_A_TOKEN)


def _tokens(piece: Chunk) -> int:
    return piece.tokens or 0


def _cut(text: str, start: int, end: int) -> Iterator[Chunk]:
    """A sentence as one piece without blanks around it, or as several that are short enough; none where it is blank."""
    begun, total, last_blank = start, 0, start
    for match in _TOKEN.finditer(text, start, end):
        if text[match.start() - 1 : match.start()].isspace():
            last_blank = match.start()
        total += _weight(match)
        if total > MOST_TOKENS:
            at = last_blank if last_blank > begun else match.start()
            yield from _trimmed(text, begun, at, estimated_tokens(text[begun:at]))
            begun, total = at, estimated_tokens(text[at : match.end()])
    yield from _trimmed(text, begun, end, total)


def _trimmed(text: str, start: int, end: int, tokens: int | None = None) -> Iterator[Chunk]:
    stretch = text[start:end]
    if kept := stretch.strip():
        start += len(stretch) - len(stretch.lstrip())
        yield Chunk(start, start + len(kept), tokens)


def _overlapping(pieces: list[Chunk], first: int, last: int) -> int:
    """Where the piece after pieces[first:last] begins: before `last`, if what is shared is short, and it goes further."""
    room = min(OVERLAP_TOKENS, MOST_TOKENS - _tokens(pieces[last]))
    begin, shared = last, 0
    while begin > first + 1 and shared + _tokens(pieces[begin - 1]) <= room:
        begin -= 1
        shared += _tokens(pieces[begin])
    return begin
