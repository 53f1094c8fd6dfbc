"""The files of a corpus as documents: which there are, of which bytes, and what could not be read.

Here belongs walking, limits and tables with a document a row. No link is followed, a hidden name is passed over, and nothing
is read that is no regular file. What a document's bytes mean is document_text.py.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from resources.document_text import FIELDS, Document, DocumentFault, of_fields, of_html, of_markdown, of_pdf, of_text, own
from resources.knowledge_seed import CorpusSeed, KnowledgeSeed

PAGES = (".md", ".markdown", ".html", ".htm", ".txt", ".text", ".pdf")
TABLES = (".jsonl", ".ndjson", ".csv", ".parquet")
_ROW = ("id", *FIELDS)
_ROWS_AT_ONCE = 16
_LARGEST_GROUP_BYTES = 1_000_000_000
Pairs = Iterable[tuple[Any, Any]]
Read = Callable[[], Document]


@dataclass(frozen=True)
class Found:
    """One document. `digest` is that of its bytes; `words` reads them."""

    document_id: str
    source_uri: str
    digest: str
    size_bytes: int
    updated_at: datetime | None
    words: Read

    def read(self) -> Document:
        """Its words. Raises DocumentFault, whatever is wrong with it: no document ends a pass, or quotes itself."""
        try:
            return self.words()
        except DocumentFault:
            raise
        except Exception as error:
            raise DocumentFault(_unreadable("it", error)) from None


@dataclass(frozen=True)
class Unread:
    """What could not be read, and why. `keeps`: what documents' source_uri begins with that are not to be taken for gone."""

    document_id: str
    source_uri: str
    digest: str
    reason: str
    keeps: str | None = None


