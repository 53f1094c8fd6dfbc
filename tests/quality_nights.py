"""Nights of known truth for the statistics of quality: made-up responses with scores and verdicts, and FRANK's real ones.

Here belong the worlds, how a night is drawn and labelled in one, and how often intervals cover what they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import hypergeom

from assets.quality.estimator import Labels, Rate, estimate
from assets.quality.sampling import Draw, Responses, draw
from assets.service.intervals import clopper_pearson_low, wilson
from resources.contracts import REPO

FRANK = REPO.parent / "shared" / "data" / "frank"
FRANK_COLUMNS = ["BertScore P Art", "BertScore R Art", "FactCC", "FEQA", "Dep Entail", "QAGS"]
"""Metrics of a summary against its article, as published: they know no reference and no label."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """One night's responses with a score each and the verdict that people would give."""

    score: Floats
    verdict: Floats
    responses: Responses


def world(score: Floats, verdict: Floats, strata: tuple[str, ...] = ("chat",)) -> World:
    count = len(score)
    stratum = np.array([strata[row % len(strata)] for row in range(count)])
    return World(score, verdict, Responses([f"request-{row}" for row in range(count)], score, stratum, np.ones(count)))


def calibrated(rng: np.random.Generator, count: int, rate: float, spread: float = 2.2) -> World:
    """Verdicts with a probability that is the score: logit-normal with standard deviation `spread`, `rate` on average."""
    shape = spread * rng.standard_normal(count)
    low, high = -15.0, 15.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if expit(middle + shape).mean() > rate else (middle, high)
    score = expit(low + shape)
    return world(score, (rng.random(count) < score).astype(np.float64))


def worthless(rng: np.random.Generator, count: int, rate: float) -> World:
    """The same scores and the same share of verdicts, and nothing in common between them."""
    of_score = calibrated(rng, count, rate)
    return world(of_score.score, rng.permutation(of_score.verdict))


def labelled(night: World, drawn: Draw) -> Labels:
    """What people say about the drawn responses: the truth."""
    rows = drawn.is_drawn
    count = int(rows.sum())
    return Labels(
        night.verdict[rows],
        night.score[rows],
        drawn.inclusion_probability[rows],
        drawn.is_random[rows],
        np.full(count, drawn.random_probability),
        np.full(count, ""),
    )


def rated(night: World, budget: int, name: str, rho: float | None) -> Rate:
    return estimate(night.score, labelled(night, draw(night.responses, budget, b"of-the-tests-only", name, rho)))


def classical(hits: float, n: int, count: int) -> tuple[float, float]:
    """The interval without a score, of a plain draw of `n` of `count` with `hits`, by the rules that ours has too: Wilson,
    with the finite population counted, and Clopper-Pearson below five of either."""
    if min(hits, n - hits) < 5:
        return float(clopper_pearson_low(hits, n, 0.95)), 1 - float(clopper_pearson_low(n - hits, n, 0.95))
    size = n / (1 - n / count)
    low, high = wilson(hits / n * size, size)
    return float(low), float(high)


@lru_cache
def _classical_of_each(n: int, count: int) -> tuple[Floats, Floats]:
    """Its ends [hits] for every number of hits."""
    ends = np.array([classical(hits, n, count) for hits in range(n + 1)])
    return ends[:, 0], ends[:, 1]


@dataclass(frozen=True)
class Coverage:
    """Over `nights`: the share of intervals that hold the truth, and their mean width with its standard error; `exact` is
    the share of nights with an exact interval, `plain_width` that of Wilson's without a finite population."""

    nights: int
    truth: float
    rho: float
    covered: float
    width: float
    exact: float
    covered_inexact: float
    width_error: float
    bias: float
    classical_covered: float
    classical_width: float
    plain_width: float
    ppi_covered: float
    ppi_width: float

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of a coverage of 95 %."""
        return float(np.sqrt(0.95 * 0.05 / self.nights))


def coverage(worlds: list[World], nights_each: int, n: int, rho: float | None, seed: int) -> Coverage:
    """Each world drawn, labelled and rated `nights_each` times; beside it a plain draw of as many labels: what is expected
    of the classical interval, and what PPI++ of ppi_py makes of each."""
    from ppi_py import ppi_mean_ci

    rng = np.random.default_rng(seed)
    rows = []
    for place, night in enumerate(worlds):
        count, truth = len(night.score), float(night.verdict.mean())
        low, high = _classical_of_each(n, count)
        chance = hypergeom.pmf(np.arange(n + 1), count, night.verdict.sum(), n)
        expected = float(chance @ ((low <= truth) & (truth <= high))), float(chance @ (high - low))
        for again in range(nights_each):
            ours = rated(night, n, f"{seed} {place} {again}", rho)
            assert ours.rate is not None and ours.low is not None and ours.high is not None
            plain = rng.choice(count, n, replace=False)
            hits = float(night.verdict[plain].sum())
            unadjusted = wilson(hits, n)
            ppi = ppi_mean_ci(night.verdict[plain], night.score[plain], night.score, alpha=0.05)
            ppi_low, ppi_high = float(ppi[0][0]), float(ppi[1][0])
            rows.append((
                truth, ours.rho if ours.rho is not None else np.nan,
                ours.low <= truth <= ours.high, ours.high - ours.low, ours.method == "exact", ours.rate - truth,
                *expected, float(unadjusted[1] - unadjusted[0]),
                ppi_low <= truth <= ppi_high, ppi_high - ppi_low,
            ))  # fmt: skip
    table = np.array(rows, dtype=np.float64)
    mean = np.nanmean(table, axis=0) if np.isfinite(table[:, 1]).any() else table.mean(axis=0)
    inexact = table[table[:, 4] == 0]
    return Coverage(
        nights=len(table), truth=mean[0], rho=mean[1], covered=mean[2], width=mean[3], exact=mean[4],
        width_error=float(table[:, 3].std() / np.sqrt(len(table))),
        covered_inexact=float(inexact[:, 2].mean()) if len(inexact) else np.nan, bias=mean[5],
        classical_covered=mean[6], classical_width=mean[7], plain_width=mean[8], ppi_covered=mean[9], ppi_width=mean[10],
    )  # fmt: skip


def frank() -> World:
    """FRANK's 2,246 summaries: hallucinated where people found an error, scored by a logistic regression on published
    metrics that never saw the summary's article (five folds by article)."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    metrics = pl.read_json(FRANK / "metrics.json", infer_schema_length=None)
    people = pl.read_json(FRANK / "data" / "human_annotations.json", infer_schema_length=None)
    both = metrics.join(people.select("hash", "model_name", "Factuality"), on=["hash", "model_name"], validate="1:1")
    both = both.sort("hash", "model_name")
    verdict = (both["Factuality"] < 1).cast(pl.Float64).to_numpy()
    model = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(max_iter=1000))
    score = cross_val_predict(
        model, both.select(FRANK_COLUMNS).to_numpy(), verdict, groups=both["hash"].to_numpy(), cv=GroupKFold(5),
        method="predict_proba",
    )[:, 1]  # fmt: skip
    return world(score, verdict)
