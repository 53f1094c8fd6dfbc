"""Simulate days of traffic: the loop over days, chunks and files, and the truth about them.

A day's requests depend on (seed, day) and the world's parameters only. A day's files also hold what earlier days of
the same world delivered late; those days are replayed, so any range of days gives the files of one long simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from simulator.chunk import Chunk
from simulator.deliveries import NESTED, Parcel, crlf_part, deliver
from simulator.demand import draw_demand
from simulator.dialogue import say
from simulator.dirt import QUARANTINED_KINDS, REFUSED_KINDS, Dirt
from simulator.documents import write_documents
from simulator.extras import draw_extras
from simulator.feedback import FEEDBACK_FILE, Note, draw_feedback
from simulator.files import LogFile, Spool, SpoolKey
from simulator.incidents import SEED_EXAMPLES, Incident
from simulator.knowledge import KnowledgeBase
from simulator.known import Known
from simulator.outcome import draw_outcome
from simulator.plans import Plan, default_plan
from simulator.shape import HOURS, ChunkPlan, FloatArray, chunk_plans, generator
from simulator.sources import GATEWAY, Source, logged_twice, route, wanted
from simulator.truth import Ledger, Tally, malformed, write_truth

CHUNK_ROWS = 20_000
"""Bounds the memory. It is part of the world: another value gives other traffic."""
LATEST_DAYS = 3
"""The longest that a record is on its way."""


@dataclass(frozen=True)
class FileWritten:
    """Progress: one file has been renamed in."""

    path: Path
    day: date
    lines: int
    records: int
    bytes: int


@dataclass(frozen=True)
class World:
    """What makes the traffic; equal worlds give equal bytes."""

    seed: int
    requests_per_day: int
    first_day: date
    days: int
    incidents: tuple[Incident, ...]
    dirt: Dirt
    files_per_day: int
    texts: bool
    gateway: Source
    others: tuple[Source, ...]

    def chunks(self, day: date, touched: Counter[str]) -> Iterator[tuple[ChunkPlan, Chunk]]:
        """A day's requests in time order; `touched` counts each incident's."""
        volume = self._volume(day)
        for plan in chunk_plans(self.seed, day, self.requests_per_day, self.files_per_day, CHUNK_ROWS, volume):
            chunk = draw_demand(self.seed, day, plan, self.requests_per_day, volume)
            on_top = []
            for number, incident in enumerate(self.incidents):
                more = incident.requests_on_top(self.seed, chunk)
                if more is not None:
                    # Chance of their own: what was drawn stays as it would be without them.
                    self._draw(more, plan, number)
                    on_top.append((incident.name, more))
            hits = []
            for incident in self.incidents:
                rows = incident.touches(chunk)
                if rows.any():
                    incident.change_demand_of(self.seed, chunk, rows)
                    hits.append((incident, rows))
            self._draw(chunk, plan)
            for incident, rows in hits:
                touched[incident.name] += int(incident.change_outcome(chunk, rows).sum())
            for name, more in on_top:
                touched[name] += len(more)
                chunk = chunk.joined(more)
            if self.texts:
                say(chunk, generator(self.seed, day, 7, plan.number))
            yield plan, chunk

    def _volume(self, day: date) -> FloatArray | None:
        factors = [found for incident in self.incidents if (found := incident.volume(self.seed, day)) is not None]
        return np.prod(factors, axis=0) if factors else None

    def _draw(self, chunk: Chunk, plan: ChunkPlan, *stream: int) -> None:
        draw_outcome(chunk, generator(self.seed, chunk.day, 3, plan.number, *stream))
        draw_extras(chunk, generator(self.seed, chunk.day, 6, plan.number, *stream))

    def shipments(self, plan: ChunkPlan, chunk: Chunk) -> Iterator[Shipment]:
        """A chunk cut up by where it is logged."""
        place = route(chunk, self.others)
        second = logged_twice(chunk, place, self.others, generator(self.seed, chunk.day, 8, plan.number))
        chunk.codes["is_punctual"] = np.where(second >= 0, 1, chunk.codes["is_punctual"])
        for code, source in enumerate((self.gateway, *self.others), start=-1):
            for rows, is_second in ((place == code, False), ((second == code) & (second >= 0), True)):
                if not rows.any():
                    continue
                part = chunk.take(np.flatnonzero(rows)) if not rows.all() else chunk
                source.format.forget(part)
                stream = () if code < 0 else (code + 1, int(is_second))
                yield Shipment(source, part, plan, stream, is_second)


@dataclass(frozen=True)
class Shipment:
    """Requests of one chunk that one source logs."""

    source: Source
    chunk: Chunk
    plan: ChunkPlan
    stream: tuple[int, ...]
    is_second: bool

    def parcels(self, world: World, ledger: Ledger, *, only_carried: bool) -> Iterator[tuple[SpoolKey, Parcel]]:
        """The lines, and the files that they are for."""
        files = self.source.files_per_day or world.files_per_day
        made = deliver(
            world.seed, self.chunk, self.plan.number, self.plan.part * files // world.files_per_day, files,
            self.source.dirt(world.dirt), ledger, only_carried=only_carried, source=self.source.name,
            log_format=self.source.format, stream=self.stream, is_second=self.is_second,
        )  # fmt: skip
        own = self.chunk.day.toordinal()
        for parcel in made:
            yield (self.source.name, own + parcel.days_later, parcel.part), parcel


def simulate(
    out: Path, truth: Path, first_day: date, days: int, requests_per_day: int, seed: int, *,
    world_first_day: date | None = None, world_days: int | None = None, incidents: Sequence[Incident] | Plan | None = None,
    dirt: Dirt | None = None, files_per_day: int = 4, source: str = "gateway", plain: bool = False,
    aside: Path | None = None, texts: bool = False, others: Sequence[str] = (),
) -> Iterator[FileWritten]:  # fmt: skip
    """Write `<out>/<source>/<day>/part-NNN.jsonl[.gz]` and `<truth>/ground_truth.json`; yields after each file.

    Nothing happens until the result is iterated. The world begins on `world_first_day` and its incidents are placed
    within `world_days`; both default to the days simulated. To add nights later, name the same world each time: the
    truth folder is then merged into. `incidents`: a plan of `plans.py` or incidents; None takes the default plan, an
    empty sequence plants none.
    `texts` adds what was said, documents, a knowledge base, tool calls and feedback. `others` names sources of `sources.py`
    that log their share in formats of their own; they need texts. Files are written in `aside` (a hidden sibling of `out`),
    which has to be on the same file system as `out`. Raises ValueError for arguments that do not fit each other.
    """
    begin = world_first_day or first_day
    horizon = world_days or (first_day - begin).days + days
    if days < 1 or requests_per_day < 1 or HOURS % files_per_day:
        raise ValueError("days and requests_per_day take 1 or more, files_per_day a divisor of 24")
    if begin > first_day:
        raise ValueError(
            f"the world begins on {begin}, after the first day {first_day}; give an earlier world_first_day"
        )
    if truth.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"{truth} lies inside the landing folder {out}; keep the truth elsewhere")
    if others and not texts:
        raise ValueError("other sources are written from texts; simulate with texts=True")
    incidents = default_plan if incidents is None else incidents
    plan = incidents(begin, horizon) if callable(incidents) else tuple(incidents)
    if len({incident.name for incident in plan}) < len(plan):
        raise ValueError("two incidents have the same name; the truth counts by name")
    if not texts and (wordy := [incident.name for incident in plan if incident.needs_texts]):
        raise ValueError(f"{', '.join(wordy)}: seen in words alone; simulate with texts")
    gateway = replace(GATEWAY, name=source)
    world = World(
        seed, requests_per_day, begin, horizon, plan, dirt or Dirt(), files_per_day, texts, gateway, wanted(others)
    )
    aside = aside or out.resolve().parent / f".{out.resolve().name}.writing"
    parameters = _parameters(world, source, plain)
    truths = [incident.as_truth() for incident in plan]
    pages = KnowledgeBase(seed, begin, horizon) if texts else None
    write_truth(truth, parameters, truths, {}, pages.as_truth() if pages else None)
    _write_seed_examples(truth, plan)
    if texts:
        write_documents(truth)
    ledger, spool = Ledger(), Spool()
    try:
        for offset in range(-min(LATEST_DAYS, (first_day - begin).days), 0):
            _replay(world, first_day + timedelta(days=offset), first_day, ledger, spool)
        for offset in range(days):
            day = first_day + timedelta(days=offset)
            night = _Night(world, day, out, aside, plain)
            for file, written in night.write(ledger, spool):
                yield written
                night.files.append(file | {"path": written.path.relative_to(out).as_posix()})
            told = night.as_truth(ledger, spool)
            if pages:
                night.known.write_answers(truth)
                pages.write(truth, day)
                told["knowledge"] = pages.changes(day)
            write_truth(truth, parameters, truths, {day.isoformat(): told}, pages.as_truth() if pages else None)
    finally:
        spool.close()
        if aside.is_dir() and not any(aside.iterdir()):
            aside.rmdir()


class _Night:
    """One day's files."""

    def __init__(self, world: World, day: date, out: Path, aside: Path, plain: bool) -> None:
        self.world, self.day, self.out, self.aside, self.plain = world, day, out, aside, plain
        self.files: list[dict[str, Any]] = []
        self.touched: Counter[str] = Counter()
        self.made = 0
        self.known = Known(day)
        self._open: dict[SpoolKey, LogFile] = {}

    def write(self, ledger: Ledger, spool: Spool) -> Iterator[tuple[dict[str, Any], FileWritten]]:
        world, own = self.world, self.day.toordinal()
        chunks = world.chunks(self.day, self.touched)
        ahead = next(chunks, None)
        try:
            for part in range(world.files_per_day):
                for source in (world.gateway, *world.others):
                    if source.files_per_day is None or part < source.files_per_day:
                        self._begin(source, (source.name, own, part), spool)
                while ahead is not None and ahead[0].part == part:
                    self._write_chunk(ahead[0], ahead[1], ledger, spool)
                    ahead = next(chunks, None)
                yield from self._end((world.gateway.name, own, part))
            for key in list(self._open):
                yield from self._end(key)
            if world.texts:
                key = (FEEDBACK_FILE, own, 0)
                self._begin(world.gateway, key, spool, FEEDBACK_FILE)
                yield from self._end(key)
        except BaseException:
            for file in self._open.values():
                file.abandon()
            raise

    def _begin(self, source: Source, key: SpoolKey, spool: Spool, name: str | None = None) -> None:
        name = name or f"part-{key[2]:03d}"
        suffix = source.format.suffix + ("" if self.plain else source.packing)
        path = self.out / source.name / self.day.isoformat() / f"{name}{suffix}"
        is_crlf = not source.is_tidy and crlf_part(self.day, self.world.dirt, self.world.files_per_day) == key[2]
        self._open[key] = LogFile(path, self.aside, is_crlf=is_crlf and name != FEEDBACK_FILE)
        spool.pour(key, self._open[key])

    def _end(self, key: SpoolKey) -> Iterator[tuple[dict[str, Any], FileWritten]]:
        file = self._open.pop(key)
        if not file.counts:
            file.abandon()  # a shipper with nothing to ship ships nothing
            return
        truth = _file_truth(file, file.close())
        written = FileWritten(file.path, self.day, truth["lines"], truth["records_landed"], file.path.stat().st_size)
        yield truth, written

    def _write_chunk(self, plan: ChunkPlan, chunk: Chunk, ledger: Ledger, spool: Spool) -> None:
        self.made += len(chunk)
        if self.world.texts:
            self._note(plan, chunk, ledger, spool)
        for shipment in self.world.shipments(plan, chunk):
            if not shipment.is_second:
                self.known.add_planted(shipment.chunk)
            else:
                first = self.world.others[int(route(shipment.chunk, self.world.others)[0])].name
                for request in shipment.chunk.ids["request"].tolist():
                    self.known.add_twice(request, first, shipment.source.name)
            for key, parcel in shipment.parcels(self.world, ledger, only_carried=False):
                if key in self._open:
                    self._open[key].write(parcel.text, parcel.counts)
                else:
                    spool.put(key, parcel.text, parcel.counts)

    def _note(self, plan: ChunkPlan, chunk: Chunk, ledger: Ledger, spool: Spool) -> None:
        """Write down what is known of a chunk's words, and put what is said about them on its way."""
        others = self.world.others
        names = [others[code].name if code >= 0 else self.world.gateway.name for code in route(chunk, others).tolist()]
        self.known.add(chunk, names)
        notes = list(draw_feedback(chunk))
        self.known.add_feedback(notes)
        _send_feedback(self.world, chunk.day, notes, ledger, spool)

    def as_truth(self, ledger: Ledger, spool: Spool) -> dict[str, Any]:
        own = self.day.toordinal()
        events = sorted(event for delivery, event in ledger.changes if delivery == own)
        words = {"words": self.known.as_truth()} if self.world.texts else {}
        return {
            "made": {"requests": self.made, "incidents": dict(self.touched), **words},
            "records_on_their_way": spool.records(),
            "files": self.files,
            "changes": {
                date.fromordinal(event).isoformat(): ledger.changes.pop((own, event)).as_json() for event in events
            },
        }


