"""The exported queue as lists to work through: what there is to judge, in the order of its files.

Here belongs reading $NOCTURNE_HOME/labelling/queue, which is written once and removed with its words. Who judges what next
is turns.py, what they say desk.py.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b32encode
from dataclasses import dataclass
from datetime import date
from pathlib import Path

COPIES = ("first", "second")
"""The files of a draw: what one person judges, and what another one judges again."""
LARGEST_FILE = 256_000_000
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[\w.-]+\Z")
_HALF = re.compile("[\ud800-\udfff]")


class UnreadableQueueError(ValueError):
    """A file of the queue that cannot be read at all; says what to do."""


class GoneError(LookupError):
    """The draw is not there any more: its words are not kept."""


@dataclass(frozen=True)
class Place:
    """Where an answer stands in its list, counted from 1, and in its file, in bytes."""

    number: int
    request_id: str
    offset: int
    size: int


@dataclass(frozen=True)
class Item:
    """An answer to judge and what the model was given. Words that there are none of are an empty text."""

    request_id: str
    feature: str
    system: str
    history: str
    prompt: str
    context: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class WorkList:
    """One file of one draw. `broken`: lines of it that are no answer to judge; the others are unharmed."""

    folder: str
    copy: str
    places: tuple[Place, ...]
    broken: int

    @property
    def day(self) -> date:
        """The day on which the answers were given."""
        return date.fromisoformat(self.folder[:10])

    @property
    def code(self) -> str:
        """What the draw is called before people: its folder's name would tell why they are asked."""
        return code_of(self.folder)


def code_of(folder: str) -> str:
    """Eight letters and digits for a folder's name."""
    return b32encode(hashlib.sha256(folder.encode()).digest())[:8].decode().lower()


class Queue:
    """The folders of the queue. It remembers where each answer stands, and none of the words."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._known: dict[Path, tuple[tuple[int, int], WorkList]] = {}

    def has(self, folder: str) -> bool:
        """Whether a draw is there still: retention removes it with its words."""
        return (self.folder / folder).is_dir()

    def lists(self) -> list[WorkList]:
        """All lists that hold anything, the newest day first. Raises UnreadableQueueError."""
        found = [self._list(name, copy) for name in self._folders() for copy in COPIES]
        there = [work for work in found if work is not None and (work.places or work.broken)]
        return sorted(there, key=lambda work: (-work.day.toordinal(), work.code, work.copy))

    def find(self, code: str, copy: str) -> WorkList | None:
        """The list of that code; None where there is none, or no longer. Raises UnreadableQueueError."""
        for name in self._folders():
            if code_of(name) == code and copy in COPIES:
                return self._list(name, copy)
        return None

    def item(self, work: WorkList, place: Place) -> Item:
        """The words of an answer. Raises GoneError."""
        try:
            with (self.folder / work.folder / f"{work.copy}.jsonl").open("rb") as handle:
                handle.seek(place.offset)
                item = _item(handle.read(place.size), work.folder[:10])
        except FileNotFoundError:
            raise GoneError(work.folder) from None
        if item is None or item.request_id != place.request_id:
            raise GoneError(work.folder)
        return item

    def _folders(self) -> list[str]:
        if not self.folder.exists():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _is_draw(path.name) and path.is_dir())

    def _list(self, folder: str, copy: str) -> WorkList | None:
        path = self.folder / folder / f"{copy}.jsonl"
        try:
            found = path.stat()
            known = self._known.get(path)
            mark = (found.st_mtime_ns, found.st_size)
            if known is None or known[0] != mark:
                if found.st_size > LARGEST_FILE:
                    raise UnreadableQueueError(f"{path.name} of {folder} is over {LARGEST_FILE:,} bytes; draw fewer answers")
                self._known[path] = known = (mark, _places(path.read_bytes(), folder, copy))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableQueueError(f"{path.name} of {folder} cannot be read: {error.strerror}") from error
        return known[1]


def _is_draw(name: str) -> bool:
    try:
        return _NAME.match(name) is not None and date.fromisoformat(name[:10]) is not None
    except ValueError:
        return False


def _places(content: bytes, folder: str, copy: str) -> WorkList:
    places: dict[str, Place] = {}
    broken = offset = 0
    for line in content.split(b"\n"):
        item = _item(line, folder[:10]) if line.strip() else None
        if item is not None and item.request_id not in places:
            places[item.request_id] = Place(len(places) + 1, item.request_id, offset, len(line))
        elif line.strip():
            broken += 1
        offset += len(line) + 1
    return WorkList(folder, copy, tuple(places.values()), broken)


def _item(line: bytes, day: str) -> Item | None:
    """The answer of a line; None where it is none of that day."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.get("day") != day or not isinstance(raw.get("answer"), str):
        return None
    request_id, context = raw.get("request_id"), raw.get("context") or []
    if not isinstance(request_id, str) or not request_id.strip() or _HALF.search(request_id):
        return None
    given = {name: raw.get(name) for name in ("feature", "system", "history", "prompt", "answer")}
    if not isinstance(context, list) or not all(isinstance(words, str | None) for words in (*given.values(), *context)):
        return None
    shown = {name: _whole(words) for name, words in given.items()}
    return Item(request_id, context=tuple(map(_whole, context)), **shown)


def _whole(words: str | None) -> str:
    """A text that UTF-8 can spell: half a character becomes the mark for one that is missing."""
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", words or "")
