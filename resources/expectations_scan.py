"""The first look at a table: one scan of its published rows counts those that break each expectation.

Here belongs the SQL of that scan, and nothing of Great Expectations, which judges by what it counts: a table whose rows
keep their contract is read once, however much is expected of it (resources/expectations.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.warehouse import Connection, SqlError, literal

if TYPE_CHECKING:
    from resources.expectations import Expectation


@dataclass(frozen=True)
class Counts:
    """What one scan counted: all rows, those without a value of a column, and those that break each expectation.

    `failing` is in the order of what was expected. Of repeated keys it counts the repetitions, without keys that have an
    empty part: zero exactly where every key stands once.
    """

    rows: int
    missing: dict[str, int]
    failing: tuple[int, ...]


def count_failing(con: Connection, query: str, expected: Sequence[Expectation]) -> Counts | None:
    """Counts over the rows of a SELECT; None where it cannot be asked, such as of a column that is not there."""
    columns = list(dict.fromkeys(e.column for e in expected if e.column))
    asked = ["count(*)", *(f"count_if({column} is null)" for column in columns), *(_failing(e, query) for e in expected)]
    try:
        found = con.execute(f"select {', '.join(asked)} from ({query})").fetchall()[0]
    except SqlError:
        return None
    # Of no rows, DuckDB counts NULL.
    rows, *counted = (int(count or 0) for count in found)
    missing, failing = counted[: len(columns)], counted[len(columns) :]
    return Counts(rows, dict(zip(columns, missing, strict=True)), tuple(failing))


def _failing(expectation: Expectation, query: str) -> str:
    """An aggregate that counts the rows which break an expectation."""
    arguments, column = expectation.arguments, expectation.column
    match expectation.kind:
        case "ExpectColumnValuesToNotBeNull":
            return f"count_if({column} is null)"
        case "ExpectColumnValuesToBeInSet":
            return f"count_if({column} not in ({', '.join(literal(str(value)) for value in arguments['value_set'])}))"
        case "ExpectColumnValuesToBeBetween":
            return f"count_if(not ({_between(str(column), arguments)}))"
        case "ExpectCompoundColumnsToBeUnique":
            return _repeated(arguments["column_list"])
        case "ExpectColumnValuesToBeUnique":
            return _repeated([str(column)])
        case "FailingRows" if "failing" in arguments:
            return f"count_if({arguments['failing']})"
        case "FailingRows":
            return f"(select count(*) from ({arguments['query'].replace('{batch}', f'({query})')}))"
    raise NotImplementedError(f"no first look at {expectation.kind}; write what counts the rows that break it")


def _between(column: str, bounds: Any) -> str:
    parts = {"min_value": ">=", "max_value": "<="}
    return " and ".join(f"{column} {sign} {bounds[name]!r}" for name, sign in parts.items() if bounds[name] is not None)


def _repeated(key: Sequence[str]) -> str:
    whole = " and ".join(f"{column} is not null" for column in key)
    return f"count_if({whole}) - count(distinct ({', '.join(key)})) filter (where {whole})"
