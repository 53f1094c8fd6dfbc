"""A backup set on disk: files under the names that they had, and a manifest that proves each of them.

A set is a folder, or one `.tar.zst` file. Here belongs its form: how files go in, how they come out, and what is wrong
with a set. Which files belong in it is resources/backup.py, how they become a warehouse again resources/restore.py.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote

from backports import zstd

from resources.durable import sync_path, write_atomically
from resources.failpoints import failpoint

FORMAT = 1
MANIFEST = "manifest.json"
ARCHIVE = ".tar.zst"
_PARTIAL = ".nocturne-partial"
_CHUNK_BYTES = 1 << 20
_SQLITE = b"SQLite format 3\0"
_SQLITE_SIDES = ("-wal", "-shm", "-journal")


class BackupError(RuntimeError):
    """A backup that cannot be made, or a set that cannot be used; says what is wrong and what to do."""


@dataclass(frozen=True)
class TableMark:
    """One table of a set: Delta version, number of rows, and what proves them.

    `fingerprint` is that of the stored rows (None where it was not asked for), `shape` of the columns that it covers,
    `code` of what computed them.
    """

    version: int
    rows: int
    fingerprint: str | None
    shape: str
    code: str | None


@dataclass(frozen=True)
class StoredFile:
    """A file of a set: bytes, SHA-256 and permissions (octal)."""

    size_bytes: int
    sha256: str
    mode: str


@dataclass
class Manifest:
    """What a set holds. Names are relative to the set: `data/…`, `home/…`, `seeds/…`; `folders` have permissions
    (octal), `links` targets. `published` is the readers' manifest, 0 before the first; `key_ids` the keys of the
    pseudonyms, oldest first, which are not in it; `home` where the state lay: MLflow names artefacts by absolute paths."""

    name: str
    made_at: str
    home: str
    has_texts: bool = True
    key_ids: list[str] = field(default_factory=list)
    published: int = 0
    tables: dict[str, TableMark] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())

    def to_bytes(self) -> bytes:
        """The manifest as JSON, with a digest of itself."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(content | {"digest": _digest(content)}, sort_keys=True, indent=1).encode()

    @classmethod
    def from_bytes(cls, text: bytes, where: Path) -> Manifest:
        """Read a manifest back. Raises BackupError for a damaged one, and one of another format."""
        try:
            content = json.loads(text)
            format_, digest = content.pop("format"), content.pop("digest")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BackupError(f"{MANIFEST} of {where} is damaged; use another set") from error
        if format_ != FORMAT:
            raise BackupError(f"{where} is a set of format {format_}; this checkout reads format {FORMAT}")
        if digest != _digest({"format": format_, **content}):
            raise BackupError(f"{MANIFEST} of {where} is damaged (it does not match its own digest); use another set")
        tables = {name: TableMark(**mark) for name, mark in content.pop("tables").items()}
        files = {name: StoredFile(**file) for name, file in content.pop("files").items()}
        return cls(**content, tables=tables, files=files)


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class SetWriter:
    """Writes one set, unseen until `finish`: a folder or an archive, beside its place under a name with a dot."""

    def __init__(self, target: Path, manifest: Manifest):
        self.target = target
        self.manifest = manifest
        self.aside = target.with_name(f".{target.name}{_PARTIAL}")
        self.scratch = target.with_name(f".{target.name}.scratch{_PARTIAL}")
        self._archive: tarfile.TarFile | None = None
        self._stream: zstd.ZstdFile | None = None

    def __enter__(self) -> SetWriter:
        self.discard()
        self.scratch.mkdir(mode=0o700)
        if self.target.name.endswith(ARCHIVE):
            self.aside.touch(mode=0o600)
            self._stream = zstd.open(self.aside, "wb", level=3)
            self._archive = tarfile.open(fileobj=self._stream, mode="w|")  # closed by finish
        else:
            self.aside.mkdir(mode=0o700)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._close()  # On a full disk it fails once more.
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what an unfinished writing left in this folder, this one or a killed one: one writes at a time."""
        for path in self.target.parent.glob(f".*{_PARTIAL}"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def add_folder(self, name: str, path: Path) -> None:
        """Keep a folder's permissions, and those of the folders above it, up to the set's own."""
        while name and name not in self.manifest.folders:
            self.manifest.folders[name] = f"{path.stat().st_mode & 0o777:o}"
            name, path = name.rpartition("/")[0], path.parent

    def add_link(self, name: str, target: str) -> None:
        self.manifest.links[name] = target

    def add(self, name: str, path: Path) -> None:
        """Take a file in. A SQLite database is copied through SQLite, so that one in use comes out whole."""
        mode = path.stat().st_mode & 0o777
        if is_sqlite(path):
            copy = self.scratch / "database"
            _copy_database(path, copy)
            self._put(name, copy, mode)
            copy.unlink()
        else:
            self._put(name, path, mode)
        failpoint("backup.file_added")

    def add_bytes(self, name: str, content: bytes, mode: int) -> None:
        """Take in a file that is nowhere else."""
        path = self.scratch / "content"
        path.write_bytes(content)
        self._put(name, path, mode)
        path.unlink()

    def finish(self) -> None:
        """Write the manifest, flush all to the disk, and let the set be seen."""
        content = self.manifest.to_bytes()
        if self._archive is not None:
            self._archive.addfile(_member(MANIFEST, len(content), 0o600), io.BytesIO(content))
            self._close()
        else:
            for folder, _, names in os.walk(self.aside, topdown=False):
                for name in names:
                    sync_path(Path(folder, name))
                sync_path(Path(folder))
            write_atomically(self.aside / MANIFEST, content, mode=0o600)
        failpoint("backup.written")
        sync_path(self.aside)
        os.rename(self.aside, self.target)
        sync_path(self.target.parent)

    def _put(self, name: str, path: Path, mode: int) -> None:
        size = path.stat().st_size
        with path.open("rb") as file:
            source = _Digesting(file)
            if self._archive is not None:
                self._archive.addfile(_member(name, size, mode), source)
            else:
                place = self.aside / name
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with _created(place) as out:
                    shutil.copyfileobj(source, out, _CHUNK_BYTES)
        if source.size_bytes != size or path.stat().st_size != size:
            raise BackupError(f"{path} was changed while it was copied; make the backup again when nothing writes to it")
        self.manifest.files[name] = StoredFile(size, source.hexdigest(), f"{mode:o}")

    def _close(self) -> None:
        if self._archive is not None and self._stream is not None:
            self._archive.close()
            self._stream.close()
            self._archive = self._stream = None


def is_sqlite(path: Path) -> bool:
    """Whether a file is a SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def is_sqlite_side(path: Path) -> bool:
    """Whether a file is the log of a SQLite database beside it, which the copy of the database takes up."""
    for side in _SQLITE_SIDES:
        if path.name.endswith(side):
            return path.with_name(path.name.removesuffix(side)).exists()
    return False


