"""What becomes of a request: errors, caching, the answer, money flags, times, safety.

Reads what `demand.py` drew and incidents changed; adds every column that a line shows.
"""

from __future__ import annotations

import numpy as np

from simulator.catalogue import FEATURES, MODELS, PROMPT_PARTS, TOKEN_COLUMNS
from simulator.chunk import ABSENT, BoolArray, Chunk, pick, pick_by
from simulator.fragments import BLOCKED, FALLBACK_ROUTE, FILTERED, INPUT_BLOCKED, OUTCOMES, TIMEOUT
from simulator.shape import FloatArray, IntArray

_FIRST_TOKEN_MS = np.array([model.first_token_ms for model in MODELS])
_TOKENS_PER_S = np.array([model.tokens_per_s for model in MODELS])
_REASONING = np.array([model.reasoning_median_tokens for model in MODELS])
_CACHES_ALONE = np.array([model.cache == "automatic" for model in MODELS])
_CACHES_ASKED = np.array([model.cache == "explicit" for model in MODELS])
_OUTPUT = np.array([feature.output_median_tokens for feature in FEATURES])
_AUDIO = np.array([feature.audio_share for feature in FEATURES])
_RESPONSE_CACHE = np.array([feature.response_cache_share for feature in FEATURES])
_SEARCHES = np.array([feature.retrieved_median_tokens > 0 for feature in FEATURES])
_SHOWS_PARTS = np.array([feature.reports_prompt_parts for feature in FEATURES])
_STREAMS = np.array([feature.is_streamed for feature in FEATURES])
_HAS_TOKENS = np.array([outcome[4] for outcome in OUTCOMES])
_IS_ERROR = np.array([outcome[0] is not None for outcome in OUTCOMES])
_OUTCOMES_BY_FEATURE = np.array(
    [[o[5] * (f.failure_factor if o[0] not in (None, "client") else 1.0) for o in OUTCOMES] for f in FEATURES]
)
_REPORTS_WINDOW = np.array([feature.reports_window for feature in FEATURES])
CONTEXT_WINDOW_TOKENS = 64_000
"""What a gateway lets through to any model; it cuts the rest off."""
_TIMEOUT_MS = 60_000.0
_OF_ANSWERS = ("citation_count", "batch_size", "cost_nano_usd", "reported_cost_nano_usd")
_SAFETY = np.array([0.9, 0.05, 0.02, 0.02, 0.004, 0.006])
_ROUTES = np.array([0.765, 0.13, 0.001, 0.1, 0.004])


