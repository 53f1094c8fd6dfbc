"""What is asked: tenant, key, user, feature, model, conversation and the size of the prompt.

What becomes of it (caching, answers, errors, times) is in `outcome.py`; incidents may change a chunk in between.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from simulator.catalogue import API_KEYS, ENVIRONMENTS, FEATURES, MODELS, TENANTS
from simulator.chunk import ABSENT, CONVERSATION, REQUEST, TRACE, Chunk, make_ids, pick, pick_by, runs_of_equal
from simulator.fragments import ATTRIBUTES, PROMPT_TEXTS, SYSTEM_TEXTS
from simulator.shape import HOUR_MS, ChunkPlan, FloatArray, IntArray, day_start_ms, generator, tenant_weights

REQUESTS_PER_USER_DAY = 12
"""How many people a tenant has follows from its traffic; a few of them send most of it."""

VOICE = ("topic", "language", "style", "prompt_permille", "answer_permille", "made_up_permille")
"""What incidents say of a row's words: topic, language and style as codes, lengths as thousandths of the usual, and how many
more answers in a thousand are made up."""

_FEATURE_WEIGHTS = np.array([[tenant.features.get(feature.name, 0.0) for feature in FEATURES] for tenant in TENANTS])
_MODEL_WEIGHTS = np.array([[feature.models.get(model.name, 0.0) for model in MODELS] for feature in FEATURES])
# A tenant's n-th key has a share in proportion to 1/n.
_KEY_WEIGHTS = np.zeros((len(TENANTS), len(API_KEYS)))
for _code, (_owner, _) in enumerate(API_KEYS):
    _KEY_WEIGHTS[_owner, _code] = 1.0 / (1 + np.count_nonzero(_KEY_WEIGHTS[_owner]))
_SHARE = np.array([tenant.share for tenant in TENANTS])
_SYSTEM = np.array([feature.system_tokens for feature in FEATURES])
_USER = np.array([feature.user_median_tokens for feature in FEATURES])
_RETRIEVED = np.array([feature.retrieved_median_tokens for feature in FEATURES])
_TURNS = np.array([feature.turns_max for feature in FEATURES])
_CALLS = np.array([feature.trace_calls for feature in FEATURES])
_BATCH = np.array([feature.batch_share for feature in FEATURES])
_ATTRIBUTE_GROUPS = len(ATTRIBUTES) // len(TENANTS)


def draw_demand(
    seed: int, day: date, plan: ChunkPlan, requests_per_day: int, volume: FloatArray | None = None
) -> Chunk:
    """The requests of one chunk, before any incident; `volume` multiplies each tenant's."""
    rng = generator(seed, day, 2, plan.number)
    count = plan.rows
    row = np.arange(plan.first_row, plan.first_row + count, dtype=np.int64)
    ts_ms = day_start_ms(day) + ((plan.row_hours + plan.hour_place) * HOUR_MS).astype(np.int64)
    ts_ms = np.minimum(ts_ms, day_start_ms(day) + (plan.row_hours + 1) * HOUR_MS - 1)

    tenant = pick_by(rng, tenant_weights(day, volume), plan.row_hours)
    feature = pick_by(rng, _FEATURE_WEIGHTS, tenant)
    codes = {
        "tenant": tenant,
        "feature": feature,
        "model": pick_by(rng, _MODEL_WEIGHTS, feature),
        "api_key": pick_by(rng, _KEY_WEIGHTS, tenant),
        "environment": pick(rng, np.array([share for _, share in ENVIRONMENTS]), count),
        "arm": np.where(rng.random(count) < 0.3, rng.integers(0, 2, count), ABSENT),
        "tier": np.where(rng.random(count) < 0.04, 1, 0),
        "is_batch": np.where(rng.random(count) < _BATCH[feature], 1, ABSENT),
        "is_shadow": np.where(rng.random(count) < 0.005, 1, ABSENT),
        "attributes": tenant * _ATTRIBUTE_GROUPS + rng.integers(0, _ATTRIBUTE_GROUPS, count),
        "prompt_text": np.where(rng.random(count) < 0.03, rng.integers(0, len(PROMPT_TEXTS), count), ABSENT),
        "system_text": np.where(rng.random(count) < 0.01, feature % len(SYSTEM_TEXTS), ABSENT),
    }
    codes["attributes"][rng.random(count) < 0.1] = ABSENT
    codes["is_punctual"] = np.full(count, ABSENT, dtype=np.int64)
    for set_later in ("consent", "release", "is_unguarded", "repeats", "attacker_turn", "poisoned", *VOICE):
        codes[set_later] = np.full(count, ABSENT, dtype=np.int64)
    user = _draw_users(rng, tenant, requests_per_day)
    place_in_talk, talk_start = runs_of_equal(
        np.where(user < 0, -1 - row, (tenant * len(FEATURES) + feature) * 2**32 + user), _turn_limit(user, feature)
    )
    turn = place_in_talk + 1
    trace_start = np.where(
        _CALLS[feature] > 1, _nth_before(talk_start, place_in_talk, _CALLS[feature]), np.arange(count)
    )
    has_talk = _TURNS[feature] > 1
    ids = {
        "request": make_ids(seed, day, row, REQUEST),
        "trace": make_ids(seed, day, row[trace_start], TRACE),
        "parent": make_ids(seed, day, row[trace_start], REQUEST),
        "conversation": make_ids(seed, day, row[talk_start], CONVERSATION),
    }
    whole = {
        "user": user,
        "conversation_turn": np.where(has_talk, turn, ABSENT),
        "has_parent": (trace_start != np.arange(count)).astype(np.int64),
        "prompt_system_tokens": _SYSTEM[feature].astype(np.int64),
        "prompt_history_tokens": np.where(has_talk, ((turn - 1) * rng.lognormal(5.4, 0.5, count)).astype(np.int64), 0),
        "prompt_retrieved_tokens": (_RETRIEVED[feature] * rng.lognormal(0, 0.45, count)).astype(np.int64),
        "prompt_user_tokens": _long_tailed(rng, _USER[feature], count),
    }
    return Chunk(day, ts_ms, row, codes, whole, {}, ids)


