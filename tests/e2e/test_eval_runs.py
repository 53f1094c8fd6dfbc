"""Suites against a real server that is flaky, slow, limits its rate, changes its mind: asked once, checked, priced, kept."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eval_house import EvalHouse, asked, number, right, suite, words_on_disk
from killing import REPO
from probe_target import KEY, Provider, provider

from assets.quality.eval_case import EvalCase
from pipelines.release.eval_desk import EvalError
from pipelines.release.eval_versions import VersionError
from pipelines.word_files import remove_words
from resources.eval_answers import EvalAnswers


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = right
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> EvalHouse:
    made = EvalHouse(tmp_path / "house")
    made.declare(at.base_url)
    made.write_suite(suite(12))
    return made


def test_each_case_is_asked_checked_and_priced_by_the_price_book(house: EvalHouse, at: Provider) -> None:
    at.say = lambda body: "I forgot." if number(body) in (3, 5) else right(body)
    run = house.run()
    assert (run.asked, len(run.rows), str(run).split(",")[0].split(": ")[1]) == (12, 12, "10 of 12 answers pass")
    failed = {row["case_id"]: row for row in run.rows if row["passed"] is False}
    assert set(failed) == {"q3", "q5"} and failed["q3"]["is_critical"] and not failed["q5"]["is_critical"]
    # 12 and 3 tokens at 1 and 4 USD a million
    assert {row["cost_usd"] for row in run.rows} == {Decimal("0.000024")}
    assert all(row["latency_ms"] > 0 and row["attempts"] == 1 and row["answered_model"] == "large" for row in run.rows)
    assert {key for key in at.keys} == {f"Bearer {KEY}"}


def test_what_was_answered_is_not_asked_again_and_a_version_that_changed_is(house: EvalHouse, at: Provider) -> None:
    first = house.run()
    again = house.run()
    assert again.run_id == first.run_id and (again.asked, again.cached) == (0, 0) and len(at.got) == 12
    house.declare(at.base_url, temperature=0.5)
    other = house.run()
    assert other.run_id != first.run_id and other.asked == 12 and len(at.got) == 24
    house.write_suite([*suite(12), *suite(1, "new")])
    house.declare(at.base_url)
    grown = house.run()
    assert (grown.asked, grown.cached) == (0, 13), "the new case asks what an old one asked"


def test_repeats_are_asked_each_and_a_fresh_run_asks_all_anew(house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, runs={"repeats": 3}, seed=7)
    moods = random.Random(5)
    at.say = lambda body: right(body) if moods.random() < 0.7 else "Let me think."
    run = house.run()
    by_case = Counter(row["case_id"] for row in run.rows if row["passed"])
    assert len(run.rows) == 36 and any(0 < count < 3 for count in by_case.values())
    assert {body["seed"] for body in at.got} == {7, 8, 9}
    fresh = house.run(is_fresh=True)
    assert fresh.asked == 36 and fresh.run_id != run.run_id and len(house.runs()) == 72


def test_a_server_that_fails_now_and_then_is_asked_again_within_its_rate(house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, runs={"at_once": 4}, requests_per_minute=60)
    # Three: one question alone may meet them all, and is tried four times.
    at.plan = ["hang up", (429, {"Retry-After": "7"}), 503]
    run = house.run()
    assert run.asked == 12 and not run.failed and sum(row["attempts"] for row in run.rows) == 15
    assert 7.0 in house.slept, "the pause that the server asked for"
    # Four at a time share 60 a minute: each waits four seconds and more, as time stands still here, between two of its own.
    assert sum(pause > 3 for pause in house.slept) >= 8


def test_several_questions_are_under_way_at_a_time(house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, runs={"at_once": 4})
    meeting = threading.Barrier(4, timeout=4)

    def together(body: dict[str, Any]) -> str:
        meeting.wait()
        return right(body)

    at.say = together
    assert house.run().asked == 12


def test_what_a_broken_server_did_not_answer_neither_passes_nor_fails_and_the_next_run_asks_it(
    house: EvalHouse, at: Provider
) -> None:
    house.declare(at.base_url, runs={"at_once": 1})
    at.say = lambda body: right(body)
    at.always = 400
    silent = house.run()
    assert silent.failed == {"bad_request": 5, "left_out": 7} and silent.why == "5 questions in a row got no answer"
    assert all(row["passed"] is None and row["checks"] is None for row in silent.rows)
    at.always = None
    mended = house.run()
    assert mended.run_id.split("-")[0] == silent.run_id.split("-")[0] and mended.run_id.endswith("-2")
    assert mended.asked == 12 and {row["passed"] for row in mended.rows} == {True}


def test_a_run_stops_at_its_bound_of_money_and_says_so(house: EvalHouse, at: Provider) -> None:
    house.write_suite(suite(40))
    house.declare(at.base_url, runs={"usd_a_run": "0.00048", "at_once": 1})
    run = house.run()
    assert run.why == "usd_a_run (0.00048) is spent" and run.failed["left_out"] == 40 - run.asked
    assert run.asked == 20 and run.usd == Decimal("0.00048"), "an answer costs 0.000024"
    at_most = len(at.got)
    house.declare(at.base_url)
    assert house.run().cached == at_most


def test_questions_under_way_count_as_spent_and_a_dear_answer_ends_the_run_at_once(house: EvalHouse, at: Provider) -> None:
    house.write_suite(suite(60))
    house.declare(at.base_url, runs={"usd_a_run": "0.00048", "at_once": 4})
    several = house.run()
    assert several.asked == 20 and len(at.got) == 20
    house.write_suite(suite(60, "other"))
    house.declare(at.base_url, runs={"usd_a_run": "0.00048", "at_once": 1}, temperature=0.5)
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    # From the thirteenth on an answer costs 0.000112: 12 at 0.000024, then 2.
    at.say = lambda body: at.extra.update(usage=usage | {"completion_tokens": 25 if len(at.got) > 32 else 3}) or right(body)
    dearer = house.run()
    assert (dearer.asked, dearer.usd) == (14, Decimal("0.000512"))


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path, house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, runs={"at_once": 1})
    for failpoint, asked_so_far in (("evals.answered#3", 3), ("evals.stored#1", 10)):
        environment = {**os.environ, "NOCTURNE_FAILPOINT": failpoint, "EVAL_KEY": KEY}
        environment["PYTHONPATH"] = f"{REPO}{os.pathsep}{REPO / 'tests'}"
        worker = [sys.executable, "-W", "ignore", str(REPO / "tests" / "eval_house.py"), str(house.root)]
        assert subprocess.run(worker, env=environment, check=False).returncode == -signal.SIGKILL
        assert len({asked(body) for body in at.got}) >= asked_so_far
    run = house.run()
    assert len(run.rows) == 12 and len(house.runs()) == 12
    assert len(at.got) <= 13, "an answer that came is not asked for again"


def test_a_line_that_a_kill_cut_off_costs_one_answer(house: EvalHouse) -> None:
    house.run()
    [path] = EvalAnswers(house.store.state).folder.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    house.write_suite([*suite(12), *suite(1, "z")])
    assert house.run().asked in (1, 2)
    assert len(EvalAnswers(house.store.state).known()) == 12


def test_no_words_of_cases_or_answers_reach_a_table_and_answers_are_their_owners(house: EvalHouse, at: Provider) -> None:
    at.say = lambda body: "qzanswerzq " + right(body)
    house.write_suite([EvalCase("a", "messy", "qzquestionzq number 1?", must=("number 1",))])
    run = house.run()
    assert run.rows[0]["passed"] is True
    stored = words_on_disk(house.root / "data")
    assert b"qzanswerzq" not in stored and b"qzquestionzq" not in stored and KEY.encode() not in words_on_disk(house.root)
    [path] = EvalAnswers(house.store.state).folder.glob("*.jsonl")
    assert b"qzanswerzq" in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_answer_is_compared_with_its_reference_by_the_embedder(house: EvalHouse, at: Provider) -> None:
    at.say = lambda body: "You may send shoes back for 30 days." if "shoes" in asked(body) else "Bananas are yellow."
    reference = "Shoes can be returned within 30 days."
    house.write_suite([
        EvalCase("near", "answerable", "How long may I return shoes?", reference=reference),
        EvalCase("far", "answerable", "How long?", reference=reference),
    ])  # fmt: skip
    rows = {row["case_id"]: row for row in house.run().rows}
    assert rows["near"]["passed"] is True and rows["far"]["passed"] is False


def test_a_price_that_nobody_knows_is_null_and_not_zero(house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, model="nobody-knows")
    at.extra = {"model": "nobody-knows-either"}
    run = house.run()
    assert {row["cost_usd"] for row in run.rows} == {None}
    assert f"{len(run.rows)} answers have no price: the bound cannot hold them" in str(run)


def test_a_prompt_version_is_asked_with_its_template_model_and_settings(house: EvalHouse, at: Provider) -> None:
    model = {"provider": "acme", "name": "large", "settings": {"temperature": 0.3, "max_tokens": 99}}
    house.write_prompt("v2", "You are brief. Answer: {{question}}", model=model)
    run = house.run("chat@v2")
    body = next(body for body in at.got if "number 4?" in asked(body))
    assert body["messages"] == [{"role": "system", "content": "You are brief. Answer: What is number 4?"}]
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0.3, 99, "large")
    assert {row["version"] for row in run.rows} == {"chat@v2"}


def test_what_there_is_not_is_said_with_what_there_is(house: EvalHouse) -> None:
    with pytest.raises(VersionError, match="seeds/prompts has no 'chat@v9'; there are: none"):
        house.version("chat@v9/main")
    with pytest.raises(VersionError, match="declares no endpoint 'other'; there are: main"):
        house.version("other")
    with pytest.raises(EvalError, match=r"no cases in hats\.jsonl; suites there: chat"):
        house.desk().suites(["hats"])


def test_answers_leave_with_the_words_of_their_time_though_nothing_was_logged_that_day(
    house: EvalHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.run()
    answers = EvalAnswers(house.store.state)
    assert answers.days() == [date(2026, 11, 10)] and remove_words(house.store) == 0
    monkeypatch.setattr("pipelines.word_files.closed_days_of", lambda store, name: {date(2026, 11, 9)})
    assert remove_words(house.store) == 0 and answers.days()
    monkeypatch.setattr("pipelines.word_files.closed_days_of", lambda store, name: {date(2026, 11, 12)})
    assert remove_words(house.store) == 1 and answers.known() == {}


FORM = {
    "type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}, "additionalProperties": False,
}  # fmt: skip


def test_answers_keep_to_the_schema_of_their_version_which_is_sent_where_the_endpoint_takes_it(
    house: EvalHouse, at: Provider
) -> None:
    def say(body: dict[str, Any]) -> str:
        said = json.dumps({"answer": right(body)})
        return {2: f"```json\n{said}\n```", 3: right(body), 5: said[:-1] + ', "more": 1}'}.get(number(body), said)

    at.say = say
    house.write_prompt("v2", output_schema=FORM)
    rows = {row["case_id"]: row for row in house.run("chat@v2").rows}
    assert {case for case, row in rows.items() if row["passed"] is False} == {"q2", "q3", "q5"}
    assert json.loads(rows["q5"]["checks"])["output_schema"] == {"passed": False}
    assert not any("response_format" in body for body in at.got)
    house.declare(at.base_url, response_format="json_schema")
    assert house.run("chat@v2").asked == 12, "it is asked in another way"
    sent = {"type": "json_schema", "json_schema": {"name": "chat", "schema": FORM}}
    assert all(body["response_format"] == sent for body in at.got[12:])
    house.write_prompt("v3")
    free = house.run("chat@v3")
    assert (free.asked, free.cached) == (0, 12), "without a schema it asks what v2 was asked at first"
