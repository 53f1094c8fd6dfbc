"""Candidates become a dataset: each is dealt to a split, or leaves for one reason, the first that holds.

Here belongs the order of the rules, and that none is lost; the rules are dedupe.py, poison.py, decontaminate.py, splits.py.
What a candidate is made of is read elsewhere: words come in to be compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np

from assets.tuning.decontaminate import Held
from assets.tuning.dedupe import Said, Vectors, clusters, repeats
from assets.tuning.poison import (
    ANNOTATOR_SHARE,
    BURST_OF_A_USER,
    BURST_ON_A_TARGET,
    USER_SHARE,
    Cap,
    bursts,
    capped,
    floods,
)
from assets.tuning.splits import DEV, TEST, TRAIN, Place, deal

RULES = "rules-1"
SPLITS = (TRAIN, DEV, TEST)
MAY_TRAIN, NO_WORDS, PERSONAL_DATA, LABEL_FLIP, BURST, FLOOD, CONTAMINATED, KNOWS_TEST, OF_ONE_USER, OF_ONE_ANNOTATOR = (
    "may_train", "no_words", "personal_data", "label_flip", "burst", "flood", "contaminated", "knows_the_test", "user_cap",
    "annotator_cap",
)  # fmt: skip
LONGEST_MEANING = 1_000
"""Characters: a MiniLM reads about as many, and drops the rest."""
_LETTER, _LATIN = re.compile(r"[^\W\d_]"), re.compile(r"[A-Za-z\u00aa-\u024f]")
Embed = Callable[[list[str]], Vectors]


@dataclass(frozen=True)
class Candidate:
    """One piece of evidence. `fault`: why it cannot be used, known when it was read; `target`: what a burst would be aimed
    at; `scope`: see dedupe.Said; `group`: what it is split by. `texts` are compared, each with its like; none: it has no
    words by its nature. `other_texts` go into the row besides. `row`: its columns, and whatever its kind needs."""

    id: str
    day: date
    ts: datetime
    request_id: str
    source: str
    group: str
    conversation: str | None = None
    user: str | None = None
    annotators: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    other_texts: tuple[str, ...] = ()
    scope: Hashable = None
    target: str | None = None
    fault: str | None = None
    log_source: str | None = None
    language: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """The privacy budget: largest shares of the training split (seeds/datasets.yml)."""

    user_share: float = USER_SHARE
    annotator_share: float = ANNOTATOR_SHARE


@dataclass(frozen=True)
class Refined:
    """What became of all candidates: `kept` by split, in the order of their ids, and `gone`, the reason by id."""

    kept: Mapping[str, list[Candidate]]
    gone: Mapping[str, str]
    users: Cap
    annotators: Cap

    @property
    def seen(self) -> int:
        return len(self.gone) + sum(map(len, self.kept.values()))

    @property
    def later_than_test(self) -> float:
        """Share of training rows that are not older than the first that judges them."""
        begins = min((one.ts for one in self.kept[TEST]), default=None)
        late = 0 if begins is None else sum(one.ts >= begins for one in self.kept[TRAIN])
        return late / len(self.kept[TRAIN]) if late else 0.0

    @property
    def removals(self) -> dict[str, int]:
        """How many left for which reason."""
        return dict(sorted(Counter(self.gone.values()).items()))


class _Left:
    """The candidates that are still there, in the order of time and id: of two that say the same the first stays."""

    def __init__(self, candidates: Sequence[Candidate]):
        unique = {one.id: one for one in candidates}
        if len(unique) < len(candidates):
            raise ValueError(f"{len(candidates) - len(unique)} candidates have the id of another")
        self.rows = sorted(unique.values(), key=lambda one: (one.ts, one.id))
        self.gone: dict[str, str] = {}

    def drop(self, reasons: Mapping[int, str]) -> None:
        """Take out rows by their places."""
        self.gone |= {self.rows[place].id: reason for place, reason in reasons.items()}
        self.rows = [one for one in self.rows if one.id not in self.gone]


def refined(
    candidates: Sequence[Candidate],
    embed: Embed,
    are_clean: Callable[[list[str]], list[bool]],
    held: Held,
    limits: Limits | None = None,
) -> Refined:
    """Deal candidates to splits. `are_clean`: whether a second look finds no personal data and no secret in each text;
    `embed`: a vector of length 1 for each. The order of the candidates decides nothing.

    Raises ValueError where two have one id.
    """
    limits = limits or Limits()
    left = _Left(candidates)
    left.drop({place: one.fault for place, one in enumerate(left.rows) if one.fault is not None})
    left.drop(dict.fromkeys(_personal(left.rows, are_clean), PERSONAL_DATA))
    _drop_poison(left)
    vectors = _vectors(left.rows, embed)
    _drop_repeats(left, vectors)
    left.drop(dict.fromkeys(_leaks(left.rows, vectors, held, embed), CONTAMINATED))
    splits = deal([Place(one.group, one.conversation, one.ts, one.id) for one in left.rows])
    split_of = {one.id: split for one, split in zip(left.rows, splits, strict=True)}
    left.drop({place: split for place, split in enumerate(splits) if split not in SPLITS})
    _drop_what_knows_the_test(left, split_of, vectors, embed)
    users, annotators = _drop_over_caps(left, split_of, limits)
    kept: dict[str, list[Candidate]] = {split: [] for split in SPLITS}
    for one in sorted(left.rows, key=lambda one: one.id):
        kept[split_of[one.id]].append(one)
    return Refined(kept, left.gone, users, annotators)


def _personal(rows: Sequence[Candidate], are_clean: Callable[[list[str]], list[bool]]) -> set[int]:
    texts = [(place, text) for place, one in enumerate(rows) for text in (*one.texts, *one.other_texts)]
    clean = are_clean([text for _, text in texts])
    return {place for (place, _), is_clean in zip(texts, clean, strict=True) if not is_clean}


def _drop_poison(left: _Left) -> None:
    worded = [place for place, one in enumerate(left.rows) if one.texts]
    rows = [left.rows[place] for place in worded]
    flooding = floods(clusters([Said(one.texts) for one in rows]), [one.user for one in rows], [one.day for one in rows])
    found = {worded[place]: FLOOD for place in flooding}
    days = [one.day for one in left.rows]
    aimed = bursts([one.target for one in left.rows], days, BURST_ON_A_TARGET)
    for place in bursts([one.user for one in left.rows], days, BURST_OF_A_USER) | aimed:
        found.setdefault(place, BURST)
    left.drop(found)


def _drop_repeats(left: _Left, vectors: Mapping[str, tuple[Vectors, ...]]) -> None:
    worded = [place for place, one in enumerate(left.rows) if one.texts]
    rows = [left.rows[place] for place in worded]
    found = repeats([Said(one.texts, one.scope, vectors[one.id]) for one in rows])
    left.drop({worded[place]: reason for place, reason in found.items()})


def _vectors(rows: Sequence[Candidate], embed: Embed) -> dict[str, tuple[Vectors, ...]]:
    """The vectors of the texts of each candidate that has any, by its id."""
    texts = [(one.id, text) for one in rows for text in one.texts]
    found: dict[str, list[Vectors]] = {}
    for (id_, _), vector in zip(texts, meanings([text for _, text in texts], embed), strict=True):
        found.setdefault(id_, []).append(vector)
    return {id_: tuple(vectors) for id_, vectors in found.items()}


def meanings(texts: Sequence[str], embed: Embed) -> Vectors:
    """A vector for each text; of one that an embedder may not tell from others (has_meaning), zeros, which are near to
    nothing: its words alone tell what it is."""
    short = sorted({text for text in texts if has_meaning(text)})
    if not short:
        return np.zeros((len(texts), 1), np.float32)
    known = dict(zip(short, embed(short), strict=True))
    nothing = np.zeros_like(known[short[0]])
    return np.stack([known.get(text, nothing) for text in texts])


def has_meaning(text: str) -> bool:
    """Whether a text's vector says what it means: it is short enough to be read whole, and in Latin letters for the most
    part. To the packaged embedder one question in twenty in Chinese is the same as another."""
    return len(text) <= LONGEST_MEANING and 2 * len(_LATIN.findall(text)) > len(_LETTER.findall(text))


def _leaks(
    rows: Sequence[Candidate], vectors: Mapping[str, tuple[Vectors, ...]], held: Held, embed: Embed
) -> set[int]:
    """The rows one of whose texts gives away a held one."""
    found = {place for place, one in enumerate(rows) if any(held.leak(text) for text in one.texts)}
    asked = [(place, vector) for place, one in enumerate(rows) if place not in found for vector in vectors.get(one.id, ())]
    if any(map(has_meaning, held.texts)) and any(vector.any() for _, vector in asked):
        known = meanings(held.texts, embed)
        leaks = held.meanings(np.stack([vector for _, vector in asked]), known)
        found |= {place for (place, _), leak in zip(asked, leaks, strict=True) if leak}
    return found


def _drop_what_knows_the_test(
    left: _Left, split_of: Mapping[str, str], vectors: Mapping[str, tuple[Vectors, ...]], embed: Embed
) -> None:
    own = Held.of({"test": [text for one in left.rows if split_of[one.id] == TEST for text in one.texts]})
    taught = [place for place, one in enumerate(left.rows) if split_of[one.id] != TEST]
    leaks = _leaks([left.rows[place] for place in taught], vectors, own, embed)
    left.drop({taught[place]: KNOWS_TEST for place in leaks})


def _drop_over_caps(left: _Left, split_of: Mapping[str, str], limits: Limits) -> tuple[Cap, Cap]:
    """Users and annotators within their shares of the training split, both at once: what one takes, the other counts."""
    while True:
        trained = [place for place, one in enumerate(left.rows) if split_of[one.id] == TRAIN]
        rows = [left.rows[place] for place in trained]
        ids = [one.id for one in rows]
        users = capped([one.user for one in rows], ids, limits.user_share)
        alone = [one.annotators[0] if len(one.annotators) == 1 else None for one in rows]
        annotators = capped(alone, ids, limits.annotator_share)
        if not users.gone and not annotators.gone:
            return users, annotators
        reason, gone = (OF_ONE_USER, users.gone) if users.gone else (OF_ONE_ANNOTATOR, annotators.gone)
        left.drop({trained[place]: reason for place in gone})
