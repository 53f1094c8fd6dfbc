"""Simulate days of traffic: the loop over days, chunks and files, and the truth about them.

A day's requests depend on (seed, day) and the world's parameters only. A day's files also hold what earlier days of
the same world delivered late; those days are replayed, so any range of days gives the files of one long simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from simulator.chunk import Chunk
from simulator.deliveries import crlf_part, deliver
from simulator.demand import draw_demand
from simulator.dirt import QUARANTINED_KINDS, REFUSED_KINDS, Dirt
from simulator.files import LogFile, Spool
from simulator.incidents import Incident, default_plan
from simulator.outcome import draw_outcome
from simulator.shape import HOURS, ChunkPlan, chunk_plans, generator
from simulator.truth import Ledger, malformed, write_truth

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

    def chunks(self, day: date, touched: Counter[str]) -> Iterator[tuple[ChunkPlan, Chunk]]:
        """A day's requests in time order; `touched` counts each incident's."""
        for plan in chunk_plans(self.seed, day, self.requests_per_day, self.files_per_day, CHUNK_ROWS):
            chunk = draw_demand(self.seed, day, plan, self.requests_per_day)
            hits = []
            for incident in self.incidents:
                rows = incident.touches(chunk)
                if rows.any():
                    incident.change_demand(chunk, rows)
                    touched[incident.name] += int(rows.sum())
                    hits.append((incident, rows))
            draw_outcome(chunk, generator(self.seed, day, 3, plan.number))
            for incident, rows in hits:
                incident.change_outcome(chunk, rows)
            yield plan, chunk


def simulate(
    out: Path, truth: Path, first_day: date, days: int, requests_per_day: int, seed: int, *,
    world_first_day: date | None = None, world_days: int | None = None, incidents: Sequence[Incident] | None = None,
    dirt: Dirt | None = None, files_per_day: int = 4, source: str = "gateway", plain: bool = False,
    aside: Path | None = None,
) -> Iterator[FileWritten]:  # fmt: skip
    """Write `<out>/<source>/<day>/part-NNN.jsonl[.gz]` and `<truth>/ground_truth.json`; yields after each file.

    Nothing happens until the result is iterated. The world begins on `world_first_day` and its incidents are placed
    within `world_days`; both default to the days simulated. To add nights later, name the same world each time: the
    truth folder is then merged into. `incidents`: None takes the default plan, an empty sequence plants none.
    Files are written in `aside` (a hidden sibling of `out`), which has to be on the same file system as `out`.
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
    plan = default_plan(begin, horizon) if incidents is None else tuple(incidents)
    world = World(seed, requests_per_day, begin, horizon, plan, dirt or Dirt(), files_per_day)
    aside = aside or out.resolve().parent / f".{out.resolve().name}.writing"
    parameters = _parameters(world, source, plain)
    truths = [incident.as_truth() for incident in plan]
    write_truth(truth, parameters, truths, {})
    _write_override_example(truth, plan)
    ledger, spool = Ledger(), Spool()
    try:
        for offset in range(-min(LATEST_DAYS, (first_day - begin).days), 0):
            _replay(world, first_day + timedelta(days=offset), first_day, ledger, spool)
        for offset in range(days):
            day = first_day + timedelta(days=offset)
            night = _Night(world, day, out / source / day.isoformat(), aside, plain)
            for file, written in night.write(ledger, spool):
                yield written
                night.files.append(file | {"path": written.path.relative_to(out).as_posix()})
            write_truth(truth, parameters, truths, {day.isoformat(): night.as_truth(ledger, spool)})
    finally:
        spool.close()
        if aside.is_dir() and not any(aside.iterdir()):
            aside.rmdir()


