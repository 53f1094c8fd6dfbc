"""When a schedule starts, counted from the hour at which the day before is due (warehouse/seeds/calendar.yml)."""

from typing import TypedDict

import dagster as dg

from resources.calendar import calendar


class Hours(TypedDict):
    """What every schedule says of its time: in UTC, and on unless somebody stops it."""

    cron_schedule: str
    execution_timezone: str
    default_status: dg.DefaultScheduleStatus


def after_the_night(hours: int = 0, minute: int = 0, days: str = "* * *") -> Hours:
    """So many hours after the nightly one; `days`: cron's day of the month, month and day of the week."""
    hour = (calendar().nightly_hour_utc + hours) % 24
    return Hours(
        cron_schedule=f"{minute} {hour} {days}",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
