"""The templates of the pages, for the server and for the report alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

HERE = Path(__file__).parent
FLUSH = "\f"
"""What a template writes before it waits for rows: what stands before it is sent. To a browser it is a space."""


def environment() -> Environment:
    """Templates that escape all that they are given; `drawing` lets SVG through that was made here."""
    made = Environment(
        loader=FileSystemLoader(HERE / "html"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals["flush"] = FLUSH
    made.filters["drawing"] = Markup
    made.filters["words"] = _words
    return made


def in_parts(template: Template, values: Mapping[str, Any]) -> Iterator[str]:
    """A page bit by bit: each time that it comes to wait, all that is ready."""
    ready: list[str] = []
    for text in template.generate(values):
        ready.append(text)
        if FLUSH in text:
            yield "".join(ready)
            ready = []
    yield "".join(ready)


def _words(text: str) -> Markup:
    """Text in which `this` is code; all else of it is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