def extract(source: Path, place: Path) -> Manifest:
    """Unpack a set into the empty folder `place` and prove every file. Raises BackupError naming what is wrong.

    `place` holds afterwards just what the manifest names, with its permissions.
    """
    if source.is_dir() and not (source / MANIFEST).is_file():
        raise BackupError(
            f"{source} has no {MANIFEST}: it is no set, or cut off; name one set, such as {source}/nocturne-20261110T030000Z"
        )
    found: dict[str, tuple[int, str]] = {}
    text: bytes | None = None
    try:
        for name, file in _contents(source):
            if name == MANIFEST:
                text = file.read()
                continue
            if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                raise BackupError(f"{source} names {name!r}, which lies outside of it; use another set")
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _created(target) as out:
                digesting = _Digesting(file)
                shutil.copyfileobj(digesting, out, _CHUNK_BYTES)
            found[name] = (digesting.size_bytes, digesting.hexdigest())
            failpoint("restore.file_extracted")
    except (tarfile.TarError, zstd.ZstdError, EOFError) as error:
        raise BackupError(f"{source} is cut off or damaged ({error}); use another set") from error
    if text is None:
        raise BackupError(f"{source} has no {MANIFEST}: it is no set, or cut off; use another one")
    manifest = Manifest.from_bytes(text, source)
    _prove(manifest, found, source)
    for name, target_of_link in manifest.links.items():
        link = place / name
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        link.symlink_to(target_of_link)
    for name, file_ in manifest.files.items():
        (place / name).chmod(int(file_.mode, 8))
    for name, mode in manifest.folders.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        (place / name).chmod(int(mode, 8))
    return manifest


def _prove(manifest: Manifest, found: dict[str, tuple[int, str]], source: Path) -> None:
    missing = sorted(manifest.files.keys() - found.keys())
    if missing:
        raise BackupError(f"{source} lacks {_listed(missing)}; use another set")
    damaged = sorted(n for n, f in manifest.files.items() if found[n] != (f.size_bytes, f.sha256))
    if damaged:
        raise BackupError(f"{source} is damaged: {_listed(damaged)} is not what was backed up; use another set")
    surplus = sorted(found.keys() - manifest.files.keys())
    if surplus:
        raise BackupError(f"{source} holds {_listed(surplus)}, which its {MANIFEST} does not name; use another set")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more files"


def _contents(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every file of a set, by its name in it."""
    if source.is_dir():
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder, name)
                with path.open("rb") as file:
                    yield path.relative_to(source).as_posix(), file
        return
    if not source.is_file():
        raise BackupError(f"{source} is not there; name a set: a folder with a {MANIFEST}, or a file *{ARCHIVE}")
    with zstd.open(source, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise BackupError(f"{source}: {member.name} is no file; use another set")
            yield member.name, content


def _copy_database(path: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            [verdict] = copy.execute("pragma quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        # A disk that is full says so here, too.
        raise BackupError(f"{path} cannot be copied: {error}; no set was written") from error
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        raise BackupError(f"{path} is damaged ({verdict}); repair or remove it, then make the backup again")


def _member(name: str, size_bytes: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size_bytes, mode
    return member


@contextmanager
def _created(path: Path) -> Iterator[IO[bytes]]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out


class _Digesting:
    """A file that digests what is read of it."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._digest = sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)
        return chunk

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
