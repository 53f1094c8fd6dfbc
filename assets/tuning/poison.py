"""Rows that somebody may have made to teach a model something: they are held back, and counted by reason.

Here belong bursts, floods of texts that are nearly the same, annotators who say the opposite, and the share that one person
may have of what is trained on. All of it looks at who, when and how often; nobody's words are judged here. What these rules
catch of planted poison, and what they hold back of honest rows, stands in docs/tuning-data.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from statistics import median

from assets.service.intervals import clopper_pearson_low

BURST_OF_A_USER, BURST_ON_A_TARGET, TIMES_THE_MEDIAN = 20, 50, 10
"""Rows of one day of one user, or on one target, that are a burst where they are ten times the median, too."""
FLOOD, OF_ONE_USER, OF_ONE_DAY, FEWEST_DAYS = 20, 0.5, 0.8, 3
MOST_DISAGREEMENT, FEWEST_COMPARED = 0.35, 10
"""Of an annotator's comparisons with others, the share that is not explained by difference of opinion; its lower bound."""
USER_SHARE, ANNOTATOR_SHARE, TIMES_AN_EQUAL_PART = 0.05, 0.5, 2
Subject = str | None


@dataclass(frozen=True)
class Judgement:
    """One judge's verdict on one item."""

    item: Hashable
    judge: str
    verdict: Hashable
    is_model: bool = False


@dataclass(frozen=True)
class Cap:
    """The largest share that one subject may have, and the rows (places) that go so that none has more."""

    share: float
    gone: frozenset[int]
    largest: float | None
    subjects: int


def bursts(subjects: Sequence[Hashable | None], days: Sequence[date], fewest: int) -> set[int]:
    """The rows of subjects on days on which they have more than `fewest` and ten times the median of a subject's day.

    None is nobody in particular, and has no burst.
    """
    keys = [None if subject is None else (subject, day) for subject, day in zip(subjects, days, strict=True)]
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return set()
    most = max(fewest, TIMES_THE_MEDIAN * median(counts.values()))
    return {place for place, key in enumerate(keys) if key is not None and counts[key] > most}


def floods(clusters: Sequence[int], users: Sequence[Subject], days: Sequence[date]) -> set[int]:
    """The rows of clusters of FLOOD or more texts that are nearly the same, and come from one user for the most part, or on
    one day of several. What many ask on many days is popular, and no flood."""
    members: dict[int, list[int]] = defaultdict(list)
    for place, cluster in enumerate(clusters):
        members[cluster].append(place)
    spans_days = len(set(days)) >= FEWEST_DAYS
    found: set[int] = set()
    for places in members.values():
        if len(places) < FLOOD:
            continue
        top_user = max(Counter(users[place] for place in places if users[place] is not None).values(), default=0)
        top_day = max(Counter(days[place] for place in places).values())
        if top_user > OF_ONE_USER * len(places) or (spans_days and top_day > OF_ONE_DAY * len(places)):
            found.update(places)
    return found


def flippers(judgements: Iterable[Judgement]) -> dict[str, float]:
    """Annotators who contradict other people more often than MOST_DISAGREEMENT for certain (95 %), with the share of
    comparisons in which they do. The worst goes first, of equals the one whom the model contradicts more, and nobody is
    compared with him again: who is contradicted by him alone stays. A model alone speaks against nobody: people teach it."""
    by_item: dict[Hashable, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_item[judgement.item].append(judgement)
    found: dict[str, float] = {}
    while True:
        people, models = _contradicted(by_item, found)
        shares = {
            judge: (against / count, _share(models.get(judge)))
            for judge, (against, count) in people.items()
            if count >= FEWEST_COMPARED and float(clopper_pearson_low(against, count, 0.95)) > MOST_DISAGREEMENT
        }
        if not shares:
            return found
        worst = max(shares.values())
        found |= {judge: share[0] for judge, share in shares.items() if share == worst}


def _contradicted(
    by_item: Mapping[Hashable, Sequence[Judgement]], distrusted: Collection[str]
) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
    """By annotator, how often of how many times people, and models, say otherwise."""
    people: dict[str, tuple[int, int]] = {}
    models: dict[str, tuple[int, int]] = {}
    for said in by_item.values():
        trusted = [one for one in said if one.judge not in distrusted]
        for one in trusted:
            for other in trusted:
                if one.judge != other.judge and not one.is_model:
                    counts = models if other.is_model else people
                    against, count = counts.get(one.judge, (0, 0))
                    counts[one.judge] = against + (one.verdict != other.verdict), count + 1
    return people, models


def _share(counts: tuple[int, int] | None) -> float:
    return counts[0] / counts[1] if counts else 0.0


def capped(subjects: Sequence[Subject], ids: Sequence[str], limit: float) -> Cap:
    """Which rows go so that no subject has a larger share than `limit` of all that stay; where subjects are few, than twice
    an equal part. Which of a subject's rows stay is decided by their ids, by no order that anybody chooses."""
    counts = Counter(subject for subject in subjects if subject is not None)
    if not counts:
        return Cap(limit, frozenset(), None, 0)
    share = min(1.0, max(limit, TIMES_AN_EQUAL_PART / len(counts)))
    nobodys = sum(subject is None for subject in subjects)
    most = _most_rows(counts, nobodys, share)
    places: dict[str, list[int]] = defaultdict(list)
    for place, subject in enumerate(subjects):
        if subject is not None:
            places[subject].append(place)
    gone = {
        place
        for mine in places.values()
        for place in sorted(mine, key=lambda place: sha256(ids[place].encode()).digest())[most:]
    }
    largest = min(most, max(counts.values())) / (len(subjects) - len(gone))
    return Cap(share, frozenset(gone), largest, len(counts))


def _most_rows(counts: Mapping[str, int], nobodys: int, share: float) -> int:
    """The most rows a subject may keep, so that the largest keeps at most `share` of what all keep."""
    fewest, most = 1, max(counts.values())
    while fewest < most:
        middle = (fewest + most + 1) // 2
        kept = nobodys + sum(min(count, middle) for count in counts.values())
        fewest, most = (middle, most) if middle / kept <= share else (fewest, middle - 1)
    return fewest
