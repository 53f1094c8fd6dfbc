"""What people ask in vain: questions in words of their own are one gap, and what others were answered is none."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.retrieval.knowledge_gaps import MOST, SIGNS, knowledge_gaps
from resources.contracts import contracts
from resources.embedder import Embedder
from resources.table_store import arrow_schema

DAY = date(2026, 11, 8)
NONE: pl.DataFrame = pl.from_arrow(arrow_schema(contracts()["retrieval.knowledge_gaps"]).empty_table())  # type: ignore[assignment]


def asked(request_id: str, text: str, *signs: str, **more: Any) -> dict[str, Any]:
    """A row of retrieval.gap_questions."""
    row = {"day": DAY, "request_id": request_id, "user_token": f"u-{request_id}", "feature": "ask", "text": text,
           "first_document_id": None, "is_unanswered": bool(signs), "inclusion_probability": 1.0}  # fmt: skip
    return {**row, **{f"is_{sign}": sign in signs for sign in SIGNS}, **more}


def questions(*rows: dict[str, Any]) -> pl.DataFrame:
    empty: Any = pl.from_arrow(arrow_schema(contracts()["retrieval.gap_questions"]).empty_table())
    return pl.concat([empty, pl.DataFrame(rows)], how="diagonal_relaxed") if rows else empty


def by_subject(texts: list[str]) -> tuple[Any, str]:
    """A vector for each first word, with a little of the rest, so that no two texts are the same."""
    made = np.zeros((len(texts), 32), np.float32)
    for place, text in enumerate(texts):
        subject, _, rest = text.partition(" ")
        made[place, ord(subject[0]) % 16] = 1.0
        made[place, 16 + len(rest) % 16] = 0.2
    return made / np.linalg.norm(made, axis=1, keepdims=True), "e"


def gaps(*rows: dict[str, Any], before: pl.DataFrame = NONE, embed: Any = by_subject) -> list[dict[str, Any]]:
    return knowledge_gaps(DAY, questions(*rows), before, embed).to_dicts()


def test_one_question_in_other_words_is_one_gap_named_by_requests() -> None:
    rows = [asked(f"r{n}", f"boat {'x' * n}", "declined", first_document_id="harbour") for n in range(4)]
    rows += [asked(f"ok{n}", f"shoe {'x' * n}") for n in range(16)]
    [gap] = gaps(*rows)
    assert [gap[name] for name in ("unanswered", "n", "requests", "declined", "empty", "users")] == [4, 4, 4.0, 4, 0, 4]
    assert gap["share"] == 0.2 and gap["share_low"] < 0.2 < gap["share_high"]
    assert gap["unanswered_share"] == gap["unanswered_share_high"] == 1.0 and gap["unanswered_share_low"] < 0.6
    assert gap["nearest_document_id"] == "harbour"
    assert {gap["request_id"], *gap["more_request_ids"].split(",")} == {"r0", "r1", "r2", "r3"}
    assert not any(word in str(value) for word in ("boat", "shoe") for value in gap.values())


def test_a_question_that_most_people_get_answered_is_no_gap() -> None:
    missed = [asked(f"r{n}", "boat", "complained_of") for n in range(20)]
    assert gaps(*missed, *(asked(f"ok{n}", "boat") for n in range(20)))[0]["unanswered_share"] == 0.5
    assert gaps(*missed, *(asked(f"ok{n}", "boat") for n in range(21))) == []


def test_the_fewer_the_questions_the_surer_they_have_to_be() -> None:
    assert len(gaps(*(asked(f"r{n}", "boat", "empty") for n in range(3)))) == 1
    assert gaps(*(asked(f"r{n}", "boat", "empty") for n in range(3)), asked("ok", "boat")) == []


def test_two_are_a_coincidence_and_a_day_without_signs_embeds_nothing() -> None:
    assert gaps(*(asked(f"r{n}", "boat", "empty") for n in range(2))) == []

    def never(texts: list[str]) -> Any:
        raise AssertionError("nothing was asked in vain")

    assert gaps(asked("ok", "boat"), embed=never) == [] == gaps(embed=never)


def test_a_sampled_question_stands_for_those_that_were_not_drawn() -> None:
    rows = [asked(f"r{n}", "boat", "empty", inclusion_probability=0.1) for n in range(5)]
    [gap] = gaps(*rows, *(asked(f"ok{n}", "shoe") for n in range(50)))
    assert (gap["requests"], gap["share"], gap["n"]) == (50.0, 0.5, 5)
    # Ten times as many would know more: the interval is that of the effective number of questions.
    assert gap["share_high"] - gap["share_low"] > 0.4


def test_a_gap_keeps_its_name_as_long_as_it_shares_a_request() -> None:
    first = knowledge_gaps(DAY, questions(*(asked(f"r{n}", "boat", "empty") for n in range(4))), NONE, by_subject)
    later = [asked(f"r{n}", "boat", "empty") for n in range(3, 7)]
    other = [asked(f"s{n}", "shoe", "empty") for n in range(9)]
    found = {gap["unanswered"]: gap for gap in gaps(*later, *other, before=first.with_columns(since_day=date(2026, 11, 1)))}
    assert (found[4]["gap"], found[4]["since_day"]) == (first["gap"][0], date(2026, 11, 1))
    assert (found[9]["gap"] != first["gap"][0], found[9]["since_day"]) == (True, DAY)


def test_features_do_not_share_gaps_and_one_without_a_name_has_its_own() -> None:
    rows = [asked(f"r{n}", "boat", "empty", feature=None) for n in range(3)]
    rows += [asked(f"s{n}", "boat", "empty", feature="other") for n in range(2)]
    assert [(gap["feature"], gap["unanswered"]) for gap in gaps(*rows)] == [(None, 3)]


def test_the_order_of_the_rows_changes_nothing_and_many_are_cut_to_what_can_be_compared() -> None:
    rows = [asked(f"r{n:05}", f"{'abcd'[n % 4]} {'x' * (n % 5)}", "empty") for n in range(MOST + 400)]
    assert gaps(*rows) == gaps(*reversed(rows))
    assert sum(gap["requests"] for gap in gaps(*rows)) == pytest.approx(MOST + 400)
    assert sum(gap["n"] for gap in gaps(*rows)) == MOST


def test_the_real_embedder_puts_paraphrases_together_and_keeps_subjects_apart(tmp_path: Any) -> None:
    embedder = Embedder(cache=tmp_path)
    said = {
        "boat": ["Can you deliver to a ship in the harbour?", "Do you deliver to ships in the harbour of Rotterdam?",
                 "hello, can you bring a parcel to a ship that lies in the harbour? thanks"],
        "machine": ["Is there a machine for returns at the railway station?",
                    "Can I return parcels at a machine in the station?",
                    "Is there a returns machine at a railway station near me?"],
    }  # fmt: skip
    rows = [asked(f"{name}{n}", text, "empty") for name, texts in said.items() for n, text in enumerate(texts)]
    found = gaps(*rows, embed=lambda texts: (embedder.embed(texts), embedder.fingerprint[:8]))
    members = [{name[:-1] for name in (gap["request_id"], *gap["more_request_ids"].split(","))} for gap in found]
    assert sorted(map(sorted, members)) == [["boat"], ["machine"]]
