"""Where log files are delivered: a folder, or a URL of an object store, with one sub-folder per source.

Here belongs how files are found, how one lies there, and how its bytes come to this machine. Which of them are taken, and
what becomes of them, is the landing's business. Credentials come from the environment or from fsspec's own configuration:
a URL that holds them is refused, because places are shown, logged and stored.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

import fsspec
from fsspec.utils import stringify_path

from resources.staging import FileStillWritten

IGNORED_SUFFIXES = (".tmp", ".part", ".partial", ".swp", ".crdownload")
"""Names that a file has while it is being written; so has every name that starts with a dot."""
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""Under which names fsspec's file systems say when a file was changed."""
_CLIENTS = {"s3": "s3fs (make setup, or the extra s3)", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


class LandingError(RuntimeError):
    """A landing area that cannot be used; names it without secrets, and says what to do."""


class FileNotReadable(RuntimeError):
    """A file, or a folder of files, that is there and that this process may not read. Says why, and what to do."""


@dataclass(frozen=True)
class Candidate:
    """A file as it lies in the area. `path` is relative to it and begins with the source's sub-folder.

    `is_whole`: its kind of place shows no file before all of it is there, so nothing has to be waited for.
    """

    path: str
    size_bytes: int
    modified_ns: int
    is_whole: bool = False

    @property
    def fate(self) -> tuple[str, int, int]:
        """What logs.files knows a file by: another version of it has another one."""
        return self.path, self.size_bytes, self.modified_ns

    @property
    def source(self) -> str:
        return PurePosixPath(self.path).parts[0]

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class LandingArea(Protocol):
    """A place with one sub-folder per source. Methods raise LandingError where it cannot be reached."""

    def candidates(self, sources: Iterable[str]) -> list[Candidate]:
        """The files of these sources, in order of path, but those that are hidden or being written."""

    def undeclared(self, sources: Iterable[str]) -> list[str]:
        """What lies in the area beside the sub-folders of these sources."""

    def passed_over(self, sources: Iterable[str]) -> list[str]:
        """What lies among their files and is none, so that it is never read: links, pipes, sockets, devices."""

    def look(self, path: str) -> Candidate | None:
        """A file as it lies there now; None where it was taken away."""

    def local(self, candidate: Candidate, folder: Path) -> Any:
        """A context with a path to the file's bytes on this machine; `folder` is where a copy may lie meanwhile.

        Raises FileNotFoundError where it was taken away, FileStillWritten where another one came in its place,
        FileNotReadable where it may not be read.
        """


def landing_area(place: Path | str, own: Mapping[str, str] | None = None) -> LandingArea:
    """The area at a folder or a URL; `own` are URLs of sources whose files lie elsewhere.

    Raises LandingError for a URL that cannot be used.
    """
    area = ObjectArea(place) if isinstance(place, str) and "://" in place else FolderArea(Path(place))
    return ScatteredArea(area, {source: ObjectArea(url) for source, url in own.items()}) if own else area


class FolderArea:
    """A folder of this machine. A name that is not UTF-8 stands in a path with its odd bytes as `\\xe9`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def candidates(self, sources: Iterable[str]) -> list[Candidate]:
        found = [self.look(_path_of(entry, self.folder)) for entry in self._entries(sources) if not _is_odd(entry)]
        return sorted((c for c in found if c), key=lambda c: PurePosixPath(c.path).parts)

    def passed_over(self, sources: Iterable[str]) -> list[str]:
        return sorted(_path_of(entry, self.folder) for entry in self._entries(sources) if _is_odd(entry))

    def undeclared(self, sources: Iterable[str]) -> list[str]:
        if not self.folder.is_dir():
            return []
        declared = set(sources)
        return sorted(
            _path_of(p, self.folder)
            for p in self.folder.iterdir()
            if not (p.name.startswith(".") or (p.is_dir() and p.name in declared))
        )

    def look(self, path: str) -> Candidate | None:
        try:
            status = (self.folder / _name_of(path)).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Candidate(path, status.st_size, status.st_mtime_ns)

    @contextmanager
    def local(self, candidate: Candidate, folder: Path) -> Iterator[Path]:
        path = self.folder / _name_of(candidate.path)
        try:
            # A pipe that came in the file's place would block whoever opens it, and a link lead elsewhere.
            opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FileNotReadable(f"cannot be read ({error.strerror}); let this user read it") from None
        try:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise FileNotReadable("is no file any more; deliver files by renaming them into the landing folder")
        finally:
            os.close(opened)
        yield path

    def _entries(self, sources: Iterable[str]) -> Iterator[Path]:
        """What lies in the folders of these sources, but folders that could be listed, and what is hidden or being written.

        The folder of a source may be a link, which whoever sets up the landing folder made; below it none is followed.
        """
        for name in sources:
            unlisted: list[OSError] = []
            for folder, folders, files in os.walk(self.folder / name, onerror=unlisted.append):
                links = [n for n in folders if os.path.islink(os.path.join(folder, n))]
                yield from filter(self._is_delivered, (Path(folder, n) for n in (*files, *links)))
            left = (Path(os.fsdecode(error.filename)) for error in unlisted)
            yield from (p for p in left if p.exists() and self._is_delivered(p))

    def _is_delivered(self, entry: Path) -> bool:
        return _is_deliverable(str(entry.relative_to(self.folder)))


_ESCAPED_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def _path_of(path: Path, root: Path) -> str:
    """A file's path below the root as text that can be stored, one for one."""
    raw = _ESCAPED_BYTE.sub(rb"\\x5cx\1", os.fsencode(path.relative_to(root)))
    return raw.decode(errors="backslashreplace")


def _name_of(path: str) -> str:
    """The name that the file system knows a path by."""
    return os.fsdecode(_ESCAPED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), path.encode()))


