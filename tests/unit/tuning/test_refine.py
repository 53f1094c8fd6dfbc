"""Candidates become a dataset: none is lost, none is in two places, and each that left has one reason."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poison_traffic import embed

from assets.tuning.data_summary import provenance, summary, too_few
from assets.tuning.decontaminate import Held
from assets.tuning.dedupe import Vectors
from assets.tuning.refine import SPLITS, Candidate, Limits, refined

START = datetime(2026, 11, 1, tzinfo=UTC)
SECRET = "hunter2"


def are_clean(texts: list[str]) -> list[bool]:
    return [SECRET not in text for text in texts]


def candidate(number: int, text: str | None = None, **more: object) -> Candidate:
    """One of its own user and conversation, whose words nobody else uses; numbers are hours."""
    words = random.Random(number).sample([a + b for a in "bdfgklmnprstvwz" for b in ("ara", "eli", "omu", "uki")], 9)
    ts = START + timedelta(hours=number)
    given_ = {
        "id": f"{number:032x}", "day": ts.date(), "ts": ts, "request_id": f"q{number}", "source": "clicked",
        "group": f"d{number}", "conversation": f"c{number}", "user": f"u{number}",
        "texts": (text if text is not None else " ".join(words),),
    } | more  # fmt: skip
    return Candidate(**given_)  # type: ignore[arg-type]


def made(candidates: list[Candidate], held: dict[str, list[str]] | None = None) -> dict[str, str]:
    """Where each went, or why, by the number of its request."""
    found = refined(candidates, embed, are_clean, Held.of(held or {}))
    return {one.request_id: split for split in SPLITS for one in found.kept[split]} | {
        f"q{int(name, 16)}": reason for name, reason in found.gone.items()
    }


def test_each_rule_takes_what_it_is_for_and_says_so() -> None:
    rows = [candidate(n) for n in range(60)]
    text = rows[5].texts[0]
    rows += [
        candidate(100, fault="may_train"),
        candidate(101, f"the password of mine is {SECRET} and nothing else"),
        candidate(102, text.upper()),
        candidate(103, f"well then {text.split(' ', 1)[1]} indeed"),
        candidate(104, "so I read: which port did the lighthouse keeper sail from? and wondered"),
        *(candidate(200 + n, user="mallory", ts=START, day=START.date()) for n in range(25)),
        *(candidate(300 + n, f"buy the miracle lamp of doctor gross now for {n} coins only", user="eve") for n in range(25)),
    ]
    found = made(rows, {"golden": ["Which port did the lighthouse keeper sail from?"]})
    assert found["q100"] == "may_train"
    assert found["q101"] == "personal_data"
    assert found["q102"] == "duplicate"
    assert found["q104"] == "contaminated"
    assert {found[f"q{200 + n}"] for n in range(25)} == {"burst"}
    assert {found[f"q{300 + n}"] for n in range(25)} == {"flood"}
    assert {found[f"q{n}"] for n in range(60)} == {"train", "dev", "test"}


def test_what_gives_away_the_datasets_own_test_leaves_training() -> None:
    rows = [candidate(n, scope=f"d{n}") for n in range(60)]
    leak = candidate(3, f"please {rows[59].texts[0]}", scope="d3")
    found = made([*rows[:3], leak, *rows[4:]])
    assert found["q59"] == "test"
    assert found["q3"] == "knows_the_test"


def test_one_users_rows_are_no_more_than_their_share_of_training() -> None:
    rows = [candidate(n, user="busy" if n % 2 else f"u{n}") for n in range(120)]
    found = refined(rows, embed, are_clean, Held(), Limits(user_share=0.1))
    trained = found.kept["train"]
    share = sum(one.user == "busy" for one in trained) / len(trained)
    assert share == found.users.largest
    assert share <= found.users.share == 0.1
    assert found.removals["user_cap"] > 20


def test_what_an_embedder_cannot_read_is_told_apart_by_its_words() -> None:
    """Vectors that are all the same, as of Chinese by an English model: nothing is taken for the same because of them."""

    def blind(texts: list[str]) -> Vectors:
        return np.tile(np.eye(1, 4, dtype=np.float32), (len(texts), 1))

    asked = ["退货需要几天", "海港的灯塔在哪里", "谁写了这封信", "发票可以重开吗", "我的订单号是多少"]
    rows = [candidate(n, text) for n, text in enumerate(asked)]
    assert refined(rows, blind, are_clean, Held.of({"golden": ["如何更改地址"]})).gone == {}
    known = refined(rows, blind, are_clean, Held.of({"golden": ["谁写了这封信？"]}))
    assert known.removals == {"contaminated": 1}
    latin = [candidate(n) for n in range(4)]
    assert refined(latin, blind, are_clean, Held()).removals == {"same_meaning": 3}


def test_two_candidates_of_one_name_are_no_dataset() -> None:
    with pytest.raises(ValueError, match="1 candidates have the id of another"):
        refined([candidate(1), candidate(1)], embed, are_clean, Held())


def test_nothing_and_one_row_are_too_few_and_say_what_became_of_it() -> None:
    nothing = refined([], embed, are_clean, Held())
    assert too_few(nothing, {"train": 20}) == "too few rows: 0 of 20 for train; of 0 candidates were removed: none"
    one = refined([candidate(1), candidate(2, fault="no_words")], embed, are_clean, Held())
    assert "1 of 20 for train" in str(too_few(one, {"train": 20}))
    assert "of 2 candidates were removed: 1 no_words" in str(too_few(one, {"train": 20}))


WORDS = st.sampled_from(["lamp", "größe", "退货", "🙂", "", "a", "invoice of spring", SECRET, "which port did he sail from"])
ROWS = st.lists(
    st.fixed_dictionaries({
        "text": st.lists(WORDS, max_size=9).map(" ".join), "user": st.sampled_from(["a", "b", "c", None]),
        "hour": st.integers(0, 400), "group": st.integers(0, 8), "talk": st.none() | st.integers(0, 8),
        "annotators": st.sampled_from([(), ("ana",), ("ana", "ben")]), "fault": st.sampled_from([None, None, "no_words"]),
        "scope": st.none() | st.integers(0, 3), "has_words": st.booleans(),
    }),
    max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, st.floats(0.05, 1))
def test_what_was_seen_is_in_one_split_or_left_for_one_reason(rows: list[dict[str, object]], limit: float) -> None:
    candidates = []
    for number, row in enumerate(rows):
        ts = START + timedelta(hours=int(str(row["hour"])))
        candidates.append(candidate(
            number, ts=ts, day=ts.date(), user=row["user"], group=f"g{row['group']}", fault=row["fault"], scope=row["scope"],
            conversation=None if row["talk"] is None else f"c{row['talk']}", annotators=row["annotators"],
            texts=(row["text"],) if row["has_words"] else (),
        ))  # fmt: skip
    held, limits = Held.of({"set": ["which port did he sail from"]}), Limits(limit, 0.5)
    found = refined(candidates, embed, are_clean, held, limits)
    kept = [one.id for split in SPLITS for one in found.kept[split]]
    assert sorted([*kept, *found.gone]) == sorted(one.id for one in candidates)
    assert found.seen == len(candidates) == len(kept) + sum(found.removals.values())
    if kept:
        told = summary(found, {}, {})
        assert told["candidates_seen"] == told["train"] + told["dev"] + told["test"] + told["removed"]
        assert told["largest_user_share"] is None or told["largest_user_share"] <= told["user_cap"]
        assert {row["example_id"] for row in provenance(found)} == set(kept)
    again = refined(candidates[::-1], embed, are_clean, held, limits)
    assert (again.kept, again.gone) == (found.kept, found.gone), "the order of candidates decides nothing"
