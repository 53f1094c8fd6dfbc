"""A frozen retrieval set on disk, in the layout of BEIR: corpus.jsonl, queries.jsonl and qrels.tsv in one folder.

Here belongs reading one whole, and refusing one whose parts do not belong together. What it is measured for is not known.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS, QUERIES = "corpus.jsonl", "queries.jsonl"
QRELS = ("qrels.tsv", "qrels/test.tsv")
"""Beside the others, or where BEIR's own sets have it."""
_HEADER = ["query-id", "corpus-id", "score"]


class BeirSetError(ValueError):
    """A folder that is no such set; says which file, and what to write."""


@dataclass(frozen=True)
class BeirSet:
    """Queries and documents by id, and by query the grade, 1 and up, of each document that is judged relevant."""

    queries: dict[str, str]
    documents: dict[str, str]
    """Title, if there is one, and text."""
    qrels: dict[str, dict[str, int]]
    digest: str
    """First 16 hex digits of the SHA-256 of the three files."""


def read_beir(folder: Path) -> BeirSet:
    """The set of a folder. Raises BeirSetError, also where a judgment names a query or document that is not there, or a
    query has no judgment: such a set would be measured as something it is not."""
    qrels_path = next((folder / name for name in QRELS if (folder / name).is_file()), folder / QRELS[0])
    paths = [folder / CORPUS, folder / QUERIES, qrels_path]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise BeirSetError(f"{folder} has no {', '.join(missing)}: a frozen set is {CORPUS}, {QUERIES} and {QRELS[0]}")
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()[:16]
    found = BeirSet(_texts(paths[1]), _texts(paths[0]), _judgments(paths[2]), digest)
    _check(folder, found)
    return found


def _check(folder: Path, found: BeirSet) -> None:
    named = {document for grades in found.qrels.values() for document in grades}
    for ids, there, told in (
        (found.qrels.keys(), found.queries.keys(), f"judged queries are not in {QUERIES}"),
        (found.queries.keys(), found.qrels.keys(), "queries have no judgment"),
        (named, found.documents.keys(), f"judged documents are not in {CORPUS}"),
    ):
        if strange := sorted(ids - there):
            some = f"{len(strange)} of {len(ids)} {told}, such as {strange[0]!r}"
            raise BeirSetError(f"{folder}: {some}: write ids alike, and leave out what nobody judged")
    if not found.queries:
        raise BeirSetError(f"{folder} has no query")


def _texts(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                raw: Any = json.loads(line)
                name, text = str(raw["_id"]), " ".join(str(raw.get(key) or "") for key in ("title", "text")).strip()
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BeirSetError(f'{where} is an object with "_id" and "text"') from None
            if name in found or not text:
                raise BeirSetError(f"{where}: {name!r} {'stands there twice' if name in found else 'has no words'}")
            found[name] = text
    return found


def _judgments(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if next(rows, None) != _HEADER:
            raise BeirSetError(f"{path} begins with the line {' '.join(_HEADER)}, separated by tabs")
        for row in rows:
            if len(row) != 3 or not row[2].strip().lstrip("-").isdigit():
                where = f"{path}, line {rows.line_num}"
                raise BeirSetError(f"{where} is a query, a document and a whole grade, separated by tabs")
            if int(row[2]) > 0:
                found.setdefault(row[0], {})[row[1]] = int(row[2])
    return found
