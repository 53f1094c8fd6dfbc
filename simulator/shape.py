"""When requests come: hours and weekdays by tenant, and how a day is cut into files and chunks.

Everything here is a function of (seed, day, requests per day): no day knows another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from simulator.catalogue import TENANTS

HOURS = 24
HOUR_MS = 3_600_000
DAY_MS = HOURS * HOUR_MS

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def generator(seed: int, day: date, *stream: int) -> np.random.Generator:
    """The random numbers of one day and one purpose; independent of every other day and purpose."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, day.toordinal(), *stream])))


def day_start_ms(day: date) -> int:
    """Midnight UTC, in milliseconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _hour_weights(weekday: int) -> FloatArray:
    """(tenant, UTC hour) -> relative rate, for a UTC weekday; tenants live by their local clock."""
    weights = np.empty((len(TENANTS), HOURS))
    for row, tenant in enumerate(TENANTS):
        local_h = np.arange(HOURS) + 0.5 + tenant.utc_offset_h
        local_weekday = (weekday + np.floor(local_h / HOURS).astype(int)) % 7
        wave = np.exp(1.6 * (np.cos((local_h - tenant.peak_hour) * 2 * np.pi / HOURS) - 1))
        daily = tenant.night + (1 - tenant.night) * wave
        weights[row] = daily * np.array(tenant.weekday_weights)[local_weekday]
    return weights


_WEEK = np.stack([_hour_weights(weekday) for weekday in range(7)])
_SHARES = np.array([tenant.share for tenant in TENANTS])
# Every tenant's week is scaled to its share, so that an average day has the requests asked for.
_RATES = _WEEK / _WEEK.sum(axis=(0, 2), keepdims=True) * 7 * (_SHARES / _SHARES.sum())[None, :, None]


@dataclass(frozen=True)
class ChunkPlan:
    """Rows [first_row, first_row + rows) of a day; `row_hours` and `hour_place` say where each row stands in time."""

    number: int
    part: int
    first_row: int
    row_hours: IntArray
    hour_place: FloatArray

    @property
    def rows(self) -> int:
        return len(self.row_hours)


def tenant_weights(day: date, volume: FloatArray | None = None) -> FloatArray:
    """(UTC hour, tenant) -> probability that a request of that hour is the tenant's; `volume`: factors by tenant."""
    rates: FloatArray = _rates(day, volume).T
    weights: FloatArray = rates / rates.sum(axis=1, keepdims=True)
    return weights


def _rates(day: date, volume: FloatArray | None) -> FloatArray:
    """(tenant, UTC hour) -> share of an average day's requests."""
    rates: FloatArray = _RATES[day.weekday()]
    return rates if volume is None else rates * volume[:, None]


def hourly_requests(seed: int, day: date, requests_per_day: int, volume: FloatArray | None = None) -> IntArray:
    """Requests of each UTC hour: the shape, times an hour's luck, times chance."""
    rng = generator(seed, day, 0)
    expected = _rates(day, volume).sum(axis=0) * requests_per_day
    luck = rng.gamma(120.0, 1 / 120.0, HOURS)
    counts: IntArray = rng.poisson(expected * luck).astype(np.int64)
    return counts


def chunk_plans(
    seed: int, day: date, requests_per_day: int, files_per_day: int, chunk_rows: int, volume: FloatArray | None = None
) -> Iterator[ChunkPlan]:
    """Cut a day into chunks of at most `chunk_rows` rows that stay inside one file and one day."""
    counts = hourly_requests(seed, day, requests_per_day, volume)
    hours_per_part = HOURS // files_per_day
    ends = np.cumsum(counts)
    starts = ends - counts
    number = 0
    for part in range(files_per_day):
        first, last = int(starts[part * hours_per_part]), int(ends[(part + 1) * hours_per_part - 1])
        for begin in range(first, last, chunk_rows):
            rows = np.arange(begin, min(begin + chunk_rows, last), dtype=np.int64)
            hours = np.searchsorted(ends, rows, side="right").astype(np.int64)
            place = (rows - starts[hours]) / counts[hours]
            width = 1.0 / counts[hours]
            jitter = generator(seed, day, 1, number).random(len(rows))
            yield ChunkPlan(number, part, begin, hours, place + width * jitter)
            number += 1
