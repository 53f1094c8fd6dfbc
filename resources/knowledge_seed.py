"""warehouse/seeds/knowledge.yml: which files are the knowledge base, whose they are, who may receive them, how they are cut.

Here belongs the lint of that seed. How files are read is document_reader.py; what is looked for in them before they are
indexed is assets/retrieval/vetting.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.contracts import REPO
from resources.seed_yaml import SeedYamlError, read_seed
from resources.service_seeds_owners import components

KNOWLEDGE_FILE = "knowledge.yml"
_KEYS = frozenset({"corpora", "largest_mb", "most_pages"})
_CORPUS_KEYS = frozenset({"path", "owner", "access", "index", "chunker", "valid_days", "permits", "released"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
_RELEASED = re.compile(r".+@[0-9a-f]{16}")
_LARGEST_MB, _MOST_PAGES, _MOST_VALID_DAYS = 1_000, 100_000, 36_500


class KnowledgeSeedError(ValueError):
    """A knowledge.yml that cannot be used as written; says which corpus, and what to write."""


@dataclass(frozen=True)
class CorpusSeed:
    """One corpus. `path` is absolute; `permits` are kinds of personal data that its documents may hold; `released` what a
    person has let in after a look, as `<document_id>@<version>`."""

    name: str
    path: Path
    owner: str
    access: str = "internal"
    index: str = "main"
    chunker: str = "sentences-1"
    valid_days: int | None = None
    permits: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnowledgeSeed:
    """The corpora, in order of name, and what is too large to be read: bytes of a document, pages of a PDF."""

    corpora: tuple[CorpusSeed, ...] = ()
    largest_bytes: int = 20_000_000
    most_pages: int = 2_000


def load_knowledge(path: Path, chunkers: Collection[str], labels: Collection[str], kinds: Collection[str]) -> KnowledgeSeed:
    """The seed of a file; no corpora where it is absent or names none. Raises KnowledgeSeedError.

    `chunkers`, `labels` and `kinds` are what a corpus may name: chunkers, access labels, kinds of personal data.
    """
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return KnowledgeSeed()
    except SeedYamlError as error:
        raise KnowledgeSeedError(str(error)) from error
    name = path.name
    raw = {} if raw is None else raw
    _refuse_unknown(name, raw, _KEYS)
    corpora = raw.get("corpora") or {}
    if not isinstance(corpora, dict):
        raise KnowledgeSeedError(f"{name}: corpora is a mapping from a corpus's name to its path and owner")
    seeds = tuple(
        _corpus(name, corpus, entry, chunkers, labels, kinds) for corpus, entry in sorted(corpora.items(), key=str)
    )
    return KnowledgeSeed(
        seeds,
        _whole(name, raw, "largest_mb", _LARGEST_MB, 20) * 1_000_000,
        _whole(name, raw, "most_pages", _MOST_PAGES, 2_000),
    )


def _corpus(
    name: str, corpus: Any, raw: Any, chunkers: Collection[str], labels: Collection[str], kinds: Collection[str]
) -> CorpusSeed:
    where = f"{name}: {corpus}"
    if not isinstance(corpus, str) or not _NAME.match(corpus):
        raise KnowledgeSeedError(f"{where}: a corpus has a name of lower-case letters, digits, - and _, up to 40 of them")
    _refuse_unknown(where, raw, _CORPUS_KEYS)
    index = raw.get("index", CorpusSeed.index)
    if not isinstance(index, str) or not _NAME.match(index):
        raise KnowledgeSeedError(f"{where}: index is a name of lower-case letters, digits, - and _; not {index!r}")
    permits = raw.get("permits", [])
    if not isinstance(permits, list) or set(map(str, permits)) - set(kinds):
        raise KnowledgeSeedError(
            f"{where}: permits is a list of kinds of personal data, out of {', '.join(sorted(kinds))}; not {permits!r}"
        )
    return CorpusSeed(
        name=corpus,
        path=_path(where, raw.get("path")),
        owner=_one_of(where, "owner", raw.get("owner"), components(), "a component of owners.yml"),
        access=_one_of(where, "access", raw.get("access", CorpusSeed.access), labels, "a label of access.yml"),
        index=index,
        chunker=_one_of(where, "chunker", raw.get("chunker", CorpusSeed.chunker), chunkers, "a chunker"),
        valid_days=_whole(where, raw, "valid_days", _MOST_VALID_DAYS, None) if "valid_days" in raw else None,
        permits=frozenset(permits),
        released=_released(where, raw.get("released", [])),
    )


def _path(where: str, raw: Any) -> Path:
    if not isinstance(raw, str) or not raw:
        raise KnowledgeSeedError(f"{where} needs `path`, a folder or a file, absolute or from the project's folder on")
    try:
        path = REPO / Path(raw).expanduser()
        is_there = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, or of a user that is not
        raise KnowledgeSeedError(f"{where}: path cannot be looked at ({type(error).__name__})") from None
    # Once a corpus is read, a path that is gone would delete all of its documents.
    if not is_there:
        raise KnowledgeSeedError(f"{where}: there is no {path}; to take a corpus out of its index, take its entry out")
    return path


def _released(where: str, raw: Any) -> frozenset[str]:
    if not isinstance(raw, list) or not all(isinstance(entry, str) and _RELEASED.fullmatch(entry) for entry in raw):
        example = "help/passwords.md@0123456789abcdef"
        raise KnowledgeSeedError(f"{where}: released is a list of documents with the version a person looked at: {example}")
    return frozenset(raw)


def _one_of(where: str, key: str, value: Any, allowed: Collection[str], what: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        known = ", ".join(sorted(allowed)) or "none is declared"
        raise KnowledgeSeedError(f"{where}: {key} is {what} ({known}); not {value!r}")
    return value


def _whole(where: str, raw: dict[str, Any], key: str, most: int, default: int | None) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise KnowledgeSeedError(f"{where}: {key} is a whole number from 1 to {most}; not {value!r}")
    return value


def _refuse_unknown(where: str, raw: Any, allowed: frozenset[str]) -> None:
    if not isinstance(raw, dict) or (unknown := sorted(set(map(str, raw)) - allowed)):
        given = "" if not isinstance(raw, dict) else f"; not {', '.join(unknown)}"
        raise KnowledgeSeedError(f"{where} is a mapping with {', '.join(sorted(allowed))}{given}")
