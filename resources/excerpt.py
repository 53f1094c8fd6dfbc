"""A bad line's shape, without its values: what logs.quarantine may show of it.

A line that cannot be parsed cannot be redacted by pattern, so nothing of it is kept but JSON keys that some format knows,
punctuation, and each value's type and length: `{"model":<string:12>,"tokens":<number:3>,<key:9>:<text:57>}`. Any other key
may be somebody's name.
"""

from __future__ import annotations

import re
from functools import cache

from resources.contracts import contracts
from resources.sources import formats, source_columns

EXCERPT_CHARACTERS = 240
_CUT = "…"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Possessive quantifiers: no backtracking, so an unclosed string of 16 MB costs one pass. An unclosed string still
# matches, up to the end.
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]++)
  | (?P<string>"(?:[^"\\]++|\\.)*+"?)
  | (?P<mark>[{}\[\]:,])
  | (?P<number>-?[0-9][0-9.eE+-]*+)(?![^\s{}\[\]:,"])
  | (?P<bool>true|false)(?![^\s{}\[\]:,"])
  | (?P<null>null)(?![^\s{}\[\]:,"])
  | (?P<text>[^\s{}\[\]:,"]++|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COLON_FOLLOWS = re.compile(r"[ \t\r\n]*+:")


def excerpt(raw: str | bytes) -> str:
    """The shape of a line in at most 240 characters, in one pass; holds no value of it.

    Bytes that are not UTF-8 become `<bytes:N>`, what does not start like an object or a list `<text:N>`.
    """
    if isinstance(raw, bytes):
        try:
            raw = raw.decode()
        except UnicodeDecodeError:
            return f"<bytes:{len(raw)}>"
    start = len(raw) - len(raw.lstrip(" \t\r\n\ufeff"))
    if raw[start : start + 1] not in ("{", "["):
        return f"<text:{len(raw.strip())}>"
    parts: list[str] = []
    size = 0
    before = ""
    for match in _TOKEN.finditer(raw, start):
        kind = match.lastgroup or "text"
        if kind == "space":
            continue
        is_key = kind == "string" and before in ("{", ",") and _COLON_FOLLOWS.match(raw, match.end()) is not None
        part = _key(match[0]) if is_key else _shape(kind, match[0])
        if size + len(part) > EXCERPT_CHARACTERS - len(_CUT):
            parts.append(_CUT)
            break
        parts.append(part)
        size += len(part)
        before = match[0] if kind == "mark" else ""
    return "".join(parts)


@cache
def known_keys() -> frozenset[str]:
    """The words of all formats' SQL, and the names under which a source gives columns."""
    words = {word for format_ in formats().values() for word in _WORD.findall(format_.sql)}
    parts = {part for word in words for part in word.split(".")}
    return frozenset(words | parts | set(source_columns(contracts()["logs.landed"])))


def _key(quoted: str) -> str:
    name = quoted[1:-1]
    return f'"{name}"' if name in known_keys() else f"<key:{len(name)}>"


def _shape(kind: str, token: str) -> str:
    if kind == "mark":
        return token
    if kind in ("bool", "null"):
        return f"<{kind}>"
    length = len(token)
    if kind == "string":
        length -= 2 if length > 1 and token.endswith('"') else 1
    return f"<{kind}:{length}>"
