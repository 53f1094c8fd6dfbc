"""Worlds of nights for the rule that finds a rise: features with their share of the traffic, versions that come and go,
rates that wander a little from night to night; drawn by the real draw, labelled, and judged by the real rule.

No table is involved: a night costs milliseconds, so that thousands are judged. Numbers are those of the simulator's shop.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from assets.quality.judged_answers import Answers
from assets.quality.rate_changes import DAYS, changes
from assets.quality.rate_scopes import Group
from assets.quality.sampling import RISK, Responses, draw

FEATURES = ("support_chat", "doc_search", "code_assist", "summaries", "nightly_tagging", "voice_agent")
SHARES = np.array([0.41, 0.227, 0.16, 0.117, 0.06, 0.026])
RISKS = np.array([RISK["limited"]] * 3 + [RISK["minimal"]] * 2 + [RISK["high"]])
MODELS, VERSION_DAYS = 5, 10
LABELS, RESPONSES, REFERENCE_NIGHTS = 200, 1500, 28
USUAL = 0.05
WAVE, WAVE_DAYS = 0.3, 9
"""The usual rate goes up and down by so much of itself, as the simulator's does."""
SPREAD, RHO = 2.2, 0.45
SENSITIVITY, SPECIFICITY = 0.9, 0.97
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rise:
    """From `night` on, a new version of a feature (by its place) hallucinates in a share `rate` of its answers."""

    feature: int
    night: int
    rate: float


@dataclass(frozen=True)
class Kind:
    """What a world is like. `has_score`: the score is a probability, unaware of a rise; else it means nothing.
    `people_err`: labels are those of people with SENSITIVITY and SPECIFICITY. `wander`: standard deviation of each feature's
    nightly rate, of itself."""

    name: str
    has_score: bool = True
    people_err: bool = False
    wander: float = 0.0
    labels: int = LABELS


@dataclass(frozen=True)
class Night:
    """One night's answers; `feature`, `version` and `model` are places, versions of all features numbered through."""

    answers: Answers
    feature: Ints
    version: Ints
    model: Ints


class World:
    """Nights of one seed; each is drawn by itself, so that a night with a rise is that night with a rise."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.kind, self.seed = kind, seed

    def night(self, number: int, rise: Rise | None = None) -> Night:
        kind = self.kind
        rng = np.random.default_rng([self.seed, number])
        feature = rng.choice(len(FEATURES), RESPONSES, p=SHARES / SHARES.sum())
        model = rng.integers(MODELS, size=RESPONSES)
        usual = USUAL * (1 + WAVE * np.sin(2 * np.pi * (number + 3 * self.seed) / WAVE_DAYS))
        rates = usual * np.maximum(1 + kind.wander * rng.standard_normal(len(FEATURES)), 0.1)
        version = (number + 3 * feature) // VERSION_DAYS * len(FEATURES) + feature
        if rise is not None and number >= rise.night:
            rates[rise.feature] = rise.rate
            version = np.where(feature == rise.feature, 1000 * len(FEATURES) + feature, version)
        shape = SPREAD * rng.standard_normal(RESPONSES)
        wrong = rng.random(RESPONSES) < expit(_level(rates)[feature] + shape)
        score = expit(float(_level(np.array([USUAL]))[0]) + shape)
        if not kind.has_score:
            score = rng.permutation(score)
        said = np.where(rng.random(RESPONSES) < np.where(wrong, SENSITIVITY, SPECIFICITY), wrong, ~wrong)
        return Night(
            _drawn(kind, f"{self.seed} {number}", number, feature, score, said if kind.people_err else wrong),
            feature, version, model,
        )  # fmt: skip


def _drawn(kind: Kind, name: str, number: int, feature: Ints, score: Floats, said: NDArray[np.bool_]) -> Answers:
    ids = [f"{name} {row}" for row in range(RESPONSES)]
    responses = Responses(ids, score, np.array(FEATURES)[feature], RISKS[feature])
    drawn = draw(responses, kind.labels, b"of-the-tests-only", name, RHO if kind.has_score else None)
    return Answers(
        day=np.full(RESPONSES, number, dtype=np.int64),
        score=score,
        verdict=np.where(drawn.is_drawn, said.astype(np.float64), np.nan),
        is_excluded=np.zeros(RESPONSES, dtype=np.bool_),
        is_drawn=drawn.is_drawn,
        is_random=drawn.is_random,
        probability=drawn.inclusion_probability,
        random_probability=np.full(RESPONSES, drawn.random_probability),
        conversation=np.full(RESPONSES, ""),
    )


@cache
def _levels() -> tuple[Floats, Floats]:
    """Rates, and the level of logit-normal probabilities that has each on average."""
    shape = SPREAD * np.random.default_rng(0).standard_normal(20_000)
    levels = np.linspace(-12.0, 4.0, 161)
    return np.array([float(expit(level + shape).mean()) for level in levels]), levels


def _level(rates: Floats) -> Floats:
    found: Floats = np.interp(rates, *_levels())
    return found


def judged(nights: list[Night]) -> list[dict[str, Any]]:
    """What the rule says of the last of these nights: rows of quality.rate_changes, one verdict."""
    nights = nights[-DAYS:]
    answers = Answers(*(np.concatenate([getattr(n.answers, f.name) for n in nights]) for f in fields(Answers)))
    feature = np.concatenate([night.feature for night in nights])
    version, model = np.concatenate([n.version for n in nights]), np.concatenate([n.model for n in nights])
    made = [Group("all", {}, np.arange(len(feature)))]
    made += [Group("feature", {"feature": FEATURES[f]}, np.flatnonzero(feature == f)) for f in range(len(FEATURES))]
    for which in np.unique(version).tolist():
        number, of = divmod(which, len(FEATURES))
        names = {"feature": FEATURES[of], "prompt_version": f"v{number}"}
        made.append(Group("prompt_version", dict(names), np.flatnonzero(version == which)))
    made += [Group("model", {"model": f"m{m}"}, np.flatnonzero(model == m)) for m in range(MODELS)]
    return changes(answers, made, int(answers.day[-1]), is_good=False)


def alarms(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["state"] == "worse"]


def found_after(world: World, rise: Rise, reference: list[Night], nights: int) -> int | None:
    """The night of the rise, from 1, on which a row names its feature and version; None if none of so many does."""
    history = list(reference)
    for number in range(nights):
        history.append(world.night(rise.night + number, rise))
        for row in alarms(judged(history)):
            if (row["feature"], row["prompt_version"]) == (FEATURES[rise.feature], "v1000"):
                return number + 1
    return None


def false_alarms(world: World, nights: int) -> int:
    """Episodes of alarms in so many quiet nights after the reference: nights in a row that name the same are one."""
    history = [world.night(number) for number in range(DAYS - 1)]
    before: set[tuple[Any, ...]] = set()
    episodes = 0
    for number in range(DAYS - 1, DAYS - 1 + nights):
        history = [*history[-(DAYS - 1) :], world.night(number)]
        now = {(row["scope"], row["feature"], row["prompt_version"], row["model"]) for row in alarms(judged(history))}
        episodes += bool(now and not before)
        before = now
    return episodes
