"""Answers of versions to cases, on this machine: asked once, found again by what was asked.

Here belong the files, one a day, which hold words: they are their owner's alone, and leave when retention takes the texts of
their day. A line is written whole or not at all as far as readers see: one that a kill cut off is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

from resources.chat_client import Reply


class EvalAnswers:
    """The answers below one home. Who writes works alone."""

    def __init__(self, state: Path):
        self.folder = state / "evals"

    def known(self) -> dict[tuple[str, int], Reply]:
        """The replies, by the digest of what was asked and the number of the repeat; of two the later one."""
        found: dict[tuple[str, int], Reply] = {}
        for path in self._paths():
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                if row := _row(line):
                    calls = tuple(row["reply"].get("calls", ()))
                    found[row["key"], row["repeat"]] = Reply(**{**row["reply"], "calls": calls})
        return found

    def keep(self, day: date, key: str, repeat: int, reply: Reply) -> None:
        """Write down an answer of a day."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = json.dumps({"key": key, "repeat": repeat, "reply": asdict(reply)}, ensure_ascii=False)
        path = self.folder / f"{day}.jsonl"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(handle).st_size
            is_cut_off = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, ("\n" * is_cut_off + line + "\n").encode())
        finally:
            os.close(handle)

    def days(self) -> list[date]:
        """The days of which there are answers."""
        return [date.fromisoformat(path.stem) for path in self._paths()]

    def remove(self, days: Iterable[date]) -> int:
        """Take away the files of days; how many those were."""
        gone = {str(day) for day in days}
        old = [path for path in self._paths() if path.stem in gone]
        for path in old:
            path.unlink()
        return len(old)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("????-??-??.jsonl"))


_FIELDS = {field.name for field in fields(Reply)}


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    is_whole = isinstance(row, dict) and isinstance(row.get("reply"), dict) and set(row["reply"]) <= _FIELDS
    return row if is_whole and isinstance(row.get("key"), str) and isinstance(row.get("repeat"), int) else None
