"""The nightly schedule: land what came. The night sensor takes it from there: stale days, then publishing.

And the schedule of maintenance, after the night."""

from __future__ import annotations

import dagster as dg

from pipelines.governance.maintain import MAINTAIN
from pipelines.jobs import LAND
from pipelines.night_hours import after_the_night

HOURS_AFTER_THE_NIGHT = 3


def nightly_schedule() -> dg.ScheduleDefinition:
    """Every night at the hour at which the day before is due (warehouse/seeds/calendar.yml)."""
    return dg.ScheduleDefinition(
        name="nightly",
        job_name=LAND,
        **after_the_night(),
        description="Lands the night's files. The `night` sensor then computes the days that became stale, and publishes.",
    )


def maintenance_schedule() -> dg.ScheduleDefinition:
    """Every day, HOURS_AFTER_THE_NIGHT hours after the night began."""
    return dg.ScheduleDefinition(
        name="maintenance",
        job_name=MAINTAIN,
        **after_the_night(HOURS_AFTER_THE_NIGHT, minute=30),
        description="Compacts, closes days by retention, and removes files that no snapshot needs.",
    )
