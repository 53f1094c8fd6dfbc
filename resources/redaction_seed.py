"""warehouse/seeds/redaction.yml: patterns of one's own, kinds that are left alone, the model for names.

Here belongs the lint of that seed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.contracts import SEEDS
from resources.seed_yaml import SeedYamlError, read_seed

REDACTION_FILE = SEEDS / "redaction.yml"
_KEYS = {"custom", "leave", "also", "names"}
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,39}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,39}\Z")


class RedactionError(ValueError):
    """redaction.yml cannot be used as written; says the entry, what is wrong and what is allowed."""


@dataclass(frozen=True)
class CustomPattern:
    """A pattern of one's own: what `pattern` (RE2) matches becomes `<kind>`."""

    name: str
    pattern: str
    kind: str


@dataclass(frozen=True)
class Names:
    """How names are found where that is switched on: a spaCy model (package or folder) and the kinds to take from it."""

    model: str = "en_core_web_lg"
    kinds: tuple[str, ...] = ("PERSON", "LOCATION")


@dataclass(frozen=True)
class RedactionRules:
    """The content of the seed. `leave` are kinds that stay in the text, `also` kinds that are not replaced by default."""

    custom: tuple[CustomPattern, ...] = ()
    leave: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    names: Names = Names()


def load(path: Path = REDACTION_FILE) -> RedactionRules:
    """The rules; a missing file means none. Raises RedactionError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return RedactionRules()
    except SeedYamlError as error:
        raise RedactionError(str(error)) from error
    return parse(raw)


def parse(raw: Any) -> RedactionRules:
    """The rules of the seed's content; raises RedactionError."""
    from resources.redaction_patterns import KINDS, OPTIONAL_KINDS

    raw = raw or {}
    if not isinstance(raw, dict) or set(raw) - _KEYS:
        raise RedactionError(f"redaction.yml is one mapping with the keys {', '.join(sorted(_KEYS))}, all of them optional")
    entries = raw.get("custom") or []
    if not isinstance(entries, list):
        raise RedactionError("redaction.yml: custom is a list of {name, pattern, kind}")
    custom = tuple(_custom(entry) for entry in entries)
    names = [pattern.name for pattern in custom]
    for name in names:
        if names.count(name) > 1:
            raise RedactionError(f"redaction.yml: custom: {name} stands there twice")
    return RedactionRules(
        custom=custom,
        leave=_kinds("leave", raw.get("leave"), KINDS - OPTIONAL_KINDS),
        also=_kinds("also", raw.get("also"), OPTIONAL_KINDS),
        names=_names(raw.get("names")),
    )


def _kinds(key: str, raw: Any, allowed: frozenset[str]) -> frozenset[str]:
    if not isinstance(raw, list | None) or set(raw or ()) - allowed:
        raise RedactionError(f"redaction.yml: {key} is a list out of {', '.join(sorted(allowed))}; not {raw!r}")
    return frozenset(raw or ())


def _custom(raw: Any) -> CustomPattern:
    import re2

    texts = isinstance(raw, dict) and all(isinstance(value, str) for value in raw.values())
    if not texts or set(raw) != {"name", "pattern", "kind"}:
        raise RedactionError(f"redaction.yml: custom: each entry has the texts name, pattern and kind; not {raw!r}")
    where = f"redaction.yml: custom: {raw['name']}"
    if not _NAME.match(raw["name"]):
        raise RedactionError(f"{where}: a name is lower-case letters, digits and _")
    if not _KIND.match(raw["kind"]):
        raise RedactionError(f"{where}: kind is capitals, digits and _, such as EMPLOYEE_ID; not {raw['kind']!r}")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(raw["pattern"], options)
    except re2.error as error:
        message = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        hint = "RE2 has no look-around and no back-references"
        raise RedactionError(f"{where}: pattern is not RE2 ({message}); {hint}") from None
    if compiled.search(""):
        raise RedactionError(f"{where}: pattern matches the empty text, so it would match everywhere")
    if compiled.search(f"<{raw['kind']}>"):
        raise RedactionError(f"{where}: pattern matches its own placeholder <{raw['kind']}>; make it narrower")
    return CustomPattern(raw["name"], raw["pattern"], raw["kind"])


def _names(raw: Any) -> Names:
    if raw is None:
        return Names()
    if not isinstance(raw, dict) or set(raw) - {"model", "kinds"}:
        raise RedactionError("redaction.yml: names is a mapping with the keys model and kinds")
    model, kinds = raw.get("model", Names.model), raw.get("kinds", list(Names.kinds))
    if not isinstance(model, str) or not isinstance(kinds, list) or not all(_KIND.match(str(kind)) for kind in kinds):
        raise RedactionError("redaction.yml: names: model is a spaCy model or folder, kinds a list: [PERSON, LOCATION]")
    return Names(model, tuple(kinds))
