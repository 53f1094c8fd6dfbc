"""Files of labels as entries: this project's JSON lines and CSV, and what Label Studio and Argilla export.

Here belongs how each format spells who judged what. What an entry may say is label_entry.py. Nothing here raises for what a
file holds: what cannot be read is an entry that says so.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FIELDS = (
    "request_id", "day", "annotator", "labelled_at", "hallucinated", "grounded", "safety_pass", "toxic",
    "instruction_followed", "policy_followed", "severity", "root_cause", "comment",
)  # fmt: skip
"""What is read of a line; everything else in it is left alone."""
LONGEST_LINE = 1_000_000
"""Bytes. Exported lines hold a question with its whole context."""
LARGEST_FILE = 256_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Entry:
    """One line, annotation or record. `fields` are its values by FIELDS; `fault` (reason, expected) is why there are none.
    `raw` is what stood there, as text or as its JSON value. `is_skipped`: its tool says that nobody answered."""

    number: int
    raw: Any = field(repr=False)
    fields: Mapping[str, Any] | None = None
    fault: tuple[str, str | None] | None = None
    is_skipped: bool = False


@dataclass(frozen=True)
class LabelFile:
    """A file's format (jsonl, csv, label_studio, argilla, unknown) and entries."""

    format: str
    entries: list[Entry]


def read_label_file(content: bytes, suffix: str) -> LabelFile:
    """The entries of a file with that ending (`.csv`, `.jsonl`, `.json`, any case)."""
    if len(content) > LARGEST_FILE:
        return _refused("too_long", f"at most {LARGEST_FILE:,} bytes")
    kind = suffix.lower()
    if kind == ".csv":
        return _csv(content)
    if kind in (".jsonl", ".ndjson"):
        return LabelFile("jsonl", list(_json_lines(content)))
    if kind == ".json":
        return _json(content)
    return _refused("unreadable", "a file that ends in .jsonl, .csv or .json")


def unescaped(cell: str) -> str:
    """A cell as it was before export put an apostrophe before what a spreadsheet would take for a formula."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unescaped` gives it back."""
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _refused(reason: str, expected: str) -> LabelFile:
    return LabelFile("unknown", [Entry(0, b"", fault=(reason, expected))])


def _chosen(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: raw[name] for name in FIELDS if name in raw}


def _json_lines(content: bytes) -> Iterator[Entry]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            yield Entry(number, line[:1000], fault=("too_long", f"at most {LONGEST_LINE:,} bytes"))
            continue
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError):
            yield Entry(number, line, fault=("unreadable", "one JSON object a line"))
            continue
        yield _object(number, line, raw)


def _object(number: int, line: Any, raw: Any) -> Entry:
    if not isinstance(raw, dict):
        return Entry(number, line, fault=("not_an_object", "a JSON object"))
    return Entry(number, line, _chosen(raw))


def _csv(content: bytes) -> LabelFile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _refused("unreadable", "UTF-8")
    if "\n" not in text:
        text = text.replace("\r", "\n")  # As spreadsheets on old Macintoshes end lines.
    head = text.split("\n", 1)[0]
    # A spreadsheet in half of Europe writes semicolons.
    delimiter = max(",;\t", key=lambda mark: len(set(FIELDS) & {name.strip(' "\r') for name in head.split(mark)}))
    is_over: list[bool] = []
    reader = csv.reader(_lines(text, is_over), delimiter=delimiter)
    entries: list[Entry] = []
    header: list[str] | None = None
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return LabelFile("csv", entries)
        except csv.Error:
            # The reader goes on with the next line, so that each is told of.
            entries.append(Entry(reader.line_num, b"", fault=("unreadable", "cells of at most 131,072 characters")))
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if "request_id" not in header:
                return _refused("unreadable", "a first line that names the columns, request_id among them")
        elif is_over:
            # What follows the quote was taken for one cell: it is no answer, and no comment to keep.
            entries.append(Entry(first, b"", fault=("unreadable", "a quote that is closed: all lines after it stand in it")))
        elif any(cell.strip() for cell in cells):
            entries.append(_cells(reader.line_num, header, cells))


def _lines(text: str, is_over: list[bool]) -> Iterator[str]:
    """The lines of a text; `is_over` holds something once one more was asked for, which no row does that is whole."""
    yield from (f"{line}\n" for line in text.split("\n"))
    is_over.append(True)


def _cells(number: int, header: list[str], cells: list[str]) -> Entry:
    raw = dict(zip(header, cells, strict=False))
    if len(cells) != len(header):
        return Entry(number, raw, fault=("unreadable", f"{len(header)} cells, as the first line has"))
    values = {name: unescaped(cell).strip() for name, cell in zip(header, cells, strict=True)}
    return Entry(number, raw, _chosen(values))


def _json(content: bytes) -> LabelFile:
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError):
        return _refused("unreadable", "JSON: a list of tasks, records or labels")
    if not isinstance(raw, list):
        return _refused("unreadable", "a list of tasks, records or labels")
    first = next((item for item in raw if isinstance(item, dict)), {})
    if "annotations" in first:
        return LabelFile("label_studio", _numbered(raw, _of_task))
    if "responses" in first and "fields" in first:
        return LabelFile("argilla", _numbered(raw, _of_record))
    return LabelFile("jsonl", [_object(number, item, item) for number, item in enumerate(raw, 1)])


def _numbered(raw: list[Any], read: Any) -> list[Entry]:
    """The entries of all items, numbered through: an item may hold several labels."""
    entries: list[Entry] = []
    for item in raw:
        try:
            found = list(read(item))
        except (AttributeError, KeyError, TypeError, IndexError):
            entries.append(Entry(len(entries) + 1, item, fault=("unreadable", "a task or record as its tool exports it")))
            continue
        if not found:
            entries.append(Entry(len(entries) + 1, item, is_skipped=True))
        for fields in found:
            entries.append(Entry(len(entries) + 1, item, fields, is_skipped=fields is None))
    return entries


def _of_task(task: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """The annotations of a task of Label Studio's JSON export; None for one that was skipped."""
    data = task["data"]
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            yield None
            continue
        by = annotation.get("completed_by")
        said = {result["from_name"]: _of_result(result["value"]) for result in annotation["result"]}
        yield _chosen(said) | {
            "request_id": data["request_id"],
            "day": data.get("day"),
            "annotator": (by.get("email") or by.get("id")) if isinstance(by, dict) else by,
            "labelled_at": annotation.get("updated_at") or annotation.get("created_at"),
        }


def _of_result(value: dict[str, Any]) -> Any:
    """The value of a choice or a text; both are lists, a text may be one string."""
    said = value["choices"] if "choices" in value else value["text"]
    return "\n".join(map(str, said)) if isinstance(said, list) else said


def _of_record(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers of each user to a record of Argilla's JSON export. It holds no time."""
    by_user: dict[str, dict[str, Any]] = {}
    for question, answers in record["responses"].items():
        for answer in answers:
            by_user.setdefault(str(answer["user_id"]), {})[question] = answer["value"]
    named = record["metadata"]
    for user, said in sorted(by_user.items()):
        yield _chosen(said) | {"request_id": named["request_id"], "day": named.get("day"), "annotator": user}
