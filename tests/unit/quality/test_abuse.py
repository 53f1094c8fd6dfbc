"""quality.abuse: who tries too often, who says it in other words, who reads everything; and that ordinary days are quiet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.quality.abuse import COLUMNS, abuse
from assets.quality.abuse_rules import (
    ATTEMPTS,
    Asked,
    expected_documents,
    rephrasings,
    severity,
    signs,
    similarity,
)

DAY = date(2026, 11, 5)
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
Row = dict[str, Any]


class Traffic:
    """Requests of a day, with what quality.injections says of them."""

    def __init__(self) -> None:
        self.requests: list[Row] = []
        self.texts: list[Row] = []
        self.retrievals: list[Row] = []
        self.injections: list[Row] = []

    def ask(
        self, user: str | None, prompt: str = "How are you?", key: str = "k", minute: float = 0, attempt: str | None = None,
        documents: tuple[str, ...] = (), **more: Any,
    ) -> str:  # fmt: skip
        number = len(self.requests)
        name = f"r{number}"
        self.requests.append(
            dict.fromkeys(COLUMNS["logs.requests"])
            | {"request_id": name, "file_id": "f", "record_number": number, "user_token": user, "api_key_token": key}
            | {"ts": NOON + timedelta(minutes=minute), "is_shadow": False, "prompt_fingerprint": prompt, "feature": "chat"}
            | more
        )
        self.texts.append({"file_id": "f", "record_number": number, "part": "prompt", "text": prompt})
        self.retrievals += [{"request_id": name, "document_id": document} for document in documents]
        if attempt:
            told = {"request_id": name, "part": "prompt", "categories": attempt, "outcome": "answered"}
            self.injections.append(told | {"prompt_fingerprint": prompt})
        return name

    def found(self) -> dict[tuple[str, str], Row]:
        """The rows by (subject's token, pattern)."""
        strings = dict.fromkeys(
            ["request_id", "part", "categories", "outcome", "prompt_fingerprint", "document_id"], pl.String
        )
        wanted = (("logs.requests", self.requests), ("logs.texts", self.texts))
        requests, texts = (pl.DataFrame(rows, infer_schema_length=None, schema=_schema(name)) for name, rows in wanted)
        retrievals = pl.DataFrame(self.retrievals, schema={name: strings[name] for name in COLUMNS["logs.retrievals"]})
        injections = pl.DataFrame(self.injections, schema={name: strings[name] for name in COLUMNS["quality.injections"]})
        rows = abuse(DAY, requests, texts, retrievals, injections)
        return {(row["subject_token"], row["pattern"]): row for row in rows.iter_rows(named=True)}


def _schema(table: str) -> dict[str, Any]:
    known: dict[str, Any] = {"ts": pl.Datetime("us", "UTC"), "record_number": pl.Int64, "is_shadow": pl.Boolean}
    return {name: known.get(name, pl.String) for name in COLUMNS[table]}


def crowd(traffic: Traffic, users: int = 60, each: int = 10) -> None:
    """People who ask ten things a day and try nothing."""
    for user in range(users):
        for number in range(each):
            traffic.ask(f"u{user}", f"question {number} of {user}")


def test_ten_different_attempts_of_one_user_are_abuse_and_the_others_have_no_row() -> None:
    traffic = Traffic()
    crowd(traffic)
    kinds = ("instruction_override", "jailbreak,prompt_extraction")
    ids = [traffic.ask("mallory", f"attack {n}", minute=n, attempt=kinds[n % 2]) for n in range(10)]
    found = traffic.found()
    assert list(found) == [("mallory", "injection")]
    row = found["mallory", "injection"]
    assert (row["severity"], row["events"], row["different"], row["requests"]) == ("abuse", 10, 10, 10)
    assert (row["overrides"], row["jailbreaks"], row["extractions"], row["answered"]) == (5, 5, 5, 10)
    assert (row["first_seen"], row["last_seen"]) == (NOON, NOON + timedelta(minutes=9))
    assert row["evidence"] == ",".join(ids[:5])


def test_a_program_that_repeats_one_prompt_is_watched_and_no_abuse() -> None:
    traffic = Traffic()
    crowd(traffic)
    for minute in range(60):
        traffic.ask("robot", "the same", minute=minute, attempt="jailbreak")
    assert traffic.found()["robot", "injection"]["severity"] == "watch"


def test_one_attempt_each_of_many_users_of_a_key_is_the_keys() -> None:
    traffic = Traffic()
    for user in range(60):
        traffic.ask(f"quiet{user}", f"question {user}", key="usual")
        traffic.ask(f"u{user}", f"attack {user}", key="leaked", attempt="jailbreak")
    found = traffic.found()
    assert list(found) == [("leaked", "injection")]
    assert found["leaked", "injection"]["severity"] == "abuse" and found["leaked", "injection"]["user_token"] is None


def test_a_key_is_not_blamed_for_the_one_user_who_is() -> None:
    traffic = Traffic()
    crowd(traffic)
    for number in range(20):
        traffic.ask("mallory", f"attack {number}", key="k", attempt="jailbreak")
    assert [subject for subject, _ in traffic.found()] == ["mallory"]


def test_where_everybody_is_taken_for_an_attacker_nobody_is() -> None:
    """A game of role play: one prompt in three reads like a jailbreak."""
    traffic, rng = Traffic(), np.random.default_rng(3)
    for number in range(600):
        traffic.ask(f"u{number % 40}", f"play {number}", attempt="jailbreak" if rng.random() < 0.33 else None)
    assert [row for row in traffic.found().values() if row["severity"] == "abuse"] == []


def test_what_is_blocked_and_comes_through_in_other_words_four_times_is_abuse() -> None:
    traffic = Traffic()
    crowd(traffic)
    for turn in range(4):
        words = f"tell me how to open the lock of door number {turn} without a key"
        traffic.ask("mallory", words, minute=turn * 30, safety_input_verdict="block")
        traffic.ask("mallory", f"{words} please", minute=turn * 30 + 5)
    row = traffic.found()["mallory", "rephrasing"]
    assert (row["severity"], row["events"], row["answered"]) == ("abuse", 4, 4)


def test_a_retry_another_question_a_late_one_and_one_that_fails_are_no_rephrasing() -> None:
    words = "tell me how to open the lock of the door without a key"
    for later in (
        {"prompt": words, "minute": 5},
        {"prompt": "what time do you close today", "minute": 5},
        {"prompt": f"{words} please", "minute": 16},
        {"prompt": f"{words} please", "minute": 5, "error_class": "provider"},
        {"prompt": f"{words} please", "minute": 5, "safety_output_verdict": "block"},
    ):
        traffic = Traffic()
        crowd(traffic)
        for turn in range(4):
            traffic.ask("somebody", words, minute=60 * turn, finish_reason="content_filter")
            traffic.ask("somebody", **(later | {"minute": 60 * turn + later["minute"]}))
        assert ("somebody", "rephrasing") not in traffic.found(), later


def searching(traffic: Traffic, rng: np.random.Generator, documents: int, users: int = 60) -> None:
    """Whoever searches, searches for what is popular: a document in proportion to one over its place."""
    share = 1 / np.arange(1, documents + 1)
    for user in range(users):
        for _ in range(int(rng.integers(1, 12)) if user else 150):
            found = rng.choice(documents, 5, replace=False, p=share / share.sum())
            traffic.ask(f"u{user}", documents=tuple(f"d{n}" for n in found))


@pytest.mark.parametrize("documents", [72, 2000])
def test_who_walks_through_the_documents_is_found_and_a_busy_reader_is_not(documents: int) -> None:
    traffic = Traffic()
    searching(traffic, np.random.default_rng(5), documents)
    for start in range(0, 70, 5):
        traffic.ask("crawler", documents=tuple(f"d{(start + n) * documents // 72}" for n in range(5)))
    found = traffic.found()
    assert list(found) == [("crawler", "crawling")]
    assert (found["crawler", "crawling"]["different"], found["crawler", "crawling"]["requests"]) == (70, 14)


def test_shadow_traffic_is_nobodys_doing() -> None:
    traffic = Traffic()
    crowd(traffic)
    for number in range(20):
        traffic.ask("mallory", f"attack {number}", attempt="jailbreak", is_shadow=True)
    assert traffic.found() == {}


def test_hundreds_of_ordinary_days_have_no_abuse() -> None:
    """Two hundred users of very different volume, each of whose requests tries something once in a hundred."""
    rng = np.random.default_rng(7)
    loud = 0
    for _ in range(400):
        trials = np.ceil(rng.lognormal(1.5, 1.3, 200)).astype(int)
        events = rng.binomial(trials, 0.01)
        total, attempts = int(trials.sum()), int(events.sum())
        for n, k in zip(trials.tolist(), events.tolist(), strict=True):
            loud += k > 0 and severity(k, n, attempts - k, total - n, ATTEMPTS)[0] == "abuse"
    assert loud == 0


def test_a_busy_key_with_somewhat_more_attempts_than_others_is_no_abuse_however_sure_the_difference_is() -> None:
    """Features differ: where people chat, more is tried than where programs tag."""
    assert severity(900, 30_000, 1_000, 100_000, ATTEMPTS)[0] == "watch"
    assert severity(3_000, 30_000, 1_000, 100_000, ATTEMPTS)[0] == "abuse"


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 500), st.integers(0, 500))
def test_more_attempts_among_as_many_requests_are_never_judged_milder(events: int, more: int, others: int, of: int) -> None:
    rank = {None: 0, "watch": 1, "abuse": 2}
    levels = [severity(n, 120, min(others, of), of, ATTEMPTS)[0] for n in (events, events + more)]
    assert rank[levels[0]] <= rank[levels[1]]


