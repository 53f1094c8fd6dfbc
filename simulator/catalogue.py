"""Who sends, what for, and who answers: the invented company behind the traffic.

Here belong names, sizes and medians. How they are drawn lives in `demand.py` and `outcome.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cache = Literal["automatic", "explicit", "none"]
"""How a provider's prompt cache is bought: unasked, by marked writes, or not at all."""


@dataclass(frozen=True)
class Model:
    """A model as its provider sells it. `is_priced`: the price list genai-prices knows it under `provider`."""

    provider: str
    name: str
    response_name: str
    region: str
    first_token_ms: float
    tokens_per_s: float
    cache: Cache = "none"
    reasoning_median_tokens: float = 0.0
    is_priced: bool = True
    usd_per_million: tuple[float, float, float] | None = None
    """What the gateway believes that input, cached input and output cost; it knows no tiers and no audio."""
    is_self_hosted: bool = False
    takes_images: bool = False


@dataclass(frozen=True)
class Feature:
    """A product feature: its team, how it calls, and the medians of what it sends and gets.

    `models` gives each model's share. `turns_max` is the longest conversation; `trace_calls` the calls of one trace.
    `reports_window`: its log says whether a prompt was cut. `failure_factor` goes over the usual share of failures.
    """

    name: str
    team: str
    endpoint: str
    trust: Literal["public", "partner", "internal"]
    models: dict[str, float]
    system_tokens: int
    user_median_tokens: float
    output_median_tokens: float
    retrieved_median_tokens: float = 0.0
    turns_max: int = 1
    trace_calls: int = 1
    audio_share: float = 0.0
    batch_share: float = 0.0
    response_cache_share: float = 0.0
    reports_prompt_parts: bool = False
    reports_window: bool = True
    failure_factor: float = 1.0
    is_streamed: bool = True


@dataclass(frozen=True)
class Tenant:
    """A customer. `share` of all requests; `utc_offset_h` of its people; weights of its weekdays, Monday first.

    `night` is the share of the daily peak that is left at the quietest hour: 1.0 is a machine that never sleeps.
    """

    name: str
    share: float
    utc_offset_h: float
    peak_hour: float
    night: float
    weekday_weights: tuple[float, float, float, float, float, float, float]
    features: dict[str, float]
    api_keys: int
    country: str


