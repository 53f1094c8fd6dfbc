"""From a closed file in the landing folder to a stage: typed rows, words, quarantine rows and the accounting of each line.

Here belongs the streaming of one file through splitter and typing. How the rows are written is stage_writer.py's business;
which files are taken, and what is done with a stage, is the landing's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.byte_source import Digest, UnreadableFile, digest_as_it_lies, digest_file
from resources.capture import CapturePolicy
from resources.contracts import contracts
from resources.durable import sync_files
from resources.excerpt import excerpt
from resources.failpoints import failpoint
from resources.keyring import Keyring
from resources.mending import mended
from resources.record_typing import (
    FAULT,
    IGNORED,
    MISMATCH,
    PART,
    RECORDS_SCHEMA,
    Fault,
    FileFacts,
    RecordTyping,
    TypingFailed,
    not_this_format,
)
from resources.redaction import Redactor
from resources.sources import Source, formats, mapped_format
from resources.splitter import EXPECTED, Batch, RefusedLine
from resources.splitting import Splitting
from resources.stage_writer import StageWriter
from resources.staged_file import ACCOUNTING_FILE, ROWS_FILES, StagedFile
from resources.warehouse import Connection, connect

MAX_FAILING_RECORDS = 20
"""So many records of a file may stop its format's SQL; with one more, the format is at fault and not the records."""
_JSON_SPACE = " \t\r\n"
_NOT_RECORDS = """
select position, case when json_valid(raw) then 'not_an_object' else 'not_json' end as reason
from lines
where fault is null and not (json_valid(raw) and (starts_with(raw, '{') or starts_with(ltrim(raw, $white), '{')))
order by position
"""


class FileStillWritten(RuntimeError):
    """The file changed while it was read: it is not closed. Nothing was staged; take it again later."""


@dataclass(frozen=True)
class StagingRules:
    """What holds for every file of a landing. `redactor` is None where the logs come redacted (capture.yml)."""

    calendar_start: date
    keyring: Keyring
    capture: CapturePolicy
    redactor: Redactor | None
    spill: Path | None = None
    closed: Mapping[str, Collection[date]] = field(default_factory=dict)
    """Days of ledger tables that retention has closed."""


@dataclass(frozen=True)
class Begun:
    """A file that is being staged: its stage, and what shows that it lies still."""

    path: Path
    stage: StagedFile
    crc32: int
    fate: tuple[int, int, int]

    def assert_same_bytes(self, crc32: int) -> None:
        """Raises FileStillWritten where its records came from other bytes than its identity."""
        if crc32 != self.crc32:
            raise self._still_written

    def whole(self, quarantine_rows: int) -> StagedFile:
        """The stage, durable. Raises FileStillWritten, and AccountingError."""
        if _fate(self.path) != self.fate:
            raise self._still_written
        if not self.stage.is_refused:
            self.stage.assert_laws(quarantine_rows)
        sync_files([self.stage.folder / name for name in ROWS_FILES])
        failpoint("land.rows_staged")
        self.stage.save()
        return self.stage

    @property
    def _still_written(self) -> FileStillWritten:
        return FileStillWritten(
            f"{self.stage.path} changed while it was read; deliver files by renaming them into the landing folder"
        )


def stage_file(
    path: Path,
    relative_path: str,
    source: Source,
    arrived_at: datetime,
    rules: StagingRules,
    folder: Path,
    prefix_sizes: frozenset[int] = frozenset(),
) -> StagedFile:
    """Stage one closed file in `folder`, whatever an earlier try left there.

    The file is read twice, for its identity and for its records, because a record's made-up id depends on the former.
    A file that cannot be read at all yields a stage without rows and a `reason`. Raises FileStillWritten,
    AccountingError, and TypingFailed where a format's SELECT fails.
    """
    begun = begin(path, relative_path, source, arrived_at, rules, folder, prefix_sizes)
    empty = replace(begun.stage)
    try:
        with writer_of(begun.stage, rules) as writer:
            if not begun.stage.reason:
                with typing_of(source, [begun.stage], rules) as (con, typing):
                    splitting = Splitting(path, typing.expects)
                    for batch in splitting:
                        _type_batch(con, typing, batch, writer)
                begun.assert_same_bytes(splitting.crc32)
    except UnreadableFile as error:
        # What was read before the damage is no part of a file that is refused whole.
        begun = replace(begun, stage=replace(empty, reason=error.reason))
        with StageWriter(begun.stage, _arrival(begun.stage), rules.keyring, rules.redactor):
            pass
    return begun.whole(writer.quarantine_rows)


