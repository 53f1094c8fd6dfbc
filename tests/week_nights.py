"""Days pooled to weeks, with late responses and unfinished labelling; and a tenant's rate from everybody's draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from quality_nights import calibrated, classical, labelled, world

from assets.quality.estimator import Labels, estimate
from assets.quality.sampling import draw, supplement

KEY = b"of-the-tests-only"


@dataclass(frozen=True)
class Pooled:
    what: str
    times: int
    covered: float
    width: float
    ratio: float

    @property
    def error(self) -> float:
        return float(np.sqrt(0.95 * 0.05 / self.times))


def joined(parts: list[Labels]) -> Labels:
    return Labels(*(np.concatenate([getattr(part, name) for part in parts]) for name in Labels.__dataclass_fields__))


def summary(what: str, rows: list[tuple[bool, float, float]]) -> Pooled:
    covered, width, plain = np.array(rows, dtype=np.float64).mean(axis=0)
    return Pooled(what, len(rows), covered, width, width / plain)


def weeks(seed: int, times: int) -> Pooled:
    """Seven nights of different size and rate; a tenth of each arrives late and has a draw of its own; a fifth of the queue
    is never labelled."""
    rows = []
    for again in range(times):
        rng = np.random.default_rng([seed, 7, again])
        scores, verdicts, parts = [], [], []
        for day in range(7):
            count = int(rng.integers(500, 3000))
            night = calibrated(rng, count, float(rng.uniform(0.03, 0.12)))
            early = count * 9 // 10
            first = world(night.score[:early], night.verdict[:early])
            name = f"{seed} {again} {day}"
            parts.append(labelled(first, draw(first.responses, 60, KEY, f"{name} first", 0.5)))
            everything = world(night.score, night.verdict)
            late, drawn = supplement(everything.responses, first.responses.request_id, 60, KEY, f"{name} late", 0.5)
            parts.append(labelled(world(night.score[late], night.verdict[late]), drawn))
            scores.append(night.score)
            verdicts.append(night.verdict)
        said = joined(parts)
        said.verdict[rng.random(len(said.verdict)) < 0.2] = np.nan
        everyone, truth = np.concatenate(scores), float(np.concatenate(verdicts).mean())
        rate = estimate(everyone, said)
        n = rate.n_labelled
        low, high = classical(rng.binomial(n, truth), n, len(everyone))
        rows.append((rate.low <= truth <= rate.high, rate.high - rate.low, high - low))
    return summary("a week of seven nights of 60 labels, with late responses and a fifth unlabelled", rows)


def segments(seed: int, times: int) -> Pooled:
    """A tenant with a third of the traffic and twice the others' rate, from a draw that did not know of tenants."""
    rows = []
    for again in range(times):
        rng = np.random.default_rng([seed, 8, again])
        night = calibrated(rng, 4000, 0.15)
        mine = rng.random(4000) < np.where(night.score > np.median(night.score), 0.45, 0.2)
        drawn = draw(night.responses, 500, KEY, f"{seed} {again} segment", 0.5)
        everyone = labelled(night, drawn)
        of_mine = mine[drawn.is_drawn]
        said = Labels(*(getattr(everyone, name)[of_mine] for name in Labels.__dataclass_fields__))
        rate, truth = estimate(night.score[mine], said), float(night.verdict[mine].mean())
        low, high = classical(rng.binomial(rate.n_labelled, truth), rate.n_labelled, int(mine.sum()))
        rows.append((rate.low <= truth <= rate.high, rate.high - rate.low, high - low))
    return summary("a tenant with a third of the traffic, from a night's 500 labels", rows)
