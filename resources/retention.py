"""What is kept for how long, and what must not be removed: seeds/retention.yml and seeds/legal_holds.yml, and their lint.

How days are closed and files removed is closing.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from resources.contracts import SEEDS, Contract
from resources.seed_yaml import SeedYamlError, read_seed

RETENTION_FILE = SEEDS / "retention.yml"
HOLDS_FILE = SEEDS / "legal_holds.yml"
FOREVER = "forever"
CLASSES = ("text", "rows", "aggregates")
_SUBJECTS = ("tenant", "user", "request")
_HOLD_KEYS = {"id", "reason", "since", "first_day", "last_day", "until", *_SUBJECTS}
_TOKEN = re.compile(r"[0-9a-f]{8}\.[0-9a-f]{32}")

Tokens = Callable[[str], Iterable[str]]
"""The pseudonyms of a tenant's name, under each key."""


class RetentionError(ValueError):
    """A retention.yml or legal_holds.yml that cannot be used as written; says where, what is wrong and what is allowed."""


@dataclass(frozen=True)
class RetentionPolicy:
    """Days for which each class is kept, and files of the project's own landing folder; None is for ever."""

    keep_days: Mapping[str, int | None]
    landing_files: int | None

    def last_expired(self, class_: str, today: date) -> date | None:
        """The newest day whose rows of a class have been kept long enough; None where there is none."""
        return _days_before(self.keep_days.get(class_), today)

    def last_expired_file(self, today: date) -> date | None:
        """The newest day of arrival whose landed files have been kept long enough."""
        return _days_before(self.landing_files, today)

    def reason(self, class_: str) -> str:
        """Why days of a class are closed, for people."""
        return f"{class_}: kept for {self.keep_days[class_]} days"


@dataclass(frozen=True)
class Hold:
    """One legal hold. Days are kept that lie in [first_day, last_day] and, where it names anybody, have a row of theirs."""

    id: str
    reason: str
    since: date
    first_day: date = date.min
    last_day: date = date.max
    until: date = date.max
    tenant: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    request: tuple[str, ...] = ()

    @property
    def names_somebody(self) -> bool:
        return bool(self.tenant or self.user or self.request)

    def spans(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def values(self, tokens: Tokens) -> dict[str, list[str]]:
        """What it looks for, by column of the ledger; a tenant's name stands for its pseudonyms under every key."""
        named = {name: name if _TOKEN.fullmatch(name) else None for name in self.tenant}
        tenants = [token for name, token in named.items() for token in ([token] if token else tokens(name))]
        found = {"tenant_token": tenants, "user_token": list(self.user), "request_id": list(self.request)}
        return {column: values for column, values in found.items() if values}


def load_policy(path: Path = RETENTION_FILE, contracts: Mapping[str, Contract] | None = None) -> RetentionPolicy:
    """The policy of a seed. Raises RetentionError, also where a table would look back on days that are gone."""
    raw = _mapping(path, {"keep_days", "landing_files"}, "keep_days and landing_files")
    keep = raw["keep_days"]
    if not isinstance(keep, dict) or set(keep) != set(CLASSES):
        raise RetentionError(f"{path.name}: keep_days gives a number of days, or {FOREVER}, to each of {', '.join(CLASSES)}")
    policy = RetentionPolicy(
        {name: _days(path, f"keep_days: {name}", keep[name]) for name in CLASSES},
        _days(path, "landing_files", raw["landing_files"]),
    )
    for shorter, longer in pairwise(CLASSES):
        if _or_infinite(policy.keep_days[shorter]) > _or_infinite(policy.keep_days[longer]):
            raise RetentionError(
                f"{path.name}: {shorter} are kept longer ({keep[shorter]}) than {longer} ({keep[longer]}); "
                f"{longer} are what remains of {shorter}"
            )
    for contract in (contracts or {}).values():
        _check_reach(path, policy, contract, contracts or {})
    return policy


def load_holds(path: Path = HOLDS_FILE) -> list[Hold]:
    """The holds of a seed, in file order. Raises RetentionError."""
    raw = _mapping(path, {"holds"}, "holds, a list")
    entries = raw["holds"] or []
    if not isinstance(entries, list):
        raise RetentionError(f"{path.name}: holds is a list, of entries with id, reason and since")
    holds = [_hold(path, number, entry) for number, entry in enumerate(entries, start=1)]
    for hold in holds:
        if sum(other.id == hold.id for other in holds) > 1:
            raise RetentionError(f"{path.name}: two holds have the id {hold.id!r}; each needs one of its own")
    return holds


def _hold(path: Path, number: int, entry: Any) -> Hold:
    where = f"{path.name}: hold {number}"
    if not isinstance(entry, dict) or set(entry) - _HOLD_KEYS:
        raise RetentionError(f"{where} takes the keys {', '.join(sorted(_HOLD_KEYS))}, and no other")
    for needed in ("id", "reason", "since"):
        if not entry.get(needed):
            raise RetentionError(f"{where} lacks {needed!r}")
    where = f"{path.name}: hold {entry['id']}"
    for key in ("since", "first_day", "last_day", "until"):
        if key in entry and (not isinstance(entry[key], date) or isinstance(entry[key], datetime)):
            raise RetentionError(f"{where}: {key} is {entry[key]!r}; write a day such as 2026-11-02")
    subjects: dict[str, Any] = {key: _names(where, key, entry[key]) for key in _SUBJECTS if key in entry}
    for token in subjects.get("user", ()):
        if not _TOKEN.fullmatch(token):
            raise RetentionError(f"{where}: user takes pseudonyms (user_token of logs.requests); ids stay out of this file")
    if not subjects and "first_day" not in entry and "last_day" not in entry:
        raise RetentionError(f"{where} would keep everything; give it first_day, last_day, tenant, user or request")
    days = {key: entry[key] for key in ("first_day", "last_day", "until") if key in entry}
    hold = Hold(str(entry["id"]), str(entry["reason"]), entry["since"], **days, **subjects)
    if hold.first_day > hold.last_day:
        raise RetentionError(f"{where}: first_day {hold.first_day} is after last_day {hold.last_day}")
    return hold


def _names(where: str, key: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int) and str(v) for v in values):
        raise RetentionError(f"{where}: {key} takes a name, or a list of names")
    return tuple(str(v) for v in values)


def _mapping(path: Path, keys: set[str], holds: str) -> dict[str, Any]:
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise RetentionError(f"{path} is missing; restore it, nothing is removed without it") from None
    except SeedYamlError as error:
        raise RetentionError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) != keys:
        raise RetentionError(f"{path.name} holds {holds}, and nothing else")
    return raw


def _days(path: Path, where: str, value: Any) -> int | None:
    if value == FOREVER:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RetentionError(f"{path.name}: {where} is {value!r}; write a whole number of days from 1, or {FOREVER}")
    return value


def _or_infinite(days: int | None) -> float:
    return float("inf") if days is None else days


def _days_before(kept: int | None, today: date) -> date | None:
    return None if kept is None else today - timedelta(days=kept + 1)


def _check_reach(path: Path, policy: RetentionPolicy, contract: Contract, contracts: Mapping[str, Contract]) -> None:
    if contract.kind != "derived":
        return
    for name, window in contract.reads.items():
        kept = policy.keep_days.get(contracts[name].retention)
        if kept is not None and not isinstance(window, str) and kept <= -window[0]:
            raise RetentionError(
                f"{path.name}: {contracts[name].retention} of {kept} days is too short: {contract.name} looks back "
                f"{-window[0]} days on {name}"
            )
