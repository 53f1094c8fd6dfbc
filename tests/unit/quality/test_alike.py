"""Questions that are nearly the same are one; what would be answered differently is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.alike import Asked, Known

BASE = "How many days do I have to return shoes?"
words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "7", "8"]), max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("other", "is_like"),
    [
        ("how many days do i have to return shoes", True),
        ("How many days do I have, please, to return shoes?", True),
        ("Hello! How many days do I have to return shoes?", True),
        ("How many days do I have to return 2 shoes?", False),
        ("Where can I return shoes?", False),
        ("What is a good question?", False),
        ("", False),
    ],
)
def test_small_talk_changes_no_question_and_a_number_does(other: str, is_like: bool) -> None:
    assert Asked.of(BASE, None).is_like(Asked.of(other, None)) == is_like


def test_the_order_of_words_counts() -> None:
    assert not Asked.of("does silver cost more than gold", None).is_like(Asked.of("does gold cost more than silver", None))


def test_yes_is_a_question_of_what_stood_before_it() -> None:
    refund, address = Asked.of("yes", "Do you want a refund?"), Asked.of("yes", "Shall I change your address?")
    assert not refund.is_like(address) and refund.text != address.text
    assert refund.is_like(Asked.of("Yes!", "do you want a refund"))


@pytest.mark.parametrize("text", ["我的包裹在哪里?", "Où est mon colis ?", "Where's my parcel?"])
def test_marks_and_case_make_no_other_question_in_any_script(text: str) -> None:
    assert Asked.of(text, None).text == Asked.of(text.upper().rstrip(" ?") + " !", None).text != ""


@settings(deadline=None)
@given(st.lists(words, max_size=8), words)
def test_looking_up_finds_what_comparing_with_each_would(texts: list[str], wanted: str) -> None:
    known, asked = Known(), Asked.of(wanted, None)
    for number, text in enumerate(texts):
        known.add(Asked.of(text, None), str(number))
    by_hand = next((str(n) for n, text in enumerate(texts) if asked.question and Asked.of(text, None).is_like(asked)), None)
    assert known.find(asked) == by_hand