def draw_outcome(chunk: Chunk, rng: np.random.Generator) -> None:
    """Fill in the rest of a chunk, in place."""
    count = len(chunk)
    codes, whole, feature, model = chunk.codes, chunk.whole, chunk.codes["feature"], chunk.codes["model"]
    codes["safety"] = np.where(rng.random(count) < 0.55, pick(rng, _SAFETY, count), ABSENT)
    blocked = codes["safety"] == INPUT_BLOCKED
    outcome = pick_by(rng, _OUTCOMES_BY_FEATURE, feature)
    looked_up = (rng.random(count) < _RESPONSE_CACHE[feature]) & (codes["is_batch"] != 1) & ~blocked
    hit = looked_up & (rng.random(count) < 0.09)
    outcome[hit] = 0
    outcome[blocked] = BLOCKED
    codes["outcome"] = outcome
    codes["response_cache"] = np.where(hit, 1, np.where(looked_up, 0, ABSENT))
    codes["tier"] = np.where(codes["is_batch"] == 1, ABSENT, codes["tier"])
    has_tokens = _HAS_TOKENS[outcome] & ~hit
    codes["response_model"] = np.where(has_tokens | hit, model, ABSENT)

    total = sum((whole[part] for part in PROMPT_PARTS), start=np.zeros(count, dtype=np.int64))
    lost = np.maximum(total - CONTEXT_WINDOW_TOKENS, 0)
    is_known = _REPORTS_WINDOW[feature] & ~hit & ~blocked
    codes["is_window_truncated"] = np.where(is_known, lost > 0, ABSENT)
    whole["window_lost_tokens"] = np.where(is_known, lost, ABSENT)
    _split_input(chunk, total - lost, rng)
    _draw_output(chunk, rng)
    _draw_times(chunk, hit, rng)
    hidden = ~has_tokens
    for column in TOKEN_COLUMNS:
        whole[column][hidden] = ABSENT
    for part in PROMPT_PARTS:
        whole[part] = np.where(_SHOWS_PARTS[feature] & has_tokens, whole[part], ABSENT)

    finish = np.where(whole["output_tokens"] >= whole["max_output_tokens"], 1, 0)
    finish = np.where(whole["max_output_tokens"] < 0, 0, finish)
    finish = np.where((feature == 1) & (rng.random(count) < 0.4), 2, finish)
    finish = np.where(_IS_ERROR[outcome] | (~has_tokens & ~hit), ABSENT, finish)
    codes["finish"] = np.where(blocked, FILTERED, finish)
    codes["route"] = np.where((rng.random(count) < 0.9) & ~blocked, pick(rng, _ROUTES, count), ABSENT)
    retries = np.minimum(rng.geometric(0.75, count) - 1, 4)
    whole["retry_count"] = np.where(rng.random(count) < 0.7, np.where(rng.random(count) < 0.1, retries, 0), ABSENT)
    is_fallback = codes["route"] == FALLBACK_ROUTE
    whole["retry_count"] = np.where(is_fallback, np.maximum(whole["retry_count"], 1), whole["retry_count"])
    whole["citation_count"] = np.where(_SEARCHES[feature] & has_tokens, rng.poisson(2.2, count), ABSENT)
    codes["is_complete"] = np.full(count, ABSENT, dtype=np.int64)
    chunk.ms["response_cache_age_s"] = np.where(hit, np.round(rng.exponential(900, count), 1), np.nan)
    chunk.ms["temperature"] = np.where(
        rng.random(count) < 0.7, np.round(rng.choice([0.0, 0.2, 0.7, 1.0], count), 1), np.nan
    )
    chunk.ms["top_p"] = np.where(rng.random(count) < 0.1, 0.95, np.nan)


