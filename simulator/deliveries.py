"""How requests become lines in files: on time, late, twice, interim first and complete later.

One chunk in, parcels out: the lines for its own file, and lines that other files will hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from simulator.chunk import ABSENT, Chunk, pick
from simulator.dirt import (
    COPIED_NEXT_DAY,
    COPIED_NEXT_FILE,
    COPIED_SAME_FILE,
    CORRECTED,
    INTERIM_ONLY,
    LATE_1D,
    LATE_3D,
    ON_TIME,
    RESENT,
    Dirt,
    extra_lines,
)
from simulator.lines import json_lines
from simulator.shape import DAY_MS, IntArray, day_start_ms, generator
from simulator.truth import Ledger

_INTERIM_LACKS = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "citation_count")
_INTERIM_LACKS_MS = ("latency_ms", "model_ms")


@dataclass(frozen=True)
class Parcel:
    """Lines for one file, `days_later` than the chunk's day, each closed by a line feed; and what they are."""

    days_later: int
    part: int
    text: bytes
    counts: Counter[str]


def deliver(
    seed: int,
    chunk: Chunk,
    number: int,
    part: int,
    files_per_day: int,
    dirt: Dirt,
    ledger: Ledger,
    *,
    only_carried: bool,
) -> list[Parcel]:
    """Write a chunk. `only_carried`: just the lines for other days' files, of a day that is itself not wanted."""
    rng = generator(seed, chunk.day, 4, number)
    fate = pick(rng, dirt.fate_weights(), len(chunk))
    fate[(fate == CORRECTED) & (chunk.whole["output_tokens"] < 0)] = ON_TIME  # nothing to correct
    lag_ms = _lags_ms(rng, len(chunk))
    if only_carried:
        rows = np.flatnonzero(~np.isin(fate, (ON_TIME, COPIED_SAME_FILE, INTERIM_ONLY)))
        chunk, fate, lag_ms = chunk.take(rows), fate[rows], lag_ms[rows]
    count = len(chunk)
    if not count:
        return []

    # First versions of what is sent twice, then the final versions with their own times.
    twice = np.flatnonzero((fate == RESENT) | (fate == CORRECTED))
    first = chunk.take(twice)
    is_interim = fate[twice] == RESENT
    _make_interim(first, is_interim)
    first.whole["output_tokens"][~is_interim] //= 2
    first.codes["is_complete"][~is_interim] = 1
    started_ms = chunk.ts_ms.copy()
    chunk.ts_ms = np.where(fate == RESENT, chunk.ts_ms + lag_ms, chunk.ts_ms)
    chunk.codes["is_complete"][twice] = 1
    _make_interim(chunk, fate == INTERIM_ONLY)

    own = np.zeros(count, dtype=np.int64)
    since_ms = chunk.ts_ms - day_start_ms(chunk.day)
    event = since_ms // DAY_MS
    later = np.select([fate == LATE_1D, fate == LATE_3D, fate == CORRECTED], [own + 1, own + 3, own + 1], event)
    own_part = since_ms % DAY_MS // (DAY_MS // files_per_day)
    parts = np.where(later > event, 0, own_part)
    copied = np.flatnonzero(np.isin(fate, (COPIED_SAME_FILE, COPIED_NEXT_FILE, COPIED_NEXT_DAY)))
    leaves = (fate[copied] == COPIED_NEXT_DAY) | ((fate[copied] == COPIED_NEXT_FILE) & (part + 1 == files_per_day))
    copy_part = np.where(leaves, 0, np.where(fate[copied] == COPIED_NEXT_FILE, part + 1, part))

    waits = later[twice] > 0
    nothing = np.zeros(len(twice), dtype=np.int64)
    ledger.add(chunk, np.ones(count, dtype=bool), later, event, +1)
    ledger.add(first, waits, nothing, nothing, +1)
    ledger.add(first, waits, later[twice], nothing, -1)

    lines = json_lines(chunk)
    extra_rng = generator(seed, chunk.day, 5, number)
    extra = [] if only_carried else extra_lines(seed, chunk, lambda row: str(lines[row]), dirt, extra_rng)
    place = np.arange(count, dtype=np.float64)
    # A re-delivery follows where its own time would have put it.
    place[twice] = np.maximum(np.searchsorted(started_ms, chunk.ts_ms[twice]) - 0.5, twice + 0.25)
    sheet = _Sheet(part)
    final_kind = np.full(count, "first_delivery")
    final_kind[twice] = "redelivery"
    sheet.add(lines, later, parts, event, place, final_kind)
    first_kind = np.full(len(twice), "first_delivery")
    sheet.add(json_lines(first), nothing, nothing + part, nothing, twice.astype(np.float64), first_kind)
    copy_place = copied + extra_rng.random(len(copied)) * 50
    copy_later, copy_event = leaves.astype(np.int64), np.zeros(len(copied), dtype=np.int64)
    copy_kind = np.full(len(copied), "exact_duplicate")
    sheet.add(lines.gather(copied), copy_later, copy_part, copy_event, copy_place, copy_kind)
    ledger.add_landed(chunk.day, sheet.array("later"), sheet.array("event"))
    none = np.zeros(len(extra), dtype=np.int64)
    texts = pl.Series("line", [text for _, text in extra], dtype=pl.String)
    extra_kind = np.array([kind for kind, _ in extra], dtype="U24")
    sheet.add(texts, none, none + part, none, extra_rng.random(len(extra)) * count, extra_kind)
    return sheet.parcels()


