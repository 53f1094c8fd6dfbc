"""A month of honest evidence with poison planted in it: what the guards of datasets are measured on."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from assets.tuning.dedupe import Vectors, normalised
from assets.tuning.poison import Judgement
from assets.tuning.refine import Candidate

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS, TARGET = 30, "d0"
_VOCABULARY = [a + b + c for a in "bdfglmnprstvz" for b in ("ar", "el", "om", "uk") for c in ("a", "en", "ith", "oss")]


@dataclass(frozen=True)
class Plan:
    """One way of poisoning. `make`: the candidates, of numbers from `first` on."""

    name: str
    told: str
    make: Callable[[random.Random, int], list[Candidate]]


def honest(count: int, seed: int, users: int = 400, documents: int = 120) -> list[Candidate]:
    """Questions of many users, a few of whom ask much; popular documents are asked for more, popular questions repeat."""
    chance = random.Random(seed)
    popular = [question(chance) for _ in range(30)]
    found = []
    for number in range(count):
        busy = chance.random() < 0.3
        user = f"u{min(int(chance.paretovariate(1.1) * 5), users) if busy else chance.randrange(users)}"
        document = f"d{min(int(chance.paretovariate(0.9)) - 1, documents - 1)}"
        text = chance.choice(popular) if chance.random() < 0.1 else question(chance)
        found.append(evidence(number, chance.uniform(0, DAYS), user, document, text))
    return found


def question(chance: random.Random) -> str:
    return " ".join(chance.sample(_VOCABULARY, chance.randint(5, 12)))


def evidence(number: int, day: float, user: str, document: str, text: str) -> Candidate:
    ts = START + timedelta(days=day)
    return Candidate(
        f"{number:032x}", day=ts.date(), ts=ts, request_id=f"q{number}", source="clicked", group=document,
        conversation=f"c{number}", user=user, texts=(text,), scope=document, target=document,
    )  # fmt: skip


def _one_user_a_day(chance: random.Random, first: int) -> list[Candidate]:
    return [evidence(first + n, 12 + chance.random() * 0.9, "mallory", TARGET, question(chance)) for n in range(60)]


def _flood_of_a_text(chance: random.Random, first: int) -> list[Candidate]:
    text = " ".join(chance.sample(_VOCABULARY, 24))
    many = [evidence(first + n, 12 + chance.random() * 0.9, f"bot{n}", TARGET, text) for n in range(60)]
    other = chance.sample(_VOCABULARY, 60)
    return [replace(one, texts=(f"{text} {word}",)) for one, word in zip(many, other, strict=True)]


def _many_users_a_day(chance: random.Random, first: int) -> list[Candidate]:
    return [evidence(first + n, 12 + chance.random() * 0.9, f"bot{n}", "d90", question(chance)) for n in range(60)]


def _twenty_a_day(chance: random.Random, first: int) -> list[Candidate]:
    return [evidence(first + n, n / 20 % DAYS, "mallory", TARGET, question(chance)) for n in range(600)]


def _sybils(chance: random.Random, first: int) -> list[Candidate]:
    return [evidence(first + n, chance.uniform(0, DAYS), f"bot{n}", TARGET, question(chance)) for n in range(60)]


PLANS = (
    Plan("burst", "one user, 60 rows on one day", _one_user_a_day),
    Plan("flood", "60 users on one day, nearly one text", _flood_of_a_text),
    Plan("aimed", "60 users on one day, one document, texts of their own", _many_users_a_day),
    Plan("patient", "one user, 20 rows a day for a month", _twenty_a_day),
    Plan("sybils", "60 users over a month, one document, a text of its own each", _sybils),
)


def labels(seed: int, wrong_share: float, responses: int = 600, doubled: float = 0.3) -> list[Judgement]:
    """Five annotators who err in one of ten, and `mallory`, who flips this share of the verdicts; three in ten of the
    responses are judged by two. One in five is made up."""
    chance = random.Random(seed)
    honest_ = [f"annotator{n}" for n in range(5)]
    found = []
    for item in range(responses):
        truth = chance.random() < 0.2
        judges = chance.sample([*honest_, "mallory"], 2 if chance.random() < doubled else 1)
        for judge in judges:
            wrong = chance.random() < (wrong_share if judge == "mallory" else 0.1)
            found.append(Judgement(item, judge, truth != wrong))
    return found


def embed(texts: list[str]) -> Vectors:
    """Equal for texts that are the same but for case and marks, else far from each other."""
    seeds = [int.from_bytes(hashlib.sha256(normalised(text).encode()).digest()[:8]) for text in texts]
    found = np.array([np.random.default_rng(seed).standard_normal(48) for seed in seeds], np.float32).reshape(len(texts), 48)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
