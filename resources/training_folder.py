"""A candidate's folder while attempts at its training come and go: who works in it, and what time all of them have taken.

Here belongs what the program that trains and the one that starts it both have to see, whoever of them is killed. What is
trained, and how it ended, is training_spec.py.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.durable import write_atomically
from resources.training_spec import read_curve

BUSY = 3
"""Exit status of a training that another process works on."""
OVERDUE = 4
"""Exit status of a training that ended itself, long after its limit: it hung, and nobody was there to end it."""
SECONDS_BEYOND = 900.0
"""What an attempt may take beyond its training's limit, to load, to end a step and to write a checkpoint; then it hangs."""
_LOCK, _SPENT = ".lock", "spent.json"


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a candidate's folder; False: another process does. A killed one does no more."""
    handle = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def write_spent(folder: Path, seconds: float) -> None:
    """Say how long all attempts have taken by now. The curve cannot: what was done after a checkpoint is taken off it."""
    write_atomically(folder / _SPENT, json.dumps({"seconds": round(seconds, 3)}).encode() + b"\n", mode=0o600)


def seconds_spent(folder: Path) -> float | None:
    """How long all attempts at a training have taken, those that were killed or failed included; None: none began."""
    known = [float(point["seconds"]) for point in read_curve(folder)]
    path = folder / _SPENT
    if path.exists():
        known.append(float(json.loads(path.read_bytes())["seconds"]))
    return max(known, default=None)
