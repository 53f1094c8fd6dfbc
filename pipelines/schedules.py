"""The nightly schedule: land what came. The night sensor takes it from there: stale days, then publishing."""

from __future__ import annotations

import dagster as dg

from pipelines.jobs import LAND
from resources.calendar import calendar


def nightly_schedule() -> dg.ScheduleDefinition:
    """Every night at the hour at which the day before is due (warehouse/seeds/calendar.yml)."""
    return dg.ScheduleDefinition(
        name="nightly",
        job_name=LAND,
        cron_schedule=f"0 {calendar().nightly_hour_utc} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Lands the night's files. The `night` sensor then computes the days that became stale, and publishes.",
    )