def _send_feedback(world: World, day: date, notes: list[Note], ledger: Ledger, spool: Spool, first: int = 0) -> None:
    """Put notes on their way to the files of their own days, from `first` days later on."""
    tally = Tally(ledger, world.gateway.name, day)
    for note in notes:
        if note.days_later < first:
            continue
        text = f"{note.line}\n".encode() * note.copies
        spool.put((FEEDBACK_FILE, day.toordinal() + note.days_later, 0), text, Counter({"feedback": note.copies}))
        at = np.array([note.days_later])
        tally.landed("feedback", np.repeat(at, note.copies), np.repeat(at, note.copies))
        tally.records("feedback", at, at, +1)


def _replay(world: World, day: date, first_day: date, ledger: Ledger, spool: Spool) -> None:
    """Bring up what an earlier day delivers on the first day or later, into the spool and the ledger."""
    for plan, chunk in world.chunks(day, Counter()):
        if world.texts:
            _send_feedback(world, day, list(draw_feedback(chunk)), ledger, spool, first=(first_day - day).days)
        for shipment in world.shipments(plan, chunk):
            for key, parcel in shipment.parcels(world, ledger, only_carried=True):
                if key[1] >= first_day.toordinal():
                    spool.put(key, parcel.text, parcel.counts)


def _file_truth(file: LogFile, digest: str) -> dict[str, Any]:
    counts = file.counts
    requests = counts["first_delivery"] + counts["redelivery"] + counts["exact_duplicate"]
    by_kind = {"request": requests} | {kind: counts[kind] for kind in (*NESTED, "feedback")}
    return {
        "sha256": digest,
        "is_crlf": file.is_crlf,
        "lines": file.lines,
        "blank_lines": counts["blank"],
        "lines_refused": sum(counts[kind] for kind in REFUSED_KINDS),
        "records_quarantined": sum(counts[kind] for kind in QUARANTINED_KINDS),
        "records_landed": sum(by_kind.values()),
        "records_ignored": counts["ignored"],
        "landed_by_kind": by_kind,
        "malformed": malformed(counts),
        "exact_duplicates": counts["exact_duplicate"],
        "redeliveries": counts["redelivery"],
        "late_records": counts["late_records"],
    }


def _parameters(world: World, source: str, plain: bool) -> dict[str, Any]:
    return {
        "seed": world.seed,
        "requests_per_day": world.requests_per_day,
        "world_first_day": world.first_day.isoformat(),
        "world_days": world.days,
        "files_per_day": world.files_per_day,
        "chunk_rows": CHUNK_ROWS,
        "source": source,
        "is_plain": plain,
        "texts": world.texts,
        "others": [other.name for other in world.others],
        "dirt": asdict(world.dirt),
    }


def _write_seed_examples(truth: Path, plan: Sequence[Incident]) -> None:
    examples = [example for incident in plan if (example := incident.seed_example())]
    for name, head in SEED_EXAMPLES.items():
        entries = [entry for file, entry in examples if file == name]
        if entries:
            (truth / name).write_text(head + "".join(entries), encoding="utf-8")
