"""From a closed file in the landing folder to a stage: typed rows, quarantine rows and the accounting of every line.

Here belongs the streaming of one file through splitter and typing, and the laws that its counts must keep. Which files
are taken, and what is done with a stage, is the landing's business.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resources.byte_source import Digest, Packing, UnreadableFile, decompressed, digest_as_it_lies, digest_file, packing_of
from resources.contracts import contracts
from resources.csv_splitter import split_csv
from resources.durable import sync_files, write_atomically
from resources.excerpt import excerpt
from resources.failpoints import failpoint
from resources.keyring import Keyring
from resources.record_typing import FAULT, IGNORED, RECORDS_SCHEMA, Fault, FileFacts, RecordTyping
from resources.sources import Format, Source, formats
from resources.splitter import Batch, LineReader, RefusedLine, split_jsonl
from resources.table_store import arrow_schema
from resources.warehouse import Connection, connect

LANDED_FILE = "landed.parquet"
QUARANTINE_FILE = "quarantine.parquet"
ACCOUNTING_FILE = "accounting.json"
_JSON_SPACE = " \t\r\n"
_NOT_RECORDS = """
select position, case when json_valid(raw) then 'not_an_object' else 'not_json' end as reason
from lines
where fault is null and not (json_valid(raw) and starts_with(ltrim(raw, $white), '{'))
order by position
"""


class FileStillWritten(RuntimeError):
    """The file changed while it was read: it is not closed. Nothing was staged; take it again later."""


class StageIncomplete(RuntimeError):
    """A folder holds no whole stage: its writing was cut short. Stage the file again."""


class AccountingError(AssertionError):
    """A line or record was lost or counted twice: a fault of this program, never of the file."""


@dataclass
class StagedFile:
    """A file's accounting; its counts are named as in logs.files. `reason` is set where the file is refused whole.

    `file_id` is the SHA-256 of the decompressed bytes, or of the stored ones where they cannot be decompressed.
    `prefix_digests` gives the digest of the first N decompressed bytes, for those N asked for that the file has.
    """

    file_id: str
    source: str
    path: str
    arrived_at: str
    key_id: str
    size_bytes: int
    modified_ns: int
    format: str
    decompressed_bytes: int = 0
    lines: int = 0
    lines_read: int = 0
    lines_blank: int = 0
    lines_header: int = 0
    lines_refused: int = 0
    records: int = 0
    records_landed: int = 0
    records_ignored: int = 0
    records_quarantined: int = 0
    landed_by_day: dict[str, int] = field(default_factory=dict)
    ignored_by_reason: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    prefix_digests: dict[int, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def is_refused(self) -> bool:
        return self.reason is not None

    @property
    def landed_path(self) -> Path:
        return self.folder / LANDED_FILE

    @property
    def quarantine_path(self) -> Path:
        return self.folder / QUARANTINE_FILE

    @classmethod
    def load(cls, folder: Path) -> StagedFile:
        """The stage that a folder holds; raises StageIncomplete where it holds no whole one."""
        try:
            content = json.loads((folder / ACCOUNTING_FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            raise StageIncomplete(f"{folder} holds no whole stage; stage the file again") from None
        known = {f.name for f in fields(cls)} - {"folder"}
        if set(content) != known or not all((folder / name).is_file() for name in (LANDED_FILE, QUARANTINE_FILE)):
            raise StageIncomplete(f"{folder} holds a stage of another version; stage the file again")
        content["prefix_digests"] = {int(size): digest for size, digest in content["prefix_digests"].items()}
        return cls(**content, folder=folder)

    def save(self) -> None:
        """Write the accounting, which makes the stage whole."""
        content = asdict(self)
        del content["folder"]
        write_atomically(self.folder / ACCOUNTING_FILE, (json.dumps(content, indent=1) + "\n").encode(), mode=0o600)

    def assert_laws(self, quarantine_rows: int) -> None:
        """Every line and every record is accounted for exactly once; raises AccountingError."""
        laws = {
            "lines = read + blank + header + refused": (
                self.lines, self.lines_read + self.lines_blank + self.lines_header + self.lines_refused),
            "records = landed + ignored + quarantined": (
                self.records, self.records_landed + self.records_ignored + self.records_quarantined),
            "quarantine rows = lines refused + records quarantined": (
                quarantine_rows, self.lines_refused + self.records_quarantined),
            "landed = sum of landed by day": (self.records_landed, sum(self.landed_by_day.values())),
        }  # fmt: skip
        for law, (left, right) in laws.items():
            if left != right:
                unequal = f"{self.path}: {law} does not hold ({left} is not {right})"
                raise AccountingError(f"{unequal}. Nothing was staged; report it with the shape of the file")


def stage_file(
    path: Path,
    relative_path: str,
    source: Source,
    arrived_at: datetime,
    calendar_start: date,
    keyring: Keyring,
    folder: Path,
    spill: Path | None = None,
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
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in (ACCOUNTING_FILE, LANDED_FILE, QUARANTINE_FILE):
        (folder / name).unlink(missing_ok=True)
    before = path.stat()
    digest, reason = _identity(path, prefix_sizes)
    stage = StagedFile(
        file_id=digest.sha256, source=source.name, path=relative_path, arrived_at=arrived_at.isoformat(),
        key_id=keyring.key_id, size_bytes=before.st_size, modified_ns=before.st_mtime_ns, format=source.format,
        decompressed_bytes=digest.bytes, lines=digest.lines, reason=reason, prefix_digests=digest.prefixes, folder=folder,
    )  # fmt: skip
    with _StageWriter(stage, arrived_at) as writer:
        if not reason:
            facts = FileFacts(digest.sha256, source.name, arrived_at, calendar_start)
            try:
                crc32 = _stream(path, source, keyring, facts, writer, spill)
            except UnreadableFile as error:
                # Found in the header, before any row; a gzip file that only now fails has changed since its digest.
                stage.reason, crc32 = error.reason, digest.crc32
            if crc32 != digest.crc32:
                raise FileStillWritten(_still_written(relative_path))
    if _fate(path) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise FileStillWritten(_still_written(relative_path))
    if not stage.is_refused:
        stage.assert_laws(writer.quarantine_rows)
    sync_files([stage.landed_path, stage.quarantine_path])
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


def _stream(path: Path, source: Source, keyring: Keyring, facts: FileFacts, writer: _StageWriter, spill: Path | None) -> int:
    """Type every record of a file into the writer; the CRC-32 of what was read."""
    format_, packing = formats()[source.format], packing_of(path)
    # One thread costs a fourth less CPU than two for the same rows; many files are staged by many processes instead.
    con = connect(spill=spill, memory_limit="1GB", threads=1)
    try:
        typing = RecordTyping(con, contracts()["logs.landed"], source, format_, keyring, facts)
        with decompressed(path, packing) as reader:
            lines = LineReader(reader)
            for batch in _split(lines, packing, format_):
                _type_batch(con, typing, batch, writer)
            return lines.crc32
    finally:
        con.close()


def _split(lines: LineReader, packing: Packing, format_: Format) -> Iterator[Batch]:
    return split_csv(lines, format_.expects) if packing.lines == "csv" else split_jsonl(lines)


def _type_batch(con: Connection, typing: RecordTyping, batch: Batch, writer: _StageWriter) -> None:
    stage = writer.stage
    stage.lines_blank += batch.blank_lines
    stage.lines_header += batch.header_lines
    rows = _refuse_non_records(con, batch)
    stage.lines_read += batch.row_lines
    writer.refuse(batch.refused)
    if not len(rows):
        return
    numbers = pa.array(np.arange(len(rows), dtype=np.int64) + stage.records + 1)
    stage.records += len(rows)
    records = pa.table([numbers, rows["line_number"], rows["raw"]], schema=RECORDS_SCHEMA)
    whole = rows["fault"].is_null()
    if rows["fault"].null_count < len(rows):
        bad = records.filter(pc.invert(whole))
        writer.quarantine(bad, [Fault(reason) for reason in rows["fault"].drop_null().to_pylist()])
        good = records.filter(whole)
    else:
        good = records
    if not len(good):
        return
    typed = typing.run(good, batch.has_nul_escape)
    if typed[FAULT].null_count < len(typed):
        faulty = typed.select(["record_number", FAULT]).filter(typed[FAULT].is_valid()).sort_by("record_number")
        positions = pc.index_in(faulty["record_number"], value_set=records["record_number"])
        writer.quarantine(records.take(positions), [typing.faults[n] for n in faulty[FAULT].to_pylist()])
        typed = typed.filter(typed[FAULT].is_null())
    if typed[IGNORED].null_count < len(typed):
        writer.ignore(typed[IGNORED].drop_null().to_pylist())
        typed = typed.filter(typed[IGNORED].is_null())
    writer.land(typed)


def _refuse_non_records(con: Connection, batch: Batch) -> pa.Table:
    """The batch's rows that are JSON objects; the others become refused lines."""
    rows = batch.rows
    if not len(rows):
        return rows
    con.register("lines", rows.append_column("position", pa.array(np.arange(len(rows)))))
    found = con.execute(_NOT_RECORDS, {"white": _JSON_SPACE}).fetchall()
    con.unregister("lines")
    if not found:
        return rows
    lines = rows.take([position for position, _ in found])
    for number, raw, (_, reason) in zip(lines["line_number"].to_pylist(), lines["raw"].to_pylist(), found, strict=True):
        batch.refused.append(RefusedLine(number, reason, excerpt(raw)))
    batch.row_lines -= len(found)
    keep = np.ones(len(rows), bool)
    keep[[position for position, _ in found]] = False
    return rows.filter(pa.array(keep))


