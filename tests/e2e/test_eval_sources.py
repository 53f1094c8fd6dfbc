"""Where answers and verdicts of a run come from besides a prompt endpoint: a judge, the logs; and a server that is slow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from eval_house import EvalHouse, right, suite, words_on_disk
from house import price
from judge_house import verdict
from label_house import LabelHouse, answered
from probe_target import KEY, Provider, provider

from assets.quality.eval_case import EvalCase
from assets.release.release_gate import BLOCKED, NEEDED, PASSED
from pipelines.release.approval_reasons import STATUS
from pipelines.release.eval_desk import EvalDesk
from pipelines.release.eval_given import given_in_logs
from pipelines.release.release_gate_desk import Asked, ReleaseGateDesk
from resources.contracts import SEEDS
from resources.events import append
from resources.judge_seed import JUDGE_FILE


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = right
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> EvalHouse:
    made = EvalHouse(tmp_path / "house")
    made.declare(at.base_url)
    made.environment["JUDGE_KEY"] = KEY
    (made.seeds / "features.yml").write_text("features: {}\n", encoding="utf-8")
    shutil.copy(SEEDS / "owners.yml", made.seeds)
    (made.seeds / "slos").mkdir()
    return made


def name_judge(house: EvalHouse, at: Provider) -> None:
    """The judge is the model `small` of the same server; what is made up, it sees by the word blue."""
    endpoint = {"base_url": at.base_url, "model": "small", "key_env": "JUDGE_KEY"}
    told: dict[str, Any] = {"endpoint": endpoint | {"requests_per_minute": 6000, "timeout_s": 5}, "usd_a_night": 10}
    told["usd_per_million"] = {"input": "2", "output": "10"}
    (house.seeds / JUDGE_FILE).write_text(yaml.safe_dump(told), encoding="utf-8")

    def say(body: dict[str, Any]) -> str:
        if body["model"] == "large":
            return "qzblue hats." if "made up" in str(body) else "Hats cost 3 euros."
        said = str(body["messages"])
        if "no idea" in said:
            return "Well, who knows."
        return verdict(body, "no", 0.9, (1,)) if "qzblue" in said else verdict(body)

    at.say = say


def test_a_judge_decides_and_is_paid_and_is_not_asked_twice_about_the_same_words(house: EvalHouse, at: Provider) -> None:
    name_judge(house, at)
    asked = {"true": "What do hats cost?", "false": "Say what is made up.", "open": "I have no idea, what do hats cost?"}
    house.write_suite([
        EvalCase(name, "answerable", words, context=("Hats cost 3 euros.",), checks={"judge": True})
        for name, words in asked.items()
    ])  # fmt: skip
    run = house.run()
    rows = {row["case_id"]: row for row in run.rows}
    assert {name: row["passed"] for name, row in rows.items()} == {"true": True, "false": False, "open": None}
    # 12 and 3 tokens at 2 and 10 USD a million, beside the answers' own cost at 1 and 4.
    assert {row["judge_cost_usd"] for row in rows.values()} == {Decimal("0.000054")}
    assert run.usd == 3 * (Decimal("0.000054") + Decimal("0.000024"))
    assert [body["model"] for body in at.got].count("small") == 3
    house.declare(at.base_url, temperature=0.5)
    again = house.run()
    assert again.asked == 3 and [body["model"] for body in at.got].count("small") == 3
    assert {row["judge_cost_usd"] for row in again.rows} == {None}
    assert b"qzblue" not in words_on_disk(house.root / "data")


def test_what_the_judge_costs_counts_for_the_bound_of_a_run(house: EvalHouse, at: Provider) -> None:
    name_judge(house, at)
    house.declare(at.base_url, runs={"at_once": 1, "usd_a_run": "0.0003"})
    house.write_suite([
        EvalCase(f"q{i}", "answerable", f"What do {i} hats cost?", context=("Hats cost 3 euros.",), checks={"judge": True})
        for i in range(20)
    ])  # fmt: skip
    run = house.run()
    assert (run.asked, run.usd) == (4, Decimal("0.000312")) and run.why == "usd_a_run (0.0003) is spent"


def test_without_a_judge_its_check_is_not_asked_for(house: EvalHouse, at: Provider) -> None:
    at.say = lambda body: "Hats cost 3 euros."
    house.write_suite([EvalCase("a", "answerable", "Hats?", must=("3 euros",), context=("x",), checks={"judge": True})])
    [row] = house.run().rows
    assert row["passed"] is True and "judge" not in row["checks"]


def test_what_does_not_come_in_time_is_no_answer_and_a_slow_server_is_too_slow(house: EvalHouse, at: Provider) -> None:
    house.declare(at.base_url, timeout_s=0.2)
    house.write_suite(suite(1))
    at.always = "hang"
    [row] = house.run().rows
    assert (row["error_class"], row["attempts"], row["passed"], row["latency_ms"]) == ("timeout", 4, None, None)
    at.always = None

    def slowly(body: dict[str, Any]) -> str:
        time.sleep(0.05)
        return right(body)

    at.say = slowly
    house.declare(at.base_url, runs={"at_once": 8}, rules={"latency_p95_ms": 40})
    house.write_suite(suite(60))
    report = ReleaseGateDesk(house.desk()).judge(Asked("main", suites=("chat",), has_no_live=True), "ana")
    assert report.verdict.outcome == BLOCKED and report.verdict.reason.startswith("95th percentile of latency")


def test_a_spent_error_budget_asks_for_a_person(house: EvalHouse) -> None:
    status = house.store.contracts[STATUS]
    house.store.contracts[STATUS] = replace(status, kind="event", reads={}, needs=None, key=("day", *status.key))
    house.write_suite(suite(60))
    house.write_prompt("v1")

    def budget(day: date, slo: str, feature: str, is_spent: bool | None) -> None:
        row = dict.fromkeys(column.name for column in status.columns)
        row |= {"day": day, "slo": slo, "feature": feature, "window_first_day": day, "target": 0.99, "state": "ok"}
        append(house.store, STATUS, lambda _: [row | {"is_spent": is_spent}])

    def judged() -> Any:
        (house.seeds / "features.yml").write_text(
            "features: {chat: {owner: 'team:chat', use_case: Chats, risk_class: limited}}\n", encoding="utf-8"
        )
        return ReleaseGateDesk(house.desk()).judge(Asked("chat@v1", has_no_live=True), "ana").verdict

    budget(date(2026, 11, 8), "fast", "chat", True)
    budget(date(2026, 11, 9), "fast", "chat", None)
    budget(date(2026, 11, 9), "right", "search", True)
    assert judged().outcome == PASSED, "it was spent the day before, and another feature's is not its own"
    budget(date(2026, 11, 9), "up", "chat", True)
    waiting = judged()
    assert waiting.outcome == NEEDED and "the error budget of up is spent" in waiting.reason


def test_answers_in_the_logs_are_the_newest_that_may_be_used_of_a_version_and_its_feature(tmp_path: Path) -> None:
    house = LabelHouse(tmp_path / "house", "2026-11-10T09:00:00", ("cost.request_costs",))
    house.set_prices([price("large", 1.0)])

    def said(name: str, hour: int, text: str, **more: Any) -> dict[str, Any]:
        words = {"prompt_text": " What do hats cost? ", "output_text": text, "feature": "chat", "prompt_version": "v94"}
        return answered(name, hour, **{**words, "latency_ms": 900, **more})

    house.take("day.jsonl", [
        said("old", 8, "4 euros"), said("new", 11, "3 euros"), said("counted", 10, "3 euros", prompt_version="94"),
        said("private", 12, "5 euros", may_train=False), said("other", 13, "6 euros", prompt_version="v93"),
        said("elsewhere", 14, "7 euros", feature="search"), said("failed", 15, "8 euros", error_class="provider"),
    ])  # fmt: skip
    case = EvalCase("hats", "answerable", "What do hats cost?", must=("3 euros",), feature="chat")
    suites = {"chat": [case, EvalCase("coats", "answerable", "What do coats cost?", must=("9",), feature="chat")]}
    identity, given = given_in_logs(house.store, "v94", suites, 3, date(2026, 11, 9))
    assert [one.reply.text for one in given] == ["3 euros", "3 euros", "4 euros"]
    run = EvalDesk(house.store, house.seeds, {}, house.clock).read(identity, suites, given, 3)
    hats = [row for row in run.rows if row["case_id"] == "hats"]
    assert [row["passed"] for row in hats] == [True, True, False] and all(row["latency_ms"] == 900 for row in hats)
    assert {row["error_class"] for row in run.rows if row["case_id"] == "coats"} == {"not_found"}
    assert {(row["version"], row["source"], row["attempts"]) for row in run.rows} == {("logged:v94", "logged", 0)}
