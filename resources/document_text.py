"""The words of a document, and what it says of itself: Markdown, HTML, text, PDF, and rows of tables.

Here belongs what one document's bytes mean. Which files there are is document_reader.py; a PDF is read by a process of its
own (pdf_text.py). What cannot be read raises DocumentFault, whose sentence holds nothing of the document.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

READER = "reader-1"
"""Raise it with every change of what a document's bytes mean: each document is read and vetted anew."""
FIELDS = ("text", "title", "access", "valid_until", "updated_at")
"""What a document may say of itself."""
PDF_SECONDS = 120
_PDF_PROGRAM = Path(__file__).with_name("pdf_text.py")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_HEADING = re.compile(r"^# +(\S.*?)[ #]*$", re.M)
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
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ud800-\udfff]")
_LONGEST_TITLE = 300


class DocumentFault(ValueError):
    """Why a document cannot be read, in words that hold none of its own."""


@dataclass(frozen=True)
class Document:
    """What one document says. None: it does not say."""

    text: str
    title: str | None = None
    access: str | None = None
    valid_until: date | None = None
    updated_at: datetime | None = None


def of_markdown(content: bytes) -> Document:
    """Front matter (title, access, valid_until, updated_at; others are passed over) and the text below it, as it stands."""
    text = _decoded(content)
    found = _FRONT_MATTER.match(text)
    if not found:
        return _checked(Document(text), _first_heading(text))
    try:
        said = yaml.load(found[1], Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DocumentFault("its front matter is not YAML") from None
    if not isinstance(said, dict | None):
        raise DocumentFault("its front matter is no mapping")
    body = text[found.end() :]
    return _checked(of_fields({**(said or {}), "text": body}), _first_heading(body))


def of_text(content: bytes) -> Document:
    """The text as it stands."""
    return _checked(Document(_decoded(content)))


def of_html(content: bytes) -> Document:
    """What a reader sees of a page, and its <title> and <meta name="access|valid_until|updated_at">."""
    from bs4 import BeautifulSoup
    from bs4.dammit import EncodingDetector

    declared = EncodingDetector.find_declared_encoding(content, is_html=True)
    try:
        with warnings.catch_warnings():  # of pages that look like a file name, or like XML
            warnings.simplefilter("ignore")
            page = BeautifulSoup(_decoded(content, declared), "html.parser")
        title = page.title.get_text() if page.title else None
        fields: dict[str, Any] = {str(tag.get("name")).lower(): tag.get("content") for tag in page.find_all("meta")}
        text = _seen(page)
    except RecursionError:
        raise DocumentFault("its tags are nested too deeply") from None
    lines = (" ".join(line.split()) for line in text.split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    said = {key: fields.get(key) for key in FIELDS}
    return of_fields(said | {"title": title, "text": text})


def of_pdf(content: bytes, most_pages: int) -> Document:
    """The text of the pages, with an empty line between them. Pages that are pictures have none."""
    command = [sys.executable, "-I", "-W", "ignore", str(_PDF_PROGRAM), str(most_pages)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=PDF_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise DocumentFault(f"a PDF that takes longer than {PDF_SECONDS} s to read") from None
    if done.returncode:
        raise DocumentFault("a PDF whose reading ended without a word, most likely for want of memory")
    said = json.loads(done.stdout)
    if "fault" in said:
        raise DocumentFault(said["fault"])
    return of_fields(said)


def of_fields(fields: Mapping[str, Any]) -> Document:
    """A row of a table, or what a page says of itself: text, title, access, valid_until, updated_at, nothing else."""
    text = fields.get("text")
    if not isinstance(text, str):
        raise DocumentFault("its text is no text")
    title, access = (_optional_text(fields, key) for key in ("title", "access"))
    title = " ".join(title.split())[:_LONGEST_TITLE] if title else None
    valid_until = fields.get("valid_until")
    if valid_until is not None and valid_until != "":
        valid_until = _moment("valid_until", valid_until).date()
    updated_at = fields.get("updated_at")
    if updated_at is not None and updated_at != "":
        updated_at = _moment("updated_at", updated_at)
    return _checked(Document(text, title or None, access or None, valid_until or None, updated_at or None))


def _checked(document: Document, title: str | None = None) -> Document:
    """With lines that end in \\n, and `title` where it has none. Raises DocumentFault where there are no words."""
    text = document.text.replace("\r\n", "\n").replace("\r", "\n")
    if _NO_TEXT.search(text) or _NO_TEXT.search(document.title or "") or _NO_TEXT.search(document.access or ""):
        raise DocumentFault("it holds signs that are no text, as binary files do")
    if not text.strip():
        raise DocumentFault("it has no words")
    return replace(document, text=text, title=document.title or title)


def _decoded(content: bytes, declared: str | None = None) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for candidate in (encoding, declared):
        try:
            if candidate:
                return content.decode(candidate).replace("\r\n", "\n")
        except (UnicodeDecodeError, LookupError):
            continue
    raise DocumentFault("its bytes are not UTF-8")


def _first_heading(text: str) -> str | None:
    found = _HEADING.search(text)
    return found[1][:_LONGEST_TITLE] if found else None


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


def _optional_text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise DocumentFault(f"its {key} is no text")


def _moment(key: str, value: Any) -> datetime:
    """A date or time in UTC; a date is its first instant, and what has no zone is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise DocumentFault(f"its {key} is no date such as 2026-11-02") from None
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        except OverflowError:
            raise DocumentFault(f"its {key} is beyond the calendar") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise DocumentFault(f"its {key} is no date such as 2026-11-02")
