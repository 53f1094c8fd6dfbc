"""What annotators have said so far, kept in labelling/desk, and its way into labelling/inbox as label files.

Here belongs what must outlive the page, the importer and a second tab. A folder a draw, named like the queue's, so that
retention removes it with the words; in it a file an annotator. A label file is written once, under a name of its own, and
never touched again: the importer may take it away at any moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from apps.labelling.lists import GoneError, Queue
from apps.web.serve import key_in
from resources.clock import Clock
from resources.durable import write_atomically

Said = Mapping[str, str]
"""Answers by the names of a label file's fields; what was not answered is absent."""
_TOUCHED_AGAIN = timedelta(minutes=1)


class DeskError(ValueError):
    """A file of the desk that cannot be used; says what to do."""


class StaleError(LookupError):
    """What is to be saved was made from what is no longer there: another tab was faster, or has judged in the other list."""


@dataclass(frozen=True)
class Entry:
    """What one annotator has said of one response, in one of its draw's lists.

    `said` is the judgement, made at `labelled_at`; `draft` what stands in the form and is no judgement yet. `version` counts
    judgements and skips. `is_handed_in`: `said` is in a label file.
    """

    request_id: str
    copy: str
    touched_at: datetime
    version: int = 0
    said: Said | None = None
    labelled_at: datetime | None = None
    draft: Said | None = None
    is_skipped: bool = False
    is_handed_in: bool = False

    @property
    def is_judged(self) -> bool:
        """Whether there is a judgement."""
        return self.said is not None

    @property
    def is_waiting(self) -> bool:
        """Whether there is one that no label file has."""
        return self.is_judged and not self.is_handed_in


