"""Made-up answers to golden prompts of known truth: rows of drift.probes, quiet or with a change in their last nights.

Most prompts are answered right nearly always, some often, a few half of the time. Nights differ by more than chance (see
drift_traffic.day_effects), latencies have a weekly rhythm besides. `noisy` is an endpoint with a temperature: answers differ
from asking to asking; without it four in five are the same words every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from drift_traffic import DayEffects, day_effects

from assets.drift.provider_tests import REFERENCE_NIGHTS, WINDOW_NIGHTS, provider_tests

LAST = date(2026, 11, 9)
NIGHTS = REFERENCE_NIGHTS + WINDOW_NIGHTS
NO_TESTS = pl.DataFrame(
    schema={"day": pl.Date, "endpoint": pl.String, "metric": pl.String, "window_first_day": pl.Date, "is_alarm": pl.Boolean}
)


@dataclass(frozen=True)
class Change:
    """What changes in the last nights, all at once: points of score lost, by every prompt or altogether by `lost_prompts` of
    them; factors of length and latency; points of refusals; the share of answers in new words; a model's new name."""

    score: float = 0.0
    lost_prompts: int = 0
    length: float = 1.0
    latency: float = 1.0
    refusal: float = 0.0
    new_words: float = 0.0
    model: str | None = None
    fingerprint: str | None = None
    tokens: int = 0


QUIET = Change()


def answers(
    seed: int,
    days: DayEffects = "normal",
    noisy: bool = True,
    change: Change = QUIET,
    nights: int = NIGHTS,
    changed_nights: int = WINDOW_NIGHTS,
    prompts: int = 20,
    repeats: int = 3,
    endpoint: str = "main",
) -> pl.DataFrame:
    """Rows of drift.probes of `nights` nights up to LAST."""
    rng = np.random.default_rng(seed)
    shape = (prompts, nights, repeats)
    changed = np.arange(nights) >= nights - changed_nights
    ability = np.sort(np.where(rng.random(prompts) < 0.6, 0.99, rng.beta(4, 1.5, prompts)))[::-1]
    odds = np.log(ability / (1 - ability + 1e-9))[:, None] + 0.25 * day_effects(rng, days, nights)
    right = 1 / (1 + np.exp(-odds))
    if not noisy:  # Four in five answers are the usual one, which is right or wrong.
        right = 0.2 * right + 0.8 * (ability > 0.5)[:, None]
    right = np.clip(right - change.score * changed, 0.0, 1.0)
    right[: change.lost_prompts, changed] = 0.0
    score = (rng.random(shape) < right[:, :, None]).astype(float)
    jitter = 0.25 if noisy else 0.02
    length = rng.normal(5, 1, (prompts, 1, 1)) + 0.02 * day_effects(rng, days, nights)[:, None]
    length = length + jitter * rng.standard_normal(shape) + np.log(change.length) * changed[:, None]
    week = rng.normal(0, 0.08, 7)[np.arange(nights) % 7]
    latency = rng.normal(6.5, 0.4, (prompts, 1, 1)) + (0.1 * day_effects(rng, days, nights) + week)[:, None]
    latency = latency + 0.3 * rng.standard_normal(shape) + np.log(change.latency) * changed[:, None]
    refuses = rng.random(shape) < (0.01 + change.refusal * changed)[:, None]
    is_new = rng.random(shape) < np.where(changed, max(change.new_words, 0.2), 0.2)[:, None]
    words = np.where(is_new | noisy, rng.integers(1, 2**40, shape), 0).astype(str)
    prompt, night, repeat = (x.ravel() for x in np.indices(shape))
    told: dict[str, Any] = {
        "day": np.array([LAST - timedelta(days=nights - 1 - i) for i in range(nights)], "datetime64[D]")[night],
        "endpoint": endpoint, "prompt": np.char.add("p", np.char.zfill(prompt.astype(str), 2)), "repeat": repeat + 1,
        "series": "s1", "asked_model": "large", "error_class": None,
        "model": np.where(changed[night] & (change.model is not None), change.model or "large", "large"),
        "system_fingerprint": np.where(changed[night], change.fingerprint or "fp_1", "fp_1"),
        "score": score.ravel(), "is_refusal": refuses.ravel(),
        "answer_characters": np.exp(length).round().astype(int).ravel(), "answer_digest": words.ravel(),
        "input_tokens": 20 + prompt + change.tokens * changed[night], "latency_ms": np.exp(latency).ravel(),
    }  # fmt: skip
    return pl.DataFrame(told).with_columns(pl.col("error_class").cast(pl.String))


def judged(rows: pl.DataFrame, before: pl.DataFrame = NO_TESTS, day: date = LAST) -> pl.DataFrame:
    """The tests of a night over rows of more nights than they read."""
    first = day - timedelta(days=NIGHTS - 1)
    return provider_tests(day, rows.filter(pl.col("day").is_between(first, day)), before)


def stretch(rows: pl.DataFrame, nights: int) -> list[pl.DataFrame]:
    """The tests of the last nights, each with the alarms of those before it."""
    found: list[pl.DataFrame] = []
    for ago in range(nights - 1, -1, -1):
        before = pl.concat([NO_TESTS, *(tests.select(NO_TESTS.columns) for tests in found)])
        found.append(judged(rows, before, LAST - timedelta(days=ago)))
    return found
