"""Keys that a log carries and no column takes: the usual cause of columns that stay empty without anybody noticing.

Only the beginning of a file is looked at; the answer is a hint for a person, not an account.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from resources.contracts import contracts
from resources.sources import source_columns, text_columns
from resources.splitting import Splitting

CANONICAL = "canonical"
LISTS = ("retrievals", "tool_calls", "feedback")
LOOKED_AT_DOCUMENTS = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")


def unread_keys(path: Path, most: int = 10) -> list[str]:
    """Top-level keys of a canonical file's first documents that landing has no name for, in order of appearance.

    Only keys that look like names and stand in half of the documents: such a key is a program's. Any other may be somebody's
    name or words.
    """
    known = {*source_columns(contracts()["logs.landed"]), *text_columns(), *LISTS}
    try:
        first = next(iter(Splitting(path)))
    except FileNotFoundError:
        return []  # Taken away since it was landed.
    found: Counter[str] = Counter()
    records = 0
    for document in first.rows["raw"][:LOOKED_AT_DOCUMENTS].to_pylist():
        try:
            record = json.loads(document)
        except (ValueError, RecursionError):
            continue  # Landing has put it into quarantine, with the reason.
        if isinstance(record, dict):
            records += 1
            found.update(key for key in record if key not in known and _NAME.match(key))
    return [key for key, number in found.items() if 2 * number >= records][:most]
