"""Charts as pictures: a Vega-Lite specification becomes an SVG, without a browser and without a network.

Here belongs the renderer. What a chart shows is decided where its data is known (assets/*/pictures.py).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

VEGA_LITE = "6.1"


def svg(spec: Mapping[str, Any]) -> str:
    """The chart as SVG: text is text, and the same specification gives the same picture.

    Raises ValueError for a specification that is none. It fetches nothing: data that it names by URL is refused.
    """
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(dict(spec), vl_version=VEGA_LITE, allowed_base_urls=[])
    return drawn


def warm_up() -> None:
    """Start what draws, which takes a second; else the first chart waits for it."""
    svg({"data": {"values": [{"at": 0}]}, "mark": "line", "encoding": {"x": {"field": "at", "type": "quantitative"}}})


def markdown_image(spec: Mapping[str, Any], words: str) -> str:
    """The chart as an image within Markdown, for pages that show no other files. `words` stand where it cannot be seen."""
    encoded = base64.b64encode(svg(spec).encode()).decode()
    plain = "".join(sign for sign in words if sign not in "[]\\`\r\n")
    return f"![{plain}](data:image/svg+xml;base64,{encoded})"
