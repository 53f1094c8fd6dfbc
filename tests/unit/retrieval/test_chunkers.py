"""How a text is cut: laws that hold for any text, and what a sentence embedder needs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.retrieval.chunkers import CHUNKERS, MOST_TOKENS, OVERLAP_TOKENS, estimated_tokens, sentences_1

WORDS = st.sampled_from(
    ["the", "invoice", "No. 5", "Rückerstattungsbescheinigung", "退款。", "e.g.", "x" * 300, "a_b", "9" * 40]
)
ENDS = st.sampled_from([". ", "! ", "\n\n", " ", "\n- ", "\t", "…", "。", ""])
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(st.tuples(WORDS, ENDS), max_size=400).map(lambda parts: "".join(word + end for word, end in parts)),
)


@pytest.mark.parametrize("name", sorted(CHUNKERS))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_pieces_are_stretches_of_the_text_that_leave_nothing_out(name: str, text: str) -> None:
    chunks = CHUNKERS[name](text)
    covered = set()
    for chunk in chunks:
        piece = text[chunk.start : chunk.end]
        assert 0 <= chunk.start < chunk.end <= len(text)
        assert piece == piece.strip() != ""
        covered.update(range(chunk.start, chunk.end))
    assert not [place for place, sign in enumerate(text) if place not in covered and not sign.isspace()]
    assert all(one.start < next_.start and one.end < next_.end for one, next_ in pairwise(chunks)), "each goes further"
    assert CHUNKERS[name](text) == chunks


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_no_piece_is_longer_than_the_embedder_reads_and_little_is_read_twice(text: str) -> None:
    chunks = sentences_1(text)
    assert all(chunk.tokens is not None and chunk.tokens <= MOST_TOKENS for chunk in chunks)
    for one, next_ in pairwise(chunks):
        assert estimated_tokens(text[next_.start : one.end]) <= OVERLAP_TOKENS


def test_sentences_stay_whole_and_the_last_one_begins_the_next_piece() -> None:
    text = " ".join(f"This is sentence number {n} of a long page." for n in range(60))
    first, second, *_ = [text[chunk.start : chunk.end] for chunk in sentences_1(text)]
    assert first.startswith("This is sentence number 0 ") and first.endswith("page.")
    assert second.split(". ")[0] + "." in first


def test_a_text_without_words_has_no_piece() -> None:
    assert [chunker(" \n\t ") for chunker in CHUNKERS.values()] == [[], []]
