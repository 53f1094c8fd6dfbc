"""Training rows that know what a candidate will be asked: they leave, or the gate measures memory.

Here belongs when a text holds a text of an evaluation set: by 13 words in a row that both have (as Brown et al. 2020 did),
for texts that are shorter by all of their words, and for texts in other words by their vectors. Words are compared without
case, accents, marks and most endings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assets.quality.sentences import words
from assets.tuning.dedupe import Vectors

GRAM = 13
COSINE = 0.92
FEWEST_WORDS = 4
"""A shorter text is found only where all of a text is equal to it: "how are you" stands in many."""
_ROWS_AT_ONCE = 4_096
Words = tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """What gave a text away: `rule` is words, contained, equal or meaning; `of` the evaluation set."""

    rule: str
    of: str


@dataclass
class Held:
    """All that training must not know, by evaluation set; grows by `add`."""

    sets: dict[str, int] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    _of: list[str] = field(default_factory=list)
    _long: dict[Words, str] = field(default_factory=dict)
    _short: dict[int, dict[Words, str]] = field(default_factory=dict)
    _whole: dict[Words, str] = field(default_factory=dict)
    _parts: dict[int, dict[Words, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, sets: Mapping[str, Iterable[str]]) -> Held:
        """The texts of some evaluation sets by name."""
        held = cls()
        for name, texts in sets.items():
            held.sets.setdefault(name, 0)
            for text in texts:
                held.add(name, text)
        return held

    def add(self, name: str, text: str) -> None:
        """One more text of a set; one without any word is counted, and gives nothing away."""
        self.sets[name] = self.sets.get(name, 0) + 1
        said = words(text)
        if not said or said in self._whole:
            return
        self.texts.append(text)
        self._of.append(name)
        self._whole[said] = name
        if len(said) >= GRAM:
            for gram in grams(said, GRAM):
                self._long.setdefault(gram, name)
        elif len(said) >= FEWEST_WORDS:
            self._short.setdefault(len(said), {})[said] = name
        self._parts.clear()

    def leak(self, text: str) -> Leak | None:
        """What a text gives away by its words; None: nothing."""
        said = words(text)
        if said in self._whole:
            return Leak("equal", self._whole[said])
        for gram in grams(said, GRAM):
            if gram in self._long:
                return Leak("words", self._long[gram])
        for length, known in self._short.items():
            for gram in grams(said, length):
                if gram in known:
                    return Leak("contained", known[gram])
        if FEWEST_WORDS <= len(said) < GRAM and said in self._parts_of(len(said)):
            return Leak("contained", self._parts_of(len(said))[said])
        return None

    def meanings(self, vectors: Vectors, held: Vectors) -> list[Leak | None]:
        """What each of `vectors` gives away by its nearest of `held`, the vectors of `texts`."""
        found: list[Leak | None] = [None] * len(vectors)
        if not len(held):
            return found
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            cosines = vectors[start : start + _ROWS_AT_ONCE] @ held.T
            nearest = cosines.argmax(axis=1)
            for row in np.flatnonzero(cosines[np.arange(len(cosines)), nearest] >= COSINE):
                found[start + int(row)] = Leak("meaning", self._of[int(nearest[row])])
        return found

    def _parts_of(self, length: int) -> dict[Words, str]:
        """Every run of so many words within a held text."""
        if length not in self._parts:
            runs: dict[Words, str] = {}
            for said, name in self._whole.items():
                for gram in grams(said, length):
                    runs.setdefault(gram, name)
            self._parts[length] = runs
        return self._parts[length]


def grams(said: Sequence[str], length: int) -> Iterator[Words]:
    """Each run of so many words."""
    return (tuple(said[start : start + length]) for start in range(len(said) - length + 1))
