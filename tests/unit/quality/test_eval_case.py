"""A line of a suite says what is wrong with it; what is written is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.eval_case import KINDS, EvalCase, EvalCaseError, expected_of, parse, read_suite
from pipelines.release.case_files import Suites
from resources.contracts import SEEDS

CASE: dict[str, Any] = {"case_id": "returns-1", "kind": "answerable", "question": "How long?", "must": ["30 days"]}
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda text: text.strip())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"must": []}, "it expects nothing; give must, must_not, reference or expected_refusal"),
        ({"kind": "hard"}, "kind is one of answerable, unanswerable"),
        ({"question": "  "}, "question is a text, and needed"),
        ({"case_id": "A b"}, "case_id is lower-case letters"),
        ({"must": "30 days"}, "must is a list of texts"),
        ({"must": [""]}, "must is a list of texts, none empty"),
        ({"must": ["x" * 201]}, "at most 200 characters"),
        ({"must_not": ["30 Days"]}, "must and must_not both have '30 days'"),
        ({"expected_refusal": "yes"}, "expected_refusal is true, false or null; not 'yes'"),
        ({"history": 7}, "history is a text or null"),
        ({"user": "ana"}, r"not \['user'\]"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(changes: dict[str, Any], fault: str) -> None:
    line = json.dumps(CASE | changes)
    with pytest.raises(EvalCaseError, match=f"chat.jsonl, line 2: .*{fault}"):
        read_suite(f"\n{line}\n", "chat.jsonl")


def test_a_broken_line_and_a_case_that_stands_there_twice_are_named() -> None:
    with pytest.raises(EvalCaseError, match="line 1 is no JSON"):
        read_suite('{"case_id": "a"\n', "chat.jsonl")
    with pytest.raises(EvalCaseError, match="line 2: case_id returns-1 stands there twice"):
        read_suite(f"{json.dumps(CASE)}\n{json.dumps(CASE)}\n", "chat.jsonl")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ('"question": "\\ud800"', "half a character"),
        ('"checks": {"regex": "\\ud800"}', "half a character"),
        ('"checks": {"numeric": ' + "9" * 401 + "}", "numeric is a number of at most 308 digits"),
        ('"checks": {"numeric": NaN}', "is no JSON"),
        ('"checks": ' + "[" * 100_000, "is no JSON"),
        ('"checks": {"json_schema": {"$ref": "#/nowhere"}}', "leads to no schema"),
    ],
)
def test_an_odd_line_is_told_and_ends_nothing_else(changes: str, fault: str) -> None:
    line = json.dumps(CASE)[:-1] + f", {changes}}}"
    with pytest.raises(EvalCaseError, match=f"chat.jsonl, line 1.*{fault}"):
        read_suite(line, "chat.jsonl")


def test_a_byte_order_mark_is_no_fault_and_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    path = tmp_path / "evals" / "chat.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(CASE).encode() + b"\n")
    assert [case.case_id for case in Suites(tmp_path).all()["chat"]] == ["returns-1"]
    path.write_bytes(json.dumps(CASE).encode() + "\nGr\u00fc\u00dfe".encode("latin-1"))
    with pytest.raises(EvalCaseError, match=r"chat\.jsonl, line 2 is not UTF-8"):
        Suites(tmp_path).all()


@settings(deadline=None)
@given(texts, st.lists(texts, max_size=3), st.sampled_from(KINDS), st.none() | texts)
def test_what_is_written_is_read_again(question: str, context: list[str], kind: str, history: str | None) -> None:
    case = EvalCase("c-1", kind, question, context=tuple(context), history=history, expected_refusal=True)
    assert read_suite(case.line() + "\n", "x") == [case]


def test_the_numbers_in_which_a_correction_differs_are_expected() -> None:
    found = expected_of("You have 30 days, and 5 % is kept.", "You have 60 days, and 5 % is kept for €1,000.50.")
    assert found == {"must": ["30"], "must_not": ["60", "€1,000.50"]}
    assert expected_of("Ask the shop.", "You have 60 days.") == {"must": [], "must_not": []}
    assert expected_of(None, "60") == expected_of("30", None) == {"must": [], "must_not": []}


def test_the_suites_that_are_shipped_can_be_used() -> None:
    for path in (SEEDS / "evals").glob("*.jsonl"):
        assert read_suite(path.read_text(encoding="utf-8"), path.name)


def test_the_example_of_the_page_is_a_case() -> None:
    page = (SEEDS.parent.parent / "docs" / "eval-cases.md").read_text(encoding="utf-8")
    example = page.split("```json\n")[1].split("```")[0]
    assert parse(json.loads(example), "the page").kind == "answerable"
