"""The words of a document, and what it says of itself: Markdown, HTML, text, PDF, and rows of tables.

Here belongs what one document's bytes mean. Which files there are is document_reader.py; front matter is front_matter.py;
HTML and PDF, which may need a process of their own, are html_text.py and pdf_text.py. What cannot be read raises
DocumentFault, whose sentence holds nothing of the document.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

from resources import front_matter, html_text, pdf_text

READER = "reader-2"
"""Raise it with every change of what a document's bytes mean: each document is read and vetted anew."""
FIELDS = ("text", "title", "access", "valid_until", "updated_at")
"""What a document may say of itself."""
CHILD_SECONDS = 120
_LABELS = FIELDS[1:]
_STEPS_AT_HOME = 50_000_000
_HEADING = re.compile(r"^# ([^\n]*)", re.M)
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ud800-\udfff]")
_LONGEST_TITLE = 300


class DocumentFault(ValueError):
    """Why a document cannot be read, in words that hold none of its own."""


class PassingFault(DocumentFault):
    """Time or memory ran out, which another night may have."""


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
    try:
        pairs, body = front_matter.split(_decoded(content))
    except front_matter.FrontMatterError as error:
        raise DocumentFault(str(error)) from None
    return _checked(of_fields({**own(pairs, _LABELS), "text": body}), _first_heading(body))


def of_text(content: bytes) -> Document:
    """The text as it stands."""
    return _checked(Document(_decoded(content)))


def of_html(content: bytes) -> Document:
    """What a reader sees of a page, and its <title> and <meta name="access|valid_until|updated_at">."""
    from bs4.dammit import EncodingDetector

    text = _decoded(content, EncodingDetector.find_declared_encoding(content[:4_096], is_html=True))
    if html_text.steps(text) <= _STEPS_AT_HOME:
        page = _told(html_text.page_of(text))
    else:
        page = _by_child("an HTML page", html_text, text.encode("utf-8", "replace"))
    return of_fields({**own(page["said"], _LABELS[1:]), "title": page["title"], "text": page["text"]})


def of_pdf(content: bytes, most_pages: int) -> Document:
    """The text of the pages, with an empty line between them. Pages that are pictures have none."""
    return of_fields(_by_child("a PDF", pdf_text, content, str(most_pages)))


def _by_child(what: str, program: ModuleType, content: bytes, *arguments: str) -> dict[str, Any]:
    """What a program says of some bytes, in a process of its own that can be given up on."""
    command = [sys.executable, "-I", "-W", "ignore", str(program.__file__), *arguments]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=CHILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise PassingFault(f"{what} that takes longer than {CHILD_SECONDS} s to read") from None
    if done.returncode:
        raise PassingFault(f"{what} whose reading ended without a word, most likely for want of memory")
    return _told(json.loads(done.stdout))


def _told(said: dict[str, Any]) -> dict[str, Any]:
    if "fault" in said:
        raise (PassingFault if said.get("again") else DocumentFault)(said["fault"])
    return said


def own(pairs: Iterable[tuple[Any, Any]], wanted: Collection[str]) -> dict[str, Any]:
    """What is said under the wanted names, however these are written. Raises DocumentFault where one is said twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = str(key).strip().casefold()
        if name in wanted and name in found:
            raise DocumentFault(f"it has more than one `{name}`")
        if name in wanted:
            found[name] = value
    return found


def of_fields(fields: Mapping[str, Any]) -> Document:
    """A row of a table, or what a page says of itself: text, title, access, valid_until, updated_at, nothing else."""
    text = fields.get("text")
    if not isinstance(text, str):
        raise DocumentFault("its text is no text")
    title, access = _scalar_text(fields.get("title")), _optional_text(fields, "access")
    title = " ".join(title.split())[:_LONGEST_TITLE] if title else None
    access = access.strip() if access else None
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
                return content.decode(candidate).replace("\r\n", "\n").replace("\r", "\n")
        except (ValueError, LookupError):  # some encodings raise more than UnicodeDecodeError
            continue
    raise DocumentFault("its bytes are not UTF-8")


def _first_heading(text: str) -> str | None:
    found = _HEADING.search(text)
    return found[1].strip(" #\t")[:_LONGEST_TITLE] or None if found else None


def _scalar_text(value: Any) -> str | None:
    """A title may be a number or a date."""
    return str(value) if isinstance(value, int | float | date) else _optional_text({"title": value}, "title")


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
