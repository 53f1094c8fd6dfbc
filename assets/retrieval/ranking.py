"""How good a ranking is: hit rate, recall, precision, reciprocal rank and nDCG of a query, and their means with intervals.

Here belongs the arithmetic of ranked lists against relevance judgments, and of two lists of the same queries against each
other. Where rankings and judgments come from is not known here. nDCG takes grades as gains and log2(place + 1) as discount,
as trec_eval does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METRICS = ("hit_rate", "recall", "precision", "mrr", "ndcg")
RESAMPLES = 2_000
LEVEL = 0.95
Floats = NDArray[np.float64]
Runs = Mapping[str, Sequence[str]]
"""By query, what was found, best first."""
Qrels = Mapping[str, Mapping[str, int]]
"""By query, the grade of each relevant document: 1 and up."""


class QrelsError(ValueError):
    """Judgments that do not belong to the rankings; says how many of which ids match."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` queries, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def joined(runs: Runs, qrels: Qrels) -> list[str]:
    """The queries, sorted, that both know. Raises QrelsError unless those are all of both: a judgment that meets no ranking
    would count as nothing found, and one of another set as if it were this one's."""
    if not qrels:
        raise QrelsError("there are no judgments: nothing can be said of a ranking")
    unjudged, unranked = sorted(runs.keys() - qrels.keys()), sorted(qrels.keys() - runs.keys())
    if unjudged or unranked:
        parts = []
        if unranked:
            parts += [f"{len(unranked)} of {len(qrels)} judged queries have no ranking, such as {unranked[0]!r}"]
        if unjudged:
            parts += [f"{len(unjudged)} of {len(runs)} ranked queries have no judgment, such as {unjudged[0]!r}"]
        raise QrelsError("; ".join(parts) + ": are they of the same set, and are ids written alike?")
    if empty := sorted(query for query, grades in qrels.items() if not any(grade > 0 for grade in grades.values())):
        raise QrelsError(f"{len(empty)} judged queries have no relevant document, such as {empty[0]!r}; leave them out")
    return sorted(qrels)


def measured(runs: Runs, qrels: Qrels, k: int = 10) -> dict[str, Floats]:
    """Each metric at `k` of each query, in the order of joined(). Raises QrelsError."""
    rows = [_of_a_query(runs[query][:k], qrels[query], k) for query in joined(runs, qrels)]
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate(METRICS)}


def first_of_each(documents: Sequence[str]) -> list[str]:
    """Documents in the order in which chunks of theirs are found."""
    return list(dict.fromkeys(documents))


def estimate(values: Floats, seed: int = 1) -> Estimate:
    """The mean of values from 0 to 1, one a query, and its interval by a bootstrap of queries. Where all are 0, or all 1,
    the exact interval of that many equal draws: no resample knows what was not seen."""
    n = len(values)
    if not n:
        raise ValueError("of no query there is no mean")
    mean = float(values.mean())
    if values.min() == values.max() and mean in (0.0, 1.0):
        far = ((1 - LEVEL) / 2) ** (1 / n)
        return Estimate(mean, far if mean else 0.0, 1.0 if mean else 1 - far, n)
    low, high = _interval(values, seed)
    return Estimate(mean, min(low, mean), max(high, mean), n)


def difference(new: Floats, old: Floats, seed: int = 1) -> Estimate:
    """The mean of new less old, of the same queries in the same order, and its interval by a bootstrap of queries."""
    if len(new) != len(old) or not len(new):
        raise ValueError(f"{len(new)} queries cannot be paired with {len(old)}")
    change = new - old
    low, high = _interval(change, seed)
    return Estimate(float(change.mean()), low, high, len(change))


def _of_a_query(found: Sequence[str], grades: Mapping[str, int], k: int) -> tuple[float, ...]:
    if len(set(found)) < len(found):
        raise ValueError("a ranking names a document twice: take the first of each")
    gains = [max(grades.get(document, 0), 0) for document in found]
    relevant = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    places = [place for place, gain in enumerate(gains, start=1) if gain]
    best = _dcg(relevant[:k])
    return (
        float(bool(places)),
        len(places) / len(relevant),
        len(places) / k,
        1 / places[0] if places else 0.0,
        _dcg(gains) / best,
    )


def _dcg(gains: Sequence[int]) -> float:
    return float(sum(gain / np.log2(place + 1) for place, gain in enumerate(gains, start=1)))


def _interval(values: Floats, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([
        values[rng.integers(0, len(values), (some, len(values)))].mean(axis=1) for some in [RESAMPLES // 10] * 10
    ])  # fmt: skip
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
