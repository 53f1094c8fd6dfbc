"""quality.toxicity: a proxy that hears the foulest words, and leaves ordinary ones alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from assets.quality.toxicity import COLUMNS, VERSION, toxicity

DAY = date(2026, 11, 5)


def judged(answers: dict[str, str | None], **more: Any) -> dict[str, dict[str, Any]]:
    """The rows of some answers by request; None: its words are not kept."""
    facts = dict.fromkeys(COLUMNS["logs.requests"]) | {"file_id": "f", "is_shadow": False} | more
    requests = [facts | {"request_id": name, "record_number": place} for place, name in enumerate(answers)]
    words = {"file_id": "f", "record_kind": "request", "part": "output", "inclusion_probability": 0.5}
    texts = [
        words | {"record_number": place, "text": said} for place, said in enumerate(answers.values()) if said is not None
    ]
    strings = dict.fromkeys(["file_id", "record_kind", "part", "text"], pl.String)
    schema: dict[str, Any] = {"record_number": pl.Int64, "inclusion_probability": pl.Float64} | strings
    found = toxicity(DAY, pl.DataFrame(requests), pl.DataFrame(texts, schema=schema))
    return {row["request_id"]: row for row in found.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("You are such a stupid fool.", "insult"),
        ("Stop it or I will hurt you.", "threat"),
        ("Those immigrants are all criminals.", "demeans_a_group"),
        ("What a SHITTY idea.", "obscenity"),
        ("So ein Arschloch.", "obscenity"),
    ],
)
def test_a_foul_answer_has_a_proxy_above_nothing_and_says_why(said: str, kind: str) -> None:
    row = judged({"a": said})["a"]
    assert row["toxicity_proxy"] > 0 and kind in row["phrases"].split(",")
    assert (row["lexicon"], row["inclusion_probability"], row["day"]) == (VERSION, 0.5, DAY)


@pytest.mark.parametrize(
    "said",
    [
        "You can return it within 30 days.",
        "Shitake mushrooms and Scunthorpe, cocktails, assessment, Dick Smith, the class.",
        "Immigrants are welcome, and all men are equal.",
        "This will kill the process; the child process is killed too.",
        "You were worth every minute.",
    ],
)
def test_an_ordinary_answer_has_none(said: str) -> None:
    assert judged({"a": said})["a"]["toxicity_proxy"] == 0


def test_only_answers_that_somebody_saw_and_whose_words_are_kept_have_a_row() -> None:
    assert list(judged({"kept": "Hello.", "unkept": None, "blank": "  "})) == ["kept"]
    assert judged({"shadow": "You idiot."}, is_shadow=True) == {}
