"""The words of an HTML page, as a reader sees them, and what it says of itself. A program, too.

The parser of the standard library takes quadratic time for tags that do not end: a page that could make it work for long is
read by a process of its own, with bounds on memory and time. It imports nothing of this project.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import warnings
from typing import Any

MEMORY_BYTES = 2 << 30
_MOST_OPEN = 1_000
_UNSEEN = ("script", "style", "template", "noscript", "svg", "head", "nav")
_BLOCKS = (
    "address", "article", "aside", "blockquote", "div", "dl", "figcaption", "figure", "footer", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p", "pre", "section", "table", "ul",
)  # fmt: skip
_APART = {
    **dict.fromkeys(_BLOCKS, ("\n\n", "\n\n")), **dict.fromkeys(("br", "dd", "dt", "li", "tr"), ("\n", "")),
    **dict.fromkeys(("td", "th"), ("", "\t")),
}  # fmt: skip
"""What stands before and after the words of a tag."""
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def steps(text: str) -> int:
    """How many signs the parser looks at in the worst case: 50 million take it less than a second."""
    return text.count("<") * len(text)


def page_of(text: str) -> dict[str, Any]:
    """{text, title, said}, where `said` are pairs of name and content of its <meta>; or {fault}."""
    from bs4 import BeautifulSoup

    if text.count("<", text.rfind(">") + 1) > _MOST_OPEN:
        return {"fault": "it ends in tags that do not"}
    try:
        with warnings.catch_warnings():  # of pages that look like a file name, or like XML
            warnings.simplefilter("ignore")
            page = BeautifulSoup(text, "html.parser")
        seen = _seen(page)
        title = page.title.get_text() if page.title else None
        said = [(str(tag.get("name")), tag.get("content")) for tag in page.find_all("meta") if tag.has_attr("name")]
    except RecursionError:
        return {"fault": "its tags are nested too deeply"}
    except MemoryError:
        return {"fault": "a page that takes too much memory to read", "again": True}
    except Exception as error:  # a broken page makes the parser raise more than it documents
        return {"fault": f"it could not be read ({type(error).__name__})"}
    lines = (" ".join(line.split()) for line in seen.split("\n"))
    return {"text": re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), "title": title, "said": said}


def _seen(page: Any) -> str:
    """The words of a page in their order, with lines and cells apart; one walk, however deep the tags are nested."""
    from bs4.element import NavigableString, Tag

    found: list[str] = []
    todo: list[Any] = [page]
    while todo:
        node = todo.pop()
        if isinstance(node, Tag):
            if not _is_unseen(node):
                before, after = _APART.get(node.name, ("", ""))
                found.append(before)
                todo += [after, *reversed(node.contents)]
        elif type(node) in (str, NavigableString):  # not comments, nor what else is no text of the page
            found.append(node)
    return "".join(found)


def _is_unseen(tag: Any) -> bool:
    hidden = tag.has_attr("hidden") or bool(_HIDDEN_STYLE.search(str(tag.get("style") or "")))
    return tag.name in _UNSEEN or hidden


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    json.dump(page_of(sys.stdin.buffer.read().decode("utf-8", "replace")), sys.stdout)
