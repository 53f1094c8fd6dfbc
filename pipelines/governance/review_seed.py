"""warehouse/seeds/reviews.yml: what a team looks at every week, month and quarter, and warehouse/reviews: how it is asked.

Here belongs the lint of that seed. What a review says is assets/governance/review.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.governance.review import KINDS, Section
from resources.contracts import SEEDS
from resources.seed_yaml import SeedYamlError, read_seed

REVIEWS_FILE = "reviews.yml"
SECTIONS = SEEDS.parent / "reviews"
BUILT_IN = {
    "retraining": "What the next night would train",
    "package_licences": "Licences of the packages that run here",
}
"""Sections that are no SQL, and their titles."""
_KEYS = frozenset({"do", "owner", "due_days", "most_rows"})


class ReviewSeedError(ValueError):
    """A reviews.yml, or a section, that cannot be used; says which entry and what to write."""


@dataclass(frozen=True)
class Asked:
    """A section and the SELECT that it is asked by; None: it is built in."""

    section: Section
    sql: str | None


def load_reviews(path: Path, sections: Path = SECTIONS) -> dict[str, list[Asked]]:
    """The sections of each kind of review, in their order; an absent seed has none. Raises ReviewSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return {kind: [] for kind in KINDS}
    except SeedYamlError as error:
        raise ReviewSeedError(str(error)) from error
    told = raw.get("reviews") if isinstance(raw, dict) and set(raw) == {"reviews"} else None
    if not isinstance(told, dict) or set(told) - set(KINDS):
        raise ReviewSeedError(f"{path.name} is a mapping, reviews, of {', '.join(KINDS)}, and nothing else")
    found = {}
    for kind in KINDS:
        entries = told.get(kind) or {}
        if not isinstance(entries, dict):
            raise ReviewSeedError(f"{path.name}: {kind} is a mapping, from a section to what is done about it")
        found[kind] = [_asked(f"{path.name}: {kind}: {name}", str(name), raw, sections) for name, raw in entries.items()]
    return found


def _asked(where: str, name: str, raw: Any, sections: Path) -> Asked:
    raw = {} if raw is None else raw
    if not isinstance(raw, dict) or set(raw) - _KEYS:
        raise ReviewSeedError(f"{where} has {', '.join(sorted(_KEYS))}, each if wanted, and nothing else")
    for key in ("do", "owner"):
        if key in raw and not (isinstance(raw[key], str) and raw[key].strip()):
            raise ReviewSeedError(f"{where}: {key} is a text; not {raw[key]!r}")
    if ("do" in raw) != ("owner" in raw):
        raise ReviewSeedError(f"{where}: what is to be done has an owner, and an owner something to do")
    numbers = {key: _whole(where, raw, key, default) for key, default in (("due_days", 7), ("most_rows", 20))}
    if name in BUILT_IN:
        return Asked(Section(name, BUILT_IN[name], None, raw.get("do"), raw.get("owner"), **numbers), None)
    file = sections / f"{name}.sql"
    # A name with a slash would lead elsewhere.
    if Path(name).name != name or not file.is_file():
        there = ", ".join(sorted([*(path.stem for path in sections.glob("*.sql")), *BUILT_IN]))
        raise ReviewSeedError(f"{where}: warehouse/reviews has no {name}.sql; sections: {there}")
    sql = file.read_text(encoding="utf-8")
    title, about = _head(f"warehouse/reviews/{file.name}", sql)
    return Asked(Section(name, title, about, raw.get("do"), raw.get("owner"), **numbers), sql)


def _head(where: str, sql: str) -> tuple[str, str | None]:
    """Title and explanation: the lines of the first comment."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    if not lines or not lines[0]:
        raise ReviewSeedError(f"{where} begins with a comment: its title")
    return lines[0], " ".join(lines[1:]) or None


def _whole(where: str, raw: Mapping[str, Any], key: str, default: int) -> int:
    value = raw.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
        raise ReviewSeedError(f"{where}: {key} is a whole number from 1 to 1000; not {value!r}")
    return value
