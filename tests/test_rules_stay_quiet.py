"""Rules of the service over traffic that is drawn at random: quiet nights stay quiet, and what is large is found.

Each drawn night is a feature, or a key, of its own on one day, so that one run of the real SQL judges hundreds of nights.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sql_cases import Case, run_case

from resources.contracts import contracts

DAY = date(2026, 1, 15)
Row = dict[str, Any]


def hour_of(day: date, hour: int) -> str:
    return (datetime.combine(day, time(), UTC) + timedelta(hours=hour)).isoformat()


def rows(table: str, given: dict[str, list[Row]], folder: Path) -> list[Row]:
    return run_case(Case(table, DAY, given, []), contracts(), folder)[0]


def routed(feature: str, hour: int, total: int, astray: int) -> Row:
    counts = {"route_measured": total, "routed_as_expected": total - astray}
    return {"day": DAY, "bucket_start": hour_of(DAY, hour), "feature": feature, **counts}


def test_a_share_is_a_breach_exactly_where_wilsons_bound_is_above_the_threshold(tmp_path: Path) -> None:
    totals = (1, 2, 5, 6, 9, 20, 60, 200, 3000)
    cases = [(bad, total) for total in totals for bad in range(0, total + 1, max(1, total // 25))]
    given = [routed(f"{bad}/{total}", 10, total, bad) for bad, total in cases]
    found = {row["feature"]: row for row in rows("service.share_breaches", {"service.sli_5min": given}, tmp_path)}
    for bad, total in cases:
        # Two-sided 99.8 % is one-sided 99.9 %.
        low = binomtest(bad, total).proportion_ci(0.998, "wilson").low
        assert (f"{bad}/{total}" in found) == (bad >= 6 and low > 0.10), (bad, total)
        if f"{bad}/{total}" in found:
            assert found[f"{bad}/{total}"]["lower_bound"] == pytest.approx(low, rel=1e-9)


def test_sixty_quiet_nights_of_six_features_have_no_breach_and_a_rise_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    given = []
    for night in range(360):
        busy = (2, 8, 30, 120, 600, 3000)[night % 6]
        for hour in range(24):
            total = int(rng.poisson(busy))
            # The sample traffic's share: 3.6 % take the fallback, or the cheap route by mistake.
            given.append(routed(f"quiet {night}", hour, total, int(rng.binomial(total, 0.036))))
    for night in range(60):
        for hour in range(12):
            total = int(rng.poisson(30))
            given.append(routed(f"risen {night}", hour, total, int(rng.binomial(total, 0.25))))
    found = {row["feature"] for row in rows("service.share_breaches", {"service.sli_5min": given}, tmp_path)}
    assert len([name for name in found if name.startswith("quiet")]) == 0
    assert len([name for name in found if name.startswith("risen")]) >= 57


def key_hours(rng: np.random.Generator, key: str, busiest: float, factor: float) -> list[Row]:
    """15 days of a key: people's hours, quiet weekends, requests of very different cost, 3 USD in a busy hour."""
    found = []
    for back in range(14, -1, -1):
        day = DAY - timedelta(days=back)
        level = 0.15 if day.weekday() >= 5 else 1.0
        for hour in range(24):
            count = int(rng.poisson(busiest * level * max(np.sin((hour - 7) / 14 * np.pi), 0.04)))
            if not count:
                continue
            costs = rng.lognormal(np.log(3 / busiest) - 0.72, 1.2, count) * (factor if back == 0 else 1.0)
            amount, dearest = (Decimal(str(round(float(value), 6))) for value in (costs.sum(), costs.max()))
            found.append(
                {
                    "day": day, "hour_start": hour_of(day, hour), "tenant": "t", "api_key_token": key, "requests": count,
                    "unpriced_requests": 0, "contracted_amount": amount, "dearest_amount": min(dearest, amount),
                }
            )  # fmt: skip
    return found


def test_quiet_keys_are_quiet_whatever_their_size_and_an_eightfold_day_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    given = [row for n in range(200) for row in key_hours(rng, f"quiet {n}", (1, 3, 10, 40)[n % 4], 1.0)]
    given += [row for n in range(40) for row in key_hours(rng, f"spike {n}", 20, 8.0)]
    judged = rows("service.cost_spikes", {"service.key_hours": given}, tmp_path)
    found = {row["api_key_token"] for row in judged if row["state"] in ("spike", "large_spike")}
    assert len([name for name in found if name.startswith("quiet")]) <= 1
    assert len([name for name in found if name.startswith("spike")]) >= 38
    assert {row["state"] for row in judged if row["api_key_token"].startswith("quiet")} >= {"usual"}
