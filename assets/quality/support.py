"""How much of what a sentence says stands in the context: by words, by runs of words, by one passage alone.

Here belongs lexical support. Words weigh by how rare they are among the passages of the context itself: no list of stop
words, hence no language. A word that the context does not have is as rare as can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

from assets.quality.sentences import passages, words

RUN_WORDS = 3
"""Fewer words in a row are everybody's."""
Run = tuple[str, ...]


@dataclass(frozen=True)
class Support:
    """Shares from 0 to 1 of one sentence; None where it has no words."""

    words: float | None
    passage: float | None
    copied: float | None


@dataclass(frozen=True)
class Context:
    """The texts that an answer may rest on."""

    texts: tuple[str, ...]

    @cached_property
    def passages(self) -> tuple[str, ...]:
        """What the texts are made of, each once."""
        return tuple(dict.fromkeys(passage for text in self.texts for passage in passages(text)))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of all texts, as `words` gives them."""
        return frozenset(self._counts)

    @cached_property
    def _sets(self) -> list[frozenset[str]]:
        return [frozenset(words(passage)) for passage in self.passages]

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(word for passage in self._sets for word in passage)

    @cached_property
    def _runs(self) -> frozenset[Run]:
        return self._runs_of(RUN_WORDS)

    def _runs_of(self, length: int) -> frozenset[Run]:
        return frozenset(run for text in self.texts for run in runs(words(text), length))

    def weight(self, word: str) -> float:
        """How much a word tells: 1 for one that no passage has, less the more have it."""
        count = len(self._sets)
        return log(1 + count / (0.5 + self._counts[word])) / log(1 + 2 * count) if count else 1.0

    def support(self, sentence: str) -> Support:
        """What of a sentence stands in the context."""
        said = words(sentence)
        if not said:
            return Support(None, None, None)
        weights = {word: self.weight(word) for word in said}
        total = sum(weights.values())
        found = sum(weight for word, weight in weights.items() if word in self.words)
        best = max((_shared(weights, passage) for passage in self._sets), default=0.0)
        return Support(found / total, best / total, self._copied(said))

    def nearest(self, said: Iterable[str], most: int) -> tuple[str, ...]:
        """The passages that share most with these words, the best first; those that share nothing come last."""
        weights = {word: self.weight(word) for word in said}
        shared = [_shared(weights, passage) for passage in self._sets]
        order = sorted(range(len(shared)), key=lambda place: (-shared[place], place))
        return tuple(self.passages[place] for place in order[:most])

    def _copied(self, said: Sequence[str]) -> float:
        """The share of words that lie in a run of the context; a sentence shorter than a run is one itself."""
        length = min(RUN_WORDS, len(said))
        there = self._runs if length == RUN_WORDS else self._runs_of(length)
        inside = [False] * len(said)
        for place, run in enumerate(runs(said, length)):
            if run in there:
                inside[place : place + length] = [True] * length
        return sum(inside) / len(said)


def _shared(weights: Mapping[str, float], passage: frozenset[str]) -> float:
    """What words weigh that a passage has; summed in one order, or the last digit would differ from process to process."""
    return sum(weight for word, weight in weights.items() if word in passage)


def runs(said: Sequence[str], length: int) -> list[Run]:
    """Every run of so many words."""
    return [tuple(said[place : place + length]) for place in range(len(said) - length + 1)]
