"""Leaks and poison, planted: how much is caught, and what is taken for one that is none.

The small form runs on a few real questions of ../shared/data; the whole one (`make proof`) writes docs/proofs/leaks.md.
NOCTURNE_PROOF_SEEDS: how many trials; NOCTURNE_PROOF_VECTORS: a folder that keeps their vectors for another time.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from leaks import KINDS, SEED, Trial, is_here, trial
from poison_traffic import PLANS, embed, honest, labels

from assets.tuning.decontaminate import Held
from assets.tuning.poison import flippers
from assets.tuning.refine import Embed, Refined, meanings, refined
from resources.contracts import REPO
from resources.embedder import Embedder

PAGE = REPO / "docs" / "proofs" / "leaks.md"
ANNOTATOR_SEEDS = 50
HONEST = 1_200
needs_data = pytest.mark.skipif(not is_here(), reason="../shared/data has no banking77, clinc150 or xquad")


@dataclass
class Caught:
    """Of leaks by kind, how many there were and which rule found them; of clean texts likewise."""

    planted: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    clean: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    held: int = 0
    seconds: float = 0.0

    @property
    def recall(self) -> float:
        return sum(count for (_, rule), count in self.rules.items() if rule != "missed") / sum(self.planted.values())

    @property
    def false_drops(self) -> float:
        return sum(self.dropped.values()) / self.clean

    def add(self, tried: Trial, embed_: Embed) -> None:
        held = Held.of(tried.held)
        texts = [*(one.text for one in tried.planted), *tried.clean]
        known, vectors = meanings(held.texts, embed_), meanings(texts, embed_)
        begun = time.process_time()
        leaks = [held.leak(text) or near for text, near in zip(texts, held.meanings(vectors, known), strict=True)]
        self.seconds += time.process_time() - begun
        for one, leak in zip(tried.planted, leaks, strict=False):
            self.planted[one.kind] += 1
            self.rules[one.kind, leak.rule if leak else "missed"] += 1
        self.clean += len(tried.clean)
        self.held += len(held.texts)
        self.dropped.update(leak.rule for leak in leaks[len(tried.planted) :] if leak)


@needs_data
def test_real_questions_that_were_leaked_are_caught_and_others_stay() -> None:
    caught = Caught()
    caught.add(trial(8, 20, 24), Embedder().embed)
    assert caught.recall >= 0.95, caught.rules
    assert caught.false_drops <= 0.02, caught.dropped


def poisoned(seed: int, plan: int, rows: int) -> tuple[Refined, set[str]]:
    """What becomes of honest rows and one way of poisoning; the ids of the poison."""
    planted = PLANS[plan].make(random.Random(seed), 10_000_000)
    found = refined([*honest(rows, seed), *planted], embed, lambda texts: [True] * len(texts), Held())
    return found, {one.id for one in planted}


def share_caught(found: Refined, planted: set[str]) -> float:
    """Of the poison, what a model is not trained on."""
    trained = {one.id for split in ("train", "dev") for one in found.kept[split]}
    return 1 - len(planted & trained) / len(planted)


def honest_share(found: Refined, planted: set[str], *reasons: str) -> float:
    """Of honest rows, those that left for these reasons."""
    taken = [name for name, reason in found.gone.items() if reason in reasons and name not in planted]
    return len(taken) / (found.seen - len(planted))


@pytest.mark.parametrize(("plan", "least"), [(0, 1.0), (1, 1.0), (2, 1.0)], ids=[plan.name for plan in PLANS[:3]])
def test_poison_in_a_hurry_is_held_back_and_honest_rows_are_not(plan: int, least: float) -> None:
    found, planted = poisoned(3, plan, 600)
    assert share_caught(found, planted) >= least
    assert honest_share(found, planted, "burst", "flood") <= 0.02, "but for those on the same document on the same day"


def test_an_annotator_who_flips_all_is_found_and_honest_ones_are_not() -> None:
    found = [set(flippers(labels(seed, 0.9))) for seed in range(10)]
    assert found == [{"mallory"}] * 10
    assert [set(flippers(labels(seed, 0.1))) for seed in range(10)] == [set()] * 10


@pytest.mark.proof
@needs_data
def test_the_whole_trial_reaches_its_goals_and_is_written_down(tmp_path: Path) -> None:
    seeds = int(os.environ.get("NOCTURNE_PROOF_SEEDS", "3"))
    caught = Caught()
    embedder = Embedder(cache=Path(os.environ.get("NOCTURNE_PROOF_VECTORS", tmp_path)))
    for seed in range(SEED, SEED + seeds):
        caught.add(trial(300, 1_000, 200, seed), embedder.embed)
    rows = []
    for place, plan in enumerate(PLANS):
        trials = [poisoned(seed, place, HONEST) for seed in range(seeds)]
        shares = [share_caught(*one) for one in trials]
        false = [honest_share(*one, "burst", "flood") for one in trials]
        over = [honest_share(*one, "user_cap") for one in trials]
        reasons = Counter(reason for found, planted in trials for name, reason in found.gone.items() if name in planted)
        held = ", ".join(f"{name} {count}" for name, count in reasons.most_common(3)) or "-"
        false_, over_ = (f"{sum(some) / seeds:.2%}" for some in (false, over))
        rows.append(f"| {plan.told} | {sum(shares) / seeds:.1%} | {held} | {false_} | {over_} |")
    flips = []
    for share in (0.9, 0.7, 0.5, 0.3, 0.1):
        found = [set(flippers(labels(seed, share))) for seed in range(ANNOTATOR_SEEDS)]
        honest_ = sum(len(names - {"mallory"}) for names in found) / (5 * ANNOTATOR_SEEDS)
        flips.append(f"| {share:.0%} | {sum('mallory' in names for names in found) / ANNOTATOR_SEEDS:.0%} | {honest_:.1%} |")
    PAGE.write_text(_page(caught, seeds, rows, flips), encoding="utf-8")
    assert caught.recall >= 0.99, caught.rules
    assert caught.false_drops <= 0.01, caught.dropped


def _page(caught: Caught, seeds: int, poison: list[str], flips: list[str]) -> str:
    per_kind = []
    for kind in KINDS:
        rules = {rule: count for (of, rule), count in sorted(caught.rules.items()) if of == kind}
        missed = rules.pop("missed", 0)
        told = ", ".join(f"{rule} {count}" for rule, count in rules.items())
        per_kind.append(f"| {kind.replace('_', ' ')} | {caught.planted[kind]} | {caught.planted[kind] - missed} | {told} |")
    dropped = ", ".join(f"{count} by {rule}" for rule, count in caught.dropped.most_common()) or "none"
    whole = " | ".join([
        f"{seeds}", f"{caught.held:,}", f"{sum(caught.planted.values())}", f"**{caught.recall:.1%}**", f"{caught.clean:,}",
        f"**{caught.false_drops:.2%}** ({dropped})", f"{caught.seconds / seeds:.1f}",
    ])  # fmt: skip
    return f"""# Leaks and poison in training data

