"""The format `mapped`: a team's own column names in place of a format of their own, written as `columns:` in sources.yml.

Here belongs what such a map may say and the SELECT made from it. A map renames; what must be computed (input without its
cached part, seconds to milliseconds) needs a format: one SELECT in sql/sources/. Keys of the file are bound, never pasted,
and what is pasted is checked to be a column name of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from resources.near_names import allowed_names

NAME = "mapped"
_EXAMPLE = "columns: {ts: TIMESTAMP, uncached_input_tokens: /usage/prompt_tokens}"


class ColumnMapError(ValueError):
    """A map that cannot be used as written; says which entry, what is wrong and what is allowed."""


@dataclass(frozen=True)
class MappedSelect:
    """A SELECT over `records`, the parameters it names, and the columns that a CSV header must have for it."""

    sql: str
    parameters: dict[str, Any]
    expects: tuple[str, ...]


def select_of(columns: object, allowed: Collection[str]) -> MappedSelect:
    """The SELECT of a map from our column name to the file's key; raises ColumnMapError.

    `allowed` are the names that a source may fill. A key that begins with / is a JSON pointer (RFC 6901) into the
    record, such as /usage/prompt_tokens; any other is the name of a column or a top-level key, as it stands. A key that a
    record lacks is NULL; a CSV header that lacks a column is refused with its name.
    """
    if not isinstance(columns, Mapping) or not columns:
        raise ColumnMapError(f"columns is a mapping of our column to the file's, such as {_EXAMPLE}")
    unknown = sorted(str(name) for name in columns if name not in allowed)
    if unknown:
        names = allowed_names(unknown, sorted(allowed), "docs/formats/mapped.md")
        raise ColumnMapError(f"columns names {', '.join(unknown)}; allowed: {names}")
    for name, key in columns.items():
        if not isinstance(key, str) or not key.strip():
            raise ColumnMapError(f"columns: {name} is the name of a column or a pointer such as /usage/total, not {key!r}")
    if "ts" not in columns:
        raise ColumnMapError("columns lacks ts, the time of the request; without one a record has no day")
    pointers = [key if key.startswith("/") else "/" + _escaped(key) for key in columns.values()]
    selected = "".join(f",\n    found[{place}] as {name}" for place, name in enumerate(columns, 1))
    return MappedSelect(
        # One look into the record for all keys: a look for each would parse it as many times.
        sql=(
            f"select record_number{selected}\n"
            "from (select record_number, json_extract_string(raw, $pointers) as found from records)"
        ),
        parameters={"pointers": pointers},
        expects=tuple(dict.fromkeys(_top_level(pointer) for pointer in pointers)),
    )


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _top_level(pointer: str) -> str:
    return pointer.split("/")[1].replace("~1", "/").replace("~0", "~")
