"""A log file as bytes: what it is packed in, its decompressed stream, and its identity.

Here belongs everything that is decided before a line is looked at. A file is known by the SHA-256 of its
decompressed bytes.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from isal import igzip, isal_zlib

CHUNK_BYTES = 1 << 20
"""Larger reads are slower: each fresh 32 MB block is page faults again."""
_NEWLINE = 10
_SUFFIXES = {
    (".jsonl",): ("jsonl", False),
    (".jsonl", ".gz"): ("jsonl", True),
    (".csv",): ("csv", False),
    (".csv", ".gz"): ("csv", True),
}


class UnreadableFile(ValueError):
    """A file that is refused whole. `reason` starts with one word for the cause and holds no content of the file."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Packing:
    """What the file name says: lines of JSON or of CSV, gzipped or not."""

    lines: str
    is_gzipped: bool


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


def packing_of(path: Path) -> Packing:
    """How a file is read, by its extension; raises UnreadableFile for one that is not known."""
    suffixes = tuple(s.lower() for s in path.suffixes)
    for known in (suffixes[-2:], suffixes[-1:]):
        if known in _SUFFIXES:
            return Packing(*_SUFFIXES[known])
    allowed = ", ".join("".join(s) for s in _SUFFIXES)
    raise UnreadableFile(f"unknown_extension: {''.join(path.suffixes[-2:]) or 'none'}; rename the file to one of {allowed}")


@contextmanager
def decompressed(path: Path, packing: Packing) -> Iterator[ByteReader]:
    """The file's decompressed bytes. Raises UnreadableFile where a gzip file is cut off or damaged."""
    if not packing.is_gzipped:
        with path.open("rb", buffering=0) as file:
            yield file
        return
    try:
        with igzip.IGzipFile(path, "rb") as file:  # type: ignore[no-untyped-call]
            yield file
    except (gzip.BadGzipFile, EOFError, isal_zlib.error):  # type: ignore[misc]  # isal's stub calls it a value
        raise UnreadableFile("unreadable_gzip: cut off or damaged; deliver the file again") from None


def digest_file(path: Path, prefix_sizes: frozenset[int] = frozenset()) -> Digest:
    """One pass over the decompressed bytes: digest, size, lines, and the digests of its first N bytes.

    `prefix_sizes` are the sizes of earlier versions of the file: a file that merely grew has, at the old size, the old
    digest. Sizes beyond the end are left out. Raises UnreadableFile.
    """
    sha, crc, size, newlines, last = hashlib.sha256(), 0, 0, 0, _NEWLINE
    wanted = sorted(prefix_sizes, reverse=True)
    prefixes: dict[int, str] = {}
    with decompressed(path, packing_of(path)) as reader:
        while chunk := reader.read(CHUNK_BYTES):
            done = 0
            while wanted and wanted[-1] <= size + len(chunk):
                cut = wanted.pop() - size
                sha.update(chunk[done:cut])
                prefixes[size + cut], done = sha.hexdigest(), cut
            sha.update(chunk[done:] if done else chunk)
            crc = isal_zlib.crc32(chunk, crc)
            size += len(chunk)
            newlines += int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == _NEWLINE))
            last = chunk[-1]
    return Digest(sha.hexdigest(), size, newlines + (last != _NEWLINE), crc, prefixes)


def digest_as_it_lies(path: Path) -> str:
    """SHA-256 of the stored bytes: what stands in for the identity of a file that cannot be decompressed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