class _Sheet:
    """Records to be sorted into parcels."""

    def __init__(self, own_part: int) -> None:
        self._own_part = own_part
        self._lines: list[pl.Series] = []
        self._columns: dict[str, list[np.ndarray[tuple[int], np.dtype[np.generic]]]] = {}

    def add(
        self, lines: pl.Series, later: IntArray, part: IntArray, event: IntArray,
        place: np.ndarray[tuple[int], np.dtype[np.float64]], kind: np.ndarray[tuple[int], np.dtype[np.str_]],
    ) -> None:  # fmt: skip
        self._lines.append(lines)
        for name, values in (("later", later), ("part", part), ("event", event), ("place", place), ("kind", kind)):
            self._columns.setdefault(name, []).append(values)

    def array(self, name: str) -> IntArray:
        return np.concatenate(self._columns[name]).astype(np.int64)

    def parcels(self) -> list[Parcel]:
        lines = pl.concat(self._lines)
        later, part, event = self.array("later"), self.array("part"), self.array("event")
        place, kind = np.concatenate(self._columns["place"]), np.concatenate(self._columns["kind"])
        target = later * 64 + part
        made = []
        for code in np.unique(target):
            rows = np.flatnonzero(target == code)
            if code == self._own_part:
                rows = rows[np.argsort(place[rows], kind="stable")]
            names, numbers = np.unique(kind[rows], return_counts=True)
            counts = Counter({str(name): int(number) for name, number in zip(names, numbers, strict=True)})
            counts["late_records"] = int((later[rows] > event[rows]).sum())
            text = lines.gather(rows).str.join("\n").item()
            made.append(Parcel(int(code) // 64, int(code) % 64, text.encode() + b"\n", counts))
        return made


def _lags_ms(rng: np.random.Generator, count: int) -> IntArray:
    """From the interim delivery to the complete one: mostly seconds, for one in six up to eight hours."""
    short = np.clip(rng.lognormal(9.9, 1.3, count), 500, 3_600_000)
    long = rng.uniform(1_800_000, 28_800_000, count)
    return np.where(rng.random(count) < 1 / 6, long, short).astype(np.int64)


def _make_interim(chunk: Chunk, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    """What was known before the answer had come."""
    for name in _INTERIM_LACKS:
        chunk.whole[name][rows] = ABSENT
    for name in _INTERIM_LACKS_MS:
        chunk.ms[name][rows] = np.nan
    for name in ("finish", "is_window_truncated"):
        chunk.codes[name][rows] = ABSENT
    chunk.codes["is_complete"][rows] = 0


def crlf_part(day: date, dirt: Dirt, files_per_day: int) -> int | None:
    """The file of the day that a shipper on another system wrote, if any."""
    if dirt.crlf_every_days and day.toordinal() % dirt.crlf_every_days == 0:
        return files_per_day // 2
    return None
