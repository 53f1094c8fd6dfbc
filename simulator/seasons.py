"""Calm: what changes on quiet days and must wake nobody: weekends apart, holidays, month ends, growth, and the days' luck.

A day's luck is autocorrelated, as that of real traffic is, and still a function of the seed and the day alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import numpy as np

from simulator.catalogue import FEATURES, TENANT_CODES, TENANTS
from simulator.chunk import BoolArray, Chunk
from simulator.dialogue import TOPICS
from simulator.incidents import Incident
from simulator.shape import FloatArray, generator

AUTOCORRELATION = 0.4
_REMEMBERED_DAYS = 8
_STREAM = 9
_VOLUME, _SIZES, _TOPICS_OF_DAY = range(3)
_MONTH_END_DAYS, _MONTH_END_TENANT = 2, "brightwater-bank"
_WANDERING_SHARE = 0.15
"""The share of conversations whose topic the day has a say in: a topic's share moves by about a point from day to day."""


def luck(seed: int, day: date, purpose: int, count: int) -> FloatArray:
    """`count` numbers of mean 0 and variance 1 for the day, autocorrelated from day to day."""
    weights = AUTOCORRELATION ** np.arange(_REMEMBERED_DAYS)
    days = [day - timedelta(days=back) for back in range(_REMEMBERED_DAYS)]
    drawn = [generator(seed, before, _STREAM, purpose).standard_normal(count) for before in days]
    found: FloatArray = (weights[:, None] * np.array(drawn)).sum(axis=0) / np.sqrt((weights**2).sum())
    return found


@dataclass(frozen=True)
class Season(Incident):
    """Between `start` and `end`, everywhere: each tenant's volume, the length of prompts and the topics have their days.

    `size` is the standard deviation of the logarithm of a tenant's daily volume; prompts vary by a third of it. On
    `holidays` half as many requests come, at a month's end a quarter more of the bank's; volume grows by `growth` a week.
    """

    size_is: ClassVar[str] = "standard deviation of a day's logarithmic volume"
    brings: ClassVar[str] = "days that differ, holidays, month ends and growth: nothing that anybody should be told"
    holidays: tuple[date, ...] = ()
    growth: float = 0.01

    def volume(self, seed: int, day: date) -> FloatArray | None:
        if not self.start.date() <= day < self.end.date():
            return None
        factors = np.exp(self.size * luck(seed, day, _VOLUME, len(TENANTS)))
        factors *= (1 + self.growth) ** ((day - self.start.date()).days / 7)
        if day in self.holidays:
            factors *= 0.5
        if (day + timedelta(days=_MONTH_END_DAYS)).month != day.month:
            factors[TENANT_CODES[_MONTH_END_TENANT]] *= 1.25
        return factors

    def change_demand_of(self, seed: int, chunk: Chunk, rows: BoolArray) -> None:
        factors = np.exp(self.size / 3 * luck(seed, chunk.day, _SIZES, len(FEATURES)))[chunk.codes["feature"]]
        for part in ("prompt_user_tokens", "prompt_retrieved_tokens"):
            sizes = chunk.whole[part]
            sizes[rows] = np.where(sizes[rows] > 0, np.maximum(sizes[rows] * factors[rows], 1), sizes[rows]).astype(np.int64)
        lot = self.lot(chunk, "conversation")
        weights = np.exp(luck(seed, chunk.day, _TOPICS_OF_DAY, len(TOPICS)))
        edges = np.cumsum(weights) / weights.sum()
        wandering = rows & (lot < _WANDERING_SHARE)
        chunk.codes["topic"][wandering] = np.searchsorted(edges[:-1], lot[wandering] / _WANDERING_SHARE, side="right")

    def as_truth(self) -> dict[str, Any]:
        told = {"holidays": [day.isoformat() for day in self.holidays], "growth": self.growth}
        return super().as_truth() | told
