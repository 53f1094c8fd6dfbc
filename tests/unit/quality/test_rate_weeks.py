"""Intervals of whole weeks, drawn night by night and judged to different degrees, against the truth."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from judged_days import DAY
from quality_nights import calibrated

from assets.quality.estimator import Rate
from assets.quality.judged_answers import arrays, counted, estimated
from assets.quality.sampling import draw

_WORDS = {"excluded": pl.String, "conversation_token": pl.String}


def week(seed: int, count: int, budget: int, rates: list[float], shares: list[float], rho: float) -> tuple[Rate, float]:
    """Seven days of `count` answers with these rates, of whose draws these shares are judged: the estimate, and the truth
    of the days that count."""
    rng, days, truth = np.random.default_rng(seed), [], []
    for place, (rate, share) in enumerate(zip(rates, shares, strict=True)):
        night = calibrated(rng, count, rate)
        drawn = draw(night.responses, budget, b"of-the-tests-only", f"{seed} {place}", rho)
        asked = np.flatnonzero(drawn.is_drawn)
        verdict = np.full(count, np.nan)
        judged = rng.permutation(asked)[: round(share * len(asked))]
        verdict[judged] = night.verdict[judged]
        columns = {
            "day": [DAY - timedelta(days=place)] * count, "score": night.score, "hallucinated": verdict,
            "inclusion_probability": drawn.inclusion_probability, "is_drawn": drawn.is_drawn, "is_random": drawn.is_random,
            "random_probability": np.full(count, drawn.random_probability), **dict.fromkeys(_WORDS, [None] * count),
        }  # fmt: skip
        days.append(pl.DataFrame(columns, schema_overrides=_WORDS))
        truth.append(night.verdict)
    answers = arrays(pl.concat(days), "hallucinated")
    counts, share_of = counted(answers)
    rows = np.flatnonzero(counts)
    labelled = rows[np.isfinite(answers.verdict[rows])]
    return estimated(answers, labelled, rows, share_of), float(np.concatenate(truth)[rows].mean())


@pytest.mark.parametrize(
    ("count", "budget", "rates", "shares", "least"),
    [
        (1000, 60, [0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2], [1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.5], 0.89),
        (2000, 200, [0.005] * 7, [1.0] * 7, 0.85),
    ],
    ids=["the worse a day, the less of it is judged", "half a percent"],
)
def test_a_week_holds_the_truth(count: int, budget: int, rates: list[float], shares: list[float], least: float) -> None:
    """`least` leaves 50 weeks two standard errors; docs/quality-statistics.md says what many weeks came to."""
    covered, misses = 0, []
    for seed in range(50):
        found, truth = week(seed, count, budget, rates, shares, rho=0.4)
        assert found.rate is not None and found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
        misses.append(found.rate - truth)
    assert covered / 50 >= least
    assert abs(np.mean(misses)) < 0.06 * np.mean(rates), (
        "labels that weigh alike are a seventh too low on the first of these"
    )
