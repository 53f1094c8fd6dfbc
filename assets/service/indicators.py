"""What a promise may be made about: the indicators, how each is written in OpenSLO, and what a break of it means.

Here belongs the list. Which event is good is sql/service/slo_5min.sql's; the lint of documents is openslo.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["page", "ticket"]


@dataclass(frozen=True)
class Indicator:
    """An indicator. `operators` are those that its threshold may have; none: its events are good or bad by themselves.

    `component` and `cause_class` say who is asked first (seeds/owners.yml), `severity` the most that a rule may do unless
    the promise says otherwise. `is_sampled`: its events are a sample of opinions. `verdict`: nobody counts its events; the
    share of the answers of which people's verdict is true (`verdict_is_good`: of those that keep the promise) is estimated
    in quality.rates, over one of VERDICT_WINDOWS_DAYS. `is_measured`: something counts or estimates it.
    """

    events: str
    runbook: str
    component: str
    cause_class: str
    severity: Severity = "ticket"
    operators: tuple[str, ...] = ()
    is_named: bool = False
    is_by_hour: bool = False
    is_sampled: bool = False
    is_measured: bool = True
    verdict: str | None = None
    verdict_is_good: bool = False


VERDICT_WINDOWS_DAYS = (1, 7, 30)
"""Windows of quality.rates."""
INDICATORS: dict[str, Indicator] = {
    "availability": Indicator("valid requests", "availability", "gateway", "infrastructure", "page"),
    "error_rate": Indicator("valid requests", "availability", "gateway", "infrastructure"),
    "latency_ms": Indicator(
        "healthy answers whose latency was measured", "latency", "provider", "infrastructure", "page", ("lte",)
    ),
    "time_to_first_token_ms": Indicator(
        "healthy answers whose first token was timed", "latency", "provider", "infrastructure", "page", ("lte",)
    ),
    "model_load_ms": Indicator("loads of a model", "latency", "provider", "infrastructure", operators=("lte",)),
    "window_truncation": Indicator("requests that say whether they were cut", "truncation", "prompt", "data"),
    "response_cache_hit": Indicator("look-ups in the response cache", "cost-spike", "gateway", "cost"),
    "routing": Indicator("requests that name both routes", "misrouting", "router", "infrastructure"),
    "safety_pass": Indicator("answers that the safety filter judged", "safety-filter-failure", "safety_filter", "safety"),
    "feedback": Indicator(
        "pieces of feedback of one name that carry a value",
        "hallucination-surge",
        "provider",
        "model",
        operators=("lte", "gte"),
        is_named=True,
        is_sampled=True,
    ),
    "cost_usd": Indicator("requests whose whole cost is known", "cost-spike", "spend", "cost", operators=("lte",)),
    "spend_usd_per_hour": Indicator(
        "hours with a known cost", "cost-spike", "spend", "cost", operators=("lte",), is_by_hour=True
    ),
    "hallucination": Indicator(
        "answers", "hallucination-surge", "provider", "model", is_sampled=True, verdict="hallucinated"
    ),
    "retrieval_recall": Indicator(
        "labelled queries", "hallucination-surge", "retrieval", "data", is_sampled=True, is_measured=False
    ),
    "groundedness": Indicator(
        "answers", "hallucination-surge", "retrieval", "data", is_sampled=True, verdict="grounded", verdict_is_good=True
    ),
    "incident_feedback_coverage": Indicator("incidents", "hallucination-surge", "prompt", "compliance", is_measured=False),
    "billing_anomalies": Indicator("days", "cost-spike", "spend", "cost", is_measured=False),
}
