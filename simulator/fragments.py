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


# (error_class, error_code, http_status, is_billed, has tokens, relative frequency); the first is success.
OUTCOMES: tuple[tuple[str | None, str | None, int | None, bool | None, bool, float], ...] = (
    (None, None, 200, None, True, 0.958),
    ("client", "context_length_exceeded", 400, None, False, 0.005),
    ("client", "invalid_request_error", 400, None, False, 0.003),
    ("provider", "rate_limit_exceeded", 429, False, False, 0.012),
    ("provider", "overloaded_error", 529, None, False, 0.005),
    ("provider", "internal_server_error", 500, None, False, 0.004),
    ("infrastructure", "gateway_timeout", 504, True, True, 0.005),
    ("infrastructure", "connection_reset", None, None, False, 0.002),
    ("model", "refusal", 200, None, True, 0.003),
    ("schema", "invalid_json_output", 200, None, True, 0.003),
)
TIMEOUT = next(code for code, outcome in enumerate(OUTCOMES) if outcome[1] == "gateway_timeout")

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")
SAFETY = (
    ("pass", "pass", None),
    ("pass", None, None),
    ("flag", "pass", "harassment"),
    ("pass", "flag", "medical_advice"),
    ("block", None, "prompt_injection"),
    ("pass", "block", "personal_data"),
)
ROUTES = (
    ("primary", "primary"),
    ("economy", "economy"),
    ("economy", "primary"),
    ("primary", None),
    ("fallback", "primary"),
)
FALLBACK_ROUTE = 4

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
        fragment(route=route, expected_route=expected, is_fallback=route == "fallback" or None)
        for route, expected in ROUTES
    ],
    "response_cache": [
        fragment(response_cache_lookup=True, response_cache_hit=False),
        fragment(response_cache_lookup=True, response_cache_hit=True, is_billed=False),
    ],
    "is_complete": [fragment(is_complete=False), fragment(is_complete=True)],
    "is_window_truncated": ["", fragment(is_window_truncated=True)],
    "consent": [fragment(may_train=False), fragment(may_label=False), fragment(may_store_text=False)],
    "attributes": ATTRIBUTES,
    "prompt_text": [fragment(prompt_text=text) for text in PROMPT_TEXTS],
    "system_text": [fragment(system_text=text) for text in SYSTEM_TEXTS],
}


def prompt_version(day: date, feature: int) -> str:
    """The version of a feature's prompt on a day: it moves on every ten days."""
    return f"v{(day.toordinal() + 3 * feature) // 10 % 100}"


def feature_table(day: date) -> list[str]:
    """What a request inherits from its feature on a day: prompt versions move on every ten days, releases weekly."""
    release = f"app-{day.isocalendar().year}.{day.isocalendar().week:02d}"
    table = []
    for code, feature in enumerate(FEATURES):
        searches = feature.retrieved_median_tokens > 0
        table.append(
            fragment(
                team=feature.team,
                feature=feature.name,
                endpoint=feature.endpoint,
                endpoint_trust=feature.trust,
                deployment=release,
                prompt_id=feature.name.replace("_", "-"),
                prompt_version=prompt_version(day, code),
                embedder_version="minilm-2" if searches else None,
                index_version=f"handbook-{day.isocalendar().week}" if searches else None,
                safety_policy_version="2026-10" if feature.trust == "public" else None,
            )
        )
    return table
