"""From a failing answer to a case that is fixed, verified and released: no word in a table, nothing twice or forbidden."""

from __future__ import annotations

import json
import re
import signal
import stat
from collections import Counter
from pathlib import Path

import pytest
from byte_scan import searched
from case_house import QUESTION, CaseHouse, act_in, asked, complaint
from killing import status_of
from label_house import label

from assets.quality.case_log import CaseError
from assets.quality.eval_case import EvalCaseError, read_suite
from pipelines.release.eval_cases import _parser, act
from resources.retention import RetentionPolicy

KEPT = RetentionPolicy({"text": 30, "rows": 400, "aggregates": None}, None)
CASE = "2026-11-16-1"


@pytest.fixture
def house(tmp_path: Path) -> CaseHouse:
    return CaseHouse(tmp_path / "house")


def states(house: CaseHouse) -> list[tuple[str, str, str, str | None]]:
    return [(row["request_id"], row["failure"], row["state"], row["reason"]) for row in house.proposals()]


def test_a_failure_goes_all_the_way_from_a_label_to_a_release(house: CaseHouse) -> None:
    corrected = complaint("r1", "correction", correction_text="You have 30 days.")
    document = {"record_kind": "retrieval", "request_id": "r1", "ts": "2026-11-09T10:00:00Z"}
    house.take("a.jsonl", [
        asked("r1"), asked("fine", "Where are you?", "In Oslo."), corrected,
        {**document, "document_id": "returns", "document_rank": 1, "document_text": "Returns within 30 days."},
    ])  # fmt: skip
    bad = label("r1", grounded="no", severity="major", root_cause="context_ignored")
    house.judge(bad, label("fine", hallucinated="no", grounded="yes"))
    done = house.cases().propose()
    assert str(done) == "3 new failures, 1 new cases, 1 written for people"
    assert [(row["failure"], row["case_id"], row["severity"], row["root_cause"]) for row in house.proposals()] == [
        ("correction", CASE, None, None), ("hallucinated", CASE, "major", "context_ignored"),
        ("ungrounded", CASE, "major", "context_ignored"),
    ]  # fmt: skip
    (line,) = house.lines()
    assert (line["question"], line["reference"]) == (QUESTION, "You have 30 days.")
    assert (line["context"], line["document_ids"]) == (["Returns within 30 days."], ["returns"])
    assert (line["must"], line["must_not"]) == (["30"], ["60"])
    desk = house.cases()
    with pytest.raises(EvalCaseError, match="kind is a text, and needed"):
        desk.accept(CASE, "ana", "chat")
    desk.accept(CASE, "ana", "chat", kind="answerable")
    (case,) = read_suite((house.seeds / "evals" / "chat.jsonl").read_text(), "chat.jsonl")
    assert (case.question, case.must, case.provenance) == (QUESTION, ("30",), f"quality.case_log/{CASE}")
    assert "user-" not in case.line() and "r1" not in case.line()
    with pytest.raises(CaseError, match="is accepted; what can be verified is fixed"):
        desk.change(CASE, "verified", "bo")
    with pytest.raises(CaseError, match="fixed says in which version"):
        desk.change(CASE, "fixed", "ana")
    desk.change(CASE, "fixed", "ana", prompt_version="v14", note="sources first")
    desk.change(CASE, "verified", "bo")
    desk.change(CASE, "released", "ana")
    house.night()
    found = house.ask(
        "select state, suite, kind, responses, found_day::varchar, fixed_prompt_version, verified_at is not null,"
        " released_at is not null, age_days, who from quality.cases_now"
    )
    assert found == [("released", "chat", "answerable", 1, "2026-11-09", "v14", True, True, 7, "ana")]


def test_a_question_that_fails_again_joins_its_case_and_another_number_is_another_case(house: CaseHouse) -> None:
    again = "how many days do I have to return shoes??"
    house.take("a.jsonl", [
        asked("r1"), asked("r2", again, user_id="other"), asked("r3", QUESTION + " Please.", day="2026-11-10"),
        asked("r4", "How many days do I have to return 2 shoes?"), asked("r5", QUESTION, feature="mail"),
        asked("r6", QUESTION, history_text="I bought them in a sale."),
        *(complaint(f"r{n}", ts="2026-11-11T09:00:00Z") for n in range(1, 7)),
    ])  # fmt: skip
    house.cases().propose()
    case_of = {row["request_id"]: row["case_id"] for row in house.proposals()}
    assert case_of["r1"] == case_of["r2"] == case_of["r3"]
    assert len(set(case_of.values())) == 4, "another number, another feature, and another history are other cases"
    counted = {line["about"]["request_id"]: line["about"]["responses"] for line in house.lines()}
    assert counted == {"r1": 3, "r4": 1, "r5": 1, "r6": 1}
    digest = {row["request_id"]: row["question_digest"] for row in house.proposals()}
    assert digest["r1"] == digest["r2"] != digest["r3"]


