"""What a judge is asked and how its reply is read: texts stay quoted, only what was asked for is a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.quality.llm_judge import Question, Verdict, judge_name, question, read_verdict

KEY = b"k" * 32
TEXTS = {"output": ["It opens at nine. It closes at six."], "prompt": ["When?"], "document": ["Open nine to six."]}
ASKED = question("small/1", TEXTS, KEY)


def reply(**changes: Any) -> str:
    return json.dumps({"check": ASKED.check, "supported": "no", "p_made_up": 0.75, "unsupported": [2], **changes})


def test_the_question_has_each_sentence_under_its_number() -> None:
    assert json.loads(ASKED.message) == {
        "check": ASKED.check, "question": "When?", "context": ["Open nine to six."],
        "answer": {"1": "It opens at nine.", "2": "It closes at six."},
    }  # fmt: skip
    assert ASKED.sentences == 2


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_ends_where_it_is_quoted(document: str, prompt: str) -> None:
    texts = {"output": ["Yes."], "document": [document], "prompt": [prompt]}
    told = json.loads(question("small/1", texts, KEY).message)
    assert (told["context"], told["question"], told["answer"]) == ([document], prompt, {"1": "Yes."})
    assert set(told) == {"check", "question", "context", "answer"}


def test_equal_words_have_one_key_and_anything_else_another() -> None:
    others = [
        question("large/1", TEXTS, KEY),
        question("small/1", TEXTS, b"l" * 32),
        question("small/1", {**TEXTS, "prompt": ["When? "]}, KEY),
        question("small/1", {**TEXTS, "document": []}, KEY),
    ]
    assert question("small/1", dict(reversed(TEXTS.items())), KEY) == ASKED
    assert len({ASKED.content_key, *(one.content_key for one in others)}) == 5
    assert len({ASKED.check, *(one.check for one in others)}) == 5
    assert ASKED.check not in ASKED.content_key


def test_an_answer_of_no_sentence_is_one() -> None:
    asked = question("small/1", {"output": ["…"]}, KEY)
    assert (asked.sentences, json.loads(asked.message)["answer"]) == (1, {"1": "…"})


def test_the_object_that_was_asked_for_is_a_verdict_also_in_a_fence() -> None:
    expected = Verdict("unsupported", 0.75, (2,))
    assert read_verdict(reply(), ASKED) == expected
    assert read_verdict(f"\n```json\n{reply()}\n```\n", ASKED) == expected
    assert read_verdict(reply(supported="yes", p_made_up=0, unsupported=[]), ASKED) == Verdict("supported", 0.0, ())
    assert read_verdict(reply(supported="unsure", p_made_up=0.5, unsupported=[2, 1, 2]), ASKED) == Verdict(
        "unsure", 0.5, (1, 2)
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "yes", "[]", "null", "{}", f"{reply()} {reply()}", f"Sure! {reply()}", f"{reply()} I hope this helps.",
        reply(check="0"), reply(check=None), reply(extra=1), reply(supported="maybe"), reply(supported=True),
        reply(supported=["no"]), reply(p_made_up="0.7"), reply(p_made_up=True), reply(p_made_up=1.01), reply(p_made_up=-1),
        reply(p_made_up=None), reply().replace("0.75", "NaN"), reply().replace("0.75", "Infinity"), reply(unsupported=None),
        reply(unsupported=[0]), reply(unsupported=[3]), reply(unsupported=["2"]), reply(unsupported=[True]),
        reply(unsupported=[1.0]), reply(unsupported={"2": 1}), reply().replace("{", '{"supported": "yes", ', 1),
        "[" * 100_000, "9" * 10_000,
    ],
)  # fmt: skip
def test_anything_else_is_no_verdict(text: str) -> None:
    assert read_verdict(text, ASKED) == "not_a_verdict"


@pytest.mark.parametrize(
    ("supported", "p", "unsupported"), [("yes", 0.9, []), ("yes", 0.1, [1]), ("no", 0.1, [1]), ("no", 0.9, [])]
)
def test_a_verdict_that_contradicts_itself_is_none(supported: str, p: float, unsupported: list[int]) -> None:
    """A model that turns the scale round says no and .1."""
    assert read_verdict(reply(supported=supported, p_made_up=p, unsupported=unsupported), ASKED) == "inconsistent"


@given(st.text())
def test_no_reply_raises(text: str) -> None:
    assert read_verdict(text, Question("k", "c", "m", 1, 1)) == "not_a_verdict"


def test_another_model_is_another_judge() -> None:
    assert judge_name("small") != judge_name("large") and judge_name("small").startswith("small/")
