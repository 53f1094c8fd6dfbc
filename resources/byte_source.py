"""A log file as bytes: what it is packed in, its decompressed stream, and its identity.

Here belongs everything that is decided before a line is looked at. A file is known by the SHA-256 of its
decompressed bytes; a Parquet file, which compresses its own columns, by that of its bytes as they lie.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from isal import igzip, isal_zlib

CHUNK_BYTES = 1 << 20
"""Larger reads are slower: each fresh 32 MB block is page faults again."""
MAX_WINDOW_LOG = 27
"""What a zstd stream may look back on and so make us hold: 2^27 bytes, the most that `zstd` itself takes unasked."""
BOMB_BYTES, BOMB_RATIO = 1 << 30, 1000
"""A file that unpacks to more than both, bytes and times what is stored, is refused. Logs that repeat a long prompt in each
line come to a few hundred times; gzip cannot do more than 1,032, zstd and Parquet can do any."""
_NEWLINE = 10
_CONTENTS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
_ROTATED = re.compile(r"^\.[0-9][0-9_-]{0,18}$|-[0-9]{8,10}$")
_EXTENSION = re.compile(r"[A-Za-z0-9._-]{1,40}")
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_ARCHIVES = frozenset({".7z", ".br", ".bz2", ".lz4", ".rar", ".tar", ".tgz", ".xz", ".zip"})
EXTENSIONS = "{}, each plain, .gz or .zst, and .parquet".format(", ".join(c for c in _CONTENTS if c != ".parquet"))


class UnreadableFile(ValueError):
    """A file that is refused whole. `reason` starts with one word for the cause and holds no content of the file."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Packing:
    """What the file name says: `content` is jsonl, json, csv or parquet; `compression` gzip, zstd or None."""

    content: str
    compression: str | None = None


@dataclass(frozen=True)
class Digest:
    """Identity and size of the decompressed bytes. `crc32` is there to notice that a second read saw other bytes."""

    sha256: str
    bytes: int
    lines: int
    crc32: int
    prefixes: dict[int, str] = field(default_factory=dict)


class ByteReader(Protocol):
    """`read(n)` gives up to n bytes, and none at the end."""

    def read(self, size: int = ..., /) -> bytes: ...


class CheckedReader:
    """A reader that keeps the CRC-32 of all that it gave."""

    def __init__(self, reader: ByteReader):
        self._reader = reader
        self.crc32 = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._reader.read(size)
        self.crc32 = isal_zlib.crc32(chunk, self.crc32)
        return chunk


def packing_of(path: Path) -> Packing:
    """How a file is read, by its extension; raises UnreadableFile for one that is not known."""
    # Rotation puts a number or a day behind the extension: app.jsonl.1, app.jsonl.2.gz, app.jsonl-20261110, .2026-11-10.
    last = [_ROTATED.sub("", suffix.lower()) for suffix in path.suffixes[-3:]]
    suffixes = [suffix for suffix in last if suffix][-2:]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    content = _CONTENTS.get(suffixes[-2 if compression else -1]) if len(suffixes) > bool(compression) else None
    if content is None or (content == "parquet" and compression):
        found = "".join(path.suffixes[-2:]) or "none"
        found = found if _EXTENSION.fullmatch(found) else "not one that can be shown"
        remedy = "unpack it, and name the file" if _ARCHIVES.intersection(suffixes) else "rename the file to"
        raise UnreadableFile(f"unknown_extension: {found}; {remedy} one of {EXTENSIONS}")
    return Packing(content, compression)


@contextmanager
def decompressed(path: Path, packing: Packing) -> Iterator[ByteReader]:
    """The file's decompressed bytes. Raises UnreadableFile where a compressed file is cut off or damaged."""
    with path.open("rb", buffering=0) as file:
        if packing.compression == "gzip":
            with _gunzipped(file) as reader:
                yield reader
        elif packing.compression == "zstd":
            with _unzstd(file) as reader:
                yield reader
        else:
            yield file


@contextmanager
def _gunzipped(file: io.FileIO) -> Iterator[ByteReader]:
    try:
        with igzip.IGzipFile(fileobj=file, mode="rb") as reader:  # type: ignore[no-untyped-call]
            yield reader
    except (gzip.BadGzipFile, EOFError, isal_zlib.error):  # type: ignore[misc]  # isal's stub calls it a value
        raise UnreadableFile("unreadable_gzip: cut off or damaged; deliver the file again") from None


@contextmanager
def _unzstd(file: io.FileIO) -> Iterator[ByteReader]:
    if not file.seek(0, io.SEEK_END):
        yield file  # Empty, as an empty .gz is; to the library it lacks its header.
        return
    file.seek(0)
    try:
        with zstd.ZstdFile(file, "rb", options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}) as reader:
            yield reader
    except (EOFError, zstd.ZstdError) as error:
        if "too much memory" in str(error):
            most = f"{1 << MAX_WINDOW_LOG >> 20} MB"
            reason = f"zst_window_too_large: it looks back on more than {most}; compress it with --long=27 or less"
            raise UnreadableFile(reason) from None
        raise UnreadableFile("unreadable_zst: cut off or damaged; deliver the file again") from None


def digest_file(path: Path, prefix_sizes: frozenset[int] = frozenset()) -> Digest:
    """One pass over the decompressed bytes: digest, size, lines, and the digests of its first N bytes.

    `prefix_sizes` are the sizes of earlier versions of the file: a file that merely grew has, at the old size, the old
    digest. Sizes beyond the end are left out. The lines of a Parquet file are its rows. Raises UnreadableFile.
    """
    packing = packing_of(path)
    most_bytes = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    sha, crc, size, newlines, last = hashlib.sha256(), 0, 0, 0, _NEWLINE
    wanted = sorted(prefix_sizes, reverse=True)
    prefixes: dict[int, str] = {}
    with decompressed(path, packing) as reader:
        while chunk := reader.read(CHUNK_BYTES):
            done = 0
            while wanted and wanted[-1] <= size + len(chunk):
                cut = wanted.pop() - size
                sha.update(chunk[done:cut])
                prefixes[size + cut], done = sha.hexdigest(), cut
            sha.update(chunk[done:] if done else chunk)
            crc = isal_zlib.crc32(chunk, crc)
            size += len(chunk)
            if packing.compression and size > most_bytes:
                raise UnreadableFile(
                    f"decompression_bomb: it unpacks to more than {size >> 20} MB, over {BOMB_RATIO} times what it takes; "
                    "deliver it plain if it is a log"
                )
            newlines += int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == _NEWLINE))
            last = chunk[-1]
    lines = parquet_rows(path) if packing.content == "parquet" else newlines + (last != _NEWLINE)
    return Digest(sha.hexdigest(), size, lines, crc, prefixes)


def parquet_rows(path: Path) -> int:
    """The number of rows, by the footer. Raises UnreadableFile."""
    with unreadable_parquet():
        return int(pq.read_metadata(path).num_rows)


@contextmanager
def unreadable_parquet() -> Iterator[None]:
    """Turns what pyarrow says of a damaged Parquet file, and may quote from it, into UnreadableFile."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError):
        raise UnreadableFile(
            "unreadable_parquet: cut off, damaged, encrypted, or of types that Arrow cannot read; deliver the file again, "
            "or its rows as .jsonl"
        ) from None


def digest_as_it_lies(path: Path) -> str:
    """SHA-256 of the stored bytes: what stands in for the identity of a file that cannot be decompressed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
