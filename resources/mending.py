"""What is put right in a line that is no JSON, because every reader would do the same with it.

Here belongs what needs no guess: a byte-order mark in the middle of a file, which is where two files were put together, and
half of a character that JSON writes as two, which is where a logger cut a text off. All else is for quarantine.
"""

from __future__ import annotations

import re

_REPLACEMENT = r"\ufffd"
# Left to right over all escapes, so that the backslash of an escaped backslash starts none.
_ESCAPE = re.compile(
    r"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def mended(raw: str) -> str | None:
    """The line without marks in front, and with U+FFFD for each half of a surrogate pair; None where it has neither."""
    found = raw.lstrip("\ufeff")
    if "\\u" in found:
        found = _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["half"] else escape[0], found)
    return found if found != raw else None
