"""Libraries that import pyspark where it is installed, kept from it: its client ends a process that has no main file.

MLflow does so when it is imported, and again when it is asked.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_spark() -> Iterator[None]:
    """Within, `import pyspark` fails, unless it was imported before."""
    if "pyspark" in sys.modules:
        yield
        return
    sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["pyspark"]
