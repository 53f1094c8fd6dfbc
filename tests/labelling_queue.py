"""A queue of answers to judge, as the export writes it, and the desk of a page on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from apps.labelling.desk import Desk
from assets.quality.label_export import Task, json_lines
from pipelines.clock import WallClock

DRAW = "2026-11-09-draw-1"
NOON = "2026-11-10T12:00:00"
_DAY = date(2026, 11, 9)


def task(name: str, **more: Any) -> Task:
    """An answer with a question and one document."""
    plain = Task(_DAY, name, "chat", None, None, f"question of {name}", [f"document of {name}"], f"answer to {name}")
    return replace(plain, **more)


def write_draw(labelling: Path, tasks: Iterable[Task], second: Iterable[Task] = (), name: str = DRAW) -> Path:
    """A folder of the queue with these tasks for the first and the second person."""
    folder = labelling / "queue" / name
    folder.mkdir(parents=True)
    for copy, these in (("first", tasks), ("second", second)):
        (folder / f"{copy}.jsonl").write_bytes(json_lines(list(these)))
    return folder


def desk_of(labelling: Path, now: str = NOON) -> Desk:
    """A desk whose clock stands still."""
    return Desk(labelling, WallClock(fixed_now=now))


def handed_in(labelling: Path) -> list[dict[str, Any]]:
    """The lines of all label files in the inbox, in the order of their files and lines."""
    files = sorted((labelling / "inbox").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").split("\n") if line]
