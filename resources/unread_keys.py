"""Keys that a log carries and no column takes: the usual cause of columns that stay empty without anybody noticing.

Only the beginning of a file is looked at; the answer is a hint for a person, not an account.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from resources.contracts import contracts
from resources.sources import source_columns
from resources.splitting import Splitting

CANONICAL = "canonical"
LOOKED_AT_DOCUMENTS = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")


def unread_keys(path: Path, most: int = 10) -> list[str]:
    """Top-level keys of a canonical file's first documents that logs.landed has no name for, in order of appearance.

    Keys that do not look like names are left out: they may be somebody's text.
    """
    known = set(source_columns(contracts()["logs.landed"]))
    try:
        first = next(iter(Splitting(path)))
    except FileNotFoundError:
        return []  # Taken away since it was landed.
    found: dict[str, None] = {}
    for document in first.rows["raw"][:LOOKED_AT_DOCUMENTS].to_pylist():
        try:
            record = json.loads(document)
        except (ValueError, RecursionError):
            continue  # Landing has put it into quarantine, with the reason.
        if isinstance(record, dict):
            found.update(dict.fromkeys(key for key in record if key not in known and _NAME.match(key)))
    return list(found)[:most]