def _draw_users(rng: np.random.Generator, tenant: IntArray, requests_per_day: int) -> IntArray:
    """User numbers within a tenant, long-tailed; 4 % of the requests name nobody."""
    population = np.maximum(3, _SHARE * requests_per_day / REQUESTS_PER_USER_DAY)
    user = (population[tenant] * rng.random(len(tenant)) ** 2.5).astype(np.int64)
    return np.where(rng.random(len(tenant)) < 0.04, ABSENT, user)


def _turn_limit(user: IntArray, feature: IntArray) -> IntArray:
    """How long this person's conversations are: 1 … the feature's longest."""
    limit: IntArray = 1 + (np.maximum(user, 0) * 7 + 3) % _TURNS[feature]
    return limit


def _nth_before(talk_start: IntArray, place: IntArray, calls: IntArray) -> IntArray:
    """First row of each trace: the conversation's row whose place is the last multiple of `calls`."""
    count = len(place)
    wanted = place - place % calls
    key = talk_start * 64 + wanted
    own = talk_start * 64 + place
    order = np.argsort(own, kind="stable")
    return order[np.searchsorted(own[order], key)] if count else place


def _long_tailed(
    rng: np.random.Generator, median: np.ndarray[tuple[int], np.dtype[np.float64]], count: int
) -> IntArray:
    """Lognormal body with a Pareto tail on 2 % of the rows; at least one token, at most 150,000."""
    values = median * rng.lognormal(0, 0.9, count)
    tail = rng.random(count) < 0.02
    values = np.where(tail, values * (1 + rng.pareto(1.6, count)), values)
    return np.clip(values, 1, 150_000).astype(np.int64)
