"""Who judges what next: the order of the file, nobody twice, nobody both times.

Here belongs what a list offers to one annotator, given what all have said. Nothing here reads or writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.labelling.desk import Entry
from apps.labelling.lists import Place, WorkList

HELD = timedelta(minutes=30)
"""An answer that somebody has open is theirs for so long."""


@dataclass(frozen=True)
class Turn:
    """What a list holds for one annotator.

    `places`: what they may see, in the order of the file; `mine`: their entries by request id. Of the others, `by_others`
    are judged or being judged by somebody else, `other_copy` they judged in the draw's other list. `judged`: by anybody.
    """

    work: WorkList
    places: Sequence[Place]
    mine: Mapping[str, Entry]
    judged: int
    by_others: int
    other_copy: int

    @property
    def judged_by_me(self) -> int:
        """How many of them they have judged."""
        return sum(self.is_judged(place) for place in self.places)

    @property
    def skipped(self) -> list[Place]:
        """What they put off."""
        return [place for place in self.places if self.is_skipped(place)]

    def next(self) -> Place | None:
        """The first that they have neither judged nor put off."""
        return next((place for place in self.places if not self.is_judged(place) and not self.is_skipped(place)), None)

    @property
    def is_open(self) -> bool:
        """Whether anything is left that they have not put off."""
        return self.next() is not None

    def at(self, number: str) -> Place | None:
        """What stands there in the list; None where that is not for them."""
        return next((place for place in self.places if str(place.number) == number), None)

    def beside(self, place: Place) -> tuple[Place | None, Place | None]:
        """What comes before and after."""
        at = self.places.index(place)
        return (self.places[at - 1] if at else None, self.places[at + 1] if at + 1 < len(self.places) else None)

    def is_judged(self, place: Place) -> bool:
        """Whether they have judged it."""
        entry = self.mine.get(place.request_id)
        return entry is not None and entry.is_judged

    def is_skipped(self, place: Place) -> bool:
        """Whether they have put it off."""
        entry = self.mine.get(place.request_id)
        return entry is not None and entry.is_skipped and not entry.is_judged

    def is_begun(self, place: Place) -> bool:
        """Whether something stands in its form that is not saved."""
        entry = self.mine.get(place.request_id)
        return entry is not None and entry.draft is not None


def turn(work: WorkList, entries: Mapping[str, Mapping[str, Entry]], annotator: str, now: datetime) -> Turn:
    """The turn of an annotator; `entries` are all of the draw's, by annotator and request id."""
    own = entries.get(annotator, {})
    theirs = [e for name, said in entries.items() if name != annotator for e in said.values() if e.copy == work.copy]
    done = {entry.request_id for entry in theirs if entry.is_judged}
    busy = {entry.request_id for entry in theirs if not entry.is_skipped and now - entry.touched_at < HELD}
    mine = {name: entry for name, entry in own.items() if entry.copy == work.copy}
    other_copy = {name for name, entry in own.items() if entry.copy != work.copy and entry.is_judged}
    places, by_others = [], 0
    for place in work.places:
        own_entry = mine.get(place.request_id)
        is_mine = own_entry is not None and (own_entry.is_judged or own_entry.draft is not None)
        if place.request_id in done | busy and not is_mine:
            by_others += place.request_id not in other_copy
        elif place.request_id not in other_copy:
            places.append(place)
    known = {place.request_id for place in work.places}
    by_me = {name for name, entry in mine.items() if entry.is_judged}
    return Turn(work, places, mine, len((done | by_me) & known), by_others, len(other_copy & known))
