"""What says the same again is found, and what teaches something of its own stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.tuning.dedupe import Said, clusters, jaccard, near_pairs, normalised, repeats

LONG = "the invoice of the third quarter was sent to the address that you gave us in spring and nobody paid it"


def test_case_marks_and_accents_make_no_other_text() -> None:
    assert repeats([Said(("Où est ma facture ?",)), Said(("ou est  ma FACTURE!",))]) == {1: "duplicate"}


def test_one_changed_word_in_twenty_is_nearly_the_same_and_another_question_is_not() -> None:
    rows = [Said((LONG,)), Said((LONG.replace("spring", "summer"),)), Said((LONG[::-1],))]
    assert repeats(rows) == {1: "near_duplicate"}


def test_a_question_that_leads_to_two_documents_teaches_two_things() -> None:
    assert repeats([Said(("how do I pay",), "a"), Said(("how do I pay",), "b")]) == {}


def test_meaning_is_compared_text_by_text_so_that_one_prompt_may_have_two_answers() -> None:
    near, far = np.eye(3, dtype=np.float32)[:2]
    rows = [
        Said(("a b c", "one"), None, (near, near)), Said(("x y z", "two"), None, (near, near)),
        Said(("k l m", "three"), None, (near, far)), Said(("p q r", "four"), "elsewhere", (near, near)),
    ]  # fmt: skip
    assert repeats(rows) == {1: "same_meaning"}


def test_who_is_like_a_row_that_went_itself_stays() -> None:
    """Else a chain of small changes would end with nothing that is like what is left."""
    vectors = [np.array([np.cos(turn), np.sin(turn)], np.float32) for turn in (0.0, 0.25, 0.5)]
    rows = [Said((name,), None, (vector,)) for name, vector in zip(("aa bb", "cc dd", "ee ff"), vectors, strict=True)]
    assert repeats(rows) == {1: "same_meaning"}


def test_a_flood_is_one_cluster_whatever_document_it_is_aimed_at() -> None:
    flood = [Said((f"{LONG} number {n}",), n) for n in range(6)]
    found = clusters([*flood, Said(("something else entirely",))])
    assert found == [0, 0, 0, 0, 0, 0, 6]


TEXTS = st.lists(st.text(alphabet="ab c🙂é", max_size=30), max_size=12)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_one_of_each_kind_stays_and_words_of_those_that_stay_differ(texts: list[str]) -> None:
    gone = repeats([Said((text,)) for text in texts])
    kept = [text for place, text in enumerate(texts) if place not in gone]
    assert bool(kept) == bool(texts)
    assert len({normalised(text) for text in kept}) == len(kept)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet="abcd ", min_size=5, max_size=25), max_size=10, unique=True))
def test_minhash_proposes_and_counting_decides(texts: list[str]) -> None:
    def grams(text: str) -> frozenset[str]:
        said = normalised(text)
        return frozenset(said[at : at + 5] for at in range(max(1, len(said) - 4))) if said else frozenset()

    for earlier, later in near_pairs([Said((text,)) for text in texts]):
        assert earlier < later
        assert jaccard(grams(texts[earlier]), grams(texts[later])) >= 0.8
