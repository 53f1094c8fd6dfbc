"""Planted rises of hallucination: as many more made-up answers as planted, of one prompt version, and nothing else; and the
simulated annotator, who errs as often as told."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from simulator.annotator import COMMENT, Annotator, annotate, main
from simulator.catalogue import FEATURE_CODES
from simulator.dirt import NO_DIRT
from simulator.fragments import prompt_version
from simulator.incidents import Incident
from simulator.plans import RISES_APART, SIZES, quality_plan
from simulator.quality_incidents import ANSWERING_FROM_DOCUMENTS, HallucinationRise
from simulator.traffic import simulate

DAY, REQUESTS, SEED = date(2026, 11, 3), 4000, 3
START, END = datetime(2026, 11, 3, 6, tzinfo=UTC), datetime(2026, 11, 3, 18, tzinfo=UTC)
Record = dict[str, Any]
Made = tuple[dict[str, Record], dict[str, Record], Record]


def made(folder: Path, *incidents: Incident, requests: int = REQUESTS) -> Made:
    """Requests and what is known of their answers, by id, and the ground truth of one day."""
    arguments: Record = {"dirt": NO_DIRT, "plain": True, "incidents": incidents, "texts": True, "files_per_day": 1}
    for _ in simulate(folder / "landing", folder / "truth", DAY, 1, requests, SEED, **arguments):
        pass
    lines = [line for path in (folder / "landing").rglob("part-*") for line in path.read_bytes().splitlines()]
    answers = (folder / "truth" / "answers" / f"{DAY}.jsonl").read_text(encoding="utf-8").splitlines()
    truth = json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    by_id = [{record["request_id"]: record for record in map(json.loads, some)} for some in (lines, answers)]
    return by_id[0], by_id[1], truth


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("quiet"))


@pytest.mark.parametrize(("feature", "size"), [("support_chat", 0.15), ("doc_search", 0.3), ("summaries", 0.2)])
def test_as_many_more_answers_are_made_up_as_planted_and_nothing_else_changes(
    feature: str, size: float, quiet: Made, tmp_path: Path
) -> None:
    rise = HallucinationRise("rise", START, END, {"feature": feature}, size)
    requests, answers, truth = made(tmp_path, rise)
    usual_requests, usual, _ = quiet
    (told,) = truth["incidents"]
    assert told["found_by"] == ["hallucination_rise"] and told["prompt_version"] == rise.prompt_version

    def is_inside(request: Record) -> bool:
        return request["feature"] == feature and START <= datetime.fromisoformat(request["ts"]) < END

    inside = {key for key, request in requests.items() if is_inside(request)}
    assert {key for key, r in requests.items() if r["prompt_version"] == rise.prompt_version} == inside
    turned = {key for key in answers if answers[key]["label"] != usual[key]["label"]}
    could_be_right = [
        key for key in inside & answers.keys()
        if usual[key]["label"] in ("grounded", "hallucinated") and usual[key]["kind"] != "unanswerable"
    ]  # fmt: skip
    assert turned <= inside and {answers[key]["label"] for key in turned} == {"hallucinated"}
    assert len(turned) / len(could_be_right) == pytest.approx(size, abs=0.05)
    said = {"changed_number", "changed_name", "unsupported_claim"}
    assert {answers[key]["kind"] for key in turned} == said
    for key in turned:
        right, output = answers[key]["answer"], requests[key]["output_text"]
        assert output != usual_requests[key]["output_text"]
        assert (right in output) == (answers[key]["kind"] == "unsupported_claim")
    may_differ = {"output_text", "system_text", "prompt_version", "history_text"}
    for key, request in requests.items():
        differs = {name for name in request if request[name] != usual_requests[key].get(name)}
        assert differs <= (may_differ if key in inside else {"history_text"})


def test_the_rate_that_was_drawn_is_the_one_that_the_truth_expects(tmp_path: Path) -> None:
    rise = HallucinationRise("rise", START, END, {"feature": "support_chat"}, 0.2)
    _, _, truth = made(tmp_path, rise, requests=8000)
    sums: Counter[str] = Counter()
    for row in truth["deliveries"][str(DAY)]["made"]["words"]["answers"]:
        if row["feature"] == "support_chat":
            sums.update({name: row.get(name, 0) for name in ("answers", "hallucinated", "expected_hallucinated_ppm")})
    expected = sums["expected_hallucinated_ppm"] / 1e6
    assert expected / sums["answers"] > 0.15
    assert abs(sums["hallucinated"] - expected) < 4 * expected**0.5


def test_a_feature_whose_right_answers_nobody_knows_cannot_make_things_up() -> None:
    for feature in ("code_assist", "nightly_tagging"):
        with pytest.raises(ValueError, match="give one feature of support_chat"):
            HallucinationRise("rise", START, END, {"feature": feature}, 0.1)


def test_a_plan_of_rises_differs_in_size_alone_and_each_version_lasts() -> None:
    small, medium, large = (quality_plan(DAY, 60, size) for size in SIZES)
    assert len(small) == len(large) == 3
    for a, b, c in zip(small, medium, large, strict=True):
        assert a.size < b.size < c.size and (a.start, a.scope) == (b.start, b.scope) == (c.start, c.scope)
        code = FEATURE_CODES[c.scope["feature"]]
        assert c.scope["feature"] in ANSWERING_FROM_DOCUMENTS
        first, last = c.start.date(), date.fromordinal(c.end.toordinal() - 1)
        assert prompt_version(first, code, 1) == prompt_version(last, code, 1) and (first - DAY).days >= RISES_APART
    with pytest.raises(ValueError, match="28 days or more"):
        quality_plan(DAY, 27)


def exported(folder: Path, answers: dict[str, Record], also: str) -> Path:
    """A queue of all answers and of one that the truth does not know; a few for a second person."""
    queue = folder / "queue" / f"{DAY}-draw-1"
    queue.mkdir(parents=True)
    tasks = [{"day": str(DAY), "request_id": key, "answer": "..."} for key in [*answers, also]]
    for name, some in (("first", tasks), ("second", tasks[:40])):
        (queue / f"{name}.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in some), encoding="utf-8")
    return queue.parent


def test_a_simulated_annotator_errs_as_often_as_told_and_says_that_it_is_one(tmp_path: Path) -> None:
    rise = HallucinationRise("rise", START, END, {"feature": "support_chat"}, 0.3)
    _, answers, _ = made(tmp_path, rise)
    queue, inbox = exported(tmp_path, answers, "req_unknown"), tmp_path / "inbox"
    people = Annotator("simulated-1", 0.8, 0.95, SEED), Annotator("simulated-2", 0.8, 0.95, SEED)
    assert annotate(queue, tmp_path / "truth", inbox, *people) == len(answers) + 1 + 40
    assert annotate(queue, tmp_path / "truth", inbox, *people) == 0, "what is judged is judged"
    said = [json.loads(line) for line in (inbox / f"simulated-{DAY}-draw-1-first.jsonl").read_text().splitlines()]
    assert {label["comment"] for label in said} == {COMMENT} and {label["annotator"] for label in said} == {"simulated-1"}
    by_id = {label["request_id"]: label["hallucinated"] for label in said}
    assert by_id.pop("req_unknown") == "cannot say"
    wrong = [by_id[key] for key, answer in answers.items() if answer["label"] == "hallucinated"]
    right = [by_id[key] for key, answer in answers.items() if answer["label"] != "hallucinated"]
    assert len(wrong) > 200 and wrong.count("yes") / len(wrong) == pytest.approx(0.8, abs=0.07)
    assert right.count("no") / len(right) == pytest.approx(0.95, abs=0.02)
    second = [json.loads(line) for line in (inbox / f"simulated-{DAY}-draw-1-second.jsonl").read_text().splitlines()]
    assert len(second) == 40 and {label["annotator"] for label in second} == {"simulated-2"}


def test_the_annotators_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = exported(tmp_path, {}, "req_1")
    where = ["--queue", str(queue), "--truth", str(tmp_path / "truth"), "--inbox", str(tmp_path / "inbox")]
    assert main(where) == 2 and f"{DAY}.jsonl" in capsys.readouterr().err
    (tmp_path / "truth" / "answers").mkdir(parents=True)
    (tmp_path / "truth" / "answers" / f"{DAY}.jsonl").write_text('{"request_id": "req_1", "label": "grounded"}\n')
    assert main([*where, "--sensitivity", "1.5"]) == 2 and "from 0 to 1" in capsys.readouterr().err
    assert main(where) == 0 and "2 simulated labels" in capsys.readouterr().out
