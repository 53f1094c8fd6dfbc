"""warehouse/seeds/calendar.yml: where the calendar begins, and the hour at which a day is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from resources.contracts import SEEDS
from resources.seed_yaml import SeedYamlError, read_seed


class CalendarError(ValueError):
    """calendar.yml cannot be used; says what it must hold."""


@dataclass(frozen=True)
class Calendar:
    """First day of the warehouse, and the hour (0-23, UTC) of the following day at which a day is due."""

    start: date
    nightly_hour_utc: int


@cache
def calendar(path: Path = SEEDS / "calendar.yml") -> Calendar:
    """The calendar of this checkout. Raises CalendarError."""
    try:
        raw = read_seed(path)
    except SeedYamlError as error:
        raise CalendarError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) != {"start", "nightly_hour_utc"}:
        raise CalendarError(f"{path.name} holds exactly two keys: start (a date) and nightly_hour_utc (0 to 23)")
    start, hour = raw["start"], raw["nightly_hour_utc"]
    if not isinstance(start, date) or not isinstance(hour, int) or not 0 <= hour <= 23:
        raise CalendarError(f"{path.name}: start is a date such as 2023-01-01, nightly_hour_utc a whole number from 0 to 23")
    return Calendar(start, hour)
