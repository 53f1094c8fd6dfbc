"""A pass of the alert desk in a process of its own, to be killed or raced: python tests/alert_worker.py FOLDER NOW.

The channels' addresses come from its environment, as in production.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from alert_house import AlertHouse  # noqa: E402


def main() -> None:
    """The command line."""
    house = AlertHouse(Path(sys.argv[1]), sys.argv[2])
    house.addresses = dict(os.environ)
    house.desk().work()


if __name__ == "__main__":
    main()