def begin(
    path: Path,
    relative_path: str,
    source: Source,
    arrived_at: datetime,
    rules: StagingRules,
    folder: Path,
    prefix_sizes: frozenset[int] = frozenset(),
) -> Begun:
    """An empty stage of a file that was identified; `reason` is set where it cannot be read."""
    if arrived_at.tzinfo is None:
        raise ValueError("arrived_at has no time zone; pass a UTC time")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in (ACCOUNTING_FILE, *ROWS_FILES):
        (folder / name).unlink(missing_ok=True)
    before = path.stat()
    digest, reason = _identity(path, prefix_sizes)
    stage = StagedFile(
        file_id=digest.sha256, source=source.name, path=relative_path, arrived_at=arrived_at.astimezone(UTC).isoformat(),
        key_id=rules.keyring.key_id, size_bytes=before.st_size, modified_ns=before.st_mtime_ns, format=source.format,
        decompressed_bytes=digest.bytes, lines=digest.lines, reason=reason, prefix_digests=digest.prefixes, folder=folder,
    )  # fmt: skip
    return Begun(path, stage, digest.crc32, (before.st_ino, before.st_size, before.st_mtime_ns))


def writer_of(stage: StagedFile, rules: StagingRules) -> StageWriter:
    """What writes the rows of a begun stage."""
    return StageWriter(stage, _arrival(stage), rules.keyring, rules.redactor, rules.closed)


@contextmanager
def typing_of(
    source: Source, stages: Sequence[StagedFile], rules: StagingRules
) -> Iterator[tuple[Connection, RecordTyping]]:
    """What types the documents of begun stages that were first seen at one time; file 0 is the first of them."""
    format_ = mapped_format(source) if source.columns else formats()[source.format]
    facts = FileFacts([one.file_id for one in stages], source.name, _arrival(stages[0]), rules.calendar_start)
    # One thread costs a fourth less CPU than two for the same rows.
    con = connect(spill=rules.spill, memory_limit="1GB", threads=1)
    try:
        yield con, RecordTyping(con, contracts()["logs.landed"], source, format_, rules.keyring, facts, rules.capture)
    finally:
        con.close()


def _arrival(stage: StagedFile) -> datetime:
    return datetime.fromisoformat(stage.arrived_at)


def _fate(path: Path) -> tuple[int, int, int] | None:
    try:
        now = path.stat()
    except FileNotFoundError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns


def _identity(path: Path, prefix_sizes: frozenset[int]) -> tuple[Digest, str | None]:
    try:
        return digest_file(path, prefix_sizes), None
    except UnreadableFile as error:
        return Digest(digest_as_it_lies(path), 0, 0, 0), error.reason


def _type_batch(con: Connection, typing: RecordTyping, batch: Batch, writer: StageWriter) -> None:
    rows = documents_of(con, batch, writer)
    if rows is not None:
        typed, bad = typed_documents(typing, rows.documents, rows.faults, batch.has_nul_escape)
        write_typed(typing, rows.documents, typed, bad, writer)


@dataclass(frozen=True)
class Documents:
    """`documents` (RECORDS_SCHEMA), numbered within their file, and of each the fault that it is known to have."""

    documents: pa.Table
    faults: pa.ChunkedArray


def documents_of(con: Connection, batch: Batch, writer: StageWriter) -> Documents | None:
    """The documents of a batch, its lines accounted for; None where there are none."""
    stage = writer.stage
    stage.lines_blank += batch.blank_lines
    stage.lines_header += batch.header_lines
    rows = _refuse_non_records(con, batch)
    stage.lines_read += batch.row_lines
    writer.refuse(batch.refused)
    if not len(rows):
        return None
    first = writer.documents + 1
    writer.documents += len(rows)
    numbers = pa.array(np.arange(first, first + len(rows)))
    return Documents(pa.table([numbers, rows["line_number"], rows["raw"]], schema=RECORDS_SCHEMA), rows["fault"])


def write_typed(
    typing: RecordTyping, documents: pa.Table, typed: pa.Table, bad: dict[int, Fault], writer: StageWriter
) -> None:
    """Number the records of documents, and write each where it belongs."""
    stage, first = writer.stage, documents["record_number"][0].as_py()
    record_numbers, bad_numbers = _numbered(typed, bad, typing, stage.records)
    stage.records += len(typed) + len(bad)

    def quarantine(document_numbers: np.ndarray, records: np.ndarray, faults: list[Fault]) -> None:
        found = documents.take(pa.array(document_numbers - first))
        writer.quarantine(found.set_column(0, "record_number", pa.array(records)), faults)

    if bad:
        quarantine(np.array(list(bad)), bad_numbers, list(bad.values()))
    of_document = typed["record_number"].to_numpy()
    typed = typed.set_column(0, "record_number", pa.array(record_numbers))
    if typed[FAULT].null_count < len(typed):
        at = np.flatnonzero(typed[FAULT].is_valid().to_numpy())
        at = at[np.argsort(record_numbers[at])]
        marks = typed.select([FAULT, MISMATCH]).take(pa.array(at)).to_pylist()
        said = iter(writer.words_for_people([m[MISMATCH] for m in marks if m[FAULT] < 0]))
        faults = [not_this_format(next(said)) if m[FAULT] < 0 else typing.faults[m[FAULT]] for m in marks]
        quarantine(of_document[at], record_numbers[at], faults)
        typed = typed.filter(typed[FAULT].is_null())
    if typed[IGNORED].null_count < len(typed):
        writer.ignore(typed[IGNORED].drop_null().to_pylist())
        typed = typed.filter(typed[IGNORED].is_null())
    writer.land(typed, typing.captured)


