"""Nights of service levels: the figures are those that one computes by hand, and odd days are neither 0 nor a crash."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import house as harness
import numpy as np
import pytest
from house import House, request
from service_house import service_house

from resources.contracts import REPO
from resources.sources import Source

LLMPERF = REPO.parent / "shared" / "data" / "llmperf_2023" / "raw_data"

needs_llmperf = pytest.mark.skipif(not LLMPERF.exists(), reason="the LLMPerf results are not beside the checkout")


# measured calls of providers


@pytest.fixture(scope="module")
def calls() -> dict[str, list[dict[str, Any]]]:
    """The calls of each run as their publisher wrote them."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (LLMPERF / "individual").glob("*.json")}


@pytest.fixture(scope="module")
def measured(calls: dict[str, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory) -> House:
    """One night over all runs; a run is a feature, so that it has figures of its own."""
    house = service_house(tmp_path_factory.mktemp("llmperf"), "2024-03-01T03:00:00")
    sources = {}
    for name in calls:
        path = LLMPERF / "summary" / f"{name}.json"
        summary = json.loads(path.read_text(encoding="utf-8"))
        defaults = {"provider": summary["framework"], "request_model": summary["model"], "feature": name}
        start = datetime.fromtimestamp(summary["timestamp"], UTC)
        sources[name] = Source(name, "llmperf_2023", defaults=defaults, start=start)
        folder = house.landing / name
        folder.mkdir(parents=True)
        (folder / path.name).write_bytes((LLMPERF / "individual" / path.name).read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "SOURCES", sources)
        house.night()
    return house


def by_hand(values: list[float]) -> list[float]:
    """Median, 90th, 95th and 99th percentile as numpy finds them in the single values."""
    return [float(np.quantile(values, q, method="inverted_cdf")) for q in (0.5, 0.9, 0.95, 0.99)]


TIMES = {
    "latency_ms": lambda call: 1000 * call["end_to_end_latency_s"],
    "time_to_first_token_ms": lambda call: 1000 * call["ttft_s"],
    "output_tokens_per_s": lambda call: (
        call["number_output_tokens"] / call["end_to_end_latency_s"] if call["end_to_end_latency_s"] > 0 else 0
    ),
}


@needs_llmperf
@pytest.mark.parametrize("measure", TIMES)
def test_quantiles_of_measured_calls_are_within_one_percent_of_those_of_the_single_values(
    calls: dict[str, list[dict[str, Any]]], measured: House, measure: str
) -> None:
    found = measured.ask(
        f"select feature, n, p50, p90, p95, p99 from service.timing_daily where scope = 'feature' and measure = '{measure}'"
    )
    # A time of 0 stands for a call that was refused: nothing was measured.
    values = {name: [v for v in map(TIMES[measure], run) if v > 0] for name, run in calls.items()}
    assert {name: n for name, n, *_ in found} == {name: len(run) for name, run in values.items() if run}
    for name, _, *quantiles in found:
        assert quantiles == pytest.approx(by_hand(values[name]), rel=0.0101), name
    assert sum(n for _, n, *_ in found) > 2000


@needs_llmperf
def test_quantiles_over_all_runs_are_those_of_all_values_and_no_average(
    calls: dict[str, list[dict[str, Any]]], measured: House
) -> None:
    """Over all days, from the five minutes: what an analyst does where no view has the group."""
    bins = measured.ask("select bin, sum(n) from service.timing_5min where measure = 'latency_ms' group by bin order by bin")
    up_to = np.cumsum([n for _, n in bins])
    found = [measured.ask(f"select log_bin_value({bins[int(np.argmax(up_to >= q * up_to[-1]))][0]})")[0][0] for q in QS]
    values = [v for run in calls.values() for v in map(TIMES["latency_ms"], run) if v > 0]
    assert found == pytest.approx(by_hand(values), rel=0.0101)


QS = (0.5, 0.9, 0.95, 0.99)


@needs_llmperf
def test_errors_of_measured_calls_are_counted_as_they_are_in_the_file(
    calls: dict[str, list[dict[str, Any]]], measured: House
) -> None:
    codes = Counter((name, str(call["error_code"])) for name, run in calls.items() for call in run)
    found = measured.ask(
        """
        select feature, requests, healthy_requests, failed_provider, failed_infrastructure, failed_model, rate_limited,
            availability
        from service.sli_daily where scope = 'feature'
        """
    )
    expected = [
        (
            name, len(run), codes[name, "None"], codes[name, "429"], codes[name, "-1"], codes[name, "-100"],
            codes[name, "429"], pytest.approx(codes[name, "None"] / len(run)),
        )
        for name, run in calls.items()
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)
    listed = measured.ask("select error_code, sum(failed_requests) from service.errors_daily group by error_code")
    assert dict(listed) == Counter(
        str(c["error_code"]) for run in calls.values() for c in run if c["error_code"] is not None
    )
    assert dict(listed)["429"] > 300


# odd days


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One request on the first day, none on the second, and on the third all that is strange."""
    house = service_house(tmp_path_factory.mktemp("odd"))
    house.deliver("a.jsonl", [request("only", "2026-11-03T10:00:00Z", request_model="old", tenant="first")])
    house.deliver(
        "b.jsonl",
        [
            request("zero", "2026-11-05T10:00:00Z", tenant="second", feature="fast", latency_ms=0, time_to_first_token_ms=0),
            request("zeros", "2026-11-05T10:00:00Z", tenant="second", feature="fast", latency_ms=0),
            request("blind", "2026-11-05T10:00:00Z", tenant="second", feature="blind"),
            # The gateway's clock went back: the first token came after the last, and the second request before the first.
            request("back", "2026-11-05T23:59:59.999999Z", feature="clock", latency_ms=5, time_to_first_token_ms=3_600_000),
            request("before", "2026-11-05T00:00:00Z", feature="clock", latency_ms=1e15),
        ],
    )
    house.night()
    return house


def test_a_day_of_one_request_has_figures_that_say_how_thin_they_are(odd: House) -> None:
    figures = "requests, availability, availability_low, availability_high, latency_p50_ms, latency_n"
    asked = f"select {figures} from service.sli_daily"
    assert odd.ask(f"{asked} where day = '2026-11-03' and scope = 'all'") == [
        (1, 1.0, pytest.approx(0.2065, abs=1e-4), 1.0, None, 0)
    ]


def test_an_empty_day_has_no_rows_and_leaves_nothing_to_do(odd: House) -> None:
    for table in ("sli_5min", "timing_5min", "sli_hourly", "sli_daily", "timing_daily", "active_users_daily"):
        assert odd.ask(f"select count(*) from service.{table} where day = '2026-11-04'") == [(0,)], table
    assert odd.is_quiet()


def test_a_new_tenant_and_a_model_that_is_gone_have_rows_of_their_own_days_alone(odd: House) -> None:
    assert odd.ask("select day from service.sli_daily where scope = 'model' and model = 'old'") == [(date(2026, 11, 3),)]
    named = "from service.sli_daily where scope = 'tenant' and tenant is not null"
    assert odd.ask(f"select count(*), count(distinct tenant), count(distinct day) {named}") == [(2, 2, 2)]


def test_no_measured_latency_is_no_quantile_and_a_latency_of_zero_is_zero(odd: House) -> None:
    asked = "select latency_n, latency_p50_ms, latency_p99_ms, latency_over_5120ms_rate from service.sli_daily"
    assert odd.ask(f"{asked} where feature = 'blind' and scope = 'feature'") == [(0, None, None, None)]
    assert odd.ask(f"{asked} where feature = 'fast' and scope = 'feature'") == [(2, 0.0, 0.0, 0.0)]


def test_a_clock_that_jumps_neither_stops_the_night_nor_moves_a_request_to_another_day(odd: House) -> None:
    asked = "select n, p50, p99 from service.timing_daily where feature = 'clock' and scope = 'feature' and measure = "
    assert odd.ask(f"{asked} 'latency_ms'") == [(2, pytest.approx(5, rel=0.0101), pytest.approx(1e15, rel=0.0101))]
    hour = pytest.approx(3_600_000, rel=0.0101)
    assert odd.ask(f"{asked} 'time_to_first_token_ms'") == [(1, hour, hour)]
    buckets = odd.ask("select bucket_start from service.sli_5min where feature = 'clock' order by 1")
    assert [moment.strftime("%d %H:%M") for (moment,) in buckets] == ["05 00:00", "05 23:55"]


def test_every_request_is_in_every_scope_once_and_hours_make_the_day(odd: House) -> None:
    (asked,) = odd.ask("select count(*) from logs.requests where coalesce(is_shadow, false) = false")
    for view in ("sli_daily", "sli_hourly"):
        sums = odd.ask(f"select scope, sum(requests) from service.{view} group by scope")
        assert {total for _, total in sums} == set(asked), view
        assert len(sums) == 9, view