def test_twice_is_once_and_a_late_label_proposes_what_it_says_and_nothing_again(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1"), complaint("r1")])
    house.cases().propose()
    assert str(house.cases().propose()) == "0 new failures, 0 new cases, 0 written for people"
    before = {path: path.read_bytes() for path in house.files().folder.iterdir()}
    house.judge(label("r1"), label("r1", "bo", hallucinated="no", toxic="no"))
    done = house.cases().propose()
    assert (dict(done.states), done.cases, done.written) == ({"proposed": 1}, 0, 0), "half of the annotators call it made up"
    assert [(row["failure"], row["case_id"]) for row in house.proposals()] == [("hallucinated", CASE), ("thumbs_down", CASE)]
    assert {path: path.read_bytes() for path in house.files().folder.iterdir()} == before
    assert [row["act"] for row in house.log()] == ["proposed"]


def test_what_may_not_be_used_or_cannot_be_asked_is_counted_and_belongs_to_no_case(house: CaseHouse) -> None:
    house.take("a.jsonl", [
        asked("label", may_label=False), asked("train", may_train=False), asked("store", may_store_text=False),
        asked("shadow", is_shadow=True), asked("good"),
        *(complaint(name) for name in ("label", "train", "store", "shadow", "good")),
    ])  # fmt: skip
    done = house.cases().propose()
    assert states(house) == [
        ("good", "thumbs_down", "proposed", None), ("label", "thumbs_down", "excluded", "may_label"),
        ("store", "thumbs_down", "held", "no_words"), ("train", "thumbs_down", "excluded", "may_train"),
    ]  # fmt: skip
    assert str(done).endswith("written for people, 1 excluded: may_label, 1 excluded: may_train, 1 held: no_words")
    assert [line["about"]["request_id"] for line in house.lines()] == ["good"]


def test_a_flag_that_changes_later_keeps_a_case_out_of_a_suite(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1"), complaint("r1")])
    house.cases().propose()
    house.take("b.jsonl", [asked("r1", may_train=False, is_complete=True)])
    with pytest.raises(CaseError, match=r"may not be used any more \(may_train\)"):
        house.cases().accept(CASE, "ana", kind="answerable", must=["30"])
    assert not (house.seeds / "evals").exists()


def test_the_second_look_holds_what_a_rule_of_today_finds_and_what_people_write_in(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1", "Where is parcel PK-4711 now?"), asked("r2"), complaint("r1"), complaint("r2")])
    rule = "custom: [{name: parcel, pattern: 'PK-[0-9]{4}', kind: PARCEL}]\n"
    (house.seeds / "redaction.yml").write_text(rule)
    house.cases().propose()
    assert states(house) == [("r1", "thumbs_down", "held", "personal_data"), ("r2", "thumbs_down", "proposed", None)]
    assert not any(b"4711" in content for _, content in searched(house.files().folder))
    with pytest.raises(CaseError, match="holds personal data or a secret"):
        house.cases().accept(CASE, "ana", kind="answerable", must=["write to bob.smith@example.com"])
    assert [row["act"] for row in house.log()] == ["proposed"]


def test_a_kind_that_landing_leaves_in_texts_is_not_carried_into_a_suite(house: CaseHouse) -> None:
    (house.seeds / "redaction.yml").write_text("leave: [EMAIL_ADDRESS]\n")
    house.take("a.jsonl", [asked("r1", "Is PK-4711 on its way?"), complaint("r1")])
    house.cases().propose()
    with pytest.raises(CaseError, match="personal data"):
        house.cases().accept(CASE, "ana", kind="answerable", must=["bob.smith@example.com"])


def test_no_word_is_in_a_table_and_the_files_are_their_owners_alone(house: CaseHouse) -> None:
    house.take("a.jsonl", [
        asked("r1", "Is the zanzibar voucher valid?", "Yes, for kumquats."), complaint("r1"),
        complaint("r1", "correction", correction_text="No, only for pomelos."),
    ])  # fmt: skip
    house.cases().propose()
    house.cases().accept(CASE, "ana", kind="answerable", must=["quinces"])
    house.night()
    words = re.compile(rb"zanzibar|kumquat|pomelo|quinces", re.IGNORECASE)
    for table in ("case_proposals", "case_log"):
        stored = [path for path, content in searched(house.store.data / "quality" / table) if words.search(content)]
        assert stored == []
    assert words.search((house.seeds / "evals" / "general.jsonl").read_bytes())
    paths = [house.files().folder, *house.files().folder.iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}


def test_people_edit_a_proposal_and_what_is_rejected_leaves_its_suite_to_the_byte(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1"), asked("r2", "Where is my parcel?"), complaint("r1"), complaint("r2")])
    desk = house.cases()
    desk.propose()
    (path,) = house.files().folder.iterdir()
    edited = [{**line, "kind": "messy", "suite": "returns", "must": ["30 days"]} for line in house.lines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in edited))
    desk.propose()
    first, second = sorted(line["case_id"] for line in edited)
    desk.accept(first, "ana")
    suite = house.seeds / "evals" / "returns.jsonl"
    suite.chmod(0o644)
    before = suite.read_bytes()
    desk.accept(second, "ana", kind="ambiguous")
    assert [case.kind for case in read_suite(suite.read_text(), "x")] == ["messy", "ambiguous"]
    desk.change(second, "rejected", "bo")
    assert suite.read_bytes() == before and stat.S_IMODE(suite.stat().st_mode) == 0o644
    desk.accept(second, "ana"), desk.change(second, "fixed", "ana", model="large-2")
    with pytest.raises(CaseError, match="is fixed; what can be rejected is proposed or accepted"):
        desk.change(second, "rejected", "bo")


def test_words_that_retention_takes_leave_the_proposals_and_an_accepted_case_is_known_again(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1"), asked("r2", "Where is my parcel?"), complaint("r1"), complaint("r2")])
    house.cases().propose()
    case_of = {row["request_id"]: row["case_id"] for row in house.proposals()}
    house.cases().accept(case_of["r1"], "ana", kind="answerable", must=["30"])
    house.pass_days(31)
    house.retain(policy=KEPT)
    done = house.cases().propose()
    assert (done.removed, done.written, list(house.files().folder.iterdir())) == (1, 0, [])
    with pytest.raises(CaseError, match=r"no file in .* run `make cases`, as long as its words are kept"):
        house.cases().accept(case_of["r2"], "ana", kind="answerable", must=["x"])
    late = {"day": "2026-12-14"}
    house.take("b.jsonl", [
        asked("r3", QUESTION + " Please.", **late), asked("r4", "where is my PARCEL", **late),
        asked("r5", "Where is my parcel, please?", **late),
        *(complaint(f"r{n}", ts="2026-12-14T12:00:00Z") for n in (3, 4, 5)),
    ])  # fmt: skip
    house.cases().propose()
    found = {row["request_id"]: row["case_id"] for row in house.proposals()}
    assert found["r3"] == case_of["r1"], "an accepted question is compared by its suite"
    assert found["r4"] == case_of["r2"], "the same words are known by their digest"
    assert found["r5"] == case_of["r2"], "and words like those that came again"


@pytest.mark.parametrize("point", ["cases.proposed", "cases.told", "cases.in_suite"])
def test_a_pass_that_is_killed_goes_on_where_it_was(house: CaseHouse, point: str) -> None:
    house.take("a.jsonl", [asked("r1"), complaint("r1")])
    acts = ["accept", CASE] if point == "cases.in_suite" else ["propose"]
    if acts[0] == "accept":
        house.cases().propose()
    assert status_of(act_in, str(house.root), *acts, NOCTURNE_FAILPOINT=point) == -signal.SIGKILL
    house.cases().propose()
    house.cases().accept(CASE, "ana", kind="answerable", must=["30"])
    assert [row["act"] for row in house.log()] == ["proposed", "accepted"]
    assert (len(house.proposals()), len(house.lines())) == (1, 1)
    assert Counter(case.case_id for suite in house.cases().suites.all().values() for case in suite) == {CASE: 1}


def said(house: CaseHouse, *arguments: str) -> str:
    """What a command says."""
    return act(house.cases(), _parser().parse_args(["--actor", "ana", *arguments]))


def test_the_commands_say_what_they_did_and_quote_nobody(house: CaseHouse) -> None:
    house.take("a.jsonl", [asked("r1"), asked("r2", "Where is my parcel?"), complaint("r1"), complaint("r2")])
    assert said(house, "list") == "no open cases"
    told = [said(house, "propose"), said(house, "accept", CASE, "--kind", "unanswerable", "--refusal", "--must-not", "60")]
    (case,) = read_suite((house.seeds / "evals" / "general.jsonl").read_text(), "x")
    assert (case.kind, case.expected_refusal, case.must_not) == ("unanswerable", True, ("60",))
    told += [said(house, "fixed", CASE, "--model", "large-2"), said(house, "verified", CASE), said(house, "released", CASE)]
    told += [said(house, "reject", "2026-11-16-2", "--note", "it was right"), said(house, "list", "--all")]
    assert said(house, "list") == "no open cases"
    assert told[-1].splitlines() == [
        "2026-11-16-1    released      7 days  thumbs_down         chat",
        "2026-11-16-2    rejected      7 days  thumbs_down         chat",
    ]
    assert not any(word in line for line in told for word in ("shoes", "parcel"))
    assert [(row["act"], row["actor"], row["note"]) for row in house.log()][-1] == ("rejected", "ana", "it was right")
