"""Questions that are nearly the same, so that a failure that comes again is one case and not a hundred.

Here belongs when two questions are one: by their words, exactly, and by no chance. What a model would call the same meaning
is not asked: a question in other words may well have another answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from assets.quality.sentences import words
from assets.quality.support import runs

ALIKE = 0.6
"""Share of words and pairs of words that two texts have in common, of all that either has (Jaccard)."""
Token = str | tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question as it compares: without case, accents, endings and marks; what was said before it apart."""

    question: tuple[str, ...]
    history: tuple[str, ...] = ()

    @classmethod
    def of(cls, question: str, history: str | None) -> Asked:
        """Of what the user said last, and before."""
        return cls(words(question), words(history or ""))

    @property
    def text(self) -> str:
        """Equal for questions that are the same word for word; for a digest."""
        return "\n".join(" ".join(part) for part in (self.history, self.question))

    def is_like(self, other: Asked) -> bool:
        """The same numbers, and most words and pairs of words in common, in the question and in what stood before it."""
        return all(
            _numbers(a) == _numbers(b) and _jaccard(_tokens(a), _tokens(b)) >= ALIKE
            for a, b in ((self.question, other.question), (self.history, other.history))
        )


class Known:
    """Questions by the name of what they belong to; the first one that is like a new one gives its name."""

    def __init__(self) -> None:
        self._asked: list[tuple[Asked, str]] = []
        self._having: defaultdict[Token, list[int]] = defaultdict(list)

    def add(self, asked: Asked, name: str) -> None:
        """Know one more."""
        place = len(self._asked)
        self._asked.append((asked, name))
        for token in _tokens(asked.question):
            self._having[token].append(place)

    def find(self, asked: Asked) -> str | None:
        """The name of the first question that is like this one."""
        tokens = sorted(_tokens(asked.question), key=lambda token: len(self._having.get(token, ())))
        # Who shares a part of `tokens` as large as ALIKE has one of these: not even the common words need be looked up.
        rarest = tokens[: len(tokens) - ceil(ALIKE * len(tokens)) + 1]
        places = {place for token in rarest for place in self._having.get(token, ())}
        return next((name for place in sorted(places) for known, name in [self._asked[place]] if known.is_like(asked)), None)


def _tokens(said: Sequence[str]) -> frozenset[Token]:
    return frozenset(said) | frozenset(runs(said, 2))


def _numbers(said: Sequence[str]) -> frozenset[str]:
    return frozenset(word for word in said if any(sign.isdigit() for sign in word))


def _jaccard(a: frozenset[Token], b: frozenset[Token]) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0
