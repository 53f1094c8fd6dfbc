"""Answers that were better than others to the same question: pairs for preference training, answers for imitation.

Here belongs which answers stand for which; what was said is read elsewhere. A correction is preferred to the answer that it
corrects; of two answers to one question the one that people called good is preferred to the one they called bad.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from assets.tuning.dedupe import normalised

CORRECTION, RATING, LABELLED = "correction", "rating", "labelled"
Message = dict[str, str]


@dataclass(frozen=True)
class Answered:
    """One answered request with its words as they are kept, and what people said: `thumbs` counts ups less downs, `good`
    whether labels call it so (None: nobody judged). `fault`: why it cannot be used."""

    day: date
    ts: datetime
    request_id: str
    prompt: str | None
    answer: str | None
    system: str | None = None
    history: str | None = None
    correction: str | None = None
    corrected_by: str | None = None
    thumbs: int = 0
    good: bool | None = None
    is_complained_of: bool = False
    annotators: tuple[str, ...] = ()
    user: str | None = None
    conversation: str | None = None
    feature: str | None = None
    tenant: str | None = None
    log_source: str | None = None
    language: str | None = None
    fault: str | None = None

    @property
    def question(self) -> list[Message]:
        """As messages. Whose words the history is made of is not logged: it stands before the question in its turn."""
        asked = "\n\n".join(filter(None, (self.history, self.prompt)))
        said = [{"role": "system", "content": self.system}] if self.system else []
        return [*said, {"role": "user", "content": asked}]

    @property
    def is_liked(self) -> bool:
        """People called it good, and nobody spoke against it."""
        return not self.is_complained_of and self.good is not False and (self.good is True or self.thumbs > 0)


@dataclass(frozen=True)
class Lesson:
    """An answer to imitate."""

    of: Answered
    answer: str
    source: str


@dataclass(frozen=True)
class Pair:
    """Two answers to one question. `other`: the request of the second, where it is not the same."""

    of: Answered
    chosen: str
    rejected: str
    source: str
    other: Answered | None = None

    @property
    def requests(self) -> list[str]:
        return [self.of.request_id, *([self.other.request_id] if self.other else [])]


def lessons(answered: Iterable[Answered]) -> list[Lesson]:
    """Each correction, and each answer that people liked; of one request one, the correction."""
    found = []
    for one in answered:
        if one.correction is not None:
            found.append(Lesson(one, one.correction, CORRECTION))
        elif one.is_liked:
            found.append(Lesson(one, one.answer or "", LABELLED if one.good else RATING))
    return found


def pairs(answered: Sequence[Answered]) -> list[Pair]:
    """Each correction with what it corrects, and of each question with liked and disliked answers the first two that differ,
    a liked one with each disliked one in the order of time."""
    found = [Pair(one, one.correction, one.answer or "", CORRECTION) for one in answered if one.correction is not None]
    for asked in _by_question(answered).values():
        liked = [one for one in asked.liked if one.answer]
        for place, bad in enumerate(one for one in asked.disliked if one.answer):
            if not liked:
                break
            good = liked[place % len(liked)]
            found.append(Pair(good, good.answer or "", bad.answer or "", RATING, bad))
    return found


@dataclass
class _Asked:
    liked: list[Answered] = field(default_factory=list)
    disliked: list[Answered] = field(default_factory=list)


def _by_question(answered: Iterable[Answered]) -> dict[tuple[str | None, ...], _Asked]:
    """Rated answers by what was asked, of whom, and after what."""
    found: dict[tuple[str | None, ...], _Asked] = defaultdict(_Asked)
    for one in sorted(answered, key=lambda one: (one.ts, one.request_id)):
        if not one.prompt or one.correction is not None:
            continue
        key = (one.feature, *(normalised(text or "") for text in (one.system, one.history, one.prompt)))
        if one.is_liked:
            found[key].liked.append(one)
        elif one.thumbs < 0 and one.good is not True:
            found[key].disliked.append(one)
    return found