class Desk:
    """The desk of one home's folder `labelling`. Any number of pages and processes may use it at once."""

    def __init__(self, labelling: Path, clock: Clock):
        self.queue = Queue(labelling / "queue")
        self.folder = labelling / "desk"
        self.inbox = labelling / "inbox"
        self.clock = clock

    def key(self) -> str:
        """What opens the page; made once."""
        return key_in(self.folder)

    def entries(self, draw: str) -> dict[str, dict[str, Entry]]:
        """All entries of a draw, by annotator and request id. Raises DeskError."""
        found = {}
        for path in sorted((self.folder / draw).glob("*.jsonl")):
            name, entries = _read(path)
            found[name] = entries
        return found

    def open(self, draw: str, copy: str, request_id: str, annotator: str) -> Entry:
        """Somebody looks at a response: it is theirs for a while. Raises DeskError and GoneError."""

        def opened(entry: Entry | None, now: datetime) -> Entry:
            if entry is None:
                return Entry(request_id, copy, now)
            moved = entry if entry.is_judged else replace(entry, copy=copy)
            return replace(moved, touched_at=now) if now - entry.touched_at > _TOUCHED_AGAIN else moved

        return self._change(draw, request_id, annotator, opened)

    def keep(self, draw: str, copy: str, request_id: str, annotator: str, version: int, draft: Said) -> Entry:
        """Keep what stands in the form. Raises DeskError, GoneError and StaleError."""

        def kept(entry: Entry | None, now: datetime) -> Entry:
            known = _current(entry, request_id, copy, version, now)
            return replace(known, touched_at=now, draft=None if draft == (known.said or {}) else draft)

        return self._change(draw, request_id, annotator, kept)

    def judge(self, draw: str, copy: str, request_id: str, annotator: str, version: int, said: Said) -> Entry:
        """Save a judgement; later than one before, whatever the clock says. Raises DeskError, GoneError and StaleError."""

        def judged(entry: Entry | None, now: datetime) -> Entry:
            if entry is not None and entry.copy == copy and entry.said == said:
                return replace(entry, touched_at=now, draft=None)  # The same once more: a second tap, a reload.
            known = _current(entry, request_id, copy, version, now)
            at = now if known.labelled_at is None else max(now, known.labelled_at + timedelta(milliseconds=1))
            return Entry(request_id, copy, now, known.version + 1, said, at)

        return self._change(draw, request_id, annotator, judged)

    def skip(self, draw: str, copy: str, request_id: str, annotator: str, version: int, draft: Said) -> Entry:
        """Put a response off; what was said of it stays. Raises DeskError, GoneError and StaleError."""

        def skipped(entry: Entry | None, now: datetime) -> Entry:
            known = _current(entry, request_id, copy, version, now)
            left = None if draft == (known.said or {}) else draft
            return replace(known, touched_at=now, version=known.version + 1, draft=left, is_skipped=True)

        return self._change(draw, request_id, annotator, skipped)

    def waiting(self, annotator: str) -> int:
        """How many judgements no label file has. Raises DeskError."""
        files = [_read(path) for path in self._paths() if path.name == _file_of(annotator)]
        return sum(entry.is_waiting for _, entries in files for entry in entries.values())

    def hand_in(self, annotator: str | None = None, rested: timedelta = timedelta(0)) -> int:
        """Write a label file for each annotator (or for one) whose last judgement is that old; how many judgements went.

        Killed in between, the next call writes the same file again: its lines are known then. Raises DeskError, after the
        files that can be read.
        """
        count, files, troubles = 0, list[tuple[Path, str, dict[str, Entry]]](), list[DeskError]()
        with self._alone():
            for path in self._paths():
                try:
                    files.append((path, *_read(path)))
                except DeskError as error:
                    troubles.append(error)
            for name in sorted({name for _, name, _ in files if annotator in (None, name)}):
                count += self._hand_in(name, {path: entries for path, by, entries in files if by == name}, rested)
        if troubles:
            raise troubles[0]
        return count

    def _hand_in(self, annotator: str, files: Mapping[Path, Mapping[str, Entry]], rested: timedelta) -> int:
        waiting = [(path.parent.name[:10], e) for path, said in files.items() for e in said.values() if e.is_waiting]
        if not waiting or (rested and self.clock.now() - max(_moment(entry) for _, entry in waiting) < rested):
            return 0
        self._deliver([_line(day, annotator, entry) for day, entry in sorted(waiting, key=lambda found: _moment(found[1]))])
        for path, said in files.items():
            done = {name: replace(e, is_handed_in=True) if e.is_waiting else e for name, e in said.items()}
            if done != said:
                _write(path, annotator, done)
        return len(waiting)

    def _deliver(self, lines: list[dict[str, str]]) -> None:
        content = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
        self.inbox.mkdir(parents=True, exist_ok=True, mode=0o700)
        last = lines[-1]["labelled_at"].replace(":", "").replace("-", "")
        write_atomically(self.inbox / f"page-{last[:15]}-{hashlib.sha256(content).hexdigest()[:12]}.jsonl", content, 0o600)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*/*.jsonl"))

    def _change(
        self, draw: str, request_id: str, annotator: str, change: Callable[[Entry | None, datetime], Entry]
    ) -> Entry:
        with self._alone():
            if not self.queue.has(draw):
                raise GoneError("the words of this list are not kept any more")
            path = self.folder / draw / _file_of(annotator)
            entries = _read(path)[1] if path.exists() else {}
            before = entries.get(request_id)
            after = change(before, self.clock.now())
            if after != before:
                path.parent.mkdir(exist_ok=True, mode=0o700)
                _write(path, annotator, entries | {request_id: after})
            return after

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _file_of(annotator: str) -> str:
    return f"{hashlib.sha256(annotator.encode()).hexdigest()[:16]}.jsonl"


def _current(entry: Entry | None, request_id: str, copy: str, version: int, now: datetime) -> Entry:
    if entry is None:
        return Entry(request_id, copy, now)
    if entry.version != version or (entry.copy != copy and entry.is_judged):
        raise StaleError("this answer was judged in another tab, or in the other list of its draw")
    return replace(entry, copy=copy)


def _moment(entry: Entry) -> datetime:
    if entry.labelled_at is None:
        raise DeskError("a judgement of the desk has no time; move its file out of labelling/desk")
    return entry.labelled_at


def _line(day: str, annotator: str, entry: Entry) -> dict[str, str]:
    """A line of a label file."""
    at = _moment(entry).isoformat(timespec="milliseconds")
    return {"request_id": entry.request_id, "day": day, "annotator": annotator, "labelled_at": at, **(entry.said or {})}


def _write(path: Path, annotator: str, entries: Mapping[str, Entry]) -> None:
    rows = [asdict(entry) | {"annotator": annotator} for entry in entries.values()]
    told = "".join(f"{json.dumps(row, ensure_ascii=False, default=datetime.isoformat)}\n" for row in rows)
    write_atomically(path, told.encode(), mode=0o600)


def _read(path: Path) -> tuple[str, dict[str, Entry]]:
    """An annotator, and their entries by request id. Raises DeskError."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        [annotator] = {row.pop("annotator") for row in rows}
        return annotator, {row["request_id"]: Entry(**row | _times(row)) for row in rows}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = f"labelling/desk/{path.parent.name}/{path.name}"
        raise DeskError(f"{where} cannot be read; move it away: what was handed in is safe, the rest begins anew") from error


def _times(row: Mapping[str, Any]) -> dict[str, datetime | None]:
    return {name: row[name] and datetime.fromisoformat(row[name]) for name in ("touched_at", "labelled_at")}
