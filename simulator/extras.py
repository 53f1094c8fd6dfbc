"""What only some logs say of a request: images, cached audio, the inference server's batches, the gateway's own price.

Drawn after the outcome and from random numbers of its own, so that nothing else moves.
"""

from __future__ import annotations

import numpy as np

from simulator.catalogue import FEATURE_CODES, MODELS
from simulator.chunk import ABSENT, Chunk

_TAKES_IMAGES = np.array([model.takes_images for model in MODELS])
_SELF_HOSTED = np.array([model.is_self_hosted for model in MODELS])
_HAS_PRICE = np.array([model.usd_per_million is not None for model in MODELS])
# A USD per million tokens is a thousand nano-USD per token: whole numbers, so that sums are exact.
_NANO_USD = np.array([[round(usd * 1000) for usd in model.usd_per_million or (0, 0, 0)] for model in MODELS])
_IMAGE_SHARE, _IMAGE_TOKENS = 0.03, (85, 255, 425, 765, 1105)
_AUDIO_CACHE_SHARE = 0.6
_COLD_START_SHARE, _COLD_START_MS = 0.01, (1_500, 6_000)
_REPORTS_COST_SHARE = 0.7


def draw_extras(chunk: Chunk, rng: np.random.Generator) -> None:
    """Fill in the columns named above, in place."""
    count, whole, model = len(chunk), chunk.whole, chunk.codes["model"]
    answered = whole["uncached_input_tokens"] >= 0
    shows = answered & (chunk.codes["feature"] == FEATURE_CODES["support_chat"]) & _TAKES_IMAGES[model]
    shows &= rng.random(count) < _IMAGE_SHARE
    whole["image_input_tokens"] = np.where(shows, rng.choice(_IMAGE_TOKENS, count), ABSENT)

    audio = np.maximum(whole["audio_input_tokens"], 0)
    cached = (whole["conversation_turn"] > 1) & (audio >= 128) & (rng.random(count) < _AUDIO_CACHE_SHARE)
    from_cache = np.where(cached, audio // 2 // 64 * 64, 0)
    whole["audio_cache_read_tokens"] = np.where(cached, from_cache, ABSENT)
    whole["audio_input_tokens"] = np.where(cached, audio - from_cache, whole["audio_input_tokens"])

    served = answered & _SELF_HOSTED[model]
    whole["batch_size"] = np.where(served, rng.integers(1, 33, count), ABSENT)
    chunk.ms["batch_wait_ms"] = np.where(served, np.round(rng.exponential(9, count), 1), np.nan)
    cold = served & (rng.random(count) < _COLD_START_SHARE)
    chunk.ms["model_load_ms"] = np.where(cold, np.round(rng.uniform(*_COLD_START_MS, count), 1), np.nan)
    waited = np.nan_to_num(chunk.ms["batch_wait_ms"]) + np.nan_to_num(chunk.ms["model_load_ms"])
    for name in ("latency_ms", "time_to_first_token_ms"):
        chunk.ms[name] = np.round(chunk.ms[name] + waited, 1)

    priced = answered & _HAS_PRICE[model]
    whole["cost_nano_usd"] = np.where(priced, cost_nano_usd(chunk), ABSENT)
    says = rng.random(count) < _REPORTS_COST_SHARE
    whole["reported_cost_nano_usd"] = np.where(says, whole["cost_nano_usd"], ABSENT)


def cost_nano_usd(chunk: Chunk) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """What the gateway computes from its own price list: in 0.000000001 USD, exactly."""
    at = {name: np.maximum(values, 0) for name, values in chunk.whole.items() if name.endswith("_tokens")}
    fresh = at["uncached_input_tokens"] + at["audio_input_tokens"] + at["image_input_tokens"]
    # A write costs a quarter more than fresh input, or, for an hour, twice as much; parts of a token are not charged.
    writes = at["cache_write_5m_tokens"] * 5 // 4 + at["cache_write_1h_tokens"] * 2
    read = at["cache_read_tokens"] + at["audio_cache_read_tokens"]
    out = at["output_tokens"] + at["reasoning_tokens"] + at["audio_output_tokens"]
    rate = _NANO_USD[chunk.codes["model"]]
    cost: np.ndarray[tuple[int], np.dtype[np.int64]] = (fresh + writes) * rate[:, 0] + read * rate[:, 1] + out * rate[:, 2]
    return cost.astype(np.int64)
