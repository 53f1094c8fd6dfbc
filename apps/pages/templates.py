"""The templates of the pages, for the server and for the report alike."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

HERE = Path(__file__).parent


def environment() -> Environment:
    """Templates that escape all that they are given; `drawing` lets SVG through that was made here."""
    made = Environment(
        loader=FileSystemLoader(HERE / "html"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["drawing"] = Markup
    made.filters["words"] = _words
    return made


def _words(text: str) -> Markup:
    """Text in which `this` is code; all else of it is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
