"""Drift tests on words that people wrote: topics that surge, languages that switch, and quiet weeks of real seasonality.

The drifts are put in, the words are real: banking77 and clinc150 (intents), xquad (the same questions in several languages),
and the days of servegen's tenants. All of it lies outside the project, and the tests are left out where it is absent. The
whole (`make proof`) writes docs/proofs/drift_words.md; NOCTURNE_PROOF_SEED, NOCTURNE_PROOF_WORLDS: which, and how many.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from drift_measures import with_one
from drift_traffic import NIGHTS, SEGMENTS, DayEffects, Traffic, volumes
from real_words import DATA, Corpus, Family, both, corpus, traffic, volumes_of_tenants

from assets.drift.drift_tests import drift_tests
from assets.drift.expectation import WINDOW_NIGHTS
from assets.drift.family import REFERENCE_NIGHTS, answer
from assets.drift.family_arrays import CLUSTERS, FEATURES, KEY
from resources.contracts import REPO

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261121"))
WORLDS = int(os.environ.get("NOCTURNE_PROOF_WORLDS", "10"))
RESULT = REPO / "docs" / "proofs" / "drift_words.md"
TOPICS, FEW_TOPICS, FEW_TEXTS = 40, 24, 20
LAST = date(2026, 11, 20)
GOALS: tuple[tuple[int, DayEffects, str], ...] = (
    (1800, "normal", ".95"), (500, "normal", ".90"), (1800, "ar1", ".90"), (500, "ar1", ".75"),
)  # fmt: skip
"""Of a surge of 10 %: texts a night, days, and the share to be found by the third night."""
METRIC = "prompt_embedding.real"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"real data is not there: {DATA}")


def share_found(
    words: Corpus, usual: int, n: int, size: float, *, worlds: int, segments: int = SEGMENTS,
    kind: DayEffects = "normal", to: slice | None = None, family: Family = "embedding",
) -> float:  # fmt: skip
    """The share of drifts with an alarm on their third night, when one segment of `n` texts a night drifts and no other
    does: each segment of a world in turn."""
    ramp = np.where(np.arange(NIGHTS) >= NIGHTS - WINDOW_NIGHTS, size, 0.0)
    found = 0
    for world in range(worlds):
        rng = np.random.default_rng([SEED, world])
        quiet = traffic(rng, words, volumes(rng, segments, NIGHTS), kind, usual, to, family=family)
        drifting = traffic(rng, words, volumes(rng, segments, NIGHTS, n), kind, usual, to, ramp, family=family)
        found += sum(bool(answer(with_one(quiet, drifting, test).night(0)).is_alarm[test]) for test in range(segments))
    return found / (worlds * segments)


def alarms_on_quiet_nights(words: Corpus, usual: int, *, stretches: int, nights: int, typical: float) -> tuple[int, float]:
    """Alarms of 20 tenants and of all together on the days of servegen's tenants, and the share of p <= .01."""
    alarms, p = 0, []
    for stretch in range(stretches):
        rng = np.random.default_rng([SEED, 7, stretch])
        n = volumes_of_tenants(rng, NIGHTS + nights - 1, typical)
        quiet = with_all(traffic(rng, words, n, "ar1", usual))
        for night in range(nights):
            answers = answer(quiet.night(night))
            p.append(answers.p)
            alarms += int(answers.is_alarm.sum())
            quiet.alarmed[answers.is_alarm, night + REFERENCE_NIGHTS : night + NIGHTS] = True
    return alarms, float((np.concatenate(p) <= 0.01).mean())


def with_all(parts: Traffic) -> Traffic:
    """With one more segment, which is all of them: its mix follows whoever asks more on the day."""
    assert parts.clusters is not None
    n = parts.n.sum(axis=0, keepdims=True)
    sums = (parts.profiles * parts.n[:, :, None]).sum(axis=0, keepdims=True)
    clusters = np.concatenate([parts.clusters, parts.clusters.sum(axis=0, keepdims=True)])
    means = np.concatenate([parts.profiles, sums / n[:, :, None]])
    return Traffic("embedding", means, np.concatenate([parts.n, n]), clusters=clusters)


@pytest.fixture(scope="module")
def intents() -> Corpus:
    return corpus("clinc150", FEW_TOPICS, FEW_TEXTS)


def test_a_surge_of_one_intent_is_found_and_no_other_segment_speaks(intents: Corpus) -> None:
    assert share_found(intents, FEW_TOPICS, 1800, 0.15, worlds=1, segments=8) >= 0.75


def test_questions_in_another_language_are_found() -> None:
    """By their language: their meaning is another question's, which clusters of English texts take in, here and there."""
    english, german = (corpus(name, 12, FEW_TEXTS, is_embedded=False) for name in ("xquad.en", "xquad.de"))
    words = both(english, german)
    found = share_found(words, 12, 500, 0.1, worlds=1, segments=8, to=slice(12, None), family="categorical")
    assert found >= 0.9


def test_weeks_of_real_seasonality_are_quiet(intents: Corpus) -> None:
    alarms, _ = alarms_on_quiet_nights(intents, FEW_TOPICS, stretches=1, nights=10, typical=600)
    assert alarms <= 1


