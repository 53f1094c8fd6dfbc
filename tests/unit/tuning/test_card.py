"""The model card: 22 items of two annexes, each filled from facts or by a person, and none with a word that says nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from huggingface_hub import ModelCard

from assets.tuning.card import CardError, CardFacts, card, is_blank, items

SAID: dict[str, Any] = {
    "provider": "Globex Ltd", "contact": "models@globex.example", "licence": "apache-2.0",
    "tasks": "Finds passages of the help pages.", "systems": "Assistants that answer from them.",
    "acceptable_use": "Inside the company, for customers' questions.", "distribution": "By the registry, to us alone.",
    "interaction": "Runs behind the index; a change of model changes the index.", "integration": "Load it with the index.",
    "design": "It learns which passages answer.", "watts": 65.0,
}  # fmt: skip
GATE: dict[str, Any] = {
    "gate": "domain", "metric": "ndcg", "eval_set": "test", "eval_digest": "d1", "segment": "", "candidate_value": 0.71,
    "champion_value": 0.6, "difference": 0.11, "low": 0.05, "high": 0.17, "n": 240, "outcome": "passed",
}  # fmt: skip
DATA: dict[str, Any] = {
    "first_day": "2026-10-01", "last_day": "2026-11-09", "candidates_seen": 1500, "train": 1000, "dev": 100, "test": 240,
    "removed": 160, "removals": '{"repeat": 100, "in_evaluation": 60}', "sources": '{"clicked": 1340}',
    "log_sources": '{"gateway": 1340}', "licences": '{"own": 1340}', "languages": '{"en": 1340}', "users": 80,
    "user_cap": 0.05, "largest_user_share": 0.031, "annotator_cap": 0.2, "largest_annotator_share": None,
    "evaluation_sets": '{"golden_queries": 40}',
}  # fmt: skip
FACTS = CardFacts(
    model="embedder", candidate="c0ffee", kind="retriever", released_on=date(2026, 11, 22), architecture="bert of 6 layers",
    parameters=22_713_216, inputs="text.", outputs="a vector.", most_input="256 tokens.", base_model="all-MiniLM-L6-v2",
    loading="A folder.", recipe={"epochs": 1, "batch_size": 128}, steps=80, training_seconds=600.0, cost_usd="0.20",
    device="cpu", operations=(1.5e14, "6 for each parameter and token"), dataset_version="abcd", data=DATA, outcome="passed",
    reasons=["domain: better"], gates=[GATE], software={"torch": "2.13"}, curve=[{"step": 1, "loss": 2.5}],
)  # fmt: skip
OF_XI = [f"Annex XI, section 1, point {place}" for place in ("1(a)", "1(b)", "1(c)", "1(d)", "1(e)", "1(f)")] + [
    f"Annex XI, section 1, point 2({letter})" for letter in "abcde"
]
OF_XII = [f"Annex XII, point 1({letter})" for letter in "abcdefgh"] + [f"Annex XII, point 2({letter})" for letter in "abc"]


def test_all_items_of_both_annexes_are_there_in_their_order() -> None:
    listed = items(FACTS, SAID)
    assert [one.reference for one in listed] == OF_XI + OF_XII and len(listed) == 22
    assert not [one for one in listed if is_blank(one.text)]


def test_the_card_is_one_that_the_hub_reads() -> None:
    read: Any = ModelCard(card(FACTS, SAID))
    assert read.data.license == "apache-2.0" and read.data.base_model == "all-MiniLM-L6-v2"
    assert read.data.eval_results[0].metric_value == 0.71
    for reference in OF_XI + OF_XII:
        assert read.text.count(f"## {reference}:") == 1
    assert "| domain | ndcg | test |  | 0.71 | 0.6 | 0.11 | 0.05 to 0.17 | 240 | passed |" in read.text


BY_A_PERSON = {
    "provider": ["who answers for it"], "contact": ["who answers for it"], "licence": ["1(f)", "1(h)"], "tasks": ["1(a)"],
    "systems": ["1(a)"], "acceptable_use": ["1(b)"], "distribution": ["1(c)"], "interaction": ["XII, point 1(d)"],
    "integration": ["2(a)"], "design": ["2(b)"], "watts": ["2(e)"],
}  # fmt: skip


NOTHING = [None, "", "  ", "TBD", "n/a.", "Unknown", "-"]


@pytest.mark.parametrize(
    ("key", "blank"), [(key, blank) for key in BY_A_PERSON for blank in (NOTHING if key != "watts" else [None])]
)
def test_what_a_person_left_blank_fails_and_is_named(key: str, blank: str | None) -> None:
    with pytest.raises(CardError, match="are blank") as raised:
        card(FACTS, SAID | {key: blank})
    assert all(place in str(raised.value) for place in (*BY_A_PERSON[key], f"card: {'tasks' if key == 'systems' else key}"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"parameters": 0}, "1(d)"),
        ({"most_input": ""}, "XII, point 2(b)"),
        ({"software": {}}, "XII, point 1(e)"),
        ({"data": {}}, "2(c)"),
        ({"operations": (0.0, "")}, "2(d)"),
        ({"training_seconds": 0.0}, "2(e)"),
    ],
)
def test_a_fact_that_is_missing_fails_and_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(CardError) as raised:
        card(replace(FACTS, **change), SAID)
    assert place in str(raised.value)


def test_each_item_can_fail() -> None:
    missing = {
        one.reference
        for name in BY_A_PERSON
        for one in items(FACTS, SAID | {name: None})
        if is_blank(one.text)
    }  # fmt: skip
    empty: dict[str, Any] = {"parameters": 0, "most_input": "", "software": {}, "data": {}, "operations": (0.0, "")}
    assert empty.keys() <= {one.name for one in fields(CardFacts)}
    missing |= {one.reference for one in items(replace(FACTS, **empty), SAID) if is_blank(one.text)}
    # How a kind of model is read and answers is code, not a fact that can be missing.
    assert set(OF_XI + OF_XII) - missing == {"Annex XI, section 1, point 1(e)", "Annex XII, point 1(g)"}


def test_not_applicable_needs_a_reason() -> None:
    assert is_blank("Not applicable.") and is_blank(None) and is_blank(" N/A ")
    assert not is_blank("Not applicable: it runs alone.")


def test_energy_says_how_it_was_estimated() -> None:
    (energy,) = [one.text for one in items(FACTS, SAID) if one.name == "Energy"]
    assert energy.startswith("0.0108 kWh, estimated: 0.167 h at the 65 W") and "No meter was read" in energy


def test_names_from_logs_do_not_become_markup() -> None:
    text = card(replace(FACTS, gates=[{**GATE, "segment": "topic=<script>|\n# no"}]), SAID)
    assert "<script>" not in text and "topic=&lt;script>\\| # no" in text


def test_a_long_curve_is_shown_by_its_first_and_last_points_and_some_between() -> None:
    points = [{"step": step, "loss": 3.0 - step / 100} for step in range(200)]
    text = card(replace(FACTS, curve=points), SAID)
    assert "| 0 | 3 |" in text and "| 199 | 1.01 |" in text and text.count("\n| 1") < 12
