"""Made-up candidates whose true difference from the champion is known, and how often each gate says what of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from assets.retrieval.ranking import Estimate, difference
from assets.tuning.gate import Compared, Rules, domain, forgetting, guard, segment
from assets.tuning.paired_bootstrap import changed, grouped, intervals, placements

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
World = Callable[[np.random.Generator, int], Pair]
"""Values of candidate and champion on so many queries."""
RULES = Rules()
CHAMPION_AREA, POSITIVE = 0.75, 0.2
"""Of made-up detectors: the area under the curve, and the share of answers that is hallucinated."""


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
    end = 1.0 if points > 0 else 0.0

    def able(old: Floats) -> NDArray[np.bool_]:
        return old < 0.01 if points > 0 else old > 0.99

    new, old = world(np.random.default_rng(0), 200_000)
    # Of the queries that can change, as many do as it takes; of a few that were drawn there may be none.
    share = abs(points) / 100 / float((able(old) * np.abs(end - new)).mean())

    def other(rng: np.random.Generator, n: int) -> Pair:
        new, old = world(rng, n)
        struck = able(old) & (rng.random(n) < share)
        return np.where(struck, end, new), old

    return other


def swapped(one: Floats, other: Floats) -> World:
    """Real values of two models on the same queries, of each query its two sides swapped by chance: truly equal."""

    def world(rng: np.random.Generator, n: int) -> Pair:
        drawn, turned = rng.integers(0, len(one), n), rng.random(n) < 0.5
        return np.where(turned, other[drawn], one[drawn]), np.where(turned, one[drawn], other[drawn])

    return world


def detectors(points: float = 0.0, are_drawn: bool = False) -> World:
    """A detector whose area under the curve is truly that of the champion and so many points, on conversations of two
    answers, a fifth of them hallucinated; half of what misleads one misleads the other. What a conversation contributes
    stands in the place of a query's value, as the desk reckons it (pipelines/tuning/detector_measures.py).

    `are_drawn`: of conversations that the champion does not suspect one in four was labelled, and stands for four.
    """
    apart = [np.sqrt(2.5) * special.ndtri(CHAMPION_AREA + more / 100) for more in (points, 0.0)]

    def world(rng: np.random.Generator, n: int) -> Pair:
        there = 4 * n if are_drawn else n
        labels = rng.random((there, 2)) < POSITIVE
        both = 0.5 * rng.normal(size=(there, 1)) + np.sqrt(0.5) * rng.normal(size=(there, 2))
        new, old = (both + np.sqrt(0.5) * rng.normal(size=(there, 2)) + labels * far for far in apart)
        worst = old.max(axis=1)
        stands_for = np.where(are_drawn & (worst < np.quantile(worst, 2 / 3)), 4.0, 1.0)
        labelled = np.flatnonzero(rng.random(there) < 1 / stands_for)[:n]
        weights, kinds = np.repeat(stands_for[labelled], 2), labels[labelled].ravel()
        kinds[:2] = True, False  # Of both there is one, or no area.
        areas = [placements(kinds, scores[labelled].ravel(), weights) for scores in (new, old)]
        groups = [str(place // 2) for place in range(2 * len(labelled))]
        return grouped(areas[0] - areas[1], groups, weights), np.zeros(len(labelled))

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
DETECTORS: dict[str, World] = {
    "equal": detectors(),
    "equal, some stand for four": detectors(are_drawn=True),
    "worse by a point": detectors(-1.0),
    "worse by three points": detectors(-3.0),
}
"""None of them is better."""


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


def forgotten(world: World, n: int, times: int, resamples: int, seed: int) -> Rates:
    """What the gate of forgetting says."""
    return _rates(_pairs(world, n, times, seed), resamples, lambda found, _: forgetting(found, RULES).outcome)


def guarded(world: World, n: int, times: int, resamples: int, seed: int) -> Rates:
    """What the guard says that tolerates nothing beyond chance: a detector's beside heuristic-1."""
    return _rates(_pairs(world, n, times, seed), resamples, lambda found, _: guard(found).outcome)


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
