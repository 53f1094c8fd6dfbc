"""A command that has loaded torch ends with its own last line."""

from __future__ import annotations

import subprocess
import sys

SAID = """
import atexit, duckdb
duckdb.connect().execute("select 1").fetchall()
import pipelines.governance.retain, torch
from pipelines.ending import end
atexit.register(print, "done at exit")
print("the last line")
end(3)
"""


def test_nothing_is_printed_below_the_last_line_and_what_is_due_at_exit_is_done() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SAID], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "the last line\ndone at exit\n", "")
