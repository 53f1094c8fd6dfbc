"""Which process works on a run: written into the run's tags, so that a killed run can be told from a slow one.

The mark names the run, because a retried run inherits its parent's tags, and the moment at which the process began,
because numbers of processes are given out again: in a container it is often the very same one.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_mark(run_id: str) -> str:
    """The mark of this process for a run: `run:host:pid:beginning`."""
    return f"{run_id}:{socket.gethostname()}:{os.getpid()}:{_beginning(os.getpid())}"


def is_gone(mark: str, run_id: str) -> bool:
    """True where the mark is this run's, of this machine, and its process is there no more."""
    marked_run, _, rest = mark.partition(":")
    host, pid, beginning = [*rest.rsplit(":", 2), "", ""][:3]
    if marked_run != run_id or host != socket.gethostname() or not pid.isdigit():
        return False
    return not _is_alive(int(pid)) or _beginning(int(pid)) != beginning


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _beginning(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty on systems that do not show it as Linux does."""
    try:
        # The name of the program, in parentheses, may hold anything: fields are counted behind it.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""
