"""Whole-file JSON as documents, one row each: the elements of its arrays, or its objects one after another.

Documents are slices of the file's own bytes, so that numbers and repeated keys reach the typing as they were written. A
cut is made by depth alone; whether a slice is JSON is decided in SQL, as for a line. So a document that is no JSON, or no
object, is a bad record among good ones. A file whose brackets and quotes do not close is refused whole, as a cut-off
gzip file is: behind the damage nobody knows what is a document and what is a part of one.

All lines of such a file count as read, blank ones and those of brackets and commas, too: records and lines are not the
same thing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from resources.byte_source import CHUNK_BYTES, ByteReader, UnreadableFile
from resources.splitter import BATCH_BYTES, BATCH_ROWS, BOM, MAX_LINE_BYTES, ROWS_SCHEMA, Batch, unreadable

_WHITE = b" \t\r\n"
_QUOTE, _BACKSLASH, _COMMA, _NEWLINE = b'"\\,\n'
_FOLD, _OPEN, _CLOSE = 0x20, 0x7B, 0x7D
"""`[` and `{` differ in one bit alone, and so do `]` and `}`."""
_HEAD_BYTES = 1 << 12


@dataclass(frozen=True)
class _Document:
    """Where a document starts, and its bytes; of one that is too long only the beginning."""

    line_number: int
    raw: bytes
    is_too_long: bool


class _Cutter:
    """Cuts a byte stream at the ends of its documents, and holds one of them at most."""

    def __init__(self, max_document_bytes: int):
        self.lines_done = 0
        """Newlines before the place that was cut last; at the end, the lines of the stream."""
        self._max = max_document_bytes
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._in_array = False
        self._has_comma = False
        self._begin()

    def _begin(self) -> None:
        self._first_line: int | None = None
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._is_too_long = False
        self._newlines = 0

    def documents(self, reader: ByteReader, chunk_bytes: int) -> Iterator[_Document]:
        """All documents in order, a byte-order mark at the very start left out. Raises UnreadableFile."""
        head = b""
        while len(head) < len(BOM) and (chunk := reader.read(chunk_bytes)):
            head += chunk
        is_closed = not head or head.endswith(b"\n")
        yield from self._cut(head.removeprefix(BOM))
        while chunk := reader.read(chunk_bytes):
            is_closed = chunk.endswith(b"\n")
            yield from self._cut(chunk)
        if self._depth or self._in_string:
            raise _damaged("the file ends within what starts", self._first_line or self._line())
        yield from self._end(b"", is_wanted=False)
        self.lines_done += not is_closed

    def _cut(self, chunk: bytes) -> Iterator[_Document]:
        start = 0
        places, is_sound = self._places(chunk)
        for place in places:
            byte = chunk[place]
            if byte == _COMMA:
                if self._in_array:
                    yield from self._end(chunk[start:place], is_wanted=True)
                    self._has_comma, start = True, place + 1
                continue
            if not is_sound and place == places[-1]:
                raise _damaged("a bracket closes that was never opened", self._line(chunk[start:place]))
            if byte in b"[{":
                yield from self._end(chunk[start:place], is_wanted=False)
                self._in_array, self._has_comma = byte == ord("["), False
                start = place + self._in_array
            elif self._in_array:
                if byte != ord("]"):
                    raise _damaged("an array ends like an object", self._line(chunk[start:place]))
                yield from self._end(chunk[start:place], is_wanted=self._has_comma)
                self._in_array, start = False, place + 1
            else:
                yield from self._end(chunk[start : place + 1], is_wanted=True)
                start = place + 1
        self._hold(chunk[start:])

    def _places(self, chunk: bytes) -> tuple[list[int], bool]:
        """Where outermost brackets open and close, and the commas right within them. The state moves on to the end.

        False where the last place is a bracket that closes what was never opened.
        """
        body = np.frombuffer(chunk, np.uint8)
        quotes = self._quotes(body, b"\\" in chunk)
        folded = body | _FOLD
        marks = np.flatnonzero((folded == _OPEN) | (folded == _CLOSE) | (body == _COMMA))
        marks = marks[((np.searchsorted(quotes, marks) + self._in_string) & 1) == 0]
        opens, closes = folded[marks] == _OPEN, folded[marks] == _CLOSE
        depth = self._depth + np.cumsum(opens.astype(np.int64) - closes)
        if len(depth):
            self._depth = int(depth[-1])
        self._in_string ^= bool(len(quotes) & 1)
        unopened = np.flatnonzero(depth < 0)
        places = marks[np.where(closes, depth == 0, depth == 1)]
        if len(unopened):
            first = marks[unopened[0]]
            return [*map(int, places[places < first]), int(first)], False
        return [int(place) for place in places], True

    def _quotes(self, body: np.ndarray, has_backslash: bool) -> np.ndarray:
        """Quotes that open or close a string: those that no backslash escapes."""
        quotes = np.flatnonzero(body == _QUOTE)
        escaped_first, self._is_escaped = self._is_escaped, False
        if not has_backslash:
            return quotes[1:] if escaped_first and len(quotes) and quotes[0] == 0 else quotes
        slashes = np.flatnonzero(body == _BACKSLASH)
        if escaped_first and slashes[0] == 0:
            slashes = slashes[1:]
        # In a run of backslashes every other one, from the first, escapes what follows it.
        place = np.arange(len(slashes))
        starts_run = np.ones(len(slashes), bool)
        starts_run[1:] = np.diff(slashes) != 1
        run_start = np.maximum.accumulate(np.where(starts_run, place, 0))
        is_escaped = np.zeros(len(body) + 1, bool)
        is_escaped[0] = escaped_first
        is_escaped[slashes[(place - run_start) % 2 == 0] + 1] = True
        self._is_escaped = bool(is_escaped[-1])
        return quotes[~is_escaped[quotes]]

    def _hold(self, piece: bytes) -> None:
        if self._first_line is None:
            content = piece.lstrip(_WHITE)
            if content:
                self._first_line = self._line(piece[: len(piece) - len(content)])
        else:
            content = piece
        self._newlines += piece.count(b"\n")
        self._held_bytes += len(content)
        if self._is_too_long or not content:
            return
        self._parts.append(content)
        if self._held_bytes > self._max:
            self._is_too_long = True
            self._parts = [b"".join(self._parts)[:_HEAD_BYTES]]

    def _end(self, piece: bytes, is_wanted: bool) -> Iterator[_Document]:
        """The document that ends here; where there is white space alone, only if the file says that one should be."""
        self._hold(piece)
        if self._first_line is not None or is_wanted:
            yield _Document(self._first_line or self._line(), b"".join(self._parts), self._is_too_long)
        self.lines_done += self._newlines
        self._begin()

    def _line(self, skipped: bytes = b"") -> int:
        return self.lines_done + self._newlines + skipped.count(b"\n") + 1


def _damaged(what: str, line: int) -> UnreadableFile:
    do = "deliver the file again, or its documents one a line as .jsonl, where a bad line is refused alone"
    return UnreadableFile(f"unreadable_json: {what} on line {line}; {do}")


def split_json(
    reader: ByteReader, max_document_bytes: int = MAX_LINE_BYTES, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Batch]:
    """Every document, in batches, with the line on which it starts; a bad one keeps its row, with a `fault`.

    A top-level object is one document, whatever lists it holds, and so is text between documents. Memory is bounded by a
    batch and a document. Raises UnreadableFile where brackets or quotes do not close, after the batches before.
    """
    cutter = _Cutter(max_document_bytes)
    batch, lines_told = Batch(holds_lines=False), 0
    numbers, raw, faults, held_bytes = list[int](), list[str](), list[str | None](), 0
    for document in cutter.documents(reader, chunk_bytes):
        if len(raw) >= BATCH_ROWS or held_bytes + len(document.raw) > BATCH_BYTES:
            batch.rows = pa.table([numbers, raw, faults], schema=ROWS_SCHEMA)
            batch.row_lines, lines_told = cutter.lines_done - lines_told, cutter.lines_done
            yield batch
            batch = Batch(holds_lines=False)
            numbers, raw, faults, held_bytes = [], [], [], 0
        fault = "document_too_long" if document.is_too_long else unreadable(document.raw)
        numbers.append(document.line_number)
        raw.append(document.raw.decode(errors="replace") if fault else document.raw.decode())
        faults.append(fault)
        held_bytes += len(document.raw)
        batch.has_nul_escape |= b"\\u0000" in document.raw
    batch.rows = pa.table([numbers, raw, faults], schema=ROWS_SCHEMA)
    batch.row_lines = cutter.lines_done - lines_told
    yield batch