def _is_odd(path: Path) -> bool:
    """Whether it is neither a file nor a folder; looks, and opens nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class ObjectArea:
    """A URL that fsspec knows, such as s3://bucket/logs. An object is read from a copy, which is private and short-lived."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise LandingError(
                f"the landing URL {self.url} was given with a user, a password or a query; leave them out and give "
                "credentials through the environment (AWS_ACCESS_KEY_ID …) or fsspec's configuration"
            )
        self._scheme = parts.scheme

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            # A listing that is kept would hide what came since.
            options = {"use_listings_cache": False, "skip_instance_cache": True}
            files, root = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            client = _CLIENTS.get(self._scheme, "the fsspec implementation of its scheme")
            raise LandingError(f"{self.url} cannot be read here ({error}); install {client}") from error
        return files, stringify_path(root).rstrip("/")

    def candidates(self, sources: Iterable[str]) -> list[Candidate]:
        files, root = self._opened
        found = []
        with self._reached("list"):
            self._ls()
            for name in sources:
                infos = files.find(f"{root}/{name}".rstrip("/"), detail=True).items()
                found += [_candidate(str(path)[len(root) + 1 :], info) for path, info in infos if info["type"] == "file"]
        return sorted((c for c in found if _is_deliverable(c.path)), key=lambda c: PurePosixPath(c.path).parts)

    def undeclared(self, sources: Iterable[str]) -> list[str]:
        with self._reached("list"):
            entries = self._ls()
        declared = set(sources)
        names = {PurePosixPath(e["name"]).name: e["type"] == "directory" for e in entries}
        return sorted(n for n, is_folder in names.items() if not (n.startswith(".") or (is_folder and n in declared)))

    def passed_over(self, sources: Iterable[str]) -> list[str]:
        return []  # An object store holds objects alone.

    def look(self, path: str) -> Candidate | None:
        files, root = self._opened
        with self._reached("look at"):
            try:
                return _candidate(path, files.info(f"{root}/{path}"))
            except FileNotFoundError:
                return None

    @contextmanager
    def local(self, candidate: Candidate, folder: Path) -> Iterator[Path]:
        files, root = self._opened
        # A key may hold what no name of a file here can; how the copy is read is said by its extensions alone.
        extensions = re.sub(r"[^A-Za-z0-9.-]", "_", "".join(PurePosixPath(candidate.path).suffixes[-3:]))
        copy = folder / f"fetched{extensions[-60:]}"
        try:
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with self._reached("read"):
                files.get_file(f"{root}/{candidate.path}", str(copy))
            if self.look(candidate.path) != candidate or copy.stat().st_size != candidate.size_bytes:
                raise FileStillWritten(f"{candidate.path} was replaced while it was fetched")
            # The copy lies as the object does.
            os.utime(copy, ns=(candidate.modified_ns, candidate.modified_ns))
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _ls(self) -> list[dict[str, Any]]:
        """What lies at the root. A prefix under which nothing was ever put is empty; a bucket that is not there is not."""
        files, root = self._opened
        try:
            entries: list[dict[str, Any]] = files.ls(root, detail=True)
        except FileNotFoundError:
            bucket = root.split("/")[0] or root
            if bucket == root:
                raise
            files.ls(bucket)
            return []
        return [entry for entry in entries if entry["name"].rstrip("/") != root]

    @contextmanager
    def _reached(self, verb: str) -> Iterator[None]:
        """Turns what a client raises, in classes of its own, into LandingError; FileNotFoundError of one object stays."""
        try:
            yield
        except FileNotFoundError:
            if verb != "list":
                raise
            raise LandingError(f"{self.url} cannot be listed: there is no such bucket or container; name another") from None
        except Exception as error:
            # Of a message only what a file system says is shown; a client's own may hold anything.
            said = f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__
            what = "that the service can be reached from here at AWS_ENDPOINT_URL or the like"
            if isinstance(error, PermissionError):
                what = "the credentials in the environment, such as AWS_ACCESS_KEY_ID, and that they may list and read there"
            raise LandingError(f"cannot {verb} {self.url} ({said}). Check {what}") from None


