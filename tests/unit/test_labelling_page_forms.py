"""What a posted form says, and which forms say nothing."""

from __future__ import annotations

import pytest
from labelling_queue import NOON

from apps.labelling.form import FAULTY, FormError, annotator_of, fields_of, judgement, read_form
from assets.quality.label_entry import LONGEST_COMMENT
from pipelines.clock import WallClock
from resources.contracts import SEEDS
from resources.labelling_seed import LABELLING_FILE, VERDICTS, load_labelling

SEED = load_labelling(SEEDS / LABELLING_FILE)
FIELDS = {"act": "judge", "request_id": "r0", "version": "0"}


def judged(**said: str) -> dict[str, str]:
    return judgement(read_form(FIELDS | said, SEED), SEED, WallClock(fixed_now=NOON).now())


def test_each_verdict_has_an_answer_that_is_a_fault() -> None:
    assert FAULTY.keys() == set(VERDICTS)
    assert {name for name, fault in FAULTY.items() if fault == "yes"} == {"hallucinated", "toxic"}


@pytest.mark.parametrize("name", VERDICTS)
def test_severity_and_cause_are_kept_of_faults_alone(name: str) -> None:
    fault, other = FAULTY[name], {"yes": "no", "no": "yes"}[FAULTY[name]]
    more = {"severity": "minor", "root_cause": "prompt"}
    assert judged(**{name: fault}, **more) == {name: fault} | more
    assert judged(**{name: other}, **more) == {name: other}
    assert judged(**{name: "cannot say"}, **more) == {name: "cannot say"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "answer one question"),
        ({"comment": "only words"}, "answer one question"),
        ({"severity": "major"}, "answer one question"),
        ({"hallucinated": "maybe"}, "hallucinated can be yes, no, cannot say"),
        ({"hallucinated": "yes", "severity": "awful"}, "severity can be minor"),
        ({"hallucinated": "yes", "comment": "x" * (LONGEST_COMMENT + 1)}, "at most 4,000"),
        ({"act": "delete"}, "no form of this page"),
        ({"version": "-1"}, "no form of this page"),
        ({"version": "٣" * 10}, "no form of this page"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why(said: dict[str, str], why: str) -> None:
    with pytest.raises(FormError, match=why):
        judged(**said)


def test_a_comment_of_the_longest_kind_is_taken() -> None:
    assert judged(hallucinated="no", comment="a\r\n" * 1_333)["comment"].count("\n") == 1_332


@pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"&".join(b"n%d=1" % n for n in range(40))])
def test_bytes_that_are_no_form_are_refused(body: bytes) -> None:
    with pytest.raises(FormError):
        fields_of(body)


@pytest.mark.parametrize("spelling", ["Ana", " ana ", "ANA", "ana"])
def test_one_person_is_one_annotator(spelling: str) -> None:
    assert annotator_of(spelling) == "ana"


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\u202eb", "a\x00b", "a\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(FormError):
        annotator_of(name)
