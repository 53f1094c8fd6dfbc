"""How found pieces cover what answers a question; and the chunkers on a small part of a public set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hashed_words import HashedWords
from hypothesis import given
from hypothesis import strategies as st

from assets.retrieval.chunkers import CHUNKERS, DEFAULT
from assets.retrieval.spans import coverage, union
from benchmarks.chunking import SHARED, first_characters, load, measured

SPAN = st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(1, 10)).map(lambda s: (s[0], s[1], s[1] + s[2]))
SPANS = st.lists(SPAN, max_size=6)


def characters(spans: list[tuple[str, int, int]]) -> set[tuple[str, int]]:
    return {(document, place) for document, start, end in spans for place in range(start, end)}


@given(found=SPANS, wanted=SPANS.filter(bool))
def test_coverage_is_what_counting_single_characters_gives(
    found: list[tuple[str, int, int]], wanted: list[tuple[str, int, int]]
) -> None:
    assert characters(union(found)) == characters(found)
    hit = len(characters(found) & characters(wanted))
    read = sum(end - start for _, start, end in found)
    said = coverage(found, wanted)
    assert said.recall == pytest.approx(hit / len(characters(wanted)))
    assert said.precision == pytest.approx(hit / read if read else 0)
    assert said.iou == pytest.approx(hit / (read + len(characters(wanted)) - hit))


def test_words_that_are_found_twice_cost_twice_and_another_document_is_no_answer() -> None:
    assert coverage([("a", 0, 10), ("a", 5, 15)], [("a", 5, 10)]).precision == 0.25
    assert coverage([("b", 0, 10)], [("a", 0, 10)]).recall == 0
    with pytest.raises(ValueError, match="without a stretch"):
        coverage([("a", 0, 1)], [])


def test_a_budget_of_characters_cuts_the_last_piece_short() -> None:
    spans = [("a", 0, 10), ("b", 5, 15), ("a", 20, 30)]
    assert first_characters(spans, 14) == [("a", 0, 10), ("b", 5, 9)]
    assert first_characters(spans, 20) == spans[:2]
    assert first_characters(spans, 99) == spans


@pytest.mark.skipif(not SHARED.exists(), reason="the public set chunking_eval is not beside the checkout")
def test_what_answers_questions_of_a_public_set_is_found_by_its_words_and_not_by_chance() -> None:
    texts, questions = load(only=["chatlogs"])
    assert len(questions) == 56 and len(texts) == 1
    # Counted words: what the packaged embedder finds is in docs/proofs/chunking.md.
    cut = measured(CHUNKERS[DEFAULT], texts, questions, HashedWords())
    recall = cut.values(5, "recall").mean()
    others = [replace(one, wanted=questions[place - 7].wanted) for place, one in enumerate(questions)]
    by_chance = measured(CHUNKERS[DEFAULT], texts, others, HashedWords()).values(5, "recall").mean()
    assert recall > 0.4 > 2 * by_chance
    assert (cut.values(10, "recall") >= cut.values(5, "recall")).all()


@pytest.mark.skipif(not SHARED.exists(), reason="the public set chunking_eval is not beside the checkout")
def test_questions_of_another_version_of_a_corpus_are_refused(tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    text = (SHARED / "corpora" / "chatlogs.md").read_text(encoding="utf-8")
    (tmp_path / "corpora" / "chatlogs.md").write_text(f"One more line.\n{text}", encoding="utf-8")
    (tmp_path / "questions_df.csv").write_bytes((SHARED / "questions_df.csv").read_bytes())
    with pytest.raises(ValueError, match="do not stand at"):
        load(tmp_path)
