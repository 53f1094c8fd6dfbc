"""What is said of a release's first days: right as often as it says, though requests of an hour are alike."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sql_cases import Case, run_case

from resources.contracts import contracts

DAY, LIVE = date(2026, 1, 15), datetime(2026, 1, 13, tzinfo=UTC)
RELEASES, HOURS = 80, 36
GAMMA = 1.01 / 0.99


def night(folder: Path, seed: int, rise: float, releases: int = RELEASES) -> list[dict[str, Any]]:
    """The rows of one night over many features, each with a release two days ago whose failures rose by `rise`, and whose
    answers got slower and dearer by that share. Hours differ much more than chance: failures of an hour come together."""
    chance = np.random.default_rng(seed)
    sli: list[dict[str, Any]] = []
    timing: list[dict[str, Any]] = []
    cost: list[dict[str, Any]] = []
    for number in range(releases):
        for version, start in (("v1", LIVE - timedelta(hours=HOURS)), ("v2", LIVE)):
            is_new = version == "v2"
            for hour in range(HOURS):
                at = start + timedelta(hours=hour)
                n = int(chance.poisson(40)) + 1
                failing = min(0.9, 0.1 * chance.gamma(2.0, 0.5) + (rise if is_new else 0.0))
                factor = chance.lognormal(0.0, 0.2) * (1 + (rise if is_new else 0.0))
                whose = {"feature": f"f{number}", "environment": "prod", "prompt_version": version, "day": at.date()}
                failed = int(chance.binomial(n, failing))
                ms = chance.lognormal(7.0, 0.8, n) * factor
                slow = {"latency_n": n, "latency_over_5120ms": int(np.sum(ms > 5120))}
                seen = {"requests": n, "valid_requests": n, "healthy_requests": n - failed}
                sli.append(whose | {"bucket_start": at} | seen | slow)
                bins = Counter(np.ceil(np.log(ms) / np.log(GAMMA)).astype(int).tolist())
                timing += [whose | {"bucket_start": at, "measure": "latency_ms", "bin": b, "n": k} for b, k in bins.items()]
                spent = round(float(np.sum(chance.lognormal(-5.0, 1.0, n)) * factor), 9)
                cost.append(whose | {"bucket_start": at, "state": "priced", "requests": n, "contracted_amount": spent})
    given = {"service.sli_5min": sli, "service.timing_5min": timing, "cost.cost_15min": cost}
    rows, broken = run_case(Case("release.before_after", DAY, given, []), contracts(), folder)
    assert not broken
    return rows


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A night of releases that changed nothing."""
    return night(tmp_path_factory.mktemp("equal"), seed=1, rise=0.0)


METRICS = ("failed_share", "slow_share", "latency_p95_ms", "cost_usd")


@pytest.mark.parametrize("metric", METRICS)
def test_a_release_that_changed_nothing_is_said_to_differ_as_often_as_an_interval_allows(
    equal: list[dict[str, Any]], metric: str
) -> None:
    said = [row["reading"] for row in equal if row["metric"] == metric]
    assert len(said) == RELEASES
    wrong = sum(reading != "no_difference_shown" for reading in said)
    # 5 % is promised; not refuted at 1 in 1,000.
    assert binomtest(wrong, RELEASES, 0.05, alternative="greater").pvalue > 0.001, wrong


def test_intervals_are_not_idly_wide(equal: list[dict[str, Any]]) -> None:
    """Of shares, within half as much again as what the hours' own scatter says."""
    for metric in ("failed_share", "slow_share"):
        rows = [row for row in equal if row["metric"] == metric]
        scatter = np.std([row["difference"] for row in rows])
        width = np.mean([(row["difference_high"] - row["difference_low"]) / 2 for row in rows])
        assert 0.8 < width / (1.96 * scatter) < 1.5, metric


def test_a_release_that_made_things_worse_is_seen(tmp_path: Path) -> None:
    rows = night(tmp_path, seed=2, rise=0.2, releases=30)
    for metric in METRICS:
        said = [row["reading"] for row in rows if row["metric"] == metric]
        assert sum(reading == "worse" for reading in said) > 0.5 * len(said), metric
        assert len(said) == 30 and "better" not in said
