"""How often drift tests cry wolf on made-up quiet traffic, and how often they find a drift that was put in.

Here belongs counting; the traffic is made in drift_traffic.py, the tests are those of a night (assets/drift/family.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from drift_traffic import NIGHTS, SEGMENTS, DayEffects, Traffic, categories, embeddings, numbers, volumes

from assets.drift.expectation import WINDOW_NIGHTS
from assets.drift.family import REFERENCE_NIGHTS, answer

KINDS = ("numeric", "categorical", "embedding")
Drift = Literal["surge", "shift", "points"]
_MADE_BY: dict[str, Callable[..., Traffic]] = {"numeric": numbers, "categorical": categories, "embedding": embeddings}


@dataclass
class Quiet:
    """What the tests said on quiet nights: per family the p of each test, the rows behind it, and the alarms."""

    nights: int = 0
    p: dict[str, list[np.ndarray]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    p_second_night: dict[str, list[np.ndarray]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    n: dict[str, list[np.ndarray]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    stretch: dict[str, list[int]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    alarms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def alarms_in_30_nights(self) -> float:
        return 30 * sum(self.alarms.values()) / self.nights

    def false_alarm_rate(self, kind: str) -> float:
        """Share of the family's single tests with p <= .01, where chance alone is at work."""
        return float((np.concatenate(self.p[kind]) <= 0.01).mean())

    def by_rows(self, kind: str) -> list[tuple[float, float]]:
        """The same share in each tenth of the tests, from those with the fewest rows to those with the most, and its
        standard error: nights of a stretch share segments and references, stretches share nothing."""
        p, n = np.concatenate(self.p[kind]), np.concatenate(self.n[kind])
        tenth = np.digitize(n, np.quantile(n, np.arange(0.1, 1, 0.1)))
        stretch = np.repeat(self.stretch[kind], [len(x) for x in self.p[kind]])
        rates = []
        for i in range(10):
            hits = np.bincount(stretch[tenth == i], (p <= 0.01)[tenth == i], minlength=stretch.max() + 1)
            asked = np.bincount(stretch[tenth == i], minlength=stretch.max() + 1)
            rate = hits.sum() / asked.sum()
            rates.append((float(rate), float(np.sqrt(np.square(hits - rate * asked).sum()) / asked.sum())))
        return rates


def quiet_nights(seed: int, day_effects: DayEffects, stretches: int, nights: int = 30) -> Quiet:
    """40 metrics x 20 segments and an embedding of each, night after night; alarmed days leave the reference."""
    found = Quiet()
    for stretch in range(stretches):
        rng = np.random.default_rng([seed, stretch])
        n = volumes(rng, SEGMENTS, NIGHTS + nights - 1)
        found.nights += nights
        for kind in KINDS:
            traffic = _MADE_BY[kind](rng, n, day_effects)
            for i in range(nights):
                answers = answer(traffic.night(i))
                found.p[kind].append(answers.p)
                found.p_second_night[kind].append(answers.p_second_night)
                found.n[kind].append(answers.n)
                found.stretch[kind].append(stretch)
                found.alarms[kind] += int(answers.is_alarm.sum())
                window = slice(i + REFERENCE_NIGHTS, i + NIGHTS)
                traffic.alarmed[answers.is_alarm, window] = True
    return found


def share_found(seed: int, drift: Drift, size: float, n: int, day_effects: DayEffects, worlds: int) -> float:
    """The share of drifts with an alarm on their third night, when one segment of `n` rows a night drifts and all else
    does not: 20 a world, each alone."""
    found = 0
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        made_by = {"surge": embeddings, "shift": numbers, "points": categories}[drift]
        quiet = made_by(rng, volumes(rng, SEGMENTS, NIGHTS), day_effects)
        ramp = np.where(np.arange(NIGHTS) >= NIGHTS - WINDOW_NIGHTS, size, 0.0)
        drifting = made_by(rng, volumes(rng, SEGMENTS, NIGHTS, n), day_effects, **{drift: ramp})
        per_segment = len(quiet.n) // SEGMENTS
        for test in range(0, len(quiet.n), per_segment):
            test += int(rng.integers(per_segment))
            found += bool(answer(with_one(quiet, drifting, test).night(0)).is_alarm[test])
    return found / (worlds * SEGMENTS)


def with_one(quiet: Traffic, drifting: Traffic, test: int) -> Traffic:
    """Quiet traffic, one test apart."""
    mixed = Traffic(quiet.kind, quiet.profiles.copy(), quiet.n.copy(), quiet.positions)
    mixed.profiles[test], mixed.n[test] = drifting.profiles[test], drifting.n[test]
    if quiet.clusters is not None and drifting.clusters is not None:
        mixed.clusters = quiet.clusters.copy()
        mixed.clusters[test] = drifting.clusters[test]
    return mixed
