"""The landing area: which files are taken, and how a staged file enters the ledger exactly once.

Order: landed rows, quarantine rows, then the file's row in logs.files (with the supersession of an earlier version in
the same append). Rows count once their file stands in logs.files; a kill anywhere before that is repaired by landing
again, which appends nothing twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources import closed_days
from resources.capture import CapturePolicy
from resources.day_inputs import FILE_ORDER
from resources.durable import write_atomically
from resources.failpoints import failpoint
from resources.file_states import OF_THE_CONTENT, is_superseded, landed_nothing, live_from, prefix_sizes
from resources.key_record import open_keyring
from resources.keyring import Keyring
from resources.landing_area import Candidate, FileNotReadable, landing_area
from resources.record_typing import TypingFailed
from resources.redaction import Redactor
from resources.small_files import SmallFile, stage_together, together
from resources.sources import Source
from resources.stage_writer import LANDED, QUARANTINE, TEXTS
from resources.staged_file import StagedFile, StageIncomplete, stream_rows
from resources.staging import FileStillWritten, StagingRules, stage_file
from resources.store import Store
from resources.stored_rows import stored_rows
from resources.table_store import CommitConflict, arrow_schema
from resources.unread_keys import CANONICAL, unread_keys
from resources.warehouse import connect

FILES = "logs.files"
SIGHTING = "sighting.json"


@dataclass(frozen=True)
class LandedFile:
    """What became of one file: its state in logs.files, with the counts that its source would ask about.

    `unread` are keys of its records that no column takes.
    """

    path: str
    source: str
    state: str
    records_landed: int = 0
    records_quarantined: int = 0
    lines_refused: int = 0
    reason: str | None = None
    unread: tuple[str, ...] = ()


@dataclass
class LandingReport:
    """One look at the landing area.

    `undeclared` are sub-folders and files that belong to no source; `passed_over` are links, pipes and the like among a
    source's files; `failed` are files that stopped their format's SQL or may not be read, with what was said; `unread` are,
    by source, keys of records that no column takes.
    """

    files: list[LandedFile] = field(default_factory=list)
    unchanged: int = 0
    still_written: list[str] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unread: dict[str, dict[str, None]] = field(default_factory=dict)

    def count(self, state: str) -> int:
        return sum(file.state == state for file in self.files)


class Landing:
    """One landing area, a folder or a URL, with one sub-folder per source, feeding one warehouse."""

    def __init__(
        self,
        store: Store,
        place: Path | str,
        sources: dict[str, Source],
        calendar_start: date,
        capture: CapturePolicy = CapturePolicy(),  # noqa: B008  # frozen, and keeps nothing
    ):
        self.store = store
        self.area = landing_area(place, {source.name: source.url for source in sources.values() if source.url})
        self.sources = sources
        self.calendar_start = calendar_start
        self.capture = capture
        self._new_stages: dict[Path, list[str]] = {}
        """Stages of this very run, each with the keys that it leaves unread."""

    def waiting(self) -> list[Candidate]:
        """Files of declared sources that logs.files does not know as they lie there now, not even as refused."""
        known = {(s["path"], s["size_bytes"], s["modified_ns"]) for s in self.states()}
        return [file for file in self.area.candidates(self.sources) if file.fate not in known]

    def keyring(self, now: datetime) -> Keyring:
        """The keys of this warehouse's pseudonyms (resources/key_record.py)."""
        return open_keyring(self.store, now)

    @contextmanager
    def _rules(self, now: datetime) -> Iterator[StagingRules]:
        spill = self.store.state / "spill"
        con = connect(spill=spill, memory_limit="1GB", threads=1)
        try:
            redactor = Redactor(con, ner=self.capture.ner) if self.capture.redact else None
            closed_days.refresh(self.store, (LANDED, TEXTS))
            closed = {name: frozenset(self.store.day_log(name).closed) for name in (LANDED, TEXTS)}
            yield StagingRules(self.calendar_start, self.keyring(now), self.capture, redactor, spill, closed)
        finally:
            con.close()

    def land(
        self, now: datetime, is_settled: Callable[[Candidate], bool], progress: Callable[[LandedFile], None] | None = None
    ) -> LandingReport:
        """Take every settled file that is new. Twice equals once; one lander at a time, the second waits.

        Raises KeyringError where the ledger's key is gone, LandingError where the area cannot be reached.
        """
        report = LandingReport(
            undeclared=self.area.undeclared(self.sources), passed_over=self.area.passed_over(self.sources)
        )
        with self.store.ledger_lock(), self._rules(now) as rules:
            report.files += self._settle_leftovers(now)
            known, listed_files = self._known_fates(), self.area.candidates(self.sources)
            report.unchanged += sum(listed.fate in known for listed in listed_files)
            for listed in self._staged_ahead([f for f in listed_files if f.fate not in known], now, is_settled, rules):
                file = self.area.look(listed.path)  # Those before it may have taken hours.
                if file is None:
                    continue
                if not is_settled(file):
                    report.still_written.append(file.path)
                    continue
                try:
                    landed = self._land_file(file, now, rules)
                except FileStillWritten:
                    report.still_written.append(file.path)
                    continue
                except (TypingFailed, FileNotReadable) as error:
                    # One file that its format cannot digest, or nobody may read, must not stop the others; it is tried
                    # again next time.
                    report.failed[file.path] = str(error)
                    continue
                except FileNotFoundError:
                    if self.area.look(file.path) is not None:
                        raise
                    continue  # Taken away meanwhile.
                if landed is None:
                    report.unchanged += 1
                    continue
                report.files.append(landed)
                if landed.state == "landed" and landed.unread:
                    report.unread.setdefault(landed.source, {}).update(dict.fromkeys(landed.unread))
                if progress:
                    progress(landed)
        return report

    def _staged_ahead(
        self, files: list[Candidate], now: datetime, is_settled: Callable[[Candidate], bool], rules: StagingRules
    ) -> Iterator[Candidate]:
        """The files, small ones of a source staged together before the first of them is given."""
        for group in together(files):
            if len(group) > 1:
                self._stage_group([file for file in group if is_settled(file)], now, rules)
            yield from group

    def _stage_group(self, group: list[Candidate], now: datetime, rules: StagingRules) -> None:
        """Stage what has no stage yet. A file that this leaves out is staged when its turn comes."""
        states = self.states()
        with ExitStack() as fetched:
            small = []
            for file in group:
                source = self.sources[file.source]
                folder = self._stage_folder(file, source)
                if folder.exists():
                    continue
                self._sight(folder, now)
                try:
                    path = fetched.enter_context(self.area.local(file, folder))
                except (FileNotReadable, FileStillWritten, FileNotFoundError):
                    continue
                small.append(SmallFile(path, file.path, folder, prefix_sizes(states, file.path)))
            if len(small) > 1:
                staged = stage_together(small, source, now, rules)
                self._new_stages |= {file.folder: self._unread(file.path, source) for file in staged}

    def states(self) -> list[dict[str, Any]]:
        """All of logs.files, each file's states in order."""
        return stored_rows(self.store, FILES, FILE_ORDER)

    def _known_fates(self) -> set[tuple[str, int, int]]:
        # What was refused, or landed nothing, is looked at again: its source may have been declared anew.
        states = [s for s in self.states() if s["state"] != "refused" and not landed_nothing(s)]
        return {(s["path"], s["size_bytes"], s["modified_ns"]) for s in states}

    def _land_file(self, file: Candidate, now: datetime, rules: StagingRules) -> LandedFile | None:
        source, states = self.sources[file.source], self.states()
        stage, unread = self._staged(file, source, now, rules, prefix_sizes(states, file.path))
        landed = self._enter(stage, file.path, source, states, now)
        return replace(landed, unread=tuple(unread)) if landed else None

    def _enter(
        self, stage: StagedFile, relative: str, source: Source, states: list[dict[str, Any]], now: datetime
    ) -> LandedFile | None:
        """Put a staged file into the ledger, and say there what became of it and of earlier files of its path."""
        earlier = live_from(states, relative)
        # By number: a clock that stepped back has dated a later state earlier.
        own = sorted((s for s in states if s["file_id"] == stage.file_id), key=lambda s: s["state_number"])
        newest = next((s for s in reversed(own) if s["state"] in OF_THE_CONTENT), None)
        if stage.is_refused:
            if any((s["state"], s["path"], s["reason"]) == ("refused", relative, stage.reason) for s in own):
                shutil.rmtree(stage.folder)
                return None
            rows = [self._row(stage, "refused", own, now)]
        else:
            if landed_nothing(newest) and not stage.records_landed and any(s["path"] == relative for s in own):
                shutil.rmtree(stage.folder)
                return None
            if newest is None or (landed_nothing(newest) and stage.records_landed):
                rows = [self._row(stage, "landed", own, now)]
                self._append_stage(stage, reading=1 + sum(s["state"] == "landed" for s in own))
            elif newest["state"] == "landed":
                rows = [self._row(stage, "copy", own, now)]
            else:
                # Put back to an earlier content: its rows are there already, and are counted as they were then.
                rows = [self._row(stage, "landed", own, now) | {name: newest[name] for name in _COUNTS}]
            rows += [
                self._superseding_row(old, states, stage, now)
                for old in earlier
                if old["file_id"] != stage.file_id and is_superseded(old, states, stage, source)
            ]
        self._record(stage, rows)
        failpoint("land.file_recorded")
        shutil.rmtree(stage.folder)
        return LandedFile(
            relative,
            source.name,
            rows[0]["state"],
            stage.records_landed,
            stage.records_quarantined,
            stage.lines_refused,
            stage.reason,
        )

    def _staged(
        self, file: Candidate, source: Source, now: datetime, rules: StagingRules, prefix_sizes: frozenset[int]
    ) -> tuple[StagedFile, list[str]]:
        """The file's stage, and the keys that it leaves unread (known of a new one only).

        The stage is a whole one that an earlier run left, or a new one under the recorded first sight.
        """
        folder = self._stage_folder(file, source)
        arrived_at = self._sight(folder, now)
        unread = self._new_stages.pop(folder, [])
        try:
            stage = StagedFile.load(folder)
            has_sizes = prefix_sizes <= set(stage.prefix_digests) | {stage.decompressed_bytes}
            # Rows that are in the ledger already have the key that they have.
            if has_sizes and (stage.key_id == rules.keyring.key_id or self.is_begun(stage)):
                failpoint("land.staged")
                return stage, unread
        except StageIncomplete:
            pass  # The usual case: nothing was staged yet, or its writing was cut short.
        with self.area.local(file, folder) as path:
            stage = stage_file(path, file.path, source, arrived_at, rules, folder, prefix_sizes)
            unread = self._unread(path, source) if not stage.is_refused else []
        failpoint("land.staged")
        return stage, unread

    @staticmethod
    def _unread(path: Path, source: Source) -> list[str]:
        return unread_keys(path) if source.format == CANONICAL else []

    @staticmethod
    def _sight(folder: Path, now: datetime) -> datetime:
        """When the file of a stage was first seen: now, if never before."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sighting = folder / SIGHTING
        if not sighting.exists():
            write_atomically(sighting, json.dumps({"arrived_at": now.astimezone(UTC).isoformat()}).encode(), mode=0o600)
        failpoint("land.sighted")
        return sighted_at(folder)

    def _stage_folder(self, file: Candidate, source: Source) -> Path:
        return self.stages / sha256(json.dumps([*file.fate, source.format]).encode()).hexdigest()[:32]

    @property
    def stages(self) -> Path:
        """Where files lie between the landing area and the ledger, a folder each."""
        return self.store.staging / "landing"

    def _settle_leftovers(self, now: datetime) -> list[LandedFile]:
        """Clear the stages of killed runs that no waiting file can use any more.

        One whose rows are in the ledger already is entered as it was begun: its file may have been moved, changed or
        taken away since, and rows stay uncounted, or counted as another reading of the bytes, if nothing says so.
        """
        settled: list[LandedFile] = []
        if not self.stages.is_dir():
            return settled
        usable = {self._stage_folder(file, self.sources[file.source]) for file in self.waiting()}
        for folder in sorted(set(self.stages.iterdir()) - usable):
            try:
                stage = StagedFile.load(folder)
            except StageIncomplete:
                stage = None
            if stage is not None and stage.source in self.sources and self.is_begun(stage):
                landed = self._enter(stage, stage.path, self.sources[stage.source], self.states(), now)
                if landed is not None:
                    settled.append(landed)
            else:
                shutil.rmtree(folder)
        return settled

    def is_begun(self, stage: StagedFile) -> bool:
        """Whether rows of the file are in the ledger, and logs.files does not say so yet."""
        read = [s for s in self.states() if s["file_id"] == stage.file_id and s["state"] in OF_THE_CONTENT]
        if read:
            newest = max(read, key=lambda s: int(s["state_number"]))
            return landed_nothing(newest) and self.store.open(LANDED).has_appended(f"ingest:{stage.file_id}")
        return any(self.store.open(name).has_appended(f"ingest:{stage.file_id}") for name in (LANDED, TEXTS, QUARANTINE))

    def _append_stage(self, stage: StagedFile, reading: int) -> None:
        for name, path, rows in (
            (LANDED, stage.landed_path, stage.records_landed),
            (TEXTS, stage.texts_path, stage.texts),
            (QUARANTINE, stage.quarantine_path, stage.records_quarantined + stage.lines_refused),
        ):
            if rows:
                self._append(name, f"ingest:{stage.file_id}", reading, partial(stream_rows, path))
            failpoint(f"land.{name.split('.')[1]}_appended")

    def _record(self, stage: StagedFile, rows: list[dict[str, Any]]) -> None:
        contract = self.store.contracts[FILES]
        table = pa.Table.from_pylist(rows, schema=arrow_schema(contract))
        number = rows[0]["state_number"]
        self._append(FILES, f"file:{stage.file_id}", number, table.to_reader)

    def _append(self, name: str, transaction: str, number: int, rows: Callable[[], pa.RecordBatchReader]) -> None:
        while True:
            try:
                self.store.open(name).append_numbered(transaction, number, rows(), {"transaction": transaction})
                return
            except CommitConflict:
                continue

    def _row(self, stage: StagedFile, state: str, own: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
        arrived_at = datetime.fromisoformat(stage.arrived_at)
        row = {name: getattr(stage, name, None) for name in (c.name for c in self.store.contracts[FILES].columns)}
        return row | {
            "day": arrived_at.date(),
            "state": state,
            "state_number": max((s["state_number"] for s in own), default=0) + 1,
            "arrived_at": arrived_at,
            "landed_by_day": json.dumps(stage.landed_by_day, sort_keys=True),
            "ignored_by_reason": json.dumps(stage.ignored_by_reason, sort_keys=True),
            "redactions": json.dumps(stage.redactions, sort_keys=True),
        }

    def _superseding_row(
        self, old: dict[str, Any], states: list[dict[str, Any]], stage: StagedFile, now: datetime
    ) -> dict[str, Any]:
        number = max(s["state_number"] for s in states if s["file_id"] == old["file_id"]) + 1
        return old | {"state": "superseded", "state_number": number, "superseded_by": stage.file_id, "day": now.date()}


_COUNTS = (
    "format", "lines", "lines_read", "lines_blank", "lines_header", "lines_refused", "records", "records_landed",
    "records_ignored", "records_quarantined", "records_beyond_retention", "texts", "texts_beyond_retention", "redactions",
    "landed_by_day", "ignored_by_reason",
)  # fmt: skip
"""What logs.files says of a file's rows; they were appended once, whatever would become of the bytes today."""


def sighted_at(folder: Path) -> datetime:
    """When the file of a stage was first seen."""
    return datetime.fromisoformat(json.loads((folder / SIGHTING).read_bytes())["arrived_at"])
