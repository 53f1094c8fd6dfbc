"""Rows that say the same again: one of them teaches, the others only count for more than they are.

Here belongs when two texts are the same: word for word, nearly by their letters (Broder 1997; Jaccard of 5-grams of
characters, proposed by MinHash and then counted out, so that chance decides nothing), or in meaning by their vectors. Which
texts of a row are compared is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from assets.quality.sentences import plain

JACCARD = 0.8
GRAM = 5
PERMUTATIONS = 128
COSINE = 0.95
_PROPOSED = 0.7
"""Estimated Jaccard from which pairs are counted out: low enough that MinHash's error hides none."""
_WORDS = re.compile(r"\w+")
_ROWS_AT_ONCE = 2_048
DUPLICATE, NEAR_DUPLICATE, SAME_MEANING = "duplicate", "near_duplicate", "same_meaning"
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What is compared of a row: its texts, and within what. Rows of different scopes are never the same: a question that
    leads to two documents teaches two things. `vectors`: one a text, of length 1; None: meaning is not compared."""

    texts: tuple[str, ...]
    scope: Hashable = None
    vectors: tuple[Vectors, ...] | None = None

    @property
    def normalised(self) -> str:
        return "\n".join(normalised(text) for text in self.texts)


@lru_cache(maxsize=50_000)
def normalised(text: str) -> str:
    """Without case, accents and marks, its words with one blank between."""
    return " ".join(_WORDS.findall(plain(text)))


def repeats(rows: Sequence[Said]) -> dict[int, str]:
    """The places of rows that repeat an earlier one that stays, and how: the first of each kind stays."""
    gone: dict[int, str] = {}
    first: dict[tuple[Hashable, str], int] = {}
    for place, row in enumerate(rows):
        if first.setdefault((row.scope, row.normalised), place) != place:
            gone[place] = DUPLICATE
    kept = [place for place in range(len(rows)) if place not in gone]
    gone |= _later(rows, kept, near_pairs([rows[place] for place in kept]), NEAR_DUPLICATE)
    kept = [place for place in kept if place not in gone]
    return gone | _later(rows, kept, same_meaning([rows[place] for place in kept]), SAME_MEANING)


def clusters(rows: Sequence[Said]) -> list[int]:
    """For each row the place of the first one of its cluster: those that are the same or nearly the same, word by word, and
    those that are so to them. Whatever their scope: who floods a dataset varies it."""
    found = list(range(len(rows)))

    def root(place: int) -> int:
        while found[place] != place:
            found[place] = found[found[place]]
            place = found[place]
        return place

    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        found[place] = first.setdefault(row.normalised, place)
    distinct = sorted(first.values())
    for a, b in near_pairs([Said(rows[place].texts) for place in distinct]):
        low, high = sorted((root(distinct[a]), root(distinct[b])))
        found[high] = low
    return [root(place) for place in range(len(rows))]


def near_pairs(rows: Sequence[Said]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier, later) of one scope whose 5-grams have a Jaccard of JACCARD or more."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

    found = MinHashLSH(threshold=_PROPOSED, num_perm=PERMUTATIONS)
    grams = [_grams(row.normalised) for row in rows]
    for place, row in enumerate(rows):
        if not grams[place]:
            continue
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([gram.encode() for gram in grams[place]])
        for other in sorted(found.query(sketch)):
            if rows[other].scope == row.scope and jaccard(grams[other], grams[place]) >= JACCARD:
                yield other, place
        found.insert(place, sketch)


def same_meaning(rows: Sequence[Said]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier, later) of one scope each of whose texts have a cosine of COSINE or more."""
    by_scope: dict[Hashable, list[int]] = {}
    for place, row in enumerate(rows):
        if row.vectors is not None:
            by_scope.setdefault((row.scope, len(row.texts)), []).append(place)
    for places in by_scope.values():
        if len(places) < 2:
            continue
        parts = [np.stack(part) for part in zip(*(rows[place].vectors or () for place in places), strict=True)]
        for start in range(0, len(places), _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, len(places))
            alike = np.all([part[start:stop] @ part[:stop].T >= COSINE for part in parts], axis=0)
            for later, earlier in zip(*np.nonzero(alike), strict=True):
                if earlier < start + later:
                    yield places[int(earlier)], places[start + int(later)]


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of what both have of what either has."""
    return len(a & b) / len(a | b) if a or b else 1.0


def _later(rows: Sequence[Said], places: Sequence[int], pairs: Iterator[tuple[int, int]], reason: str) -> dict[int, str]:
    """Of pairs, the later one goes, unless the earlier one is gone itself."""
    gone: dict[int, str] = {}
    for earlier, later in sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        if places[earlier] not in gone:
            gone[places[later]] = reason
    return gone


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))) if text else frozenset()
