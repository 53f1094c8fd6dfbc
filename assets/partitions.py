"""The one calendar: UTC days from the start that warehouse/seeds/calendar.yml names. Nobody else makes partitions."""

from __future__ import annotations

from functools import cache

import dagster as dg

from resources.calendar import calendar


@cache
def daily() -> dg.DailyPartitionsDefinition:
    """The calendar's days. Not made on import: a faulty calendar.yml has to reach somebody who can say it in a sentence.

    Raises CalendarError.
    """
    return dg.DailyPartitionsDefinition(start_date=calendar().start.isoformat(), timezone="UTC")
