"""Byte-exact splitting of a log file into records, in bounded batches.

Here belongs what a line is, and which lines cannot be read at all. Whether a line is JSON and what it says is
decided in SQL (`resources/record_typing.py`); CSV records are made in `resources/csv_splitter.py`.

Every line is exactly one of: part of a row that is handed on, blank, header, refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from resources.byte_source import CHUNK_BYTES, ByteReader
from resources.excerpt import excerpt

BATCH_BYTES = 64 << 20
"""Each batch pays for planning a statement of a hundred columns once."""
BATCH_ROWS = 100_000
MAX_LINE_BYTES = 16 << 20
BOM = b"\xef\xbb\xbf"
_NEWLINE = 10
_SPACE = 32
ROWS_SCHEMA = pa.schema([("line_number", pa.int64()), ("raw", pa.string()), ("fault", pa.string())])
EXPECTED = {
    "wrong_field_count": "as many fields as the header names",
    "not_json": "JSON",
    "not_an_object": "a JSON object",
    "document_too_long": f"at most {MAX_LINE_BYTES >> 20} MB; deliver what it holds as lines of their own (.jsonl)",
    "nul_byte": "text without NUL bytes",
    "not_utf8": "text in UTF-8",
    "impossible_value": "values that SQL can hold, such as times before the year 290,000",
    "binary_value": "text, numbers, times, structs and lists; write bytes as hex or base64",
}
"""The faults of a row that is known to be a bad record, each with what it should have been."""


@dataclass(frozen=True)
class RefusedLine:
    """A line that is no record and no part of one."""

    line_number: int
    reason: str
    excerpt: str


@dataclass
class Batch:
    """Up to about 64 MB or 100,000 rows (`ROWS_SCHEMA`) and what was met between them.

    `raw` is one JSON object a row; `fault`, one of `EXPECTED`, is set where the row is known to be a bad record.
    `row_lines` is the number of lines that the rows take up. Where `holds_lines`, a row is one line, and one that turns
    out to be no JSON object is a refused line; elsewhere it is a bad record.
    """

    rows: pa.Table = field(default_factory=ROWS_SCHEMA.empty_table)
    row_lines: int = 0
    blank_lines: int = 0
    header_lines: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    has_nul_escape: bool = False
    holds_lines: bool = True


@dataclass(frozen=True)
class Lines:
    """Whole lines as they lie in the file, from `first_number` on; the last may lack its newline at the file's end."""

    body: bytes
    first_number: int


@dataclass(frozen=True)
class LongLine:
    """A line beyond the limit: known by its number and size only, never held."""

    number: int
    size_bytes: int


class LineReader:
    """A byte stream cut at newlines into blocks of about 1 MB."""

    def __init__(self, reader: ByteReader, max_line_bytes: int = MAX_LINE_BYTES, chunk_bytes: int = CHUNK_BYTES):
        self._reader = reader
        self._chunk_bytes = chunk_bytes
        self._max = max_line_bytes
        self._next = 1

    def __iter__(self) -> Iterator[Lines | LongLine]:
        """The blocks in order, a byte-order mark at the very start left out."""
        pending: list[bytes] = []
        pending_bytes = 0
        is_long = False
        while chunk := self._reader.read(self._chunk_bytes):
            first_end = chunk.find(b"\n")
            if first_end < 0:
                pending_bytes += len(chunk)
                is_long = is_long or pending_bytes > self._max
                pending = [] if is_long else [*pending, chunk]
                continue
            if is_long or pending_bytes + first_end > self._max:
                yield self._long(pending_bytes + first_end)
                chunk, pending, is_long = chunk[first_end + 1 :], [], False
            cut = chunk.rfind(b"\n") + 1
            if cut:
                yield from self._lines(b"".join([*pending, chunk[:cut]]))
                pending = []
            rest = chunk[cut:]
            pending_bytes = len(rest)
            is_long = pending_bytes > self._max
            pending = [rest] if rest and not is_long else []
        if is_long:
            yield self._long(pending_bytes)
        elif pending:
            yield from self._lines(b"".join(pending))

    def _long(self, size_bytes: int) -> LongLine:
        self._next += 1
        return LongLine(self._next - 1, size_bytes)

    def _lines(self, body: bytes) -> Iterator[Lines | LongLine]:
        first = self._next
        if first == 1 and body.startswith(BOM):
            body = body[len(BOM) :]
        self._next += body.count(b"\n") + (not body.endswith(b"\n"))
        yield Lines(body, first)


