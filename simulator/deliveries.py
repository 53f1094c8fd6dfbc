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
from simulator.formats.canonical import Canonical
from simulator.formats.format import Format
from simulator.shape import DAY_MS, IntArray, day_start_ms, generator
from simulator.truth import Ledger, Tally

_CANONICAL = Canonical()

_INTERIM_LACKS = (
    "output_tokens", "reasoning_tokens", "audio_output_tokens", "citation_count", "reported_cost_nano_usd",
    "window_lost_tokens",
)  # fmt: skip
_INTERIM_LACKS_MS = ("latency_ms", "model_ms", "batch_wait_ms", "model_load_ms")
NESTED = ("retrieval", "tool_call")
"""Kinds of record that travel with their request."""


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
    source: str = "gateway",
    log_format: Format = _CANONICAL,
    stream: tuple[int, ...] = (),
    is_second: bool = False,
) -> list[Parcel]:
    """Write a chunk. `only_carried`: just the lines for other days' files, of a day that is itself not wanted.

    `stream` sets the chance of one source apart from that of another. `is_second`: these requests are counted already,
    in another source.
    """
    rng = generator(seed, chunk.day, 4, number, *stream)
    fate = pick(rng, dirt.fate_weights(), len(chunk))
    fate[chunk.codes["is_punctual"] == 1] = ON_TIME
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
    if not is_second:
        ledger.add(chunk, np.ones(count, dtype=bool), later, event, +1)
        ledger.add(first, waits, nothing, nothing, +1)
        ledger.add(first, waits, later[twice], nothing, -1)
    tally = Tally(ledger, source, chunk.day)
    tally.records("request", later, event, +1)
    tally.records("request", nothing[waits], nothing[waits], +1)
    tally.records("request", later[twice][waits], nothing[waits], -1)

    spelled = log_format.spell(chunk)
    lines = spelled.texts
    extra_rng = generator(seed, chunk.day, 5, number, *stream)
    extra = [] if only_carried else extra_lines(seed, chunk, lambda row: str(lines[row]), dirt, extra_rng)
    place = np.arange(count, dtype=np.float64)
    # A re-delivery follows where its own time would have put it.
    place[twice] = np.maximum(np.searchsorted(started_ms, chunk.ts_ms[twice]) - 0.5, twice + 0.25)
    sheet = _Sheet(part, log_format)
    final_kind = np.full(count, "first_delivery")
    final_kind[twice] = "redelivery"
    nested = Nested.of(chunk)
    sheet.add(lines, later, parts, event, place, final_kind, nested.counts | {"ignored": spelled.ignored})
    first_kind = np.full(len(twice), "first_delivery")
    first_nested, first_spelled = Nested.of(first), log_format.spell(first)
    sheet.add(
        first_spelled.texts, nothing, nothing + part, nothing, twice.astype(np.float64), first_kind,
        first_nested.counts | {"ignored": first_spelled.ignored},
    )  # fmt: skip
    copy_place = copied + extra_rng.random(len(copied)) * 50
    copy_later, copy_event = leaves.astype(np.int64), np.zeros(len(copied), dtype=np.int64)
    copy_kind = np.full(len(copied), "exact_duplicate")
    copy_counts = {name: counts[copied] for name, counts in (nested.counts | {"ignored": spelled.ignored}).items()}
    sheet.add(lines.gather(copied), copy_later, copy_part, copy_event, copy_place, copy_kind, copy_counts)
    tally.landed("request", sheet.array("later"), sheet.array("event"))
    for kind in NESTED:
        rows, days = nested.rows[kind], nested.days[kind]
        tally.landed(kind, later[rows], days)
        # Where an earlier delivery held the same, this one brings nothing new.
        new = fate[rows] != CORRECTED
        tally.records(kind, later[rows][new], days[new], +1)
        first_rows, first_days = first_nested.rows[kind], first_nested.days[kind]
        tally.landed(kind, nothing[first_rows], first_days)
        tally.records(kind, nothing[first_rows], first_days, +1)
        for copy, delivery in zip(copied.tolist(), copy_later.tolist(), strict=True):
            days_of_copy = days[rows == copy]
            tally.landed(kind, np.full(len(days_of_copy), delivery), days_of_copy)
    none = np.zeros(len(extra), dtype=np.int64)
    texts = pl.Series("line", [text for _, text in extra], dtype=pl.String)
    extra_kind = np.array([kind for kind, _ in extra], dtype="U24")
    sheet.add(texts, none, none + part, none, extra_rng.random(len(extra)) * count, extra_kind, {})
    return sheet.parcels()


@dataclass(frozen=True)
class Nested:
    """What travels with a chunk's requests: for each kind its count by row, and for each record its row and its day."""

    counts: dict[str, IntArray]
    rows: dict[str, IntArray]
    days: dict[str, IntArray]

    @classmethod
    def of(cls, chunk: Chunk) -> Nested:
        words = chunk.words or []
        begin, times = day_start_ms(chunk.day), chunk.ts_ms.tolist()
        ms = {
            "retrieval": [[ts + w.retrieved_after_ms] * len(w.retrieved) for w, ts in zip(words, times, strict=False)],
            "tool_call": [[ts + call.after_ms for call in w.tool_calls] for w, ts in zip(words, times, strict=False)],
        }
        counts, rows, days = {}, {}, {}
        for kind in NESTED:
            counts[kind] = np.zeros(len(chunk), dtype=np.int64)
            counts[kind][: len(words)] = [len(of_row) for of_row in ms[kind]]
            rows[kind] = np.repeat(np.arange(len(chunk), dtype=np.int64), counts[kind])
            days[kind] = (np.array([at for of_row in ms[kind] for at in of_row], dtype=np.int64) - begin) // DAY_MS
        return cls(counts, rows, days)


class _Sheet:
    """Records to be sorted into parcels."""

    def __init__(self, own_part: int, log_format: Format) -> None:
        self._own_part, self._format = own_part, log_format
        self._lines: list[pl.Series] = []
        self._columns: dict[str, list[np.ndarray[tuple[int], np.dtype[np.generic]]]] = {}

    def add(
        self, lines: pl.Series, later: IntArray, part: IntArray, event: IntArray,
        place: np.ndarray[tuple[int], np.dtype[np.float64]], kind: np.ndarray[tuple[int], np.dtype[np.str_]],
        within: dict[str, IntArray],
    ) -> None:  # fmt: skip
        self._lines.append(lines)
        for name in (*NESTED, "ignored"):
            self._columns.setdefault(name, []).append(within.get(name, np.zeros(len(later), dtype=np.int64)))
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
            for name in (*NESTED, "ignored"):
                counts[name] = int(self.array(name)[rows].sum())
            text = self._format.assemble(lines.gather(rows))
            made.append(Parcel(int(code) // 64, int(code) % 64, text, counts))
        return made


def _lags_ms(rng: np.random.Generator, count: int) -> IntArray:
    """From the interim delivery to the complete one: mostly seconds, for one in six up to eight hours."""
    short = np.clip(rng.lognormal(9.9, 1.3, count), 500, 3_600_000)
    long = rng.uniform(1_800_000, 28_800_000, count)
    return np.where(rng.random(count) < 1 / 6, long, short).astype(np.int64)


def _make_interim(chunk: Chunk, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    """What was known before the answer had come."""
    if chunk.words is not None:
        chunk.words = [w.unanswered() if row else w for w, row in zip(chunk.words, rows.tolist(), strict=True)]
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
