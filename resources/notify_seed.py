"""warehouse/seeds/notify.yml: which channels there are, where each one's address is kept, how alerts are raised.

Addresses are Apprise URLs, which hold tokens: the seed names the variable or file that holds one, and what is read there
is shown nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.seed_yaml import SeedYamlError, read_seed

NOTIFY_FILE = "notify.yml"
_KEYS = {"channels", "look_back_days", "pages_open_incidents"}
_LONGEST_DAYS = 60


class NotifyError(ValueError):
    """A notify.yml, or a file with an address, that cannot be used; says which and what to do, never what it holds."""


@dataclass(frozen=True)
class Place:
    """Where an address is kept: an environment variable, or a file."""

    env: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        return f"${self.env}" if self.env else str(self.file)


@dataclass(frozen=True)
class NotifySeed:
    """The seed as it stands; no address is in it."""

    channels: Mapping[str, Place] = field(default_factory=dict)
    look_back_days: int = 3
    pages_open_incidents: bool = False

    def addresses(self, environment: Mapping[str, str], home: Path) -> dict[str, str]:
        """The addresses that are there now, by channel. Raises NotifyError for a file that others may read."""
        found = {}
        for channel, place in self.channels.items():
            file = home / Path(place.file or "").expanduser()
            text = environment.get(place.env, "") if place.env else _held(channel, file)
            lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            if len(lines) > 1:
                raise NotifyError(f"channel {channel}: {place} holds several addresses; give each a channel of its own")
            if lines:
                found[channel] = lines[0]
        return found

    def check_declares(self, names: Iterable[str]) -> None:
        """Raises NotifyError where owners.yml names a channel that is not declared: nobody could ever be told."""
        if missing := sorted(set(names) - set(self.channels)):
            known = ", ".join(sorted(self.channels)) or "none"
            raise NotifyError(
                f"owners.yml names channels that {NOTIFY_FILE} does not declare: {', '.join(missing)}; there are: {known}"
            )

    def absence(self, channel: str, environment: Mapping[str, str], home: Path) -> str:
        """Why a channel has no address, and so what to set."""
        place = self.channels.get(channel)
        if place is None:
            return f"{NOTIFY_FILE} does not declare it"
        if place.env:
            return f"the environment variable {place.env} is {'empty' if place.env in environment else 'not set'}"
        path = home / Path(place.file or "").expanduser()
        return f"the file {path} {'holds none' if path.exists() else 'is missing'}"


def load_notify(path: Path) -> NotifySeed:
    """The seed of a file. Raises NotifyError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise NotifyError(f"{path.name} is missing; it says where the channels lead") from None
    except SeedYamlError as error:
        raise NotifyError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) - _KEYS or not isinstance(raw.get("channels") or {}, dict):
        raise NotifyError(f"{path.name} is a mapping with {', '.join(sorted(_KEYS))}; channels maps names to places")
    days, opens = raw.get("look_back_days", 3), raw.get("pages_open_incidents", False)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= _LONGEST_DAYS:
        raise NotifyError(f"{path.name}: look_back_days is a whole number from 1 to {_LONGEST_DAYS}; not {days!r}")
    if not isinstance(opens, bool):
        raise NotifyError(f"{path.name}: pages_open_incidents is true or false")
    channels = {str(name): _place(f"{path.name}: {name}", entry) for name, entry in (raw.get("channels") or {}).items()}
    return NotifySeed(channels, days, opens)


def _place(where: str, entry: Any) -> Place:
    if not isinstance(entry, dict) or set(entry) not in ({"env"}, {"file"}):
        raise NotifyError(f"{where} takes one of env and file: where its address is kept, and never the address itself")
    [(kind, name)] = entry.items()
    # Somebody who writes the address itself must not find it in an error message.
    if not isinstance(name, str) or not name or "://" in name or (kind == "env" and not name.isidentifier()):
        what = "variable" if kind == "env" else "file"
        raise NotifyError(f"{where}: {kind} is the name of a {what}, and never the address itself")
    return Place(**{kind: name})


def _held(channel: str, path: Path) -> str:
    if not path.exists():
        return ""
    if path.stat().st_mode & 0o077:
        raise NotifyError(f"channel {channel}: others may read {path}, which holds a token; chmod 600 it")
    return path.read_text(encoding="utf-8")