def refuse_long(line: LongLine) -> RefusedLine:
    """What the quarantine says of a line that was not held."""
    return RefusedLine(line.number, "line_too_long", f"<bytes:{line.size_bytes}>")


def split_jsonl(reader: LineReader) -> Iterator[Batch]:
    """Every line that may be a record, in batches; no Python work for a good line.

    Blank lines are counted; lines with NUL bytes or invalid UTF-8 are refused.
    """
    batch, parts, held_bytes, held_rows = Batch(), list[pa.Table](), 0, 0
    for block in reader:
        if isinstance(block, LongLine):
            batch.refused.append(refuse_long(block))
            continue
        numbers, raw = _records_of(block, batch)
        batch.has_nul_escape |= b"\\u0000" in block.body
        table = pa.table([numbers, raw, pa.nulls(len(raw), pa.string())], schema=ROWS_SCHEMA)
        for start in range(0, len(raw), BATCH_ROWS):
            part = table.slice(start, BATCH_ROWS)
            if parts and held_rows + len(part) > BATCH_ROWS:
                yield _full(batch, parts)
                batch, parts, held_bytes, held_rows = Batch(has_nul_escape=batch.has_nul_escape), [], 0, 0
            parts.append(part)
            held_rows += len(part)
        held_bytes += len(block.body)
        if held_bytes >= BATCH_BYTES:
            yield _full(batch, parts)
            batch, parts, held_bytes, held_rows = Batch(), [], 0, 0
    yield _full(batch, parts)


def _full(batch: Batch, parts: list[pa.Table]) -> Batch:
    if parts:
        batch.rows = pa.concat_tables(parts)
    batch.row_lines = len(batch.rows)
    return batch


def _records_of(block: Lines, batch: Batch) -> tuple[pa.Array, pa.Array]:
    """Line numbers and lines of one block (newlines kept: JSON ignores them); the others are noted in the batch."""
    body = np.frombuffer(block.body, np.uint8)
    ends = np.flatnonzero(body == _NEWLINE) + 1
    if not block.body.endswith(b"\n"):
        ends = np.append(ends, len(body))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends
    raw = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block.body))
    keep = np.ones(len(ends), bool)

    def line(index: int) -> bytes:
        return block.body[offsets[index] : offsets[index + 1]]

    for index in _maybe_blank(body, offsets):
        if not line(index).strip(b" \t\r\n"):
            keep[index] = False
            batch.blank_lines += 1
    if b"\0" in block.body or not _is_utf8(raw):
        for index in np.flatnonzero(keep).tolist():
            reason = unreadable(line(index))
            if reason:
                keep[index] = False
                batch.refused.append(RefusedLine(block.first_number + index, reason, excerpt(line(index))))
    numbers = pa.array(np.arange(len(ends), dtype=np.int64) + block.first_number)
    if keep.all():
        return numbers, raw
    return numbers.filter(pa.array(keep)), raw.filter(pa.array(keep))


def _maybe_blank(body: np.ndarray, offsets: np.ndarray) -> list[int]:
    """Lines that start with white space (or are empty), the only ones worth a closer look."""
    if not len(body):
        return [0]
    return [int(i) for i in np.flatnonzero(body[offsets[:-1]] <= _SPACE)]


def _is_utf8(raw: pa.Array) -> bool:
    try:
        raw.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def unreadable(line: bytes) -> str | None:
    """Why a line cannot be text that is stored, or None."""
    if b"\0" in line:
        return "nul_byte"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return None
