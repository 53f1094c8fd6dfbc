"""Ask the warehouse a question in SQL, read-only: `python -m pipelines.ask "select ..."`. For those without DuckDB's CLI.

It reads what analysts see and writes nothing: neither other files of this machine nor the tables of words can be reached.
"""

from __future__ import annotations

import sys

from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.contracts import ContractError, contracts
from resources.publishing import DOOR
from resources.warehouse import AnalystError, show_answer


def main(arguments: list[str]) -> int:
    """Print the answer as a table; exit status 2 where the question cannot be asked."""
    if len(arguments) != 1:
        print('usage: python -m pipelines.ask "select ..."', file=sys.stderr)
        return 2
    try:
        data = Settings.from_environment().data
        shown = [data / c.question / c.table for c in contracts().values() if not (c.has_words or c.retention == "text")]
        show_answer(data / DOOR, arguments[0], shown)
    except (AnalystError, ContractError, SettingsError) as error:
        print(f"ask: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
