"""calendar.yml: everything hangs on it, so whatever is wrong with it is said in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipelines.settings import REPO
from resources.calendar import CalendarError, calendar

FAULTY = [
    b"start: 2023-01-01\n",
    b"{{",
    b"",
    b"start: 2023-01-01T00:00:00Z\nnightly_hour_utc: 2\n",
    b"start: 2023-01-01\nnightly_hour_utc: true\n",
    b"start: 2023-01-01\nnightly_hour_utc: 24\n",
    b"start: 2023-02-30\nnightly_hour_utc: 2\n",
    "start: 2023-01-01\nnightly_hour_utc: 2\n".encode("utf-16"),
]
ENTER = """
import importlib, sys
import resources.calendar
resources.calendar.read_seed = lambda path: {{"start": "soon", "nightly_hour_utc": 2}}
for name in {entries}:
    entry = importlib.import_module("pipelines." + name)
    print("#", name, flush=True)
    print("#", name, file=sys.stderr, flush=True)
    try:
        print(entry.main([]))
    except SystemExit as ended:  # with a text Python prints it, and the status is 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        print(1 if isinstance(ended.code, str) else ended.code)
"""


def test_the_calendar_is_read(tmp_path: Path) -> None:
    path = tmp_path / "calendar.yml"
    path.write_text("start: 2023-01-01\nnightly_hour_utc: 0\n", encoding="utf-8")
    assert (calendar(path).start, calendar(path).nightly_hour_utc) == (date(2023, 1, 1), 0)


@pytest.mark.parametrize("content", FAULTY)
def test_a_faulty_calendar_says_what_to_write(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calendar.yml"
    path.write_bytes(content)
    with pytest.raises(CalendarError, match=r"calendar\.yml.*; write two lines into warehouse/seeds/calendar.yml") as raised:
        calendar(path)
    assert "\n" not in str(raised.value)


def test_a_calendar_that_is_missing_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match="is missing; write two lines into"):
        calendar(tmp_path / "none.yml")


def entered(root: Path, *entries: str) -> subprocess.CompletedProcess[str]:
    """Commands one after another in a process of their own, which takes seconds to start."""
    folders = {"NOCTURNE_HOME": str(root / "home"), "NOCTURNE_DATA": str(root / "data"), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-W", "ignore", "-c", ENTER.format(entries=entries)]
    return subprocess.run(command, cwd=REPO, env=os.environ | folders, capture_output=True, text=True, check=False)


def parts(output: str) -> list[list[str]]:
    """The lines of each command."""
    return [part.splitlines() for part in output.split("# ")[1:]]


def test_a_faulty_calendar_ends_a_command_with_one_line_and_no_traceback(tmp_path: Path) -> None:
    ended = entered(tmp_path, "nightly", "dev", "governance.rotate_key")
    assert parts(ended.stdout) == [["nightly", "2"], ["dev", "1"], ["governance.rotate_key", "2"]]
    told = [lines[1:] for lines in parts(ended.stderr)]
    assert [len(lines) for lines in told] == [1, 1, 1]
    assert all("calendar.yml: start is soon, nightly_hour_utc is 2; write two lines into" in line for (line,) in told)


def test_the_code_location_names_a_faulty_calendar_as_its_error(tmp_path: Path) -> None:
    ended = entered(tmp_path, "definitions")
    assert ended.returncode == 1
    assert "Error: calendar.yml: start is soon" in ended.stderr.splitlines()[-1]