class _StageWriter:
    """The stage's two Parquet files, and the counts of what went into them."""

    def __init__(self, stage: StagedFile, arrived_at: datetime):
        self.stage = stage
        self.quarantine_rows = 0
        self._landed_schema = arrow_schema(contracts()["logs.landed"])
        self._quarantine_schema = arrow_schema(contracts()["logs.quarantine"])
        self._landed = _parquet(stage.landed_path, self._landed_schema)
        self._quarantine = _parquet(stage.quarantine_path, self._quarantine_schema)
        self._constants = {
            "day": arrived_at.date(), "file_id": stage.file_id, "source": stage.source, "arrived_at": arrived_at,
        }  # fmt: skip

    def __enter__(self) -> _StageWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._landed.close()
        self._quarantine.close()

    def land(self, typed: pa.Table) -> None:
        """Rows for logs.landed."""
        if not len(typed):
            return
        self._landed.write_table(typed.select(self._landed_schema.names).cast(self._landed_schema))
        self.stage.records_landed += len(typed)
        by_day = Counter(self.stage.landed_by_day)
        for entry in pc.value_counts(typed["day"]).to_pylist():
            by_day[entry["values"].isoformat()] += entry["counts"]
        self.stage.landed_by_day = dict(sorted(by_day.items()))

    def ignore(self, reasons: list[str]) -> None:
        """Records that the format leaves out."""
        self.stage.records_ignored += len(reasons)
        self.stage.ignored_by_reason = dict(sorted((Counter(self.stage.ignored_by_reason) + Counter(reasons)).items()))

    def refuse(self, lines: list[RefusedLine]) -> None:
        """Lines that are no record."""
        self.stage.lines_refused += len(lines)
        self._write_bad(
            {"line_number": n.line_number, "record_number": None, "reason": n.reason, "excerpt": n.excerpt} for n in lines
        )

    def quarantine(self, records: pa.Table, faults: list[Fault]) -> None:
        """Records that cannot be stored, each with its fault."""
        self.stage.records_quarantined += len(records)
        self._write_bad(
            {
                "line_number": record["line_number"], "record_number": record["record_number"], "reason": fault.reason,
                "column_name": fault.column_name, "expected": fault.expected, "excerpt": excerpt(record["raw"]),
            }
            for record, fault in zip(records.to_pylist(), faults, strict=True)
        )  # fmt: skip

    def _write_bad(self, rows: Iterator[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist([{**self._constants, **row} for row in rows], schema=self._quarantine_schema)
        if len(table):
            self._quarantine.write_table(table)
            self.quarantine_rows += len(table)


def _parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # delta-rs and DuckDB need no Arrow schema in the file; without it all writers' files look alike.
    return pq.ParquetWriter(path, schema, compression="zstd", compression_level=3, store_schema=False)
