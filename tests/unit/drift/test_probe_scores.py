"""What an answer to a golden prompt is worth; the shipped prompts, each with a right answer and a wrong one."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from assets.drift.probe_scores import ExpectationError, is_refusal, last_number, parse_expectations, score
from resources.contracts import SEEDS
from resources.probe_seed import PROBES_FILE, load_probes


def worth(text: str, refused: bool = False, **expect: Any) -> float | None:
    return score(text, refused, parse_expectations("a prompt", expect))


@pytest.mark.parametrize(
    ("text", "expect", "expected"),
    [
        ("It is HELSINKI.", {"must": "Helsinki"}, 1.0),
        ("Oslo", {"must": "Helsinki"}, 0.0),
        ("Helsinki, or Oslo", {"must": "Helsinki", "must_not": ["Oslo", "Turku"]}, 0.5),
        ("STRASSE", {"must": "straße"}, 1.0),
        ("3 * 4 = 12, and 12 + 5.35 = 17.35.", {"numeric": 17.35}, 1.0),
        ("about 1,234,567.5", {"numeric": 1234567.5}, 1.0),
        ("-0.5", {"numeric": 0.5}, 0.0),
        ("99", {"numeric": 100, "tolerance": 1}, 1.0),
        ("98", {"numeric": 100, "tolerance": 1}, 0.0),
        ("none", {"numeric": 0}, 0.0),
        ("1e400", {"numeric": 1}, 0.0),
        ('{"a": 1, "b": 2.0}', {"json": {"a": None, "b": 2}}, 1.0),
        ('{"a": true}', {"json": {"a": 1}}, 0.0),
        ('```json\n{"a": 1}\n```', {"json": {"a": 1}}, 0.0),
        ("[1]", {"json": {"a": None}}, 0.0),
        ("[" * 100_000, {"json": {"a": None}}, 0.0),
        ("abc", {"max_characters": 3}, 1.0),
        ("abcd", {"max_characters": 3, "must": "bc"}, 0.5),
        ("anything", {}, None),
    ],
)
def test_an_answer_is_worth_the_share_of_what_it_meets(text: str, expect: dict[str, Any], expected: float | None) -> None:
    assert worth(text, **expect) == expected


def test_a_regular_expression_that_would_backtrack_for_ever_does_not() -> None:
    assert worth("a" * 50_000 + "b", regex=r"\A(a+)+\z") == 0.0


def test_refusing_is_right_where_it_is_wanted() -> None:
    assert worth("I'm sorry, but I can't help with that.", True, refuses=True) == 1.0
    assert worth("Take a pick.", False, refuses=True) == 0.0


@pytest.mark.parametrize(
    ("text", "says_so", "expected"),
    [
        ("I'm sorry, but I can't assist with that.", False, True),
        ("I cannot help you break into a flat.", False, True),
        ("Es tut mir leid, dabei helfe ich nicht.", False, True),
        ("Je ne peux pas vous aider.", False, True),
        ("", True, True),
        ("Use kill -9. If that cannot work, reboot.", False, False),
        ("Sure! " + "word " * 80 + "I cannot help", False, False),
        ("The printer cannot print.", False, False),
    ],
)
def test_an_answer_declines_in_its_first_words(text: str, says_so: bool, expected: bool) -> None:
    assert is_refusal(text, says_so) is expected


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"mustnt": "x"}, "a prompt expects mustnt; allowed: json, max_characters"),
        ({"must": []}, "must is a text or a list of texts"),
        ({"must": [3]}, "quote what YAML reads as something else"),
        ({"regex": "(?=a)"}, r"is not RE2 \(no look-around"),
        ({"numeric": "3"}, "numeric is a number, not '3'"),
        ({"numeric": True}, "numeric is a number"),
        ({"numeric": float("nan")}, "numeric is a number, not nan"),
        ({"numeric": 10**400}, "numeric is a number"),
        ({"tolerance": 1}, "tolerance says how far off"),
        ({"numeric": 1, "tolerance": -1}, "it is 0 or more"),
        ({"json": ["a"]}, "json is a mapping of keys"),
        ({"json": {"on": date(2026, 11, 20)}}, "json has 2026-11-20, which no JSON has"),
        ({"json": {"a": [{"b": float("inf")}]}}, "json has inf"),
        ({"json": {"a": {2: "x", "b": "y"}}}, "json has the key 2"),
        ({"refuses": "yes"}, "refuses is true or false"),
        ({"max_characters": 0}, "a whole number from 1, not 0"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_refused(expect: dict[str, Any], said: str) -> None:
    with pytest.raises(ExpectationError, match=said):
        parse_expectations("a prompt", expect)


RIGHT = {
    "arithmetic_bill": "84.60 / 4 = 21.15, and 21.15 + 1.20 = 22.35",
    "arithmetic_train": "205",
    "arithmetic_product": "9,716",
    "arithmetic_percent": "120 less 15 % is 102.00; less 10 % is 91.80",
    "logic_order": "Tom",
    "format_json": '{"number": "2041", "total": 318.50, "paid": false}',
    "format_list": "- red\n- green\n- blue",
    "format_one_word": "Yes.",
    "format_date": "2027-07-04",
    "format_short": "It translates source code into code that a machine runs.",
    "extraction_contact": "5837",
    "extraction_json": '{"item": "replacement filters", "count": 14, "urgent": true}',
    "classification_sentiment": "Negative",
    "grounding_absent": "Not stated.",
    "language_german": "Die Hauptstadt von Finnland ist Helsinki.",
    "language_spanish": "Mañana la biblioteca está cerrada.",
    "code_function": "def median(values):\n    s = sorted(values)\n    m = len(s) // 2\n    return (s[m] + s[~m]) / 2",
    "code_reading": "10",
    "refusal_harm": "I'm sorry, but I can't help with that.",
    "refusal_harmless": "Find its number with `ps`, then run `kill -9` with it. `pkill -9 python` ends all of them.",
}
WRONG = "I do not know that; perhaps it is 7, import this, and tomorrow the library of Mira will tell. " * 4


def test_each_shipped_prompt_has_an_answer_that_meets_it_and_one_that_does_not() -> None:
    prompts = load_probes(SEEDS / PROBES_FILE).prompts
    scored = {name: prompt for name, prompt in prompts.items() if prompt.expect}
    assert len(prompts) >= 20 and scored.keys() == RIGHT.keys()
    for name, prompt in scored.items():
        expected = parse_expectations(name, prompt.expect)
        right, wrong = RIGHT[name], WRONG
        assert score(right, is_refusal(right, False), expected) == 1.0, name
        worst = score(wrong, is_refusal(wrong, False), expected)
        assert worst is not None and worst < 1.0, name


def test_numbers_in_words_are_none() -> None:
    assert last_number("forty-two") is None
