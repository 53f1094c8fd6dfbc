"""How a command that has loaded torch ends.

DuckDB 2.0's binding reports objects that are alive when the interpreter is taken apart, and torch keeps some alive: forty
lines on the standard error, below the last one that a person should read. So it is not taken apart.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn


def end(status: int) -> NoReturn:
    """Leave the process with this status: what is to be done at exit is done, and what was printed is written."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
