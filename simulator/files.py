"""Files as a shipper leaves them: written aside, renamed in when closed; and the spool of lines for later files.

The name says how a file is packed: `.gz` and `.zst` are streams, `.parquet` is a table of the lines, written at the end.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO, cast

import polars as pl
import pyarrow as pa

_BLOCK = 1 << 20
_NO_RECORDS = ("late_records", "ignored")
SpoolKey = tuple[str, int, int]


class LogFile:
    """One log file. Nobody sees it under its name before `close`; the same lines give the same bytes."""

    def __init__(self, path: Path, aside: Path, *, is_crlf: bool = False) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.is_crlf = is_crlf
        self.lines = 0
        self._digest = hashlib.sha256()
        aside.mkdir(parents=True, exist_ok=True)
        self._aside = aside / f"{path.parent.parent.name}-{path.parent.name}-{path.name}"
        self._raw = self._aside.open("wb")
        self._is_table = path.suffix == ".parquet"
        self._packed = _packed(self._raw, path.suffix)

    def write(self, text: bytes, counts: Counter[str]) -> None:
        """Add whole lines, each closed by a line feed."""
        self.lines += text.count(b"\n")
        if self.is_crlf:
            text = text.replace(b"\n", b"\r\n")
        self._digest.update(text)
        self._packed.write(text)
        self.counts.update(counts)

    def close(self) -> str:
        """Rename the file in; returns the SHA-256 of its lines, of a table that of its bytes."""
        if self._is_table:
            table = _table(cast("io.BytesIO", self._packed).getvalue())
            self._raw.write(table)
            self._digest = hashlib.sha256(table)
        if self._packed is not self._raw:
            self._packed.close()
        self._raw.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._aside, self.path)
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Remove what was not closed."""
        self._raw.close()
        self._aside.unlink(missing_ok=True)


def _packed(raw: IO[bytes], suffix: str) -> IO[bytes]:
    """Where the lines go so that they lie packed in `raw`."""
    match suffix:
        case ".gz":
            # No name and no time in the header.
            return cast("IO[bytes]", gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0))
        case ".zst":
            return cast("IO[bytes]", pa.CompressedOutputStream(raw, "zstd"))
        case ".parquet":
            return io.BytesIO()
        case _:
            return raw


def _table(lines: bytes) -> bytes:
    """JSON lines as the bytes of a Parquet file: a column for every key, null where a line lacks it."""
    into = io.BytesIO()
    pl.DataFrame([json.loads(line) for line in lines.splitlines()], infer_schema_length=None).write_parquet(into)
    return into.getvalue()


class Spool:
    """Lines that wait for a later file, on disk once they are many; keyed by (source, day ordinal, part)."""

    def __init__(self) -> None:
        self._waiting: dict[SpoolKey, tuple[IO[bytes], Counter[str]]] = {}

    def put(self, key: SpoolKey, text: bytes, counts: Counter[str]) -> None:
        if key not in self._waiting:
            stream = tempfile.SpooledTemporaryFile(max_size=_BLOCK)  # noqa: SIM115  closed by pour or close
            self._waiting[key] = (cast("IO[bytes]", stream), Counter())
        waiting, sums = self._waiting[key]
        waiting.write(text)
        sums.update(counts)

    def pour(self, key: SpoolKey, into: LogFile) -> None:
        """Move what waits for a file into it."""
        if key not in self._waiting:
            return
        stream, counts = self._waiting.pop(key)
        with stream:
            stream.seek(0)
            while block := stream.read(_BLOCK):
                into.write(block, Counter())
        into.counts.update(counts)

    def records(self) -> int:
        """How many records wait: they have not arrived, and may never."""
        return sum(counts.total() - sum(counts[name] for name in _NO_RECORDS) for _, counts in self._waiting.values())

    def close(self) -> None:
        for stream, _ in self._waiting.values():
            stream.close()
        self._waiting.clear()
