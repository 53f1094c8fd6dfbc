"""When is what somebody did on a day too much for chance? The figures behind quality.abuse, and its thresholds.

Here belong counting and probability; which events are counted is abuse.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Severity = Literal["watch", "abuse"]
WATCH_CHANCE, ABUSE_CHANCE = 1e-3, 1e-6
"""How seldom chance may bring as many events, were the subject like the others of the day. A million users a day bring one
wrong `abuse` where events come one by one; a `watch` is for reading, and wakes nobody."""
_TIMES_USUAL: dict[Severity, int] = {"watch": 2, "abuse": 5}
"""How many times what is usual it has to be, besides: of a busy key chance explains nothing, and features differ. Of
documents it is the median of all who search."""
REPHRASED_WITHIN = timedelta(minutes=15)
SIMILAR = 0.5
"""Share of the word pairs and words of two prompts that both have, from which one is the other in other words."""
_SPREAD: dict[Severity, tuple[float, float]] = {"watch": (4.0, 1.25), "abuse": (6.0, 1.5)}
"""(standard deviations above, times) the different documents that as many finds of the day's popularity would be. An expert
reads less popular ones than most, and comes back to them."""
FEWEST_SEARCHERS = 10
"""Without as many others nobody can say what is usual."""


@dataclass(frozen=True)
class Threshold:
    """`watch` and `abuse`: fewest events. `usual`: a share of requests that is never held against anybody."""

    watch: int
    abuse: int
    usual: float


ATTEMPTS = Threshold(3, 5, 0.01)
"""One in a hundred requests of a public chat tries something; three on a day may be play."""
REPHRASINGS = Threshold(2, 4, 0.002)
"""Who is stopped by mistake says it again in other words, too: a few times a day, not every time."""
DOCUMENTS = Threshold(30, 50, 0.0)
"""Different documents on a day: fewer are ten searches."""


def severity(events: int, trials: int, others: int, of: int, threshold: Threshold) -> tuple[Severity | None, float]:
    """(severity, usual share) of `events` among a subject's `trials`, where all others had `others` in `of`.

    One-sided binomial tail. None: nothing to note.
    """
    from scipy.stats import binom

    usual = max(threshold.usual, others / of if of else 0.0)
    chance = float(binom.sf(events - 1, trials, min(1.0, usual)))
    levels: tuple[tuple[Severity, int, float], ...] = (
        ("abuse", threshold.abuse, ABUSE_CHANCE),
        ("watch", threshold.watch, WATCH_CHANCE),
    )
    for level, fewest, most_chance in levels:
        if events >= fewest and chance < most_chance and events >= _TIMES_USUAL[level] * usual * trials:
            return level, usual
    return None, usual


def expected_documents(popularity: Floats, searches: int, found: int) -> tuple[float, float]:
    """(mean, standard deviation) of how many different documents `searches` searches show that find `found` documents in
    all, where each find goes by the documents' `popularity` (shares that sum to 1).

    A search shows no document twice, which the mean knows; the deviation is that of as many independent finds, a little
    larger (the number of empty cells of a multinomial: Johnson and Kotz, Urn Models, 1977, chapter 3).
    """
    never = (1 - np.minimum(1.0, popularity * found / searches)) ** searches
    empty = (1 - popularity) ** found
    variance = float((empty * (1 - empty)).sum() - found * (popularity * empty).sum() ** 2)
    return float((1 - never).sum()), max(variance, 0.25) ** 0.5


def spread(different: int, expected: float, deviation: float, middle: float) -> Severity | None:
    """Whether somebody saw more `different` documents than searching as others do would show; `middle`: their median."""
    levels: tuple[tuple[Severity, int], ...] = (("abuse", DOCUMENTS.abuse), ("watch", DOCUMENTS.watch))
    for level, fewest in levels:
        deviations, times = _SPREAD[level]
        is_far = different >= max(expected + deviations * deviation, times * expected)
        if is_far and different >= max(fewest, _TIMES_USUAL[level] * middle):
            return level
    return None


@dataclass(frozen=True)
class Asked:
    """One request with a prompt whose words are kept; `signs` are its words and pairs of words as hashes."""

    request_id: str
    ts: datetime
    is_blocked: bool
    is_answered: bool
    signs: frozenset[int]


def signs(text: str) -> frozenset[int]:
    """Its words and pairs of neighbouring words, hashed: enough to compare, and no words."""
    words = text.casefold().split()
    return frozenset(_hash(piece) for piece in [*words, *map(" ".join, pairwise(words))])


def similarity(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard's: the share of all signs that both have; 0 where neither has any."""
    every = len(one | other)
    return len(one & other) / every if every else 0.0


def rephrasings(asked: Sequence[Asked]) -> list[tuple[Asked, Asked]]:
    """(blocked, answered) of one subject's requests: something was stopped, and within a quarter of an hour nearly the same
    came through in other words. In order of time; each request is in one pair at most. The very same words are a retry.
    """
    ordered = sorted(asked, key=lambda one: (one.ts, one.request_id))
    pairs: list[tuple[Asked, Asked]] = []
    taken: set[str] = set()
    for place, blocked in enumerate(ordered):
        if not blocked.is_blocked:
            continue
        for later in ordered[place + 1 :]:
            if later.ts - blocked.ts > REPHRASED_WITHIN:
                break
            is_new = later.is_answered and later.request_id not in taken
            if is_new and SIMILAR <= similarity(blocked.signs, later.signs) < 1:
                pairs.append((blocked, later))
                taken.add(later.request_id)
                break
    return pairs


def _hash(piece: str) -> int:
    return int.from_bytes(blake2b(piece.encode(), digest_size=8).digest())
