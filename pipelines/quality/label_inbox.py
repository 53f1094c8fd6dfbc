"""The inbox of labels: files that people or their tools put into $NOCTURNE_HOME/labelling/inbox become rows, once.

What the night, the sensor's run and `make import-labels` share. A pass that is killed goes on where it was: rows have keys,
and a file leaves the inbox when all of it is written down.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from assets.quality.label_entry import Fault, Said, read_entry
from assets.quality.label_files import LabelFile, read_label_file
from assets.quality.label_intake import Asked, Reading, Taken, take
from resources import capture
from resources.clock import Clock
from resources.durable import sync_path
from resources.events import append, closed_days_of, table_rows
from resources.excerpt import excerpt
from resources.failpoints import failpoint
from resources.key_record import open_keyring
from resources.keyring import Keyring
from resources.labelling_seed import LABELLING_FILE, LabellingSeed, load_labelling
from resources.landing_area import Candidate
from resources.redaction import Redactor
from resources.redaction_seed import load as redaction_rules
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
LABELS, COMMENTS, QUEUE = "quality.labels", "quality.label_comments", "quality.label_queue"
IMPORTS, QUARANTINE = "quality.label_imports", "quality.label_quarantine"
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".json")
_COUNTS = ("labels", "revisions", "late", "duplicates", "unanswered", "unknown", "conflicting", "closed", "faulty")
_TOLD = {
    "labels": "labels", "revisions": "of them second thoughts", "late": "of them late", "duplicates": "known before",
    "unanswered": "unanswered", "unknown": "of responses nobody was asked about", "conflicting": "conflicting",
    "closed": "of closed days", "faulty": "faulty",
}  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """What became of one file. `trouble`: why it could not be read at all; it stays where it is. `first_fault`: what is
    wrong with the first line that could not be taken; it quotes nobody."""

    name: str
    counts: dict[str, int]
    trouble: str | None = None
    first_fault: str | None = None

    @property
    def is_clean(self) -> bool:
        """Each line became a label, or was known or unanswered."""
        return self.trouble is None and not any(self.counts[name] for name in ("unknown", "conflicting", "closed", "faulty"))

    def __str__(self) -> str:
        told = [f"{self.counts[name]} {words}" for name, words in _TOLD.items() if self.counts.get(name)]
        fault = f"; {self.first_fault} (quality.label_quarantine has all)" if self.first_fault else ""
        return f"{self.name}: {self.trouble or ', '.join(told) or 'nothing in it'}{fault}"


class LabelInbox:
    """The label files of one warehouse."""

    def __init__(self, store: Store, seeds: Path, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.clock = clock
        self.folder = store.state / "labelling" / "inbox"
        self.done = store.state / "labelling" / "imported"

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> LabelInbox:
        """The inbox of a warehouse."""
        return cls(warehouse.store(), warehouse.seeds, clock)

    def waiting(self) -> list[Path]:
        """Files that have been left alone for a while, by name. A link, a hidden file and any other ending are none."""
        if not self.folder.exists():
            return []
        found = [p for p in sorted(self.folder.iterdir()) if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        return [path for path in found if self._is_settled(path)]

    def pending(self) -> str | None:
        """A digest of what waits; None where that is nothing."""
        files = [(path.name, path.lstat().st_size, path.lstat().st_mtime_ns) for path in self.waiting()]
        return hashlib.sha256(repr(files).encode()).hexdigest()[:16] if files else None

    def work(self) -> list[Imported]:
        """Take every file that waits. Twice is once. Raises LabellingSeedError, KeyringError and RedactionError."""
        seed = load_labelling(self.seeds / LABELLING_FILE)
        with self._alone():
            return [self._take(path, seed) for path in self.waiting()]

    def _take(self, path: Path, seed: LabellingSeed) -> Imported:
        try:
            with path.open("rb") as handle:
                content, found = handle.read(), os.fstat(handle.fileno())
        except OSError as error:
            return Imported(path.name, {}, f"cannot be read: {error.strerror}")
        now, file_id = self.clock.now(), hashlib.sha256(content).hexdigest()
        file = read_label_file(content, path.suffix)
        said, taken = self._read(file, seed, now)
        keyring = open_keyring(self.store, now)
        reading = Reading(
            file_id, min(datetime.fromtimestamp(int(found.st_mtime), UTC), now), now,
            lambda name: keyring.tokens("annotator", name), _identity(keyring),
        )  # fmt: skip
        earlier = [row for row in table_rows(self.store, IMPORTS) if row["file_id"] == file_id]
        new = self._append_labels(said, reading, not earlier, seed, taken)
        failpoint("label.imported")
        self._append_comments(taken)
        entries = {entry.number: entry.raw for entry in file.entries}
        rows = [_quarantined(number, fault, entries[number], reading) for number, fault in sorted(taken.faults.items())]
        append(self.store, QUARANTINE, lambda _: rows)
        if not earlier or new:
            counts = {name: taken.counts[name] for name in _COUNTS}
            facts = {"day": now.date(), "file_id": file_id, "reading": len(earlier) + 1, "format": file.format}
            row = {**facts, "lines": len(file.entries), **counts, "recorded_at": now}
            append(self.store, IMPORTS, lambda _: [row])
        failpoint("label.told")
        if path.lstat().st_mtime_ns == found.st_mtime_ns:  # Else somebody writes to it, and it is read again.
            self._put_away(path, file_id, now)
        first = next((_told(number, fault) for number, fault in sorted(taken.faults.items())), None)
        return Imported(path.name, {name: taken.counts[name] for name in _COUNTS}, first_fault=first)

    def _read(self, file: LabelFile, seed: LabellingSeed, now: datetime) -> tuple[list[tuple[int, Said]], Taken]:
        """The answers of a file by entry, and what became of those that are none."""
        said: list[tuple[int, Said]] = []
        taken = Taken()
        for entry in file.entries:
            if entry.fault is not None:
                taken.refuse(entry.number, Fault(entry.fault[0], None, entry.fault[1]))
                continue
            read = None if entry.is_skipped else read_entry(entry.fields or {}, seed.severities, seed.root_causes, now)
            if read is None:
                taken.counts["unanswered"] += 1
            elif isinstance(read, Fault):
                taken.refuse(entry.number, read)
            else:
                said.append((entry.number, read))
        return said, taken

    def _append_labels(
        self, said: list[tuple[int, Said]], reading: Reading, is_first: bool, seed: LabellingSeed, taken: Taken
    ) -> list[Row]:
        """Append what is new, and add to `taken` what became of each answer."""
        asked = self._asked({answer.request_id for _, answer in said})
        days = {day for of_id in asked.days.values() for day in of_id} - set(asked.closed)
        decided = [Taken()]

        def decide(there: list[Row]) -> list[Row]:
            decided[0] = take(said, asked, there, reading, is_first, seed.late_after_days)
            return decided[0].labels

        new = append(self.store, LABELS, decide, days=days)
        taken.labels, taken.comments = decided[0].labels, decided[0].comments
        taken.faults |= decided[0].faults
        taken.counts += decided[0].counts
        return new

    def _asked(self, ids: set[str]) -> Asked:
        sql = f"select request_id, day, user_token from ({self.store.scan_all(QUEUE)}) where list_contains($ids, request_id)"
        days: dict[str, dict[date, str | None]] = {}
        for request_id, day, user_token in self.store.rows(sql, {"ids": sorted(ids)}) if ids else []:
            days.setdefault(request_id, {})[day] = user_token
        return Asked(days, closed_days_of(self.store, LABELS))

    def _append_comments(self, taken: Taken) -> None:
        closed = closed_days_of(self.store, COMMENTS)
        wanted = [row for row in taken.labels if row["label_id"] in taken.comments and row["day"] not in closed]
        if not wanted:
            return
        texts = self._redacted([taken.comments[row["label_id"]] for row in wanted])
        rows = [
            {"day": row["day"], "label_id": row["label_id"], "user_token": row["user_token"], "text": text}
            for row, text in zip(wanted, texts, strict=True)
        ]
        append(self.store, COMMENTS, lambda _: rows, days={row["day"] for row in rows})

    def _redacted(self, texts: list[str]) -> list[str]:
        ner = capture.load(self.seeds / capture.CAPTURE_FILE.name).ner
        with self.store.connection() as con:
            redactor = Redactor(con, ner=ner, rules=redaction_rules(self.seeds / "redaction.yml"))
            batch = pa.record_batch({"text": pa.array(texts, pa.string())})
            redacted: list[str] = redactor.redact(batch).column("text").to_pylist()
        return redacted

    def _put_away(self, path: Path, file_id: str, now: datetime) -> None:
        """Out of the inbox, under a name that says when it was read: its words are kept no longer than all others."""
        self.done.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o600)
        os.replace(path, self.done / f"{now.date()}-{file_id[:12]}{path.suffix.lower()}")
        sync_path(self.done)
        sync_path(self.folder)

    def _is_settled(self, path: Path) -> bool:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and self.clock.is_settled(Candidate(path.name, found.st_size, found.st_mtime_ns))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.store.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.store.state / ".labels.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _identity(keyring: Keyring) -> Any:
    """Names a label. Under the oldest key, which no rotation takes away: a label that comes again is known again."""
    oldest = (keyring, *keyring.retired)[-1].key
    return lambda parts: hmac.new(oldest, json.dumps(["label", *parts]).encode(), "sha256").hexdigest()[:32]


def _told(number: int, fault: Fault) -> str:
    where = f"line {number}" if number else "the file"
    named = f", {fault.column_name}" if fault.column_name else ""
    return f"{where}{named}: {fault.reason}{f', expected {fault.expected}' if fault.expected else ''}"


def _quarantined(number: int, fault: Fault, raw: Any, reading: Reading) -> Row:
    return {
        "day": reading.read_at.date(),
        "file_id": reading.file_id,
        "line_number": number,
        "reason": fault.reason,
        "column_name": fault.column_name,
        "expected": fault.expected,
        "excerpt": excerpt(raw if isinstance(raw, str | bytes) else json.dumps(raw)),
        "recorded_at": reading.read_at,
    }
