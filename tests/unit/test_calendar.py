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
import sys
import resources.calendar
resources.calendar.read_seed = lambda path: {{"start": "soon", "nightly_hour_utc": 2}}
import pipelines.{entry} as entry
sys.exit(entry.main([]))
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


def entered(entry: str, root: Path) -> subprocess.CompletedProcess[str]:
    folders = {"NOCTURNE_HOME": str(root / "home"), "NOCTURNE_DATA": str(root / "data"), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-W", "ignore", "-c", ENTER.format(entry=entry)]
    return subprocess.run(command, cwd=REPO, env=os.environ | folders, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("entry", "status"), [("nightly", 2), ("dev", 1), ("rotate_key", 2)])
def test_a_faulty_calendar_ends_a_command_with_one_line_and_no_traceback(tmp_path: Path, entry: str, status: int) -> None:
    ended = entered(entry, tmp_path)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert len(ended.stderr.splitlines()) == 1
    assert "calendar.yml: start is soon, nightly_hour_utc is 2; write two lines into" in ended.stderr


def test_the_code_location_names_a_faulty_calendar_as_its_error(tmp_path: Path) -> None:
    ended = entered("definitions", tmp_path)
    assert ended.returncode == 1
    assert "Error: calendar.yml: start is soon" in ended.stderr.splitlines()[-1]