MODELS: tuple[Model, ...] = (
    Model("openai", "gpt-4o", "gpt-4o-2024-08-06", "eastus2", 420, 75, "automatic", usd_per_million=(2.5, 1.25, 10), takes_images=True),
    Model("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "eastus2", 310, 105, "automatic", usd_per_million=(0.15, 0.075, 0.6), takes_images=True),
    Model("openai", "o4-mini", "o4-mini-2025-04-16", "swedencentral", 900, 130, "automatic", 700, usd_per_million=(1.1, 0.275, 4.4)),
    Model("openai", "gpt-4o-audio-preview", "gpt-4o-audio-preview", "eastus2", 520, 60, "none", usd_per_million=(2.5, 2.5, 10)),
    Model("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "us-east-1", 780, 62, "explicit", usd_per_million=(3, 0.3, 15), takes_images=True),
    Model("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", "eu-west-1", 430, 120, "explicit", usd_per_million=(1, 0.1, 5), takes_images=True),
    Model("google", "gemini-2.5-flash", "gemini-2.5-flash", "europe-west4", 350, 180, "automatic", 250, usd_per_million=(0.3, 0.03, 2.5), takes_images=True),
    Model("google", "gemini-2.5-pro", "gemini-2.5-pro", "europe-west4", 1100, 95, "automatic", 900, usd_per_million=(1.25, 0.125, 10), takes_images=True),
    Model("mistral", "mistral-small-latest", "mistral-small-latest", "eu-paris", 280, 110, usd_per_million=(0.15, 0.15, 0.6)),
    Model("openai", "orion-2-preview", "orion-2-preview", "eastus2", 600, 90, "automatic", is_priced=False),
    Model("vllm", "heron-8b", "heron-8b-2026-09", "eu-own-1", 190, 85, is_priced=False, is_self_hosted=True),
)
MODEL_CODES: dict[str, int] = {model.name: code for code, model in enumerate(MODELS)}

FEATURES: tuple[Feature, ...] = (
    Feature(
        "support_chat", "support", "/v1/chat", "public",
        {"gpt-4o-mini": 0.47, "claude-haiku-4-5": 0.25, "gpt-4o": 0.15, "heron-8b": 0.09, "mistral-small-latest": 0.04},
        1400, 60, 170, turns_max=9, response_cache_share=0.5, reports_prompt_parts=True,
    ),
    Feature(
        "code_assist", "developer-tools", "/v1/code", "partner",
        {"claude-sonnet-4-5": 0.6, "o4-mini": 0.2, "gpt-4o": 0.2},
        3200, 900, 420, turns_max=6, trace_calls=4,
    ),
    Feature(
        "doc_search", "search", "/v1/answers", "public",
        {"gemini-2.5-flash": 0.6, "gpt-4o-mini": 0.25, "gemini-2.5-pro": 0.15},
        700, 25, 230, retrieved_median_tokens=2600, turns_max=3, response_cache_share=0.7, reports_prompt_parts=True,
        failure_factor=0.2,
    ),
    Feature(
        "summaries", "content", "/v1/summaries", "internal",
        {"gemini-2.5-flash": 0.4, "gpt-4o-mini": 0.35, "mistral-small-latest": 0.25},
        350, 3800, 260, is_streamed=False,
    ),
    Feature(
        "voice_agent", "voice", "/v1/voice", "public", {"gpt-4o-audio-preview": 1.0},
        600, 40, 30, turns_max=7, audio_share=1.0, reports_window=False,
    ),
    Feature(
        "nightly_tagging", "data-science", "/v1/batch", "internal",
        {"gpt-4o-mini": 0.6, "mistral-small-latest": 0.3, "claude-haiku-4-5": 0.1},
        500, 350, 18, batch_share=0.85, is_streamed=False, reports_window=False,
    ),
)  # fmt: skip
FEATURE_CODES: dict[str, int] = {feature.name: code for code, feature in enumerate(FEATURES)}

_OFFICE = (1.0, 1.05, 1.05, 1.0, 0.85, 0.18, 0.14)
_SHOPS = (0.85, 0.85, 0.9, 0.95, 1.15, 1.35, 1.25)
_MACHINE = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_SUNDAY_FIRST = (1.0, 1.0, 1.0, 0.95, 0.25, 0.45, 1.05)

TENANTS: tuple[Tenant, ...] = (
    Tenant("larkspur-retail", 0.36, -5, 19, 0.12, _SHOPS, {"support_chat": 0.6, "doc_search": 0.35, "voice_agent": 0.05}, 3, "US"),
    Tenant("brightwater-bank", 0.26, 1, 11, 0.04, _OFFICE, {"support_chat": 0.45, "summaries": 0.35, "doc_search": 0.2}, 3, "DE"),
    Tenant("kestrel-software", 0.19, -8, 14, 0.15, _OFFICE, {"code_assist": 0.85, "doc_search": 0.15}, 4, "US"),
    Tenant("everest-travel", 0.10, 5.75, 20, 0.10, _SHOPS, {"support_chat": 0.7, "voice_agent": 0.1, "doc_search": 0.2}, 2, "NP"),
    Tenant("dunes-logistics", 0.085, 4, 10, 0.70, _SUNDAY_FIRST, {"nightly_tagging": 0.7, "summaries": 0.3}, 2, "AE"),
    Tenant("pocket-florist", 0.005, 0, 12, 0.05, _MACHINE, {"support_chat": 1.0}, 1, "GB"),
)  # fmt: skip
TENANT_CODES: dict[str, int] = {tenant.name: code for code, tenant in enumerate(TENANTS)}

API_KEYS: tuple[tuple[int, str], ...] = tuple(
    (code, f"key-{tenant.name}-{number}")
    for code, tenant in enumerate(TENANTS)
    for number in range(1, tenant.api_keys + 1)
)
"""Every API key as (tenant code, name); its place here is its code."""
API_KEY_CODES: dict[str, int] = {name: code for code, (_, name) in enumerate(API_KEYS)}

ENVIRONMENTS: tuple[tuple[str, float], ...] = (("prod", 0.93), ("staging", 0.06), ("dev", 0.01))

TOKEN_COLUMNS: tuple[str, ...] = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "audio_input_tokens",
    "audio_cache_read_tokens",
    "image_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
)
"""The token classes that the traffic uses; disjoint, as the canonical record wants them."""
PROMPT_PARTS: tuple[str, ...] = (
    "prompt_system_tokens",
    "prompt_history_tokens",
    "prompt_retrieved_tokens",
    "prompt_user_tokens",
)
