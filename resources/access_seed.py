"""warehouse/seeds/access.yml: who may receive documents with an access label.

Here belongs the lint of that seed, and its rows. Whether somebody received what they may not is sql/retrieval/retrieved.sql.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.seed_yaml import SeedYamlError, read_seed

ACCESS_FILE = "access.yml"
USER_CLASSES = ("public", "partner", "internal")
CONDITIONS = ("tenants", "user_classes", "features", "endpoints")


class AccessSeedError(ValueError):
    """An access.yml that cannot be used as written; says which label, and what to write."""


@dataclass(frozen=True)
class Grant:
    """Whom an entry of a label lets through: whoever fits every condition; None: the condition is not asked."""

    tenants: tuple[str, ...] | None = None
    user_classes: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None


def load_access(path: Path) -> dict[str, tuple[Grant, ...]]:
    """The grants of each label; none where the file is absent, or names no label. Raises AccessSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return {}
    except SeedYamlError as error:
        raise AccessSeedError(str(error)) from error
    labels = raw.get("labels") if isinstance(raw, dict) else None
    if raw is not None and (not isinstance(raw, dict) or set(raw) != {"labels"} or not isinstance(labels, dict | None)):
        raise AccessSeedError(f"{path.name} is one mapping, `labels:`, from a label to who may receive its documents")
    return {_label(path.name, label): _grants(f"{path.name}: {label}", entry) for label, entry in (labels or {}).items()}


def access_rows(labels: Mapping[str, tuple[Grant, ...]]) -> pa.Table:
    """The rows of retrieval.access_rules: lists as texts with a comma between, NULL where a condition is not asked."""
    rows = [
        {"access_label": label, "grant_number": number}
        | {name: None if (named := getattr(grant, name)) is None else ",".join(named) for name in CONDITIONS}
        for label, grants in labels.items()
        for number, grant in enumerate(grants, start=1)
    ]
    texts = [(name, pa.string()) for name in CONDITIONS]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([("access_label", pa.string()), ("grant_number", pa.int32()), *texts])
    )


def _label(where: str, label: Any) -> str:
    if not isinstance(label, str) or not label:
        raise AccessSeedError(f"{where}: a label is a text, not {label!r}; quote what YAML would read as something else")
    return label


def _grants(where: str, entry: Any) -> tuple[Grant, ...]:
    entries = entry if isinstance(entry, list) else [entry]
    if not entries:
        raise AccessSeedError(f"{where} has an empty list; leave the label out, and its documents are not judged")
    return tuple(_grant(where, one) for one in entries)


def _grant(where: str, entry: Any) -> Grant:
    allowed = ", ".join(CONDITIONS)
    if not isinstance(entry, dict) or not entry:
        raise AccessSeedError(f"{where} is a mapping (or a list of them) with `all: true`, or with {allowed}")
    if "all" in entry:
        if entry != {"all": True}:
            raise AccessSeedError(f"{where}: `all` is true and stands alone; to limit who may, write {allowed} instead")
        return Grant()
    if unknown := sorted(str(key) for key in set(entry) - set(CONDITIONS)):
        raise AccessSeedError(f"{where} has unknown keys {', '.join(unknown)}; allowed: all, {allowed}")
    lists = {key: _names(f"{where}: {key}", value) for key, value in entry.items()}
    if strange := set(lists.get("user_classes", ())) - set(USER_CLASSES):
        raise AccessSeedError(f"{where}: there is no user class {min(strange)!r}; there are: {', '.join(USER_CLASSES)}")
    return Grant(**lists)


def _names(where: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(name, str) and name for name in raw):
        raise AccessSeedError(f"{where} is a list of texts with at least one; quote what YAML would read as something else")
    if comma := [name for name in raw if "," in name]:
        raise AccessSeedError(f"{where}: {comma[0]!r} has a comma; write an entry for each name")
    return tuple(dict.fromkeys(raw))
