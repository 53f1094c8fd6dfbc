"""The front matter of a Markdown page: what it says of itself between two lines of `---`.

Only its flat `key: scalar` count, each as the text that it is: nothing is composed or constructed, so that no tag, alias or
nesting makes work. It fails closed: a page whose front matter is not understood is refused, for it may hold a label.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_CHARACTERS = 65_536
_DEEPEST = 5
_OPENS = re.compile(r"[\s\ufeff]*---[ \t]*(?:\n|\Z)")
_CLOSES = re.compile(r"^(?:---|\.\.\.)[ \t]*$\n?", re.M)
_NOTHING = ("", "~", "null", "Null", "NULL")


class FrontMatterError(ValueError):
    """Why front matter is not taken, in words that hold none of its own."""


def split(text: str) -> tuple[list[tuple[str, Any]], str]:
    """Its pairs of key and text, None for a key without a value, () for a list or mapping, and the page below it.

    `text` has lines that end in \\n. Raises FrontMatterError.
    """
    opened = _OPENS.match(text)
    if not opened:
        return [], text
    closed = _CLOSES.search(text, opened.end(), opened.end() + MOST_CHARACTERS)
    if not closed:
        raise FrontMatterError(f"its front matter does not end within {MOST_CHARACTERS:,} characters")
    try:
        return _pairs(text[opened.end() : closed.start()]), text[closed.end() :]
    except (yaml.YAMLError, ValueError) as error:
        raise error if isinstance(error, FrontMatterError) else FrontMatterError("its front matter is not YAML") from None


def _pairs(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    depth, documents = 0, 0
    key: str | None = None
    for event in yaml.parse(text, Loader=yaml.SafeLoader):  # libyaml's parser recurses, and would end the process
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise FrontMatterError("its front matter has tags or anchors")
        documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            if depth == 0 and event.value:
                raise FrontMatterError("its front matter is no mapping")
            if depth == 1 and key is None:
                key = event.value
            elif depth == 1:
                found.append((str(key), None if event.implicit[0] and event.value in _NOTHING else event.value))
                key = None
            if key == "<<":
                raise FrontMatterError("its front matter has tags or anchors")
        elif isinstance(event, yaml.CollectionStartEvent):
            if (depth == 0 and not isinstance(event, yaml.MappingStartEvent)) or (depth == 1 and key is None):
                raise FrontMatterError("its front matter is no mapping")
            if depth == 1:
                found.append((str(key), ()))
                key = None
            depth += 1
        if depth > _DEEPEST or documents > 1:
            raise FrontMatterError("its front matter is nested too deeply")
    return found