def _split_input(chunk: Chunk, total: IntArray, rng: np.random.Generator) -> None:
    """Cut the prompt into disjoint billing classes: read from the cache, written to it, audio, the rest."""
    whole, model = chunk.whole, chunk.codes["model"]
    count = len(chunk)
    zero = np.zeros(count, dtype=np.int64)
    prefix = np.minimum(whole["prompt_system_tokens"] + whole["prompt_history_tokens"], total)
    alone, asked = _CACHES_ALONE[model], _CACHES_ASKED[model]
    warm = rng.random(count) < np.where(whole["conversation_turn"] > 1, 0.85, 0.5)
    read = np.where(alone & warm & (prefix >= 1024), prefix // 128 * 128, zero)
    read = np.where(asked & warm, whole["prompt_system_tokens"].clip(max=prefix), read)
    written = np.where(asked & (prefix >= 1024), prefix - read, zero)
    for_an_hour = rng.random(count) < 0.2
    audio = (rng.random(count) < _AUDIO[chunk.codes["feature"]]) * (rng.lognormal(5.6, 0.8, count)).astype(np.int64)
    whole["uncached_input_tokens"] = total - read - written
    whole["cache_read_tokens"] = np.where(alone | asked, read, ABSENT)
    whole["cache_write_5m_tokens"] = np.where(asked, np.where(for_an_hour, 0, written), ABSENT)
    whole["cache_write_1h_tokens"] = np.where(asked, np.where(for_an_hour, written, 0), ABSENT)
    whole["audio_input_tokens"] = np.where(audio > 0, audio, ABSENT)
    for drawn_later in ("audio_cache_read_tokens", "image_input_tokens"):
        whole[drawn_later] = np.full(count, ABSENT, dtype=np.int64)


def _draw_output(chunk: Chunk, rng: np.random.Generator) -> None:
    """The answer: long-tailed, capped where a cap was asked for, with reasoning where the model reasons."""
    whole, model, feature = chunk.whole, chunk.codes["model"], chunk.codes["feature"]
    count = len(chunk)
    output = np.clip(_OUTPUT[feature] * rng.lognormal(0, 0.8, count), 1, 16_000).astype(np.int64)
    cap = np.where(rng.random(count) < 0.6, rng.choice([256, 1024, 4096, 8192], count, p=[0.1, 0.4, 0.3, 0.2]), ABSENT)
    output = np.where(cap > 0, np.minimum(output, cap), output)
    reasoning = np.clip(_REASONING[model] * rng.lognormal(0, 0.9, count), 0, 30_000).astype(np.int64)
    speaks = whole["audio_input_tokens"] > 0
    whole["max_output_tokens"] = cap
    whole["output_tokens"] = output
    whole["reasoning_tokens"] = np.where(_REASONING[model] > 0, reasoning, ABSENT)
    whole["audio_output_tokens"] = np.where(speaks, output * 4, ABSENT)


def _draw_times(chunk: Chunk, hit: BoolArray, rng: np.random.Generator) -> None:
    """Queue, retrieval, filters and the model add up to less than the whole; the first token comes before the last."""
    whole, model, feature, outcome = chunk.whole, chunk.codes["model"], chunk.codes["feature"], chunk.codes["outcome"]
    count = len(chunk)
    is_batch = chunk.codes["is_batch"] == 1
    tokens_in = whole["uncached_input_tokens"] + 0.1 * np.maximum(whole["cache_read_tokens"], 0)
    tokens_out = whole["output_tokens"] + np.maximum(whole["reasoning_tokens"], 0)
    queue = rng.exponential(18, count) * np.where(rng.random(count) < 0.03, 25, 1)
    retrieval = np.where(_SEARCHES[feature], rng.lognormal(4.4, 0.5, count), 0.0)
    filters = rng.lognormal(2.6, 0.4, count)
    to_first = _FIRST_TOKEN_MS[model] * rng.lognormal(0, 0.35, count) + 0.04 * tokens_in
    speaking = tokens_out / (_TOKENS_PER_S[model] * rng.lognormal(0, 0.2, count)) * 1000
    failed = ~_HAS_TOKENS[outcome]
    model_ms = np.where(failed, to_first * rng.random(count), to_first + speaking)
    before = queue + retrieval + filters
    latency = before + model_ms + rng.exponential(6, count)
    latency = np.where(outcome == TIMEOUT, np.maximum(latency, _TIMEOUT_MS) + rng.exponential(40, count), latency)
    latency = np.where(hit, rng.lognormal(3.2, 0.4, count), latency)
    blocked = outcome == BLOCKED
    latency = np.where(blocked, queue + filters, latency)
    at_provider = ~hit & ~is_batch & ~blocked
    shows_first = at_provider & ~failed & _STREAMS[feature] & (outcome != TIMEOUT)
    times: dict[str, tuple[FloatArray, BoolArray]] = {
        "latency_ms": (latency, ~is_batch),
        "model_ms": (model_ms, at_provider & (outcome != TIMEOUT)),
        "queue_ms": (queue, at_provider),
        "retrieval_ms": (retrieval, _SEARCHES[feature] & ~hit & ~blocked),
        "filter_ms": (filters, (at_provider | blocked) & (rng.random(count) < 0.8)),
        "time_to_first_token_ms": (before + to_first, shows_first),
    }
    for name, (value, shown) in times.items():
        chunk.ms[name] = np.where(shown, np.round(value, 1), np.nan)


def fail(chunk: Chunk, rows: BoolArray, outcome: int) -> None:
    """Let answered rows of a drawn chunk fail after all, in place: `outcome` is the code of a failure."""
    codes, whole, ms = chunk.codes, chunk.whole, chunk.ms
    codes["outcome"][rows] = outcome
    codes["finish"][rows] = ABSENT
    if outcome == TIMEOUT:
        ms["latency_ms"][rows] = np.maximum(ms["latency_ms"][rows], _TIMEOUT_MS)
        for name in ("model_ms", "time_to_first_token_ms"):
            ms[name][rows] = np.nan
    if _HAS_TOKENS[outcome]:
        return
    codes["response_model"][rows] = ABSENT
    for name in (*TOKEN_COLUMNS, *PROMPT_PARTS, *_OF_ANSWERS):
        whole[name][rows] = ABSENT
    # A provider that is down says so early.
    spared = 0.9 * ms["model_ms"][rows]
    for waited in ("batch_wait_ms", "model_load_ms"):
        spared = spared + np.nan_to_num(ms[waited][rows])
    ms["latency_ms"][rows] = np.round(ms["latency_ms"][rows] - spared, 1)
    ms["model_ms"][rows] = np.round(0.1 * ms["model_ms"][rows], 1)
    for name in ("time_to_first_token_ms", "batch_wait_ms", "model_load_ms"):
        ms[name][rows] = np.nan
