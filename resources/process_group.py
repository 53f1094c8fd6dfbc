"""The end of a process that leads a group of its own (`start_new_session`), and of all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress


def end_group(process: subprocess.Popen[bytes], seconds_to_stop: float) -> bool:
    """Ask it to end (SIGTERM), which it may take some seconds for; then kill what is left of its group. Whether it ended by
    itself."""
    process.terminate()
    try:
        process.wait(seconds_to_stop)
        has_ended = True
    except subprocess.TimeoutExpired:
        has_ended = False
    with suppress(ProcessLookupError):  # Nothing is left of the group.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return has_ended
