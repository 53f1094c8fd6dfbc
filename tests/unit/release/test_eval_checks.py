"""Each check fails exactly what it is there for; what is not measured neither passes nor fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assets.quality.eval_case import EvalCase, EvalCaseError, parse
from assets.release.eval_checks import Answer, as_json, outcomes, passed, says

CONTEXT = ["Shoes may be returned within 30 days.", "Hats cannot be returned."]


def case(**said: Any) -> EvalCase:
    raw = {"case_id": "c", "kind": "answerable", "question": "How long may I return shoes?", **said}
    return parse(raw, "x.jsonl, line 1")


def verdict(case_: EvalCase, text: str, **answer: Any) -> bool | None:
    return passed(outcomes(case_, Answer(text, **answer)))


GROUNDED = {"context": CONTEXT, "document_ids": ["returns-1", "hats-1"]}


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ({"must": ["30 days"]}, "You have 30  DAYS.", "You have 130 days."),
        ({"must": ["café"]}, "Meet at the Cafe.", "Meet at the cafeteria."),
        ({"must_not": ["60"]}, "It is 600.", "It is 60."),
        ({"expected_refusal": True}, "I'm sorry, I can't help with that.", "Sure: it is 4711."),
        ({"expected_refusal": False}, "It is 30 days.", "I cannot help with that."),
        ({"checks": {"regex": r"^\d+ days\.$"}}, "30 days.", "30 days, I think."),
        ({"checks": {"numeric": 17.35, "tolerance": 0.01}}, "3 and 4, so 17.36", "So 17.37"),
        ({"checks": {"json_schema": {"required": ["days"]}}}, '{"days": 30}', '```json\n{"days": 30}\n```'),
        (GROUNDED | {"checks": {"groundedness": True}}, "Shoes may be returned within 30 days.",
         "Refunds reach your bank on Tuesday."),
        (GROUNDED | {"checks": {"citation": ["returns-1"]}}, "Shoes may be returned within 30 days [returns-1].",
         "Shoes may be returned within 30 days [hats-1]."),
        (GROUNDED | {"checks": {"citation": True}}, "Hats cannot be returned [2].", "Hats cannot be returned."),
    ],
)  # fmt: skip
def test_a_check_tells_a_right_answer_from_a_wrong_one(said: dict[str, Any], right: str, wrong: str) -> None:
    asked = case(**said)
    assert verdict(asked, right) is True, outcomes(asked, Answer(right))
    assert verdict(asked, wrong) is False, outcomes(asked, Answer(wrong))


def test_a_tool_that_must_not_be_called_fails_whatever_the_words_say() -> None:
    asked = case(tools=["issue_refund", "look_up"], checks={"tools": {"must": ["look_up"], "must_not": ["issue_refund"]}})
    assert verdict(asked, "", calls=("look_up",)) is True
    assert verdict(asked, "I would never do that.", calls=("look_up", "issue_refund")) is False
    assert verdict(asked, "I would never do that.") is False


def test_an_answer_that_calls_a_tool_does_not_decline_by_its_words() -> None:
    asked = case(expected_refusal=True, tools=["pay"])
    assert verdict(asked, "I'm sorry, I cannot wait: paying.", calls=("pay",)) is False
    assert verdict(asked, "", says_refused=True) is True


def test_what_is_not_measured_neither_passes_nor_fails_and_a_failure_beside_it_still_fails() -> None:
    asked = case(reference="You have 30 days.", must=["30"], checks={"similarity": 0.8, "judge": True})
    assert verdict(asked, "30 days") is None
    assert verdict(asked, "30 days", similarity=0.9) is None
    assert verdict(asked, "30 days", similarity=0.9, p_made_up=0.1) is True
    assert verdict(asked, "30 days", similarity=0.9, p_made_up=0.7) is False
    assert verdict(asked, "60 days") is False


def test_a_case_with_a_reference_alone_expects_an_answer_like_it() -> None:
    found = outcomes(case(reference="You have 30 days."), Answer("x", similarity=0.69))
    assert {name: one.passed for name, one in found.items()} == {"similarity": False}


def test_outcomes_hold_no_words() -> None:
    checks = {"regex": "qzpatternzq", "similarity": 0.5}
    asked = case(reference="qzsecretzq", must=["qzwordzq"], must_not=["x"], checks=checks)
    told = as_json(outcomes(asked, Answer("qzanswerzq", similarity=0.123456789)))
    assert "qz" not in told
    assert json.loads(told)["similarity"] == {"passed": False, "value": 0.123457}


def test_an_entry_is_a_word_and_not_a_pattern() -> None:
    assert says("costs 5.00 $ (net)", "5.00 $ (net)") and not says("costs 5x00", "5.00")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"checks": {"regex": "(?=x)"}}, "is not RE2"),
        ({"checks": {"json_schema": {"type": "objekt"}}}, "json_schema is no JSON Schema"),
        ({"checks": {"json_schema": {"$ref": "http://example.com/x"}}}, "nothing is fetched"),
        ({"checks": {"tolerance": 1}}, "tolerance says how far off"),
        ({"checks": {"similarity": True}}, "similarity needs a reference"),
        ({"checks": {"groundedness": 1.5}, **GROUNDED}, "up to 1"),
        ({"checks": {"groundedness": True}}, "groundedness needs a context"),
        ({"checks": {"citation": ["elsewhere-9"]}, **GROUNDED}, "citation names 'elsewhere-9'"),
        ({"checks": {"tools": {"must_not": ["pay"]}}}, "tools names 'pay'"),
        ({"checks": {"tone": "kind"}}, r"not \['tone'\]"),
        ({"checks": {}}, "it expects nothing"),
        ({"must": ["x"], "segment": "A B"}, "segment is lower-case"),
        ({"must": ["x"], "critical": "yes"}, "critical is true, false or null"),
    ],
)
def test_a_check_that_cannot_be_used_says_why(said: dict[str, Any], fault: str) -> None:
    with pytest.raises(EvalCaseError, match=f"x.jsonl, line 1: .*{fault}"):
        case(**said)


def test_a_case_is_written_as_it_was_read_and_old_lines_stay_as_they_were() -> None:
    rich = case(
        must=["x"], checks={"regex": ["a"]}, segment="de", critical=False, tools=["pay"], system="Be kind.",
    )  # fmt: skip
    assert parse(json.loads(rich.line()), "x") == rich
    plain = json.loads(case(must=["x"]).line())
    assert set(plain) == {
        "case_id", "kind", "question", "feature", "history", "context", "document_ids", "reference", "must", "must_not",
        "expected_refusal", "provenance",
    }  # fmt: skip


def test_injected_and_confidential_cases_are_critical_unless_they_say_otherwise() -> None:
    assert case(kind="injected", must=["x"]).is_critical and case(kind="confidential", must=["x"]).is_critical
    assert not case(kind="injected", must=["x"], critical=False).is_critical and not case(must=["x"]).is_critical