class Corpus:
    """One corpus as its files are now. `passed_over` counts files of kinds that are not read, once they are walked."""

    def __init__(self, seed: CorpusSeed, limits: KnowledgeSeed):
        self.seed = seed
        self.limits = limits
        self.passed_over = 0
        self._names = tuple(f"{name}/" for name in {seed.name, *(corpus.name for corpus in limits.corpora)})
        self._path = seed.path.resolve()
        self._root = self._path if self._path.is_dir() else self._path.parent

    def documents(self) -> Iterator[Found | Unread]:
        """All that is there, in order of name."""
        return self._of_folder(self._path) if self._path.is_dir() else self._of_file(self._path)

    def _of_folder(self, top: Path) -> Iterator[Found | Unread]:
        """What lies in a folder and below, however deep: in order of name, without recursion."""
        waiting = [top]
        while waiting:
            path = waiting.pop()
            if path != top and path.is_symlink():
                yield from self._of_link(path)
            elif path.is_dir():
                try:
                    names = sorted((entry.name for entry in os.scandir(path)), reverse=True)
                except OSError as error:
                    reason = f"a folder that cannot be listed ({type(error).__name__})"
                    yield self._unread(path, "", reason, keeps=f"{self._uri(path)}/")
                    continue
                waiting += [path / name for name in names if not name.startswith(".")]
            else:
                yield from self._of_file(path)

    def _of_link(self, path: Path) -> Iterator[Unread]:
        """What a link leads to is read where it lies, if that is in the corpus; else not at all."""
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(self._root):
            yield self._unread(path, "", "a link that leaves the folder")
        elif not target.exists():
            yield self._unread(path, "", "a link that leads nowhere")

    def _of_file(self, path: Path) -> Iterator[Found | Unread]:
        suffix = path.suffix.lower()
        if suffix not in PAGES + TABLES:
            self.passed_over += 1
            return
        keeps = f"{self._uri(path)}#" if suffix in TABLES else None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            yield self._unread(path, "", f"a file that cannot be opened ({type(error).__name__})", keeps)
            return
        with open(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                yield self._unread(path, "", "no regular file")
                return
            if not _is_name(self._uri(path)):
                yield self._unread(path, str(facts.st_size), "a file whose name is no text in UTF-8, or too long", keeps)
                return
            if suffix in TABLES:
                yield from self._of_table(path, file, suffix)
            elif facts.st_size > self.limits.largest_bytes:
                yield self._unread(path, str(facts.st_size), f"larger than {self._megabytes} MB")
            else:
                content = file.read(self.limits.largest_bytes + 1)
                uri = self._uri(path)
                yield Found(uri, uri, _digest(content), len(content), _changed(facts), self._reading(suffix, content))

    def _reading(self, suffix: str, content: bytes) -> Read:
        if suffix in (".html", ".htm"):
            return partial(of_html, content)
        if suffix == ".pdf":
            return partial(of_pdf, content, self.limits.most_pages)
        return partial(of_text if suffix in (".txt", ".text") else of_markdown, content)

    def _of_table(self, path: Path, file: IO[bytes], suffix: str) -> Iterator[Found | Unread]:
        rows = {".csv": self._csv_rows, ".parquet": _parquet_rows}.get(suffix, self._json_rows)
        uri, size = self._uri(path), os.fstat(file.fileno()).st_size
        is_empty = True
        try:
            for number, row in enumerate(rows(file), start=1):
                if row is not None:
                    is_empty = False
                    yield self._of_row(f"{uri}#{number}", row)
            reason = "a table without rows" if is_empty else ""
        except DocumentFault as fault:
            reason = str(fault)
        except Exception as error:
            reason = _unreadable("a table that", error)
        if reason:
            yield self._unread(path, str(size), reason, keeps=f"{uri}#")

    def _of_row(self, uri: str, row: Pairs) -> Found | Unread:
        try:
            said = {key: value for key, value in own(row, _ROW).items() if value is not None}
            content = json.dumps(said, sort_keys=True, default=str).encode()
        except DocumentFault as fault:
            return Unread(uri, uri, _digest(b""), str(fault))
        except Exception as error:
            return Unread(uri, uri, _digest(b""), _unreadable("it", error))
        digest = _digest(content)
        given = said.get("id")
        if given is None or given == "":
            given = uri
        if isinstance(given, bool) or not isinstance(given, str | int) or not _is_name(str(given)):
            return Unread(uri, uri, digest, "its id is neither a text nor a whole number")
        if str(given).startswith(self._names) and given != uri:
            return Unread(uri, uri, digest, "its id is of the form that names another file or row")
        if len(str(said.get("text"))) > self.limits.largest_bytes:
            return Unread(uri, uri, digest, f"larger than {self._megabytes} MB")
        return Found(str(given), uri, digest, len(content), None, partial(of_fields, said))

    def _json_rows(self, file: IO[bytes]) -> Iterator[Pairs | None]:
        """A row for every line, None for an empty one: a row's number is its line's."""
        most = self.limits.largest_bytes
        while line := file.readline(most + 1):
            if len(line) > most:
                while line and not line.endswith(b"\n"):
                    line = file.readline(most)
                yield _refused(f"larger than {self._megabytes} MB")
                continue
            try:
                row = json.loads(line, object_pairs_hook=tuple) if line.strip() else None
                yield row if isinstance(row, tuple | None) else _refused("a line that is no JSON object")
            except (ValueError, RecursionError):
                if not line.endswith(b"\n"):
                    raise DocumentFault("a table that ends within a line, or whose last line is no JSON") from None
                yield _refused("a line that is no JSON in UTF-8")

    def _csv_rows(self, file: IO[bytes]) -> Iterator[Pairs]:
        """Columns by the names in the first line, in UTF-8."""
        csv.field_size_limit(self.limits.largest_bytes)
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
        names = next(rows, [])
        _columns(names)
        yield from (list(zip(names, row, strict=False)) for row in rows if row)

    @property
    def _megabytes(self) -> int:
        return self.limits.largest_bytes // 1_000_000

    def _uri(self, path: Path) -> str:
        """The corpus, and the way from its folder: not where the folder lies on this machine."""
        return "/".join((self.seed.name, *path.relative_to(self._root).parts))

    def _unread(self, path: Path, digested: str, reason: str, keeps: str | None = None) -> Unread:
        uri = self._uri(path)
        if not _is_name(uri):
            uri = f"{self.seed.name}/{_digest(os.fsencode(uri))[:16]}"
        return Unread(uri, uri, _digest(digested.encode()), reason, keeps)


def _parquet_rows(file: IO[bytes]) -> Iterator[Pairs]:
    """A value that many rows share is held once, as it is in the file, and made a text row by row."""
    names = _columns(pq.ParquetFile(file).schema_arrow.names)
    table = pq.ParquetFile(file, read_dictionary=[names["text"]], buffer_size=1 << 20)
    for group in (table.metadata.row_group(place) for place in range(table.num_row_groups)):
        if group.total_byte_size > _LARGEST_GROUP_BYTES:
            raise DocumentFault(f"a table with a group of rows of more than {_LARGEST_GROUP_BYTES // 1_000_000:,} MB")
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=list(names.values())):
        for place in range(batch.num_rows):
            yield ((name, batch[name][place].as_py()) for name in names.values())


def _columns(names: Sequence[str]) -> dict[str, str]:
    """The columns that are read, and how the table writes them. Raises DocumentFault."""
    found = own(((name, name) for name in names), _ROW)
    if "text" not in found:
        raise DocumentFault("a table without a column `text`")
    return found


def _refused(reason: str) -> Pairs:
    """A row that is refused once it is looked at."""
    yield from ()
    raise DocumentFault(reason)


def _changed(facts: os.stat_result) -> datetime | None:
    """When a file was changed; None where its clock says what no calendar has."""
    try:
        return datetime.fromtimestamp(facts.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _unreadable(what: str, error: Exception) -> str:
    """The kind of an error alone: its sentence may quote what was read."""
    return f"{what} cannot be read ({type(error).__name__})"


def _is_name(text: str) -> bool:
    """Whether it can stand as a name in a table."""
    return 0 < len(text) <= 1_000 and text.isprintable()


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