Real questions (banking77, clinc150, xquad, halueval) are divided by intent, paragraph or conversation: one half is an
evaluation set, of the other half a sample is clean training data, so that whatever is dropped of it is dropped falsely. Of
the evaluation questions 200 are planted into training: as they stand, with other case and marks, within longer texts, and
with some words changed. Vectors are those of the packaged embedder. To reach: 99 % caught, at most 1 % of the clean dropped.
Written by `make proof` (tests/unit/tuning/test_leaks.py).

| trials | evaluation texts | leaks | caught | clean texts | dropped falsely | seconds a trial, vectors apart |
|---|---|---|---|---|---|---|
| {whole} |

| planted | leaks | caught | by |
|---|---|---|---|
{chr(10).join(per_kind)}

What is dropped falsely are questions of another intent in nearly the same words, which do give the answer away.

## Poison

{HONEST:,} honest rows of a month, of 400 users, some of whom ask much, and one way of poisoning among them. Trials: {seeds}.
*Kept out*: of the poison, what a model is not trained on. *Honest rows held back*: as a
burst or a flood, which are those on the same document on the same day; *over their share*: of users who ask more than one in
twenty.

| poison | kept out | reasons | honest rows held back | and over their share |
|---|---|---|---|---|
{chr(10).join(poison)}

Many users over a month with words of their own look like what they claim to be: no rule here finds them. What limits them
are the gates, which judge a candidate on questions that they did not write, and the share that each may have.

## Annotators

600 responses, of which three in ten are judged by two; five annotators err in one of ten, one flips a share of what is true.
{ANNOTATOR_SEEDS} trials a line.

| flips | is found | honest annotators taken for one |
|---|---|---|
{chr(10).join(flips)}
"""