def test_rows_of_real_words_become_an_alarm_of_the_segment_that_drifts(intents: Corpus) -> None:
    """Through the table: the rows that drift.text_profiles would hold, and drift.drift_tests on them."""
    rng = np.random.default_rng(SEED)
    ramp = np.where(np.arange(NIGHTS) >= NIGHTS - WINDOW_NIGHTS, 0.3, 0.0)
    quiet, drifting = (
        traffic(rng, intents, volumes(rng, 4, NIGHTS, 400), "normal", FEW_TOPICS, None, size) for size in (0.0, ramp)
    )
    rows = as_rows(with_one(quiet, drifting, 2))
    no_alarms = rows.select(*KEY, "day", window_first_day="day", is_alarm=pl.lit(True)).clear()
    tests = drift_tests(LAST, rows, rows.clear(), no_alarms)
    assert set(tests["status"]) == {"full"} and tests.height == 4
    assert tests.filter("is_alarm")["segment"].to_list() == ["feature-2"]


def as_rows(words: Traffic) -> pl.DataFrame:
    """Traffic as rows of a profile table."""
    assert words.clusters is not None
    days = [LAST - timedelta(days=NIGHTS - 1 - at) for at in range(NIGHTS)]
    found = []
    for ending, bins in ((FEATURES, words.profiles * words.n[:, :, None]), (CLUSTERS, words.clusters)):
        segment, day, place = (axis.ravel() for axis in np.indices(bins.shape))
        n = words.n[segment, day] if ending == FEATURES else bins.ravel()
        found.append(
            pl.DataFrame(
                {
                    "day": pl.Series([days[at] for at in day]), "segment_kind": "feature",
                    "segment": [f"feature-{at}" for at in segment], "family": "embedding", "metric": f"{METRIC}{ending}",
                    "bin": [str(at) for at in place], "n": n.astype(np.int64),
                    "value_sum": bins.ravel() if ending == FEATURES else None,
                },
                schema_overrides={"value_sum": pl.Float64},
            )
        )  # fmt: skip
    return pl.concat(found).filter(pl.col("n") > 0)


@pytest.mark.proof
def test_power_on_real_words_is_what_the_page_says() -> None:
    begun = time.process_time()
    rows: list[tuple[str, int, str, str, float]] = []
    for name in ("banking77", "clinc150"):
        words = corpus(name, TOPICS)
        for n, kind, goal in GOALS:
            found = share_found(words, TOPICS, n, 0.1, worlds=WORLDS, kind=kind)
            rows.append((f"{name}: one intent gains 10 %", n, kind, goal, found))
    for language in ("de", "zh", "hi"):
        words = both(corpus("xquad.en", TOPICS, 25), corpus(f"xquad.{language}", TOPICS, 25))
        half = words.topics // 2
        asked: tuple[tuple[Family, int, str], ...] = (
            ("categorical", 1800, ".90"), ("categorical", 500, "none"), ("embedding", 1800, "none"),
        )  # fmt: skip
        for family, n, goal in asked:
            found = share_found(words, half, n, 0.1, worlds=WORLDS, to=slice(half, None), family=family)
            seen = "language" if family == "categorical" else "embedding"
            what = f"xquad: 10 % more ask in `{language}` than the 3 % that always do, by {seen}"
            rows.append((what, n, "normal", goal, found))
    quiet = {
        name: alarms_on_quiet_nights(corpus(name, TOPICS), TOPICS, stretches=WORLDS, nights=30, typical=600)
        for name in ("banking77", "clinc150")
    }
    write_result(rows, quiet, time.process_time() - begun)
    assert sum(alarms for alarms, _ in quiet.values()) <= 2 * WORLDS
    assert min(found for what, n, kind, goal, found in rows if kind == "normal" and n == 1800 and goal != "none") >= 0.8


def write_result(rows: list[tuple[str, int, str, str, float]], quiet: dict[str, tuple[int, float]], seconds: float) -> None:
    """docs/proofs/drift_words.md: what was found of each drift, quiet nights, and what falls short of the simulation."""
    short = [
        f"- {what}, {n:,} a night, {kind}: {found:.2f} for {goal}"
        for what, n, kind, goal, found in rows
        if goal != "none" and found < float(goal)
    ]
    lines = [
        "# Drift tests on real words",
        "",
        "Questions that people wrote, through the packaged embedder, in days that are drawn: 20 segments, each with a mix",
        "of 40 topics of its own that moves from day to day and with the weekday as in [drift.md](drift.md). One segment",
        f"drifts, no other does; the share with an alarm on the third night, of {WORLDS * SEGMENTS} each. The goals are",
        "those of the simulation. Written by `make proof` (tests/e2e/test_drift_real_words.py).",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, seed {SEED}, {seconds:,.0f} s of CPU.",
        "",
        "| what | texts a night | days | goal | found |",
        "|---|---|---|---|---|",
        *(f"| {what} | {n:,} | {kind} | {goal} | {found:.2f} |" for what, n, kind, goal, found in rows),
        "",
        "## Quiet weeks",
        "",
        "Days of servegen's 20 largest tenants, whose volume may be a tenth of the usual or four times as much, and of all",
        "together; each tenant has its own mix of topics, autocorrelated from day to day.",
        "",
        "| words | nights | alarms in 30 nights | p ≤ .01 |",
        "|---|---|---|---|",
        *(f"| {name} | {30 * WORLDS} | {alarms / WORLDS:.2f} | {rate:.2%} |" for name, (alarms, rate) in quiet.items()),
        "",
        "## What falls short",
        "",
        *(short or ["Nothing."]),
    ]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
