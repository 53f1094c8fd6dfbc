"""Which answers people are asked about, over landed traffic: frozen, counted, and the same however often one asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from killing import REPO
from label_house import DAY, LabelHouse, answered, traffic

from pipelines.quality.label_desk import FRAME, QUEUE
from resources.events import table_rows


@pytest.fixture
def house(tmp_path: Path) -> LabelHouse:
    return LabelHouse(tmp_path / "house")


def test_a_draw_takes_its_budget_and_states_everybodys_probability(house: LabelHouse) -> None:
    house.take("a.jsonl", [*traffic(60), *traffic(5, "hidden", may_label=False)])
    assert house.desk().pending()
    assert str(house.desk().work()) == "20 responses of 1 days drawn, 5 left out that may not be labelled"
    frame, queue = house.frame(), house.queue()
    asked = [row for row in frame if row["excluded"] is None]
    assert len(asked) == 60 and sum(row["inclusion_probability"] for row in asked) == pytest.approx(20)
    hidden = [row for row in frame if row["excluded"]]
    assert {row["request_id"] for row in hidden} == {f"hidden{n:03}" for n in range(5)}
    assert all(row["inclusion_probability"] is None and not row["is_drawn"] for row in hidden)
    assert [row["place"] for row in queue] == list(range(1, 21))
    assert sum(row["needs_second_label"] for row in queue) == 5
    probability = {row["request_id"]: row["inclusion_probability"] for row in frame}
    assert all(row["inclusion_probability"] == probability[row["request_id"]] for row in queue)
    (told,) = house.draws()
    assert (told["responses"], told["excluded"], told["unscored"], told["budget"], told["drawn"], told["doubled"]) == (
        60, 5, 60, 20, 20, 5,
    )  # fmt: skip
    assert [row["request_id"] for row in queue] != sorted(row["request_id"] for row in queue), "not in the order of ids"


def test_asking_again_draws_nothing_and_writes_nothing(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(60))
    house.desk().work()
    before = {name: house.store.open(name).version for name in (FRAME, QUEUE)}
    house.declare(labels_per_night=40)
    assert house.desk().pending() is None
    assert not house.desk().work()
    assert {name: house.store.open(name).version for name in before} == before


def test_a_response_that_comes_late_is_drawn_by_itself_and_changes_nobodys_probability(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(60))
    house.desk().work()
    before = house.frame()
    house.take("late.jsonl", traffic(30, "late"))
    assert str(house.desk().work()) == "0 responses of 0 days drawn, 10 that came late"
    late = [row for row in house.frame() if row["draw"] == 2]
    assert [row for row in house.frame() if row["draw"] == 1] == before
    assert {row["request_id"] for row in late} == {f"late{n:03}" for n in range(30)}
    assert sum(row["inclusion_probability"] for row in late) == pytest.approx(10)
    assert [(row["draw"], row["responses"], row["drawn"]) for row in house.draws()] == [(1, 60, 20), (2, 30, 10)]
    assert house.desk().pending() is None


def test_a_flood_that_comes_after_a_small_first_draw_is_asked_for_no_more_than_the_budget(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(5))
    house.desk().work()
    house.take("late.jsonl", traffic(90, "late"))
    house.desk().work()
    assert [(row["draw"], row["drawn"]) for row in house.draws()] == [(1, 5), (2, 20)]


def test_a_day_of_what_may_not_be_labelled_is_no_reason_to_ask_about_all_that_comes_later(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(5, may_label=False))
    house.desk().work()
    house.take("late.jsonl", traffic(60, "late"))
    house.desk().work()
    assert [(row["draw"], row["excluded"], row["drawn"]) for row in house.draws()] == [(1, 5, 0), (2, 0, 20)]


def test_a_redelivered_response_is_not_late(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(30))
    house.desk().work()
    house.take("again.jsonl", traffic(30))
    assert house.desk().pending() is None


def test_shadow_traffic_and_answers_without_words_are_not_asked_about(house: LabelHouse) -> None:
    house.take("a.jsonl", [answered("seen"), answered("shadow", is_shadow=True), answered("mute", output_text=None)])
    house.desk().work()
    assert [row["request_id"] for row in house.queue()] == ["seen"]


def test_what_speaks_against_a_response_targets_it_and_never_gives_it_a_probability(house: LabelHouse) -> None:
    house.declare(labels_per_night=2, targeted={"per_day": 3, "reasons": ["escalation", "thumbs_down"]})
    records = traffic(40)
    said = [
        {"record_kind": "feedback", "request_id": f"r{n:03}", "record_id": f"f{n}", "ts": "2026-11-09T12:00:00Z",
         "feedback_kind": "rating" if n < 20 else "escalation", "feedback_name": "thumbs", "feedback_value": 0}
        for n in range(22)
    ]  # fmt: skip
    house.take("a.jsonl", [*records, *said])
    house.desk().work()
    targeted = [row for row in house.queue() if row["reason"] != "drawn"]
    escalated = {"r020", "r021"} - {row["request_id"] for row in house.queue() if row["reason"] == "drawn"}
    assert len(targeted) == 3, "no more than per_day"
    assert {row["request_id"] for row in targeted if row["reason"] == "escalation"} == escalated, "the most urgent first"
    assert all(row["inclusion_probability"] is None and row["draw"] is None for row in targeted)
    drawn = {row["request_id"] for row in house.frame() if row["is_drawn"]}
    assert not drawn & {row["request_id"] for row in targeted} and len(drawn) == 2
    assert house.desk().pending() is None and not house.desk().work()


def test_where_nobody_labels_nothing_is_frozen(house: LabelHouse) -> None:
    house.declare(labels_per_night=0)
    house.take("a.jsonl", traffic(10))
    assert house.desk().pending() is None and not house.desk().work()
    assert table_rows(house.store, FRAME) == []


def test_a_day_older_than_the_look_back_is_not_asked_about(house: LabelHouse) -> None:
    house.take("a.jsonl", [answered("old", day="2026-11-02"), answered("young", day="2026-11-03")])
    house.desk().work()
    assert {row["request_id"] for row in table_rows(house.store, QUEUE)} == {"young"}


@pytest.mark.parametrize("place", ["label.drawn", "label.queued"])
def test_a_pass_that_is_killed_ends_as_if_it_had_not_been(house: LabelHouse, tmp_path: Path, place: str) -> None:
    house.take("a.jsonl", traffic(60))
    environment = {**os.environ, "NOCTURNE_FAILPOINT": place, "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}"}
    worker = [sys.executable, "-W", "ignore", str(REPO / "tests" / "label_house.py"), str(house.root), "draw"]
    done = subprocess.run(worker, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    frozen = house.frame()
    assert sum(row["is_drawn"] for row in frozen) == 20 and house.draws() == []
    assert house.desk().pending()
    house.now += timedelta(hours=1)
    house.desk().work()
    assert house.frame() == frozen
    assert {row["request_id"] for row in house.queue()} == {row["request_id"] for row in frozen if row["is_drawn"]}
    assert [row["drawn"] for row in house.draws(DAY)] == [20]
    assert house.desk().pending() is None
