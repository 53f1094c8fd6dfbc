"""Ask the warehouse a question in SQL, read-only: `python -m pipelines.ask "select ..."`. For those without DuckDB's CLI."""

from __future__ import annotations

import sys

from pipelines.settings import Settings
from resources import terminal
from resources.publishing import DOOR
from resources.warehouse import AnalystError, show_answer


def main(arguments: list[str]) -> int:
    """Print the answer as a table; exit status 2 where the question cannot be asked."""
    if len(arguments) != 1:
        print('usage: python -m pipelines.ask "select ..."', file=sys.stderr)
        return 2
    door = Settings.from_environment().data / DOOR
    try:
        show_answer(door, arguments[0])
    except AnalystError as error:
        print(f"ask: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