def typed_documents(
    typing: RecordTyping, documents: pa.Table, faults: pa.ChunkedArray, has_nul_escape: bool
) -> tuple[pa.Table, dict[int, Fault]]:
    """The typed rows of a batch's documents, and by number, in order, those documents that yield none, with the reason.

    Raises TypingFailed where the format's SQL stops at every document, or at more than a few.
    """
    bad: dict[int, Fault] = {}
    good = documents
    if faults.null_count < len(documents):
        whole = faults.is_null()
        at_fault = documents["record_number"].filter(pc.invert(whole)).to_pylist()
        reasons = faults.drop_null().to_pylist()
        bad = {n: Fault(reason, None, EXPECTED[reason]) for n, reason in zip(at_fault, reasons, strict=True)}
        good = documents.filter(whole)
    typed, failed = _typed_where_possible(typing, good, has_nul_escape)
    if failed and len(failed) == len(good):
        raise typing.failure("not one document could be typed; the messages are withheld because they quote them")
    bad |= dict.fromkeys(failed, Fault("typing_failed", None, "a record that the SQL of its format can read"))
    found = np.unique(typed["record_number"].to_numpy())
    if len(found) + len(bad) < len(documents):
        heard = np.concatenate([found, np.array(list(bad), np.int64)])
        silent = np.setdiff1d(documents["record_number"].to_numpy(), heard)
        bad |= dict.fromkeys(silent.tolist(), Fault("no_record", None, "a document of which its format's SQL makes a row"))
    return typed, dict(sorted(bad.items()))


def _typed_where_possible(typing: RecordTyping, documents: pa.Table, has_nul_escape: bool) -> tuple[pa.Table, list[int]]:
    """Typed rows, and the numbers of the documents that stop the statement, found by halving the batch.

    Raises TypingFailed where too many do.
    """
    try:
        return typing.run(documents, has_nul_escape), []
    except TypingFailed:
        if len(documents) == 1:
            typing.failing_records += 1
            if typing.failing_records > MAX_FAILING_RECORDS:
                raise
            return typing.run(documents.slice(0, 0), has_nul_escape), documents["record_number"].to_pylist()
    half = len(documents) // 2
    tables, failed = zip(
        _typed_where_possible(typing, documents.slice(0, half), has_nul_escape),
        _typed_where_possible(typing, documents.slice(half), has_nul_escape),
        strict=True,
    )
    return pa.concat_tables(tables), [number for numbers in failed for number in numbers]


def _numbered(
    typed: pa.Table, bad: dict[int, Fault], typing: RecordTyping, before: int
) -> tuple[np.ndarray, np.ndarray]:
    """Record numbers of the typed rows and of the bad documents: places in the order of documents and their parts."""
    documents = np.concatenate([typed["record_number"].to_numpy(), np.array(list(bad), np.int64)])
    parts = np.concatenate([typed[PART].to_numpy(), np.ones(len(bad), np.int64)])
    order = np.lexsort((parts, documents))
    same = (np.diff(documents[order]) == 0) & (np.diff(parts[order]) == 0)
    if same.any():
        raise typing.failure("two rows of one document have the same `part`; number them 1, 2, 3 …")
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(before + 1, before + 1 + len(order))
    return numbers[: len(typed)], numbers[len(typed) :]


def _non_records(con: Connection, rows: pa.Table) -> list[tuple[int, str]]:
    """The places of the rows that are no JSON objects, each with the reason."""
    con.register("lines", rows.append_column("position", pa.array(np.arange(len(rows)))))
    found: list[tuple[int, str]] = con.execute(_NOT_RECORDS, {"white": _JSON_SPACE}).fetchall()
    con.unregister("lines")
    return found


def _refuse_non_records(con: Connection, batch: Batch) -> pa.Table:
    """The batch's rows that are JSON objects. The others become refused lines, or bad records where a row is no line."""
    rows = batch.rows
    if not len(rows):
        return rows
    found = _non_records(con, rows)
    better = {position: text for position, _ in found if (text := mended(rows["raw"][position].as_py())) is not None}
    if better:
        raw = rows["raw"].to_pylist()
        rows = rows.set_column(1, "raw", pa.array([better.get(n, text) for n, text in enumerate(raw)], pa.string()))
        found = _non_records(con, rows)
    if not found:
        return rows
    if not batch.holds_lines:
        faults = rows["fault"].to_pylist()
        for position, reason in found:
            faults[position] = reason
        return rows.set_column(2, "fault", pa.array(faults, pa.string()))
    lines = rows.take([position for position, _ in found])
    for number, raw, (_, reason) in zip(lines["line_number"].to_pylist(), lines["raw"].to_pylist(), found, strict=True):
        batch.refused.append(RefusedLine(number, reason, excerpt(raw)))
    batch.row_lines -= len(found)
    keep = np.ones(len(rows), bool)
    keep[[position for position, _ in found]] = False
    return rows.filter(pa.array(keep))
