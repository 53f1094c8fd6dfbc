"""Made-up candidates whose true difference from the champion is known, and how often each gate says what of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.retrieval.ranking import Estimate, difference
from assets.tuning.gate import Compared, Rules, domain, forgetting, segment
from assets.tuning.paired_bootstrap import changed, grouped, intervals, placements

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
World = Callable[[np.random.Generator, int], Pair]
"""Values of candidate and champion on so many queries."""
RULES = Rules()


def ndcg(rng: np.random.Generator, n: int) -> Floats:
    """Values as nDCG@10 of one relevant document has them: not found, found at once, or at some place between."""
    found = np.where(rng.random(n) < 0.45, 1.0, 1 / np.log2(1 + rng.integers(2, 11, n)))
    return np.where(rng.random(n) < 0.25, 0.0, found)


def redrawn(share: float) -> World:
    """Equal: of a share of the queries the candidate finds what the champion might as well have found."""

    def world(rng: np.random.Generator, n: int) -> Pair:
        old = ndcg(rng, n)
        return np.where(rng.random(n) < share, ndcg(rng, n), old), old

    return world


def skewed(gains: float, gain: float, losses: float) -> World:
    """Equal on the whole: many small gains, paid for by a few queries that lose all of what the gains add up to."""
    loss = gains * gain / losses

    def world(rng: np.random.Generator, n: int) -> Pair:
        kind = rng.random(n)
        old = np.where(kind < gains, 1 - gain, np.where(kind < gains + losses, 1.0, 0.5))
        return old + np.where(kind < gains, gain, np.where(kind < gains + losses, -loss, 0.0)), old

    return world


def moved(world: World, points: float) -> World:
    """The same, truly better or worse by so many points: found at once instead of not at all, or the other way round."""

    def other(rng: np.random.Generator, n: int) -> Pair:
        new, old = world(rng, n)
        end = 1.0 if points > 0 else 0.0
        able = old < 0.01 if points > 0 else old > 0.99
        # Of the queries that can change, as many do as it takes.
        struck = able & (rng.random(n) < abs(points) / 100 / float((able * np.abs(end - new)).mean()))
        return np.where(struck, end, new), old

    return other


def swapped(one: Floats, other: Floats) -> World:
    """Real values of two models on the same queries, of each query its two sides swapped by chance: truly equal."""

    def world(rng: np.random.Generator, n: int) -> Pair:
        drawn, turned = rng.integers(0, len(one), n), rng.random(n) < 0.5
        return np.where(turned, other[drawn], one[drawn]), np.where(turned, one[drawn], other[drawn])

    return world


EQUAL: dict[str, World] = {
    "every ranking drawn anew": redrawn(1.0),
    "a third drawn anew": redrawn(0.3),
    "a tenth drawn anew": redrawn(0.1),
    "many small gains, one in 10 loses half": skewed(0.5, 0.1, 0.1),
    "one in 17 loses two thirds": skewed(0.3, 0.13, 0.06),
    "one in 33 loses all": skewed(0.3, 0.1, 0.03),
    "worse by a point": moved(redrawn(0.3), -1.0),
    "worse by three points": moved(redrawn(0.3), -3.0),
}


@dataclass(frozen=True)
class Rates:
    """Shares of outcomes, and the standard error of one."""

    outcomes: dict[str, float]
    times: int

    def __getitem__(self, outcome: str) -> float:
        return self.outcomes.get(outcome, 0.0)

    def error(self, rate: float) -> float:
        return float(np.sqrt(rate * (1 - rate) / self.times))


def judged(world: World, n: int, times: int, resamples: int, seed: int) -> Rates:
    """What the primary gate says of candidates of a world, each on `n` queries of its own."""
    return _rates(_pairs(world, n, times, seed), resamples, domain_of, unseen=1.0)


def plainly(world: World, n: int, times: int, seed: int) -> Rates:
    """The same by a plain bootstrap, without what the gate adds to it."""
    outcomes = Counter("passed" if difference(*pair).low > 0 else "failed" for pair in _pairs(world, n, times, seed))
    return Rates({outcome: count / times for outcome, count in outcomes.items()}, times)


def detectors(conversations: int, positive: float, times: int, resamples: int, seed: int) -> Rates:
    """What the primary gate says of a detector that ranks as well as the champion, on answers of which two make a
    conversation."""
    groups = [str(place // 2) for place in range(2 * conversations)]

    def world(rng: np.random.Generator, n: int) -> Pair:
        labels = rng.random(2 * n) < positive
        labels[:2] = True, False
        new, old = (
            placements(labels, rng.normal(size=2 * n) + labels + 0.5 * np.repeat(rng.normal(size=n), 2)) for _ in range(2)
        )
        return grouped(new - old, groups), np.zeros(n)

    return _rates(_pairs(world, conversations, times, seed), resamples, domain_of, unseen=1.0)


def forgotten(world: World, n: int, times: int, resamples: int, seed: int) -> Rates:
    """What the gate of forgetting says."""
    return _rates(_pairs(world, n, times, seed), resamples, lambda found, _: forgetting(found, RULES).outcome)


def in_a_segment(world: World, n: int, times: int, resamples: int, seed: int) -> Rates:
    """What the gate of segments says of one of so many queries."""
    return _rates(_pairs(world, n, times, seed), resamples, lambda found, _: segment(found, RULES).outcome)


def domain_of(found: Compared, pair: Pair) -> str:
    return domain(found, changed(*pair)).outcome


def _pairs(world: World, n: int, times: int, seed: int) -> list[Pair]:
    rng = np.random.default_rng([seed, n])
    return [world(rng, n) for _ in range(times)]


def _rates(pairs: list[Pair], resamples: int, gate: Callable[[Compared, Pair], str], unseen: float = 0.0) -> Rates:
    """The share of each outcome. All candidates are judged with the same draws, as in a warehouse, whose seed is fixed."""
    changes = np.stack([new - old for new, old in pairs], axis=1)
    lows, highs = intervals(changes, unseen, resamples)
    estimates = (Estimate(float(column.mean()), low, high, len(column))
                 for column, low, high in zip(changes.T, lows, highs, strict=True))  # fmt: skip
    counts = Counter(
        gate(Compared("ndcg", "test", 0.0, 0.0, one), pair) for one, pair in zip(estimates, pairs, strict=True)
    )
    return Rates({outcome: count / len(pairs) for outcome, count in counts.items()}, len(pairs))