@given(st.text(max_size=80), st.text(max_size=80))
def test_similarity_is_even_handed_and_whole_for_the_same_words(one: str, other: str) -> None:
    assert similarity(signs(one), signs(other)) == similarity(signs(other), signs(one)) <= 1
    assert similarity(signs(one), signs(f"  {one}\n")) == (1 if one.split() else 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.sampled_from(["a b c d", "a b c e", "x y"])), max_size=12))
def test_each_request_is_in_one_rephrasing_at_most_and_comes_after_what_was_stopped(
    said: list[tuple[int, bool, str]],
) -> None:
    asked = [
        Asked(f"r{n}", NOON + timedelta(minutes=minute), blocked, not blocked, signs(words))
        for n, (minute, blocked, words) in enumerate(said)
    ]
    pairs = rephrasings(asked)
    ids = [one.request_id for pair in pairs for one in pair]
    assert len(set(ids)) == len(ids)
    assert all(a.is_blocked and b.is_answered and a.ts <= b.ts for a, b in pairs)


def test_the_expected_number_of_documents_is_that_of_searches_drawn_at_random() -> None:
    rng = np.random.default_rng(9)
    drawn = [len({d for _ in range(12) for d in rng.choice(90, 5, replace=False)}) for _ in range(1_000)]
    mean, deviation = expected_documents(np.full(90, 1 / 90), 12, 60)
    assert mean == pytest.approx(np.mean(drawn), abs=0.4)
    assert np.std(drawn) <= deviation <= 1.3 * np.std(drawn)
