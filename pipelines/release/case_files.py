"""Evaluation cases as files: proposals for people below $NOCTURNE_HOME/labelling/cases, accepted ones in seeds/evals.

Proposals hold words of users: they are their owner's alone, and leave when retention takes the words of their day. A suite
is the site's own file, which nothing but `accept` and `reject` writes to, and nothing removes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from assets.quality.eval_case import EvalCase, EvalCaseError, read_suite
from resources.durable import write_atomically

Row = dict[str, Any]
MOST_A_DAY = 200
"""Cases of one day that are written for people; the table has the others."""
_SUITE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


class ProposalFiles:
    """Files `<day of the response>-<number>.jsonl`, a line a case."""

    def __init__(self, state: Path):
        self.folder = state / "labelling" / "cases"

    def lines(self) -> dict[str, Row]:
        """What stands in the files, by case; of two lines the one in the later file. A line that people broke is left out,
        and said when its case is asked for."""
        found: dict[str, Row] = {}
        for path in self._paths():
            for line in path.read_text(encoding="utf-8").split("\n"):
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                if isinstance(row, dict) and isinstance(row.get("case_id"), str):
                    found[row["case_id"]] = row
        return found

    def room(self, day: date) -> int:
        """How many more cases of a day may be written."""
        return MOST_A_DAY - sum(1 for row in self.lines().values() if (row.get("about") or {}).get("day") == str(day))

    def write(self, day: date, rows: Sequence[Row]) -> Path:
        """A further file of a day. What is there stays as people left it."""
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = 1 + max((int(p.stem[11:]) for p in self._paths() if p.name.startswith(f"{day}-")), default=0)
        path = self.folder / f"{day}-{number}.jsonl"
        content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        write_atomically(path, content.encode(), mode=0o600)
        return path

    def remove(self, days: Iterable[date]) -> int:
        """Take away the files of days whose words are gone; how many those were."""
        gone = {str(day) for day in days}
        old = [path for path in self._paths() if path.name[:10] in gone]
        for path in old:
            path.unlink()
        return len(old)

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("????-??-??-*.jsonl") if path.stem[11:].isdecimal())


class Suites:
    """The suites of one site. Raises EvalCaseError where a line of one cannot be used."""

    def __init__(self, seeds: Path):
        self.folder = seeds / "evals"

    def all(self) -> dict[str, list[EvalCase]]:
        """The cases by the name of their suite."""
        return {path.stem: self._read(path) for path in sorted(self.folder.glob("*.jsonl"))}

    def put(self, suite: str, case: EvalCase) -> None:
        """Write a case to a suite, in the place of its earlier line where there is one."""
        if not _SUITE.match(suite):
            raise EvalCaseError(f"a suite's name is lower-case letters, digits, `_` and `-`; not {suite!r}")
        path = self.folder / f"{suite}.jsonl"
        there = self._read(path) if path.exists() else []
        kept = [case if known.case_id == case.case_id else known for known in there]
        self._write(path, kept if case in kept else [*kept, case])

    def take_out(self, case_id: str) -> None:
        """Take a case out of whichever suite has it."""
        for suite, cases in self.all().items():
            kept = [case for case in cases if case.case_id != case_id]
            if len(kept) < len(cases):
                self._write(self.folder / f"{suite}.jsonl", kept)

    def _read(self, path: Path) -> list[EvalCase]:
        content = path.read_bytes()
        try:
            return read_suite(content.decode(), path.name)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise EvalCaseError(f"{path.name}, line {line} is not UTF-8; save it as UTF-8") from None

    def _write(self, path: Path, cases: Sequence[EvalCase]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever made it readable for others meant that; a new one is its owner's until somebody says so.
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        write_atomically(path, "".join(f"{case.line()}\n" for case in cases).encode(), mode=mode)
