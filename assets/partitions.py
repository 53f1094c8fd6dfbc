"""The one calendar: UTC days from the start that warehouse/seeds/calendar.yml names. Nobody else makes partitions."""

from __future__ import annotations

import dagster as dg

from resources.calendar import calendar

daily = dg.DailyPartitionsDefinition(start_date=calendar().start.isoformat(), timezone="UTC")
