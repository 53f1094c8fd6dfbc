"""Deployments: what people state about them, which statement counts, and whether one explains what a rule found.

Here belong the lint of seeds/deployments.yml and pure questions about windows of time. No clock, no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

Row = dict[str, Any]
SCOPE = ("feature", "model", "prompt_version")
_STATED = ("starts_at", "ends_at", *SCOPE, "what", "actor", "is_cancelled")
_KEYS = {"starts_at", "ends_at", "what", "actor", "cancelled", *SCOPE}
LONGEST = timedelta(days=7)
"""A deployment of weeks is no deployment: it would hold back every alert of its feature."""


class DeploymentError(ValueError):
    """A deployment that cannot be taken as stated; says which and what to change."""


def parse_deployments(raw: Any, name: str = "deployments.yml") -> dict[str, Row]:
    """The statements of a seed's mapping, by deployment_id. Raises DeploymentError."""
    entries = (raw or {}).get("deployments") if isinstance(raw or {}, dict) else None
    if not isinstance(raw or {}, dict) or set(raw or {}) - {"deployments"} or not isinstance(entries or {}, dict):
        raise DeploymentError(f"{name} holds one mapping, `deployments:`, from a name of your choice to what changes when")
    found = {}
    for key, entry in (entries or {}).items():
        where = f"{name}: {key}"
        if not isinstance(entry, dict) or set(entry) - _KEYS:
            raise DeploymentError(f"{where} takes the keys {', '.join(sorted(_KEYS))}, and no other")
        for needed in ("starts_at", "ends_at", "what"):
            if not entry.get(needed):
                raise DeploymentError(f"{where} lacks {needed!r}")
        if not isinstance(entry.get("cancelled", False), bool):
            raise DeploymentError(f"{where}: cancelled is true or false")
        found[str(key)] = statement(
            where,
            starts_at=_moment(where, "starts_at", entry["starts_at"]),
            ends_at=_moment(where, "ends_at", entry["ends_at"]),
            what=str(entry["what"]),
            actor=str(entry.get("actor", "seed")),
            is_cancelled=entry.get("cancelled", False),
            **{column: None if entry.get(column) is None else str(entry[column]) for column in SCOPE},
        )
    return found


def statement(where: str, **stated: Any) -> Row:
    """What is said of a deployment, checked. Raises DeploymentError."""
    if stated["ends_at"] <= stated["starts_at"]:
        raise DeploymentError(f"{where} ends before it starts; a deployment takes time")
    if stated["ends_at"] - stated["starts_at"] > LONGEST:
        raise DeploymentError(f"{where} takes longer than {LONGEST.days} days; state the hours in which things are moved")
    return {column: stated[column] for column in _STATED}


def check_feature(where: str, feature: str | None, declared: Iterable[str]) -> None:
    """Raises DeploymentError for a feature that is not declared: no alert would ever be explained by it."""
    known = sorted(declared)
    if feature is not None and feature not in known:
        raise DeploymentError(f"{where}: features.yml declares no feature {feature!r}; there are: {', '.join(known)}")


def statements_to_add(stated: Mapping[str, Row], there: Iterable[Row], now: datetime) -> list[Row]:
    """The rows that make `stated` what counts: none for a deployment that is stated so already, else its next statement."""
    newest = newest_statements(there)
    rows = []
    for deployment_id, said in stated.items():
        before = newest.get(deployment_id)
        if before is not None and all(before[column] == said[column] for column in _STATED):
            continue
        # All statements on a deployment are filed under the day of the first: they are kept, or expire, together.
        day = before["day"] if before else said["starts_at"].astimezone(UTC).date()
        change = before["change"] + 1 if before else 1
        rows.append({"day": day, "deployment_id": deployment_id, "change": change, "recorded_at": now, **said})
    return rows


def newest_statements(rows: Iterable[Row]) -> dict[str, Row]:
    """The statement that counts, by deployment_id; cancelled ones included."""
    newest: dict[str, Row] = {}
    for row in rows:
        if row["change"] >= newest.get(row["deployment_id"], row)["change"]:
            newest[row["deployment_id"]] = row
    return newest


def explains(deployment: Mapping[str, Any], found: Mapping[str, Any], grace: timedelta) -> bool:
    """Whether all of a finding lies in a deployment's window and the grace after it, and within what it changes."""
    if deployment["is_cancelled"]:
        return False
    if any(deployment[column] is not None and deployment[column] != found[column] for column in SCOPE):
        return False
    return bool(deployment["starts_at"] <= found["first_seen"] and found["last_seen"] <= deployment["ends_at"] + grace)


def _moment(where: str, key: str, value: Any) -> datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        shown = value.isoformat() if isinstance(value, date) else repr(value)
        raise DeploymentError(f"{where}: {key} is {shown}; write a time with its zone, such as 2026-11-10T09:00:00+00:00")
    return moment.astimezone(UTC)
