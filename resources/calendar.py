"""warehouse/seeds/calendar.yml: where the calendar begins, and the hour at which a day is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from resources.contracts import SEEDS
from resources.seed_yaml import SeedYamlError, read_seed

_TAKES = (
    "write two lines into warehouse/seeds/calendar.yml: `start:` and a date such as 2023-01-01, `nightly_hour_utc:` and a "
    "whole number from 0 to 23"
)


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
    except FileNotFoundError:
        raise CalendarError(f"{path} is missing; {_TAKES}") from None
    except SeedYamlError as error:
        raise CalendarError(f"{error}; {_TAKES}") from error
    if not isinstance(raw, dict) or set(raw) != {"start", "nightly_hour_utc"}:
        raise CalendarError(f"{path.name} holds other keys than it must; {_TAKES}")
    start, hour = raw["start"], raw["nightly_hour_utc"]
    # In Python a time is a date, and true a whole number.
    if not isinstance(start, date) or isinstance(start, datetime) or type(hour) is not int or not 0 <= hour <= 23:
        raise CalendarError(f"{path.name}: start is {start}, nightly_hour_utc is {hour}; {_TAKES}")
    return Calendar(start, hour)
