"""warehouse/seeds/golden_queries.yml: questions of which a person says which documents answer them.

Here belongs the lint of that seed. What is made of it is pipelines/retrieval/index_desk.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.seed_yaml import SeedYamlError, read_seed

GOLDEN_FILE = "golden_queries.yml"
_KEYS = frozenset({"query", "relevant", "tenant", "topic"})
_GRADES = (1, 2, 3)


class GoldenSeedError(ValueError):
    """A golden_queries.yml that cannot be used as written; says which entry, and what to write."""


@dataclass(frozen=True)
class GoldenQuery:
    """One question; `relevant`: the grade, 1 to 3, of each document that answers it."""

    query: str
    relevant: Mapping[str, int]
    tenant: str | None = None
    topic: str | None = None


def load_golden(path: Path) -> dict[str, list[GoldenQuery]]:
    """The queries of each index; none where the file is absent. Raises GoldenSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return {}
    except SeedYamlError as error:
        raise GoldenSeedError(str(error)) from error
    if raw is None or raw == {"golden_queries": None}:
        return {}
    if not isinstance(raw, dict) or set(raw) != {"golden_queries"} or not isinstance(raw["golden_queries"], dict):
        raise GoldenSeedError(f"{path.name} is `golden_queries:` and below it an index with a list of queries each")
    return {str(index): _queries(f"{path.name}: {index}", entries) for index, entries in raw["golden_queries"].items()}


def _queries(where: str, entries: Any) -> list[GoldenQuery]:
    if not isinstance(entries, list):
        raise GoldenSeedError(f"{where} is a list of queries; not {type(entries).__name__}")
    found = [_query(f"{where}, query {place}", entry) for place, entry in enumerate(entries, start=1)]
    if len({one.query for one in found}) < len(found):
        raise GoldenSeedError(f"{where} asks one question twice; name all its documents in one entry")
    return found


def _query(where: str, raw: Any) -> GoldenQuery:
    if not isinstance(raw, dict) or set(raw) - _KEYS:
        raise GoldenSeedError(f"{where} is a mapping of {', '.join(sorted(_KEYS))}")
    text = raw.get("query")
    if not isinstance(text, str) or not text.strip():
        raise GoldenSeedError(f"{where} needs its question, such as `query: How do I return a lamp?`")
    for key in ("tenant", "topic"):
        if raw.get(key) is not None and not isinstance(raw[key], str):
            raise GoldenSeedError(f"{where}: {key} is a name")
    return GoldenQuery(text.strip(), _relevant(where, raw.get("relevant")), raw.get("tenant"), raw.get("topic"))


def _relevant(where: str, raw: Any) -> dict[str, int]:
    if isinstance(raw, list) and len(set(map(str, raw))) == len(raw):
        raw = dict.fromkeys(map(str, raw), 1)
    # YAML reads `yes` as true, which equals 1.
    if not isinstance(raw, dict) or not raw or any(type(grade) is not int or grade not in _GRADES for grade in raw.values()):
        raise GoldenSeedError(
            f"{where}: relevant is a list of document ids, or a mapping of them to 1 (related), 2 (answers it) or 3 (best)"
        )
    return {str(document): grade for document, grade in raw.items()}
