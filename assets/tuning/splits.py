"""Which rows train, which follow the training, and which judge it: by groups and by time, never row by row.

Here belongs the division. A group is a document of questions, or else a conversation; one stands in one split whole. The
newest groups judge, as they will once the model is live. A conversation that would stand in two splits stays in one of them,
and training rows that are not older than what judges go, unless most of what was learnt would go with them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

TRAIN, DEV, TEST = "train", "dev", "test"
TEST_SHARE, DEV_SHARE = 0.15, 0.1
MOST_LOST = 0.2
"""Share of training rows that time may cost; where it would cost more they stay, and the dataset says so."""
LATER, CROSSING = "later_than_test", "crosses_splits"


@dataclass(frozen=True)
class Place:
    """Where a row stands before it is dealt: its group, its conversation (None: unknown), its time (UTC), its id."""

    group: str
    conversation: str | None
    ts: datetime
    id: str


def deal(rows: Sequence[Place]) -> list[str]:
    """The split of each row, or the reason why it is in none, in their order, which itself decides nothing."""
    splits = _together(rows, _by_group(rows))
    begins = min((row.ts for row, split in zip(rows, splits, strict=True) if split == TEST), default=None)
    trained = [place for place, split in enumerate(splits) if split in (TRAIN, DEV)]
    late = [place for place in trained if begins is not None and rows[place].ts >= begins]
    if len(late) <= MOST_LOST * len(trained):
        for place in late:
            splits[place] = LATER
    return splits


def _by_group(rows: Sequence[Place]) -> list[str]:
    """The split of each row's group: the newest groups test, those before them are dev. A group with more than half of the
    rows trains, as does what is left."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        members[row.group].append(place)

    def age(group: str) -> tuple[datetime, str]:
        times = sorted(rows[place].ts for place in members[group])
        return times[(len(times) - 1) // 2], group

    found = dict.fromkeys(members, TRAIN)
    free = [group for group in sorted(members, key=age, reverse=True) if len(members[group]) <= len(rows) / 2]
    for split, share in ((TEST, TEST_SHARE), (DEV, DEV_SHARE)):
        wanted = share * len(rows)
        # One group at least must be left to learn from.
        while wanted > 0 and sum(1 for split_ in found.values() if split_ == TRAIN) > 1 and free:
            group = free.pop(0)
            found[group] = split
            wanted -= len(members[group])
    return [found[row.group] for row in rows]


def _together(rows: Sequence[Place], splits: list[str]) -> list[str]:
    """A conversation whose groups were dealt to several splits stays where most of it is; the rest of it goes."""
    where: dict[str, Counter[str]] = defaultdict(Counter)
    for row, split in zip(rows, splits, strict=True):
        if row.conversation is not None:
            where[row.conversation][split] += 1
    home = {
        conversation: max(counts, key=lambda split: (counts[split], split == TEST, split))
        for conversation, counts in where.items()
    }
    return [
        split if row.conversation is None or home[row.conversation] == split else CROSSING
        for row, split in zip(rows, splits, strict=True)
    ]
