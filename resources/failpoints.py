"""Named places where a kill can be rehearsed.

`NOCTURNE_FAILPOINT=name` (or `name#3` for its third passing) makes the process kill itself there with SIGKILL, as
the machine's loss would. Unset, a failpoint costs one dictionary look-up. The crash tests list the names.
"""

from __future__ import annotations

import os
import signal

_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Die here if this is the failpoint that the environment asks for."""
    wanted = os.environ.get("NOCTURNE_FAILPOINT")
    if not wanted:
        return
    target, _, nth = wanted.partition("#")
    if target == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
