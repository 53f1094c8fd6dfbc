"""Logs, feedback and labels become datasets: every candidate is accounted for, and what may not teach does not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dataset_house import DatasetHouse, Row, asked, at, clicked, passed, questions, retrieved, said, sentence
from index_house import chunk_id, text_of
from killing import forks

from pipelines.tuning.dataset_desk import Built
from pipelines.tuning.dataset_sweep import BARRED, EXPIRED, SWEPT, UNUSED, UNUSED_FOR, sweep_datasets
from pipelines.tuning.tuning_ledger import TuningLedger
from resources import audit
from resources.dataset_seed import DatasetSeedError
from resources.dataset_store import DatasetError
from resources.retention import Hold

GOLDEN = "Where is the lighthouse that the golden keeper painted twice?"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetHouse, dict[str, Built]]:
    """A month of questions of all kinds, and the datasets that are made of it."""
    house = DatasetHouse(tmp_path_factory.mktemp("datasets"))
    rows = questions(range(40))
    rows += [row for n in range(40, 50) for row in (asked(n), clicked(n, f"d{n}", "citation_accepted"))]
    # Cited by answers: believed, complained of, called wrong, vouched for, and vouched for by one who says the opposite.
    rows += [row for n in range(50, 60) for row in (asked(n), retrieved(n, chunk_id(n), True))]
    rows += [said(51, "rating", feedback_value=0), said(52, "escalation")]
    # What may not be used, and what cannot.
    rows += [asked(60, may_train=False), clicked(60, chunk_id(1)), asked(61), clicked(61, "gone")]
    rows += [asked(62, prompt_text=None), clicked(62, chunk_id(2)), asked(63, is_shadow=True), clicked(63, chunk_id(3))]
    rows += [asked(64), clicked(64, chunk_id(4), may_train=False)]
    rows += [asked(65, prompt_text=f"Well: {GOLDEN.lower()}"), clicked(65, chunk_id(5))]
    rows += [asked(66, prompt_text=asked(6)["prompt_text"].upper() + "!"), clicked(66, chunk_id(6))]
    # Answers: corrected, liked, disliked.
    for n in range(30):
        rows.append(said(n, "correction", correction_text=f"rather {sentence(20_000 + n)}"))
    for n in range(30, 50):
        rows.append(said(n, "rating", feedback_value=1))
    rows += [asked(67, prompt_text=asked(45)["prompt_text"]), said(67, "rating", feedback_value=0)]
    house.log(rows)
    house.label("q53", at(53).date(), grounded=False)
    house.label("q54", at(54).date())
    house.index.golden([{"query": GOLDEN, "relevant": ["d5"]}])
    licences = {"licences": {"gateway": "own logs"}}
    (house.seeds / "datasets.yml").write_text(yaml.safe_dump(licences), encoding="utf-8")
    desk = house.desk
    return house, {kind: desk.build(kind) for kind in ("retriever", "sft", "preferences", "detector")}


def row_of(built: Built) -> Row:
    assert built.row is not None, built.why
    return built.row


def test_every_candidate_of_a_retriever_is_kept_or_left_for_its_reason(
    logged: tuple[DatasetHouse, dict[str, Built]]
) -> None:
    row = row_of(logged[1]["retriever"])
    assert json.loads(row["removals"]) == {
        "contaminated": 1, "contradicted": 3, "duplicate": 1, "may_train": 2, "no_words": 1, "unknown_document": 1,
    }  # fmt: skip
    assert row["candidates_seen"] == 66 == row["train"] + row["dev"] + row["test"] + row["removed"]
    assert json.loads(row["sources"]) == {"citation_accepted": 10, "cited": 6, "clicked": 40, "labelled": 1}
    assert json.loads(row["licences"]) == {"own logs": 57}
    assert json.loads(row["evaluation_sets"])["golden_queries"] == 1
    assert row["later_than_test"] == 0


def test_triples_lead_from_a_question_to_its_piece_and_past_pieces_that_only_seem_to(
    logged: tuple[DatasetHouse, dict[str, Built]]
) -> None:
    house, built = logged
    data = house.open("retriever", built["retriever"].version)
    corpus = {row["chunk_id"]: row for row in data.table("corpus").to_pylist()}
    assert len(corpus) == 60
    for row in [*data.table("train").to_pylist(), *data.table("dev").to_pylist()]:
        assert row["positive"] == corpus[row["positive_id"]]["text"]
        assert row["query"].split()[0] == row["positive"].split()[0], "a question of a topic leads to a document of it"
        assert [corpus[name]["text"] for name in row["negative_ids"]] == row["negatives"]
        assert row["positive_id"] not in row["negative_ids"]
        assert row["negatives"]
    for row in data.table("test").to_pylist():
        assert len(row["relevant_ids"]) == len(row["relevant_grades"]) == 1
        assert row["topic"] == "help"


def test_no_conversation_and_no_document_stands_in_two_splits_and_what_judges_is_newer(
    logged: tuple[DatasetHouse, dict[str, Built]]
) -> None:
    house, built = logged
    data = house.open("retriever", built["retriever"].version)
    trained = {house_document(row["positive"]) for row in data.table("train").to_pylist()}
    judged = {document for row in data.table("test").to_pylist() for document in row["relevant_ids"]}
    assert not trained & judged
    days: dict[str, list[Any]] = {}
    for row in data.table("provenance").to_pylist():
        days.setdefault(row["split"], []).append(row["day"])
    assert max(days["train"]) <= min(days["test"])


def house_document(text: str) -> str:
    return next(f"d{n}" for n in range(60) if text_of(n) == text)


def test_corrections_and_liked_answers_are_lessons_and_corrections_are_preferred(
    logged: tuple[DatasetHouse, dict[str, Built]]
) -> None:
    house, built = logged
    lessons = row_of(built["sft"])
    assert json.loads(lessons["sources"]) == {"correction": 30, "rating": 20}
    data = house.open("sft", built["sft"].version)
    rows = [row for split in ("train", "dev", "test") for row in data.table(split).to_pylist()]
    last = [json.loads(row["messages"])[-1] for row in rows]
    assert {one["role"] for one in last} == {"assistant"}
    assert sum(one["content"].startswith("rather") for one in last) == 30
    pairs = row_of(built["preferences"])
    assert json.loads(pairs["sources"]) == {"correction": 30, "rating": 1}
    data = house.open("preferences", built["preferences"].version)
    rows = [row for split in ("train", "dev", "test") for row in data.table(split).to_pylist()]
    rated = next(row for row in rows if not row["chosen"].startswith("rather"))
    assert (rated["chosen"], rated["rejected"]) == (asked(45)["output_text"], asked(67)["output_text"])


def test_without_scores_there_is_no_row_for_a_detector_and_it_says_so(logged: tuple[DatasetHouse, dict[str, Built]]) -> None:
    assert "no dataset of detector: nothing in the logs" in str(logged[1]["detector"])


def test_twice_is_once_and_what_is_new_since_is_counted(logged: tuple[DatasetHouse, dict[str, Built]]) -> None:
    house, built = logged
    again = house.desk.build("retriever")
    assert (again.version, again.is_new) == (built["retriever"].version, False)
    assert len([row for row in house.rows() if row["kind"] == "retriever"]) == 1
    row = row_of(again)
    assert house.desk.new_since(again, None) == row["train"]
    assert house.desk.new_since(again, again.version) == 0
    offered = house.desk.preview("retriever", again.version)
    assert (offered.version, offered.train, offered.new) == (again.version, row["train"], 0), "as it would be built"
    assert house.desk.new_since(again, "0" * 16) == row["train"], "nobody knows what an unknown one had"


def test_an_empty_house_has_no_dataset_of_any_kind(tmp_path: Path) -> None:
    house = DatasetHouse(tmp_path, documents=1)
    for kind in ("retriever", "sft", "preferences", "detector"):
        built = house.desk.build(kind)
        assert built.row is None
        assert built.why == house.desk.preview(kind, None).why != ""
    house.log([asked(0), clicked(0, chunk_id(0))])
    assert "1 of 20 for train" in house.desk.build("retriever").why
    assert house.rows() == []


def test_an_evaluation_set_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    house = DatasetHouse(tmp_path, documents=1)
    bad = tmp_path / "set.jsonl"
    for content, told in (('{"words": "x"}', "none of"), ("{", "not JSON")):
        bad.write_text(content)
        (house.seeds / "datasets.yml").write_text(yaml.safe_dump({"evaluation_sets": [str(bad)]}))
        with pytest.raises(DatasetSeedError, match=told):
            house.desk.build("sft")
    bad.unlink()
    with pytest.raises(DatasetSeedError, match="no evaluation set"):
        house.desk.build("sft")
    (house.seeds / "datasets.yml").unlink()
    (house.seeds / "evals").mkdir(exist_ok=True)
    (house.seeds / "evals" / "broken.jsonl").write_text("{}\n")
    with pytest.raises(DatasetSeedError, match="suite cannot be read"):
        house.desk.build("sft")


def test_words_leave_with_their_day_and_a_hold_keeps_them(tmp_path: Path) -> None:
    house = DatasetHouse(tmp_path)
    house.log(questions(range(60)))
    built = house.desk.build("retriever")
    first = row_of(built)["first_day"]
    now, version = house.index.now, built.version or ""
    assert str(sweep_datasets(house.store, [], now)) == "no dataset is due to go"
    late = now + UNUSED_FOR + timedelta(days=1)
    assert sweep_datasets(house.store, [], late).gone == {f"retriever/{version}": UNUSED}
    assert house.desk.build("retriever").version == version
    TuningLedger(house.store, house.desk.clock).request("a" * 16, "retriever", version, "base", {}, "asked for", "ada")
    assert str(sweep_datasets(house.store, [], late)) == "no dataset is due to go", "a candidate is made of it"
    house.close(first)
    hold = Hold("h1", "a claim", first, first_day=first, last_day=first)
    assert sweep_datasets(house.store, [hold], now).held == [f"retriever/{version}"]
    over = Hold("h2", "a claim that is settled", first, first_day=first, until=now.date() - timedelta(days=1))
    swept = sweep_datasets(house.store, [over], now)
    assert swept.gone == {f"retriever/{version}": EXPIRED}
    with pytest.raises(DatasetError, match="not kept for ever"):
        house.open("retriever", version)
    assert len(house.rows()) == 1, "what was is told as long as the warehouse stands"


def killed(house: DatasetHouse, act: str, failpoint: str) -> bool:
    """An act in a process of its own, killed at a failpoint; whether it was."""
    hears, tells = forks().Pipe()
    process = forks().Process(target=passed, args=(tells, str(house.root), act, failpoint))
    process.start()
    tells.close()
    try:
        told = hears.recv()
        assert isinstance(told, str), told
        return False
    except EOFError:
        return True
    finally:
        process.join()


def test_a_kill_at_any_step_leaves_no_half_dataset_and_the_next_pass_ends_it(tmp_path: Path) -> None:
    house = DatasetHouse(tmp_path)
    house.log(questions(range(60)))
    for failpoint, is_there in (("dataset.written", False), ("dataset.made", True), ("dataset.in_place", True)):
        assert killed(house, "build", failpoint), failpoint
        assert bool(house.desk.datasets.versions("retriever")) == is_there, failpoint
        assert house.rows() == [], failpoint
    built = house.desk.build("retriever")
    assert built.is_new
    assert [row["version"] for row in house.rows()] == [built.version] == house.desk.datasets.versions("retriever")
    house.log([asked(0, may_train=False)])
    assert killed(house, "sweep", "dataset.sweep_recorded")
    told = [json.loads(entry["details"]) for entry in audit.entries(house.store) if entry["action"] == SWEPT]
    assert told == [{f"retriever/{built.version}": BARRED}]
    assert house.desk.datasets.versions("retriever") == [built.version]
    assert killed(house, "sweep", "dataset.aside")
    assert house.desk.datasets.versions("retriever") == []
    assert str(sweep_datasets(house.store, [], house.index.now)) == "no dataset is due to go"
    assert list((house.desk.datasets.root / "retriever").iterdir()) == []
    # A request that may not teach any more is in no later one.
    again = house.desk.build("retriever")
    assert again.version != built.version
    assert json.loads(row_of(again)["removals"]) == {"may_train": 1}
