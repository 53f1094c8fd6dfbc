"""The tables that a chunk's codes point into: ready-made pieces of JSON, each `,"key":value` or empty.

Values that come in few combinations are spelled once here and gathered by code, which is what makes the lines fast.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from simulator.catalogue import API_KEYS, ENVIRONMENTS, FEATURES, MODELS, TENANTS


def fragment(**pairs: Any) -> str:
    """`,"key":value` of every pair that is not None."""
    given = {key: value for key, value in pairs.items() if value is not None}
    return "," + json.dumps(given, separators=(",", ":"), ensure_ascii=False)[1:-1] if given else ""


# (error_class, error_code, http_status, is_billed, has tokens, share of all requests); the first is success, the last
# what the filter in front of the models turned away: no failure, and no model was asked. A feature's `failure_factor`
# goes over the shares of failures that are not the caller's; they add up to about 0.2 %.
OUTCOMES: tuple[tuple[str | None, str | None, int | None, bool | None, bool, float], ...] = (
    (None, None, 200, None, True, 0.99025),
    ("client", "context_length_exceeded", 400, None, False, 0.005),
    ("client", "invalid_request_error", 400, None, False, 0.003),
    ("provider", "rate_limit_exceeded", 429, False, False, 0.0005),
    ("provider", "overloaded_error", 529, None, False, 0.0002),
    ("provider", "internal_server_error", 500, None, False, 0.0002),
    ("infrastructure", "gateway_timeout", 504, True, True, 0.0004),
    ("infrastructure", "connection_reset", None, None, False, 0.00015),
    ("model", "refusal", 200, None, True, 0.00015),
    ("schema", "invalid_json_output", 200, None, True, 0.00015),
    (None, None, 200, False, False, 0.0),
)
OUTCOME_CODES: dict[str, int] = {outcome[1]: code for code, outcome in enumerate(OUTCOMES) if outcome[1] is not None}
TIMEOUT = OUTCOME_CODES["gateway_timeout"]
ANSWERED, BLOCKED = 0, len(OUTCOMES) - 1

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")
FILTERED = FINISH_REASONS.index("content_filter")
SAFETY = (
    ("pass", "pass", None),
    ("pass", None, None),
    ("flag", "pass", "harassment"),
    ("pass", "flag", "medical_advice"),
    ("block", None, "prompt_injection"),
    ("pass", "block", "personal_data"),
)
INPUT_BLOCKED = 4
ROUTES = (
    ("primary", "primary"),
    ("economy", "economy"),
    ("economy", "primary"),
    ("primary", None),
    ("fallback", "primary"),
    ("premium", "economy"),
)
FALLBACK_ROUTE, MISROUTED = 4, 5

_SUBJECTS = ("my order", "the invoice", "the blue kettle", "our roof garden", "a late parcel", "train seats")
_ASKS = ("Where is {}?", "Please cancel {}.", "Can I change {} today?", "Summarise what we know about {}.")
PROMPT_TEXTS = (
    *(ask.format(subject) for ask in _ASKS for subject in _SUBJECTS),
    "  where is   MY ORDER? ",
    "Wo ist “mein Paket”?\nIch warte seit gestern.",
    "मेरी टिकट कहाँ है?",
)
SYSTEM_TEXTS = ("You help customers. Be brief.", "You answer from the documents given.", "You write short summaries.")


def _attributes() -> tuple[str, ...]:
    """40 tag sets a tenant; some keys no allow-list should let through."""
    sets = []
    for tenant in TENANTS:
        for number in range(40):
            tags: dict[str, Any] = {"channel": ("web", "ios", "android", "api")[number % 4], "country": tenant.country}
            if number % 3:
                tags["app_version"] = f"4.{number % 7}.{number % 5}"
            if number % 8 == 5:
                tags["session_note"] = f"called back about case {1000 + number}"
            if number % 10 == 7:
                tags["debug"] = {"flags": [number, True], "host": f"web-{number}"}
            sets.append(fragment(attributes=tags))
    return tuple(sets)


ATTRIBUTES = _attributes()

TABLES: dict[str, Sequence[str]] = {
    "api_key": [fragment(tenant=TENANTS[owner].name, api_key_id=name) for owner, name in API_KEYS],
    "environment": [fragment(environment=name) for name, _ in ENVIRONMENTS],
    "model": [fragment(provider=m.provider, request_model=m.name) for m in MODELS],
    "response_model": [fragment(response_model=m.response_name, region=m.region) for m in MODELS],
    "arm": [fragment(experiment_arm=arm) for arm in ("control", "shorter_prompt")],
    "tier": [fragment(service_tier=tier) for tier in ("default", "priority", "flex")],
    "is_batch": ["", fragment(is_batch=True)],
    "is_shadow": ["", fragment(is_shadow=True)],
    "outcome": [fragment(error_class=o[0], error_code=o[1], http_status=o[2], is_billed=o[3]) for o in OUTCOMES],
    "finish": [fragment(finish_reason=reason) for reason in FINISH_REASONS],
    "safety": [fragment(safety_input_verdict=i, safety_output_verdict=o, safety_category=c) for i, o, c in SAFETY],
    "route": [
        fragment(route=route, expected_route=expected, is_fallback=route == "fallback")
        for route, expected in ROUTES
    ],
    "response_cache": [
        fragment(response_cache_lookup=True, response_cache_hit=False),
        fragment(response_cache_lookup=True, response_cache_hit=True, is_billed=False),
    ],
    "is_complete": [fragment(is_complete=False), fragment(is_complete=True)],
    "is_window_truncated": [fragment(is_window_truncated=False), fragment(is_window_truncated=True)],
    "consent": [fragment(may_train=False), fragment(may_label=False), fragment(may_store_text=False)],
    "attributes": ATTRIBUTES,
    "prompt_text": [fragment(prompt_text=text) for text in PROMPT_TEXTS],
    "system_text": [fragment(system_text=text) for text in SYSTEM_TEXTS],
}


def prompt_version(day: date, feature: int, release: int = 0) -> str:
    """The version of a feature's prompt on a day: v0 … v99, moving on every ten days; v1xx was deployed in between."""
    return f"v{(day.toordinal() + 3 * feature) // 10 % 100 + 100 * release}"


RELEASES = (0, 1)
"""Of a feature's prompt version: the usual one, and one that was deployed on a day in between."""


def feature_table(day: date, release: int) -> list[str]:
    """What a request inherits from its feature on a day: prompt versions move on every ten days, deployments weekly."""
    deployment = f"app-{day.isocalendar().year}.{day.isocalendar().week:02d}"
    table = []
    for code, feature in enumerate(FEATURES):
        searches = feature.retrieved_median_tokens > 0
        table.append(
            fragment(
                team=feature.team,
                feature=feature.name,
                endpoint=feature.endpoint,
                endpoint_trust=feature.trust,
                deployment=deployment,
                prompt_id=feature.name.replace("_", "-"),
                prompt_version=prompt_version(day, code, release),
                embedder_version="minilm-2" if searches else None,
                index_version=f"handbook-{day.isocalendar().week}" if searches else None,
                safety_policy_version="2026-10" if feature.trust == "public" else None,
            )
        )
    return table
