"""Files as a shipper leaves them: written aside, renamed in when closed; and the spool of lines for later files."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO, cast

_BLOCK = 1 << 20


class LogFile:
    """One log file. Nobody sees it under its name before `close`; the same lines give the same bytes."""

    def __init__(self, path: Path, aside: Path, *, is_gzip: bool, is_crlf: bool) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.is_crlf = is_crlf
        self._digest = hashlib.sha256()
        aside.mkdir(parents=True, exist_ok=True)
        self._aside = aside / f"{path.parent.name}-{path.name}"
        self._raw = self._aside.open("wb")
        # No name and no time in the header.
        self._packed = gzip.GzipFile("", "wb", compresslevel=1, fileobj=self._raw, mtime=0) if is_gzip else None

    def write(self, text: bytes, counts: Counter[str]) -> None:
        """Add whole lines, each closed by a line feed."""
        if self.is_crlf:
            text = text.replace(b"\n", b"\r\n")
        self._digest.update(text)
        (self._packed or self._raw).write(text)
        self.counts.update(counts)

    def close(self) -> str:
        """Rename the file in; returns the SHA-256 of its lines."""
        if self._packed is not None:
            self._packed.close()
        self._raw.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._aside, self.path)
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Remove what was not closed."""
        self._raw.close()
        self._aside.unlink(missing_ok=True)


class Spool:
    """Lines that wait for a later file, on disk once they are many; keyed by (day ordinal, part)."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], tuple[IO[bytes], Counter[str]]] = {}

    def put(self, key: tuple[int, int], text: bytes, counts: Counter[str]) -> None:
        if key not in self._waiting:
            stream = tempfile.SpooledTemporaryFile(max_size=_BLOCK)  # noqa: SIM115  closed by pour or close
            self._waiting[key] = (cast("IO[bytes]", stream), Counter())
        waiting, sums = self._waiting[key]
        waiting.write(text)
        sums.update(counts)

    def pour(self, key: tuple[int, int], into: LogFile) -> None:
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
        return sum(counts.total() - counts["late_records"] for _, counts in self._waiting.values())

    def close(self) -> None:
        for stream, _ in self._waiting.values():
            stream.close()
        self._waiting.clear()