class _Night:
    """One day's files."""

    def __init__(self, world: World, day: date, folder: Path, aside: Path, plain: bool) -> None:
        self.world, self.day, self.folder, self.aside, self.plain = world, day, folder, aside, plain
        self.files: list[dict[str, Any]] = []
        self.touched: Counter[str] = Counter()
        self.made = 0

    def write(self, ledger: Ledger, spool: Spool) -> Iterator[tuple[dict[str, Any], FileWritten]]:
        chunks = self.world.chunks(self.day, self.touched)
        ahead = next(chunks, None)
        for part in range(self.world.files_per_day):
            file = self._open(part)
            try:
                spool.pour((self.day.toordinal(), part), file)
                while ahead is not None and ahead[0].part == part:
                    self._write_chunk(ahead[0], ahead[1], file, ledger, spool)
                    ahead = next(chunks, None)
            except BaseException:
                file.abandon()
                raise
            if not file.counts:
                file.abandon()  # a shipper with nothing to ship ships nothing
                continue
            digest = file.close()
            truth = _file_truth(file, digest)
            yield (
                truth,
                FileWritten(file.path, self.day, truth["lines"], truth["records_landed"], file.path.stat().st_size),
            )

    def _open(self, part: int) -> LogFile:
        is_crlf = crlf_part(self.day, self.world.dirt, self.world.files_per_day) == part
        path = self.folder / f"part-{part:03d}.jsonl{'' if self.plain else '.gz'}"
        return LogFile(path, self.aside, is_gzip=not self.plain, is_crlf=is_crlf)

    def _write_chunk(self, plan: ChunkPlan, chunk: Chunk, file: LogFile, ledger: Ledger, spool: Spool) -> None:
        world = self.world
        self.made += len(chunk)
        parcels = deliver(
            world.seed, chunk, plan.number, plan.part, world.files_per_day, world.dirt, ledger, only_carried=False
        )
        for parcel in parcels:
            if parcel.days_later == 0 and parcel.part == plan.part:
                file.write(parcel.text, parcel.counts)
            else:
                spool.put((self.day.toordinal() + parcel.days_later, parcel.part), parcel.text, parcel.counts)

    def as_truth(self, ledger: Ledger, spool: Spool) -> dict[str, Any]:
        own = self.day.toordinal()
        events = sorted(event for delivery, event in ledger.changes if delivery == own)
        return {
            "made": {"requests": self.made, "incidents": dict(self.touched)},
            "records_on_their_way": spool.records(),
            "files": self.files,
            "changes": {
                date.fromordinal(event).isoformat(): ledger.changes.pop((own, event)).as_json() for event in events
            },
        }


def _replay(world: World, day: date, first_day: date, ledger: Ledger, spool: Spool) -> None:
    """Bring up what an earlier day delivers on the first day or later, into the spool and the ledger."""
    for plan, chunk in world.chunks(day, Counter()):
        parcels = deliver(
            world.seed, chunk, plan.number, plan.part, world.files_per_day, world.dirt, ledger, only_carried=True
        )
        for parcel in parcels:
            if day + timedelta(days=parcel.days_later) >= first_day:
                spool.put((day.toordinal() + parcel.days_later, parcel.part), parcel.text, parcel.counts)


def _file_truth(file: LogFile, digest: str) -> dict[str, Any]:
    counts = file.counts
    landed = counts["first_delivery"] + counts["redelivery"] + counts["exact_duplicate"]
    refused = sum(counts[kind] for kind in REFUSED_KINDS)
    quarantined = sum(counts[kind] for kind in QUARANTINED_KINDS)
    return {
        "sha256": digest,
        "is_crlf": file.is_crlf,
        "lines": landed + refused + quarantined + counts["blank"],
        "blank_lines": counts["blank"],
        "lines_refused": refused,
        "records_quarantined": quarantined,
        "records_landed": landed,
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
        "dirt": asdict(world.dirt),
    }


def _write_override_example(truth: Path, plan: Sequence[Incident]) -> None:
    examples = [example for incident in plan if (example := incident.override_example())]
    if examples:
        head = "# What a person would write into seeds/prices.yml because of the planted price changes.\noverrides:\n"
        (truth / "price_override_example.yml").write_text(head + "".join(examples), encoding="utf-8")
