"""An answer held against its context: support, citations, refusals, similarity."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.quality.answers import MATERIAL_CHARACTERS, Exchange, measured
from assets.quality.citations import Document, citations
from assets.quality.refusal import hedges, refuses
from assets.quality.sentences import sentences
from assets.quality.similarity import similarities
from assets.quality.support import Context

RETURNS = "Items may be returned within 30 days of delivery. The customer pays for the parcel."
BIKES = "Bicycles are serviced in spring. A service takes two hours."


def support(answer: str, *texts: str) -> float:
    found = Context(texts).support(answer).words
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("true", "invented", "context"),
    [
        ("Customers pay for the parcel.", "Couriers collect refunds at the door.", RETURNS),
        ("Die Rückgabe ist binnen 30 Tagen möglich.", "Der Kurier holt alles ab.", "Rückgabe: möglich binnen 30 Tagen."),
        ("返品は30日以内です。", "送料は無料です。", "返品は30日以内に可能です。"),
        ("Возврат возможен в течение месяца.", "Курьер приедет бесплатно.", "Возврат товара возможен в течение месяца."),
    ],
)
def test_words_of_the_context_support_and_others_do_not(true: str, invented: str, context: str) -> None:
    assert support(true, context) > support(invented, context) + 0.3


def test_a_rare_word_tells_more_than_a_common_one() -> None:
    context = Context(("The lamp is red. " * 30, "The lamp hums."))
    assert context.weight("zebra") > context.weight("hums") > context.weight("lamp")


@given(st.text(max_size=300), st.text(max_size=600))
def test_support_is_a_share_and_what_is_copied_is_supported(sentence: str, context: str) -> None:
    found = Context((context,)).support(sentence)
    copied = Context((sentence,)).support(sentence)
    for share in (found.words, found.passage, found.copied):
        assert share is None or 0 <= share <= 1
    assert copied.words is None or (copied.words == pytest.approx(1) and copied.copied == 1)


def test_a_share_is_never_above_the_whole_by_a_last_digit() -> None:
    """Weights that are summed in another order differ; a day with one such row would be held back."""
    text = "Bicycles are serviced in spring, a service takes two hours and costs the owner forty euros at any shop."
    found = [Context((text, *[BIKES] * n)).support(" ".join(text.split()[start:])) for n in range(3) for start in range(12)]
    assert all((support.words or 0) <= 1 and (support.passage or 0) <= 1 for support in found)


def test_words_of_two_passages_do_not_make_one_statement() -> None:
    far = Context((RETURNS, BIKES))
    mixed = far.support("Bicycles may be returned in spring within two hours.")
    whole = far.support("Bicycles are serviced in spring.")
    assert mixed.words is not None and mixed.passage is not None and whole.passage is not None
    assert mixed.passage < mixed.words and whole.passage > mixed.passage
    assert whole.copied == 1 and mixed.copied == pytest.approx(3 / 9)  # "may be returned"


@pytest.mark.parametrize(
    ("answer", "coverage", "correct"),
    [
        ("Items may be returned within 30 days [returns-03].", 1, 1),
        ("Items may be returned within 30 days. [1] The customer pays.", 0.5, 1),
        ("Items may be returned within 30 days (see returns-03).", 1, 1),
        ("From returns-03: items may be returned within 30 days.", 1, 1),
        ("Items may be returned within 30 days [9].", 1, 0),
        ("Items may be returned within 30 days [refunds-7].", 1, 0),
        ("Couriers collect refunds at your door [1].", 1, 0),
        ("Items may be returned within 30 days [1, 2].", 1, 0.5),
        ("Items may be returned【1†source】.", 1, 1),
        ("Items may be returned [sic] at [the shop](https://x.example).", 0, None),
    ],
)
def test_a_citation_is_right_if_its_document_was_found_and_says_so(
    answer: str, coverage: float, correct: float | None
) -> None:
    documents = [Document("returns-03", 1, Context((RETURNS,))), Document("bikes-01", 2, Context((BIKES,)))]
    found = citations(sentences(answer), documents)
    assert (found.coverage, found.correct) == (coverage, correct)


def test_nothing_retrieved_leaves_citations_unmeasured() -> None:
    assert citations(("As said [1].",), ()).coverage is None


def test_digits_of_a_citation_are_no_claim() -> None:
    columns, _ = measured(Exchange("Items may be returned [returns-03].", documents=[("returns-03", 1, RETURNS)]))
    assert columns["numbers"] == 0


@pytest.mark.parametrize(
    ("text", "declines", "unsure"),
    [
        ("I could not find this in our documents.", True, False),
        ("I am sorry, I have no information about that.", True, False),
        ("Dazu finde ich keine Angaben.", True, False),
        ("Je n'ai pas trouvé cette réponse.", True, False),
        ("No encuentro esa información.", True, False),
        ("Items may be returned within 30 days.", False, False),
        ("It is 30 days, but I may be wrong.", False, True),
    ],
)
def test_a_search_that_found_nothing_is_a_refusal(text: str, declines: bool, unsure: bool) -> None:
    found = pl.DataFrame({"t": [text]}).select(r=refuses(pl.col("t")), h=hedges(pl.col("t"))).row(0)
    assert found == (declines, unsure)


def test_a_question_is_no_context_and_an_article_is() -> None:
    short, _ = measured(Exchange("It takes 5 days.", question="How long does it take?", system="Be brief. " * 100))
    assert short["has_context"] is False and short["support_mean"] is None and short["unsupported_numbers"] is None
    article = f"Summarise: {BIKES} " * (MATERIAL_CHARACTERS // len(BIKES) + 1)
    long, _ = measured(Exchange("A service takes two hours.", question=article))
    assert long["has_context"] is True and long["support_mean"] == pytest.approx(1)
    asked_at_length, _ = measured(Exchange("It takes two hours. " * len(article), question=article))
    assert asked_at_length["has_context"] is False


def test_what_was_asked_supports_an_answer_but_is_no_document_that_does() -> None:
    asked = "Do couriers collect refunds at the door on Sundays?"
    echo = "Couriers collect refunds at the door on Sundays."
    found, _ = measured(Exchange(echo, asked, documents=[("d", 1, RETURNS)]))
    assert found["support_mean"] == 1 and found["document_support"] < 0.3
    assert measured(Exchange("Items may be returned", asked, documents=[("d", 1, RETURNS)]))[0]["document_support"] == 1
    assert measured(Exchange(echo, asked, documents=[("d", 1, None)]))[0]["document_support"] is None
    assert measured(Exchange(echo, asked, results=[RETURNS]))[0]["document_support"] < 0.3


def test_an_answer_without_a_word_is_measured_all_the_same() -> None:
    columns, pieces = measured(Exchange("👍", documents=[("a-1", 1, RETURNS)]))
    assert columns["sentences"] == 1 and columns["support_mean"] is None and pieces.sentences == ("👍",)


def test_similarity_is_that_of_the_nearest_passage_and_each_text_is_embedded_once() -> None:
    asked: list[str] = []

    def embed(texts: list[str]) -> tuple[np.ndarray, str]:
        asked.extend(texts)
        angles = np.array([0.0 if "return" in text else np.pi / 2 for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32), "aaaaaaaa"

    said = "You may return it. The rest is silence."
    exchange = Exchange(said, question="May I return it?", documents=[("r-1", 1, RETURNS)])
    pieces = [measured(exchange)[1], measured(Exchange("You may return it."))[1]]
    (both, alone), embedder = similarities(pieces, embed)
    assert embedder == "aaaaaaaa" and len(asked) == len(set(asked))
    assert both["similarity_mean"] == pytest.approx(0.5) and both["similarity_min"] == pytest.approx(0, abs=1e-6)
    assert both["coherence"] == pytest.approx(0, abs=1e-6) and both["question_similarity"] == pytest.approx(np.sqrt(0.5))
    assert alone == {"similarity_mean": None, "similarity_min": None, "question_similarity": None, "coherence": None}
