"""CSV records as JSON objects, one row each, under the names of the header.

Python's csv module reads them, because quoted fields may hold newlines; so a record may take several lines, and a
broken one takes all the lines that the reader needed to see that it is broken.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pyarrow as pa

from resources.byte_source import UnreadableFile
from resources.excerpt import excerpt
from resources.splitter import (
    BATCH_BYTES,
    BATCH_ROWS,
    MAX_LINE_BYTES,
    ROWS_SCHEMA,
    Batch,
    LineReader,
    LongLine,
    RefusedLine,
    refuse_long,
    unreadable,
)

_WHITE = b" \t\r\n"
_OTHER_SEPARATORS = {";": "semicolon", "\t": "tab", "|": "vertical bar"}


class _BrokenRecord(Exception):
    """The record being read cannot be completed."""


class _RecordLines:
    """Feeds the csv reader line by line, and remembers which lines the record in progress took."""

    def __init__(self, reader: LineReader, batch: Batch):
        self.batch = batch
        self.taken: list[bytes] = []
        self.first_number = 0
        self._taken_bytes = 0
        self._lines = self._numbered(reader)

    def start(self) -> None:
        self.taken, self._taken_bytes = [], 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for number, line in self._lines:
            if isinstance(line, LongLine):
                self.batch.refused.append(refuse_long(line))
                if self.taken:
                    raise _BrokenRecord
                continue
            if not self.taken:
                if not line.strip(_WHITE):
                    self.batch.blank_lines += 1
                    continue
                self.first_number = number
            self.taken.append(line)
            self._taken_bytes += len(line)
            if self._taken_bytes > MAX_LINE_BYTES:
                raise _BrokenRecord
            return line.decode(errors="replace")
        raise StopIteration

    @staticmethod
    def _numbered(reader: LineReader) -> Iterator[tuple[int, bytes | LongLine]]:
        for block in reader:
            if isinstance(block, LongLine):
                yield block.number, block
            else:
                yield from enumerate(_lines(block.body), block.first_number)

    def refuse(self, reason: str) -> None:
        """All lines of the record in progress are no record."""
        for offset, line in enumerate(self.taken):
            why = unreadable(line) or reason
            self.batch.refused.append(RefusedLine(self.first_number + offset, why, excerpt(line)))


def _lines(body: bytes) -> Iterator[bytes]:
    """Lines cut at LF alone, as the rest of the house counts them (bytes.splitlines also cuts at CR)."""
    start = 0
    while start < len(body) or not body:
        end = body.find(b"\n", start) + 1 or len(body)
        yield body[start:end]
        if not body:
            return
        start = end


def split_csv(reader: LineReader, expects: tuple[str, ...] = ()) -> Iterator[Batch]:
    """Every CSV record as a JSON object; a record with a wrong number of fields keeps its row, with a `fault`.

    `expects` are the columns that the header must name. Raises UnreadableFile for a header that cannot be used. A file
    without any record has no header either, and is merely empty.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _RecordLines(reader, Batch())
    records = csv.reader(lines, strict=True)
    header: list[str] | None = None
    numbers, raw, faults, held_bytes = list[int](), list[str](), list[str | None](), 0
    while True:
        lines.start()
        fields = _next_record(records, lines)
        if fields is None:
            break
        if header is None:
            header = _usable_header(fields, expects)
            lines.batch.header_lines += len(lines.taken)
            continue
        if not fields:
            continue
        is_whole = len(fields) == len(header)
        record = dict(zip(header, fields, strict=True)) if is_whole else fields
        numbers.append(lines.first_number)
        raw.append(json.dumps(record, ensure_ascii=False))
        faults.append(None if is_whole else "wrong_field_count")
        lines.batch.row_lines += len(lines.taken)
        held_bytes += len(raw[-1])
        if len(raw) >= BATCH_ROWS or held_bytes >= BATCH_BYTES:
            lines.batch.rows = pa.table([numbers, raw, faults], schema=ROWS_SCHEMA)
            yield lines.batch
            lines.batch = Batch()
            numbers, raw, faults, held_bytes = [], [], [], 0
    lines.batch.rows = pa.table([numbers, raw, faults], schema=ROWS_SCHEMA)
    yield lines.batch


def _next_record(records: Iterator[list[str]], lines: _RecordLines) -> list[str] | None:
    """The next record's fields; [] where its lines were refused, None at the end."""
    try:
        fields = next(records)
    except StopIteration:
        return None
    except (csv.Error, _BrokenRecord):
        lines.refuse("bad_csv")
        return []
    if any(map(unreadable, lines.taken)):
        lines.refuse("bad_csv")
        return []
    return fields


def _usable_header(fields: list[str], expects: tuple[str, ...]) -> list[str]:
    header = [name.strip() for name in fields]
    if not any(header):
        raise UnreadableFile("unreadable_header: the first record is no CSV header; deliver the file again with one")
    if len(set(header)) < len(header):
        raise UnreadableFile("duplicate_column: the header names a column twice; rename one of them")
    for name in expects:
        if name not in header:
            wanted = ", ".join(expects)
            if len(header) == 1 < len(expects) and (separator := _other_separator(header[0])):
                raise UnreadableFile(
                    f"missing_column: the header lacks {name}, and is one field that holds a {separator}; "
                    f"deliver the file with columns {wanted}, separated by commas"
                )
            raise UnreadableFile(
                f"missing_column: the header lacks {name}; deliver the file with columns {wanted}, "
                "or correct its source in sources.yml"
            )
    return header


def _other_separator(field: str) -> str | None:
    return next((name for sign, name in _OTHER_SEPARATORS.items() if sign in field), None)
