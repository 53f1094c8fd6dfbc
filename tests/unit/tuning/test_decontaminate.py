"""What gives away an evaluation text is found however it is dressed, and other questions are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.tuning.decontaminate import Held, Leak

SHORT = "Which port did the lighthouse keeper sail from?"
LONG = "Name the year in which the second bridge over the river was opened to carriages and to people on foot"
HELD = Held.of({"golden": [SHORT, "how are you"], "suite": [LONG]})


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        (SHORT, Leak("equal", "golden")),
        ("WHICH PORT -- did the light­house keeper sail from".replace("\u00ad", ""), Leak("equal", "golden")),
        (f"Hi! {SHORT} I need it for school.", Leak("contained", "golden")),
        (f"I read it again. {LONG}, if you can.", Leak("words", "suite")),
        (" ".join(LONG.split()[3:17]), Leak("words", "suite")),
        ("the second bridge over the river", Leak("contained", "suite")),
        ("How are you?", Leak("equal", "golden")),
        ("How are you going to ship it?", None),
        ("Which port did the ferry leave from?", None),
        ("", None),
        ("?!", None),
    ],
)
def test_leaks_by_words(text: str, leak: Leak | None) -> None:
    assert HELD.leak(text) == leak


def test_other_words_of_the_same_meaning_are_found_by_their_vectors() -> None:
    known = np.eye(3, dtype=np.float32)
    near = np.array([0.93, np.sqrt(1 - 0.93**2), 0], np.float32)
    far = np.array([0.91, np.sqrt(1 - 0.91**2), 0], np.float32)
    assert HELD.meanings(np.stack([near, far]), known) == [Leak("meaning", "golden"), None]
    assert Held.of({}).meanings(np.stack([near]), np.empty((0, 0), np.float32)) == [None]


def test_a_text_without_words_is_counted_and_gives_nothing_away() -> None:
    held = Held.of({"odd": ["", " \n", "🙂"]})
    assert held.sets == {"odd": 3}
    assert held.leak("🙂") is None


@given(st.lists(st.text(max_size=60), max_size=6), st.text(max_size=40), st.text(max_size=40))
def test_what_is_held_is_found_wherever_it_stands(texts: list[str], before: str, after: str) -> None:
    held = Held.of({"set": texts})
    for text in texts:
        if held.leak(text) is not None:
            continue
        assert text not in held.texts, "only a text without words is not found as it stands"
    for text in held.texts:
        whole = Held.of({"set": [text]})
        if whole.leak(f"{before} {text} {after}") is None:
            assert len(text.split()) < 13, "long texts are found within others"
