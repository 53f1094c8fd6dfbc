"""`make review`: propose what failed, and write the review of last week, or of WEEK=2026-W46 (docs/eval-cases.md).

Exit status 2: nothing was written, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.case_desk import CaseDesk
from pipelines.eval_cases import CANNOT
from pipelines.review_desk import ReviewDesk
from pipelines.settings import Settings
from resources import terminal


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="review", description=__doc__)
    parser.add_argument("--week", help="an ISO week such as 2026-W46 (default: the last whole one)")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = CaseDesk.of(resources["warehouse"], resources["clock"])
        print(f"{desk.propose()}\n{terminal.lines(str(ReviewDesk(desk).write(options.week)))}")
    except (*CANNOT, ValueError) as error:
        print(f"review: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
