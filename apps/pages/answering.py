"""One question of an analyst, answered in a process of its own: `python -m apps.pages.answering` (asking.py starts it).

Here belongs what holds a question back that DuckDB would not: the process can write no file, has an end to its memory and
its processor time, knows no environment, and is killed when its time is up.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from resources.warehouse import AnalystError, ask, open_locked

MOST_BYTES_OF_MEMORY = 4 << 30
"""Of addresses, not of memory: DuckDB's own limit is far below, but not all that a function takes counts there."""
LONGEST_CELL = 2_000
MOST_CHARACTERS = 4_000_000
"""Of an answer; a page that shows more stops a browser."""


def main() -> int:
    """Read a question as JSON from standard input, and write the answer, or what is wrong, to standard output."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
    asked = json.loads(sys.stdin.read())
    seconds = int(asked["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (2 * seconds, 2 * seconds + 1))
    try:
        said = _answer(asked)
    except AnalystError as error:
        said = {"error": str(error)}
    except MemoryError:
        said = {"error": "the question needs more memory than one question gets; ask for fewer rows or columns"}
    sys.stdout.write(json.dumps(said))
    return 0


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {name: _parameter(value) for name, value in asked["parameters"].items()}
    con = open_locked(Path(asked["path"]), [Path(folder) for folder in asked["readable"]], asked["memory_limit"])
    try:
        answer = ask(con, asked["question"], parameters, asked["max_rows"])
    finally:
        con.close()
    rows, characters = [], 0
    for row in answer.rows:
        rows.append([_text(value) for value in row])
        characters += sum(len(text or "") for text in rows[-1])
        if characters > MOST_CHARACTERS:
            break
    is_cut = answer.is_cut or len(rows) < len(answer.rows)
    return {"columns": answer.columns, "types": answer.types, "rows": rows, "is_cut": is_cut}


def _parameter(value: Any) -> Any:
    """A parameter as the page sent it: days are text in JSON."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _text(value: Any) -> str | None:
    """A value as text, cut where it is long; NULL stays one."""
    if value is None:
        return None
    text = f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


if __name__ == "__main__":
    sys.exit(main())
