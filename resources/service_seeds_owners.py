"""warehouse/seeds/owners.yml: who is called, by the component at fault and the class of cause.

Here belongs the lint of that seed and its rows: one for every pair, so that no alert is without people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.contracts import contracts
from resources.seed_yaml import SeedYamlError, read_seed
from resources.service_seeds import ServiceSeedError, refuse_unknown

ANY = "any"
_KEYS = {"channel", "backup_channel", "escalate_after_min"}
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_LONGEST_MIN = 24 * 60


@dataclass(frozen=True)
class Owner:
    """Who is told of a fault, who next, and after how many minutes without an acknowledgement."""

    component: str
    cause_class: str
    channel: str
    backup_channel: str
    escalate_after_min: int


def components() -> tuple[str, ...]:
    """The parts of the service that a fault can lie in: the contract of service.owners."""
    return contracts()["service.owners"].column("component").values


def cause_classes() -> tuple[str, ...]:
    """The kinds of fault: the contract of service.owners."""
    return contracts()["service.owners"].column("cause_class").values


def load_owners(path: Path) -> list[Owner]:
    """One owner for every pair of component and class of cause: the most exact entry. Raises ServiceSeedError.

    (component, cause) goes before (component, any), that before (any, cause), that before (any, any).
    """
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise ServiceSeedError(f"{path.name} is missing; it says who is called when something is wrong") from None
    except SeedYamlError as error:
        raise ServiceSeedError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) != {"owners"} or not isinstance(raw["owners"], dict):
        raise ServiceSeedError(f"{path.name} is one mapping, `owners:`, from component to class of cause to channels")
    declared: dict[tuple[str, str], tuple[str, str, int]] = {}
    for component, entries in raw["owners"].items():
        where = f"{path.name}: {component}"
        _one_of(where, "component", component, components())
        if not isinstance(entries, dict):
            raise ServiceSeedError(f"{where} is a mapping from class of cause (or any) to channels")
        for cause, entry in entries.items():
            _one_of(f"{where}, {cause}", "class of cause", cause, cause_classes())
            declared[component, cause] = _entry(f"{where}, {cause}", entry)
    return [Owner(c, k, *_most_exact(path.name, declared, c, k)) for c in components() for k in cause_classes()]


def _one_of(where: str, what: str, name: Any, known: tuple[str, ...]) -> None:
    if name not in (*known, ANY):
        raise ServiceSeedError(f"{where}: unknown {what}; there are: {', '.join((*known, ANY))}")


def _entry(where: str, raw: Any) -> tuple[str, str, int]:
    if not isinstance(raw, dict):
        raise ServiceSeedError(f"{where} is a mapping with {', '.join(sorted(_KEYS))}")
    refuse_unknown(where, raw, _KEYS)
    for key in ("channel", "backup_channel"):
        if not isinstance(raw.get(key), str) or not _CHANNEL.match(raw[key]):
            raise ServiceSeedError(
                f"{where} needs `{key}`, the name of a channel in lower-case letters, digits, - and _; not {raw.get(key)!r}"
            )
    if raw["channel"] == raw["backup_channel"]:
        raise ServiceSeedError(
            f"{where}: channel and backup_channel are both {raw['channel']!r}; the backup is somebody else"
        )
    after = raw.get("escalate_after_min")
    if isinstance(after, bool) or not isinstance(after, int) or not 1 <= after <= _LONGEST_MIN:
        raise ServiceSeedError(f"{where} needs escalate_after_min, whole minutes from 1 to {_LONGEST_MIN}; not {after!r}")
    return raw["channel"], raw["backup_channel"], after


def _most_exact(
    name: str, declared: dict[tuple[str, str], tuple[str, str, int]], component: str, cause: str
) -> tuple[str, str, int]:
    for pair in ((component, cause), (component, ANY), (ANY, cause), (ANY, ANY)):
        if pair in declared:
            return declared[pair]
    raise ServiceSeedError(f"{name}: nobody is called for {component}, {cause}; add it, or an entry `any: {{any: ...}}`")


def owner_rows(owners: list[Owner]) -> pa.Table:
    """The rows of service.owners."""
    return pa.Table.from_pylist(
        [vars(owner) for owner in owners],
        schema=pa.schema(
            [(n, pa.string()) for n in ("component", "cause_class", "channel", "backup_channel")]
            + [("escalate_after_min", pa.int32())]
        ),
    )
