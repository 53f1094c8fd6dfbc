"""Golden prompts over real nights: asked once, stored as they come, bounded, and off where no endpoint is declared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from killing import REPO
from probe_house import PROMPTS, ProbeHouse
from probe_target import KEY, Provider, provider

from pipelines.drift import probe
from pipelines.drift.probe_desk import PROBES
from pipelines.drift.probe_runs import said
from resources.probe_seed import ProbeSeedError
from resources.warehouse_resource import WarehouseResource

WORDS = "forty-two, said the qzanswerzq: 42"


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = lambda body: WORDS if body["messages"][-1]["content"] == "6 * 7?" else "Yes"
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> ProbeHouse:
    made = ProbeHouse(tmp_path / "house")
    made.declare(at.base_url)
    return made


def test_each_prompt_is_asked_as_often_as_declared_and_scored(house: ProbeHouse, at: Provider) -> None:
    assert house.desk().is_due()
    done = house.desk().work()
    assert said(done) == ["main: 6 answers"]
    rows = house.probes()
    assert [(row["prompt"], row["repeat"], row["score"]) for row in rows] == [
        ("answer", 1, 1.0), ("brief", 1, 1.0), ("free", 1, None), ("answer", 2, 1.0), ("brief", 2, 1.0), ("free", 2, None),
    ]  # fmt: skip
    first = rows[0]
    assert (first["day"], first["model"], first["attempts"]) == (date(2026, 11, 9), "large", 1)
    assert (first["answer_characters"], first["input_tokens"], first["output_tokens"]) == (len(WORDS), 12, 3)
    assert first["is_refusal"] is False and first["latency_ms"] > 0 and len(first["answer_digest"]) == 64
    assert not house.desk().is_due()
    assert said(house.desk().work()) == ["main: 0 answers, 6 were known"] and len(at.got) == 6


def test_the_next_night_is_asked_anew(house: ProbeHouse, at: Provider) -> None:
    house.desk().work()
    house.now = house.now.replace(day=11)
    house.desk().work()
    assert {row["day"] for row in house.probes()} == {date(2026, 11, 9), date(2026, 11, 10)} and len(at.got) == 12


def test_no_words_of_an_answer_and_no_key_reach_the_disk(house: ProbeHouse, at: Provider) -> None:
    at.extra = {"system_fingerprint": KEY}
    house.desk().work()
    files = [path for path in house.root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    for path in files:
        content = path.read_bytes()
        assert b"qzanswerzq" not in content and KEY.encode() not in content, path
    stored = house.probes()
    assert {row["system_fingerprint"] for row in stored} == {"(key)"}


def test_a_pass_that_is_killed_asks_again_nothing_that_is_stored(tmp_path: Path, at: Provider) -> None:
    house = ProbeHouse(tmp_path / "house")
    house.declare(at.base_url, repeats=8)
    environment = {**os.environ, "NOCTURNE_FAILPOINT": "probe.stored#1", "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}"}
    worker = [sys.executable, "-W", "ignore", str(REPO / "tests" / "probe_house.py"), str(house.root)]
    done = subprocess.run(worker, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert len(house.probes()) == len(at.got) == 10
    assert said(house.desk().work()) == ["main: 14 answers, 10 were known"]
    assert len(at.got) == 24 == len({(row["prompt"], row["repeat"]) for row in house.probes()})


def test_a_question_without_an_answer_is_a_row_without_a_score(house: ProbeHouse, at: Provider) -> None:
    at.plan = [404, b"<html>"]
    assert said(house.desk().work()) == ["main: 4 answers, 1 bad request, 1 not json"]
    failed = [row for row in house.probes() if row["error_class"]]
    assert {(row["prompt"], row["error_class"], row["http_status"]) for row in failed} == {
        ("answer", "bad_request", 404), ("brief", "not_json", 200),
    }  # fmt: skip
    assert all(row["score"] is row["is_refusal"] is row["answer_characters"] is row["latency_ms"] is None for row in failed)


def test_an_endpoint_that_is_down_is_left_alone_after_three_questions(house: ProbeHouse, at: Provider) -> None:
    at.always = 503
    done = house.desk().work()
    assert said(done) == ["main: 0 answers, 3 server error, 3 left out: 3 questions in a row got no answer"]
    assert done["main"].is_silent
    assert len(at.got) == 12 and len(house.probes()) == 3


def test_a_key_that_is_not_accepted_is_not_tried_again(house: ProbeHouse, at: Provider) -> None:
    at.always = 401
    assert said(house.desk().work()) == ["main: 0 answers, 1 unauthorised, 5 left out: its key is not accepted"]
    assert len(at.got) == 1


def test_a_key_that_is_missing_asks_nothing_and_says_which(house: ProbeHouse, at: Provider) -> None:
    house.environment = {}
    [line] = said(house.desk().work())
    assert line == "main: 0 answers, 6 left out: main is not asked: the environment variable PROBE_KEY holds no key"
    assert at.got == [] and house.probes() == []


def test_a_night_spends_no_more_tokens_than_declared_and_counts_what_it_spent_before(
    house: ProbeHouse, at: Provider
) -> None:
    # Answers are counted as the provider counts them (15); the next one might be 10 + 6 bytes long.
    house.declare(at.base_url, max_tokens=10, tokens_a_night=60)
    assert said(house.desk().work()) == ["main: 3 answers, 3 left out: tokens_a_night (60) might be exceeded"]
    assert len(house.desk().work()) == 1 and len(at.got) == 3


def test_a_night_takes_no_longer_than_declared(house: ProbeHouse, at: Provider) -> None:
    house.declare(at.base_url, minutes_a_night=1e-9)
    assert said(house.desk().work()) == ["main: 0 answers, 6 left out: minutes_a_night (1e-09) are over"]


def test_without_an_endpoint_nothing_runs(house: ProbeHouse, at: Provider) -> None:
    (house.seeds / "probes.yml").write_text("endpoints: {}\nprompts: {}\n")
    assert not house.desk().is_due() and house.desk().work() == {}
    assert said({}) == ["no endpoint is declared"]
    assert house.store.open(PROBES).version == 0


def test_a_faulty_expectation_stops_the_night_before_anything_is_asked(house: ProbeHouse, at: Provider) -> None:
    house.declare(at.base_url, PROMPTS | {"broken": {"prompt": "?", "expect": {"regex": "("}}})
    with pytest.raises(ProbeSeedError, match=r"probes.yml: broken: regex '\(' is not RE2"):
        house.desk().work()
    assert at.got == []


def test_the_command_says_what_it_did(
    house: ProbeHouse, at: Provider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOCTURNE_HOME", str(house.store.state))
    monkeypatch.setenv("NOCTURNE_DATA", str(house.store.data))
    monkeypatch.setenv("NOCTURNE_NOW", house.now.isoformat())
    monkeypatch.setenv("PROBE_KEY", KEY)
    monkeypatch.setattr(WarehouseResource, "store", lambda self: house.store)
    monkeypatch.setattr(WarehouseResource, "seeds", house.seeds)
    assert probe.main(["--check"]) == 0
    assert capsys.readouterr().out == "probes.yml: 1 endpoints, 3 prompts\n" and at.got == []
    assert probe.main([]) == 0
    assert capsys.readouterr().out == "main: 6 answers\n"
    house.now = house.now.replace(day=12)
    monkeypatch.setenv("NOCTURNE_NOW", house.now.isoformat())
    at.always = 401
    assert probe.main([]) == 1
    (house.seeds / "probes.yml").write_text("endpoints: {main: {key: x}}\n")
    assert probe.main([]) == 2
    assert "main has unknown keys key" in capsys.readouterr().err


def test_a_provider_that_changes_behind_its_name_is_an_alarm_in_the_nights_own_tables(
    house: ProbeHouse, at: Provider
) -> None:
    house.declare(at.base_url, repeats=3)
    for night in range(10, 20):
        house.now = house.now.replace(day=night)
        if night == 17:  # Still `large` by its name.
            at.say = lambda body: "I'm sorry, but I can't help with that. It may be 41, or 43."
        house.desk().work()
        house.night()
    assert house.is_quiet()
    found = dict(house.ask("select metric, is_alarm from drift.provider_tests where day = date '2026-11-18'"))
    assert found["score"] and found["answer_characters"] and found["refusal"] and found["known_answer"]
    assert not found["answered_model"] and not found["input_tokens"]
    assert house.ask("select count(*) from drift.provider_tests where is_alarm and day < date '2026-11-16'") == [(0,)]
    [(title,)] = house.ask("select title from drift.provider_tests where metric = 'score' and day = date '2026-11-18'")
    assert title.startswith("main: scores changed by -100.0 points since 2026-11-16, mean 1 -> 0; answer 1 -> 0")


def test_probes_that_come_after_the_night_was_computed_are_judged_in_the_next_round(
    house: ProbeHouse, at: Provider
) -> None:
    house.desk().work()
    house.night()
    house.now = house.now.replace(day=11)
    house.night()
    house.desk().work()
    assert not house.is_quiet()
    house.night()
    days = house.ask("select day, count(*), max(n) from drift.provider_tests where metric = 'score' group by day order by 1")
    assert days == [(date(2026, 11, 9), 1, 4), (date(2026, 11, 10), 1, 8)]
    assert house.is_quiet()