class ScatteredArea:
    """An area of which some sources have their files right at a URL of their own."""

    def __init__(self, common: LandingArea, own: Mapping[str, ObjectArea]):
        self._common = common
        self._own = own

    def candidates(self, sources: Iterable[str]) -> list[Candidate]:
        found = []
        for name in (names := list(sources)):
            if name in self._own:
                found += [replace(c, path=f"{name}/{c.path}") for c in self._own[name].candidates([""])]
        found += self._common.candidates(name for name in names if name not in self._own)
        return sorted(found, key=lambda c: PurePosixPath(c.path).parts)

    def undeclared(self, sources: Iterable[str]) -> list[str]:
        return self._common.undeclared(name for name in sources if name not in self._own)

    def passed_over(self, sources: Iterable[str]) -> list[str]:
        return self._common.passed_over(name for name in sources if name not in self._own)

    def look(self, path: str) -> Candidate | None:
        source, _, rest = path.partition("/")
        if source not in self._own:
            return self._common.look(path)
        found = self._own[source].look(rest)
        return replace(found, path=path) if found else None

    @contextmanager
    def local(self, candidate: Candidate, folder: Path) -> Iterator[Path]:
        source, _, rest = candidate.path.partition("/")
        area, path = (self._own[source], rest) if source in self._own else (self._common, candidate.path)
        with area.local(replace(candidate, path=path), folder) as found:
            yield found


def _candidate(path: str, info: dict[str, Any]) -> Candidate:
    return Candidate(path, int(info["size"]), _modified_ns(info), is_whole=True)


def _modified_ns(info: dict[str, Any]) -> int:
    """When an object was written, to the second, and which version of it: its ETag stands for the rest.

    Stores count in seconds, at least in some of their answers; two objects of one size and second are told apart so.
    """
    found = next((info[key] for key in _TIMES if info.get(key) is not None), 0)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    if isinstance(found, datetime):
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        nanoseconds = int(found.timestamp()) * 1_000_000_000 + found.microsecond * 1000
    else:
        nanoseconds = round(found * 1_000_000) * 1000
    version = info.get("ETag") or info.get("etag")
    if version is None:
        return nanoseconds
    filling = int.from_bytes(sha256(str(version).strip('"').encode()).digest()[:8], "big") % 1_000_000_000
    return nanoseconds // 1_000_000_000 * 1_000_000_000 + filling


def _is_deliverable(path: str) -> bool:
    # A name that ends with a slash is how consoles of object stores show an empty folder.
    return not path.endswith((*IGNORED_SUFFIXES, "/")) and not any(
        part.startswith(".") for part in PurePosixPath(path).parts
    )
