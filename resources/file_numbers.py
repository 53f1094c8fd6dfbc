"""Numbers of documents that say which file they are in, so that several small files are typed by one statement.

Here belongs what such a number is made of, and what SQL makes of it. A file that is typed alone is file 0: its documents'
numbers are what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from resources.warehouse import Connection

Number = TypeVar("Number", int, NDArray[np.int64])
_BITS = 40
"""Of the number within the file; those above them say which file."""
_WITHIN = (1 << _BITS) - 1
_FILE_OF = f"list_extract(getvariable('file_ids'), 1 + (document >> {_BITS}))"
_PLACE = f"cast(document & {_WITHIN} as varchar) || case when part > 1 then ':' || cast(part as varchar) else '' end"
_MADE_ID = f"left(sha256(file_of(document) || ':' || {_PLACE}), 32)"


def know_files(con: Connection, file_ids: Sequence[str]) -> None:
    """Make files known to a connection: `file_of(document)` is the SHA-256 of the one that a document's number points to,
    `made_id(document, part)` the id of a record that brings none."""
    con.execute("set variable file_ids = $file_ids", {"file_ids": list(file_ids)})
    con.execute(f"create or replace temporary macro file_of(document) as {_FILE_OF}")
    con.execute(f"create or replace temporary macro made_id(document, part := 1) as {_MADE_ID}")


def numbers_in(file: int, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of documents within a file -> among those of all files."""
    return numbers + (file << _BITS)


def file_of(number: Number) -> Number:
    """Which file a document is in."""
    return number >> _BITS


def number_within(number: Number) -> Number:
    """A document's number within its file."""
    return number & _WITHIN
