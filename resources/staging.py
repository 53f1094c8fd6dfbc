"""From a closed file in the landing folder to a stage: typed rows, words, quarantine rows and the accounting of each line.

Here belongs the streaming of one file through splitter and typing. How the rows are written is stage_writer.py's business;
which files are taken, and what is done with a stage, is the landing's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    if arrived_at.tzinfo is None:
        raise ValueError("arrived_at has no time zone; pass a UTC time")
    arrived_at = arrived_at.astimezone(UTC)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in (ACCOUNTING_FILE, *ROWS_FILES):
        (folder / name).unlink(missing_ok=True)
    before = path.stat()
    digest, reason = _identity(path, prefix_sizes)
    stage = StagedFile(
        file_id=digest.sha256, source=source.name, path=relative_path, arrived_at=arrived_at.isoformat(),
        key_id=rules.keyring.key_id, size_bytes=before.st_size, modified_ns=before.st_mtime_ns, format=source.format,
        decompressed_bytes=digest.bytes, lines=digest.lines, reason=reason, prefix_digests=digest.prefixes, folder=folder,
    )  # fmt: skip
    empty = replace(stage)
    try:
        with StageWriter(stage, arrived_at, rules.keyring, rules.redactor, rules.closed) as writer:
            if not reason:
                facts = FileFacts(digest.sha256, source.name, arrived_at, rules.calendar_start)
                if _stream(path, source, rules, facts, writer) != digest.crc32:
                    raise FileStillWritten(_still_written(relative_path))
    except UnreadableFile as error:
        # What was read before the damage is no part of a file that is refused whole.
        stage = replace(empty, reason=error.reason)
        with StageWriter(stage, arrived_at, rules.keyring, rules.redactor):
            pass
    if _fate(path) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise FileStillWritten(_still_written(relative_path))
    if not stage.is_refused:
        stage.assert_laws(writer.quarantine_rows)
    sync_files([folder / name for name in ROWS_FILES])
    failpoint("land.rows_staged")
    stage.save()
    return stage


def _still_written(relative_path: str) -> str:
    return f"{relative_path} changed while it was read; deliver files by renaming them into the landing folder"


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


def _stream(path: Path, source: Source, rules: StagingRules, facts: FileFacts, writer: StageWriter) -> int:
    """Type every record of a file into the writer; the CRC-32 of what was read."""
    format_ = mapped_format(source) if source.columns else formats()[source.format]
    # One thread costs a fourth less CPU than two for the same rows; many files are staged by many processes instead.
    con = connect(spill=rules.spill, memory_limit="1GB", threads=1)
    try:
        typing = RecordTyping(con, contracts()["logs.landed"], source, format_, rules.keyring, facts, rules.capture)
        splitting = Splitting(path, format_.expects)
        for batch in splitting:
            _type_batch(con, typing, batch, writer)
        return splitting.crc32
    finally:
        con.close()


def _type_batch(con: Connection, typing: RecordTyping, batch: Batch, writer: StageWriter) -> None:
    stage = writer.stage
    stage.lines_blank += batch.blank_lines
    stage.lines_header += batch.header_lines
    rows = _refuse_non_records(con, batch)
    stage.lines_read += batch.row_lines
    writer.refuse(batch.refused)
    if not len(rows):
        return
    first = writer.documents + 1
    writer.documents += len(rows)
    numbers = pa.array(np.arange(first, first + len(rows)))
    documents = pa.table([numbers, rows["line_number"], rows["raw"]], schema=RECORDS_SCHEMA)
    typed, bad = _typed(typing, documents, rows["fault"], batch.has_nul_escape)
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


def _typed(
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
