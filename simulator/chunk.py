"""A chunk of requests as arrays: what is drawn, changed by incidents, and written.

Absent is -1 in whole numbers and codes, NaN in times. `codes` point into the tables of `fragments.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from simulator.shape import FloatArray, IntArray
from simulator.words import Words

BoolArray = NDArray[np.bool_]
WordArray = NDArray[np.uint64]
ABSENT = -1

# What an id is for; keeps ids of different kinds apart.
REQUEST, TRACE, CONVERSATION, BROKEN, FEEDBACK = range(5)


@dataclass
class Chunk:
    """Rows of one day, in time order. The arrays are the chunk's own: incidents change them in place."""

    day: date
    ts_ms: IntArray
    row: IntArray
    """Number of the row in its day; ids are made from it."""
    codes: dict[str, IntArray]
    whole: dict[str, IntArray]
    """Whole-number columns under their canonical names."""
    ms: dict[str, FloatArray]
    """Columns with fractions under their canonical names; times are in milliseconds."""
    ids: dict[str, WordArray]
    words: list[Words] | None = None
    """What was said, a row each; None where texts are not wanted."""

    def __len__(self) -> int:
        return len(self.ts_ms)

    def take(self, rows: IntArray) -> Chunk:
        """A copy of some rows."""
        return Chunk(
            self.day,
            self.ts_ms[rows],
            self.row[rows],
            {name: values[rows] for name, values in self.codes.items()},
            {name: values[rows] for name, values in self.whole.items()},
            {name: values[rows] for name, values in self.ms.items()},
            {name: values[rows] for name, values in self.ids.items()},
            None if self.words is None else [self.words[row] for row in rows.tolist()],
        )

    def joined(self, more: Chunk) -> Chunk:
        """These rows and more of the same day, in time order. Neither has words yet."""
        ts_ms = np.concatenate([self.ts_ms, more.ts_ms])
        both = Chunk(
            self.day,
            ts_ms,
            np.concatenate([self.row, more.row]),
            {name: np.concatenate([values, more.codes[name]]) for name, values in self.codes.items()},
            {name: np.concatenate([values, more.whole[name]]) for name, values in self.whole.items()},
            {name: np.concatenate([values, more.ms[name]]) for name, values in self.ms.items()},
            {name: np.concatenate([values, more.ids[name]]) for name, values in self.ids.items()},
        )
        return both.take(np.argsort(ts_ms, kind="stable"))

    def between(self, start_ms: int, end_ms: int) -> BoolArray:
        return (self.ts_ms >= start_ms) & (self.ts_ms < end_ms)


def make_ids(seed: int, day: date, row: IntArray, kind: int) -> WordArray:
    """One 64-bit id for each (day, row, kind): a bijection for a seed, so ids never collide (splitmix64)."""
    with np.errstate(over="ignore"):
        key = np.uint64(day.toordinal() << 40) | (row.astype(np.uint64) << np.uint64(3)) | np.uint64(kind)
        z = key + np.uint64((seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def pick(rng: np.random.Generator, weights: FloatArray, count: int) -> IntArray:
    """`count` codes, drawn by one row of weights."""
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges[:-1], rng.random(count), side="right").astype(np.int64)


def pick_by(rng: np.random.Generator, weights: FloatArray, group: IntArray) -> IntArray:
    """A code for each row, drawn by the weights of the row's group: weights[group, code]."""
    edges = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    codes: IntArray = (rng.random(len(group))[:, None] >= edges[group, :-1]).sum(axis=1).astype(np.int64)
    return codes


def runs_of_equal(key: IntArray, run_length: IntArray) -> tuple[IntArray, IntArray]:
    """Number rows of equal key 0, 1, 2 … in runs of the row's `run_length`.

    Returns each row's place in its run and the index of the run's first row.
    """
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    index = np.arange(len(key), dtype=np.int64)
    is_first = np.ones(len(key), dtype=bool)
    is_first[1:] = sorted_key[1:] != sorted_key[:-1]
    group_start = np.maximum.accumulate(np.where(is_first, index, 0))
    length = run_length[order]
    place_sorted = (index - group_start) % length
    place = np.empty_like(index)
    first = np.empty_like(index)
    place[order] = place_sorted
    first[order] = order[index - place_sorted]
    return place, first
