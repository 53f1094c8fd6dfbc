"""What an answer states: sentences, numbers, dates and names of several languages, and what of them a context lacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.quality import names
from assets.quality.claims import claims
from assets.quality.dates import dates
from assets.quality.quantities import quantities, unsupported
from assets.quality.sentences import PASSAGE_CHARACTERS, passages, plain, sentences, words
from assets.quality.support import Context


def lacks(answer: str, context: str) -> tuple[int | None, int | None, int | None]:
    """Numbers, dates and names of an answer that its context lacks."""
    found = claims(sentences(answer), Context((context,)))
    return found.unsupported_numbers, found.unsupported_dates, found.unsupported_names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dr. Weber paid 1.5 million. She left!", ["Dr. Weber paid 1.5 million.", "She left!"]),
        ("Am 5. März kam sie. Er nicht.", ["Am 5. März kam sie.", "Er nicht."]),
        ("It takes 3 days. [2] Ask again.", ["It takes 3 days. [2]", "Ask again."]),
        ("Try:\n- salt\n- oil\n\nDone", ["Try:", "- salt", "- oil", "Done"]),
        ("配送は5日です。返品は無料です。", ["配送は5日です。", "返品は無料です。"]),
        ("क्या यह सही है? हाँ। ठीक।", ["क्या यह सही है?", "हाँ।", "ठीक।"]),
        ("The answer is no. We left.", ["The answer is no.", "We left."]),
        ("... !", []),
        ("", []),
    ],
)
def test_a_sentence_ends_where_a_reader_would_end_it(text: str, found: list[str]) -> None:
    assert list(sentences(text)) == found


@given(st.text(max_size=2_000))
def test_no_text_is_cut_within_a_word_or_lost(text: str) -> None:
    assert "".join(words(" ".join(sentences(text)))) == "".join(words(" ".join(text.split())))
    assert all(0 < len(passage) <= PASSAGE_CHARACTERS for passage in passages(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000 items", "1000 items"), ("1.000,50 €", "€1,000.50"), ("5 %", "five percent"), ("12,5 pour cent", "12.5%"),
        ("two weeks", "14 Tage"), ("2.5 km", "2,500 m"), ("$5 million", "5,000,000 dollars"), ("1 234 567", "1234567"),
        ("21:30", "9:30 pm"), ("９ Uhr", "9 am"), ("٣٠ days", "30 days"), ("30", "30 days"),
    ],
)  # fmt: skip
def test_a_number_is_the_same_however_it_is_written(one: str, other: str) -> None:
    assert unsupported(quantities(plain(one)), quantities(plain(other))) == 0
    assert unsupported(quantities(plain(other)), quantities(plain(one))) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("30 days", "60 days"), ("5 %", "5 km"), ("5 km", "5 miles"), ("9 am", "9 pm"), ("1.5", "15"), ("$10", "10 euros")],
)
def test_other_values_and_other_units_are_other_numbers(one: str, other: str) -> None:
    assert unsupported(quantities(plain(one)), quantities(plain(other))) == 1


def test_digits_of_a_product_are_no_number() -> None:
    assert quantities(plain("The A380 runs v12 on COVID-19")) == quantities(plain("19"))


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from([",", ".", " ", "\u202f", "'"]))
def test_thousands_may_be_parted_by_any_sign(value: int, sign: str) -> None:
    assert unsupported(quantities(str(value)), quantities(f"{value:,}".replace(",", sign))) == 0


@pytest.mark.parametrize(
    "text", ["5 March 2024", "March 5th, 2024", "05.03.2024", "3/5/2024", "2024-03-05", "5. März 2024", "5 de marzo de 2024",
             "le 5 mars 2024", "5 marzo 2024", "5 de março de 2024", "5 maart 2024", "2024年3月5日"],
)  # fmt: skip
def test_a_date_is_the_same_day_in_every_spelling(text: str) -> None:
    assert lacks(f"it was {text}.", "it was on 2024-03-05") == (0, 0, 0)
    assert lacks(f"it was {text}.", "it was on 2024-07-06")[1] == 1


def test_a_context_may_say_more_of_a_date_but_not_less() -> None:
    assert lacks("it came in March 2024, or in 2024.", "on 5 March 2024 it came") == (0, 0, 0)
    assert lacks("it came on 5 March 2024.", "it came in March 2024")[1] == 1


def test_what_no_calendar_has_is_no_date() -> None:
    assert dates("31.31.2024") == ([], "31.31.2024")


def test_names_are_spans_with_capitals_and_first_words_are_not() -> None:
    said = ["According to Jane Smith of the University of Oslo, iPhone sales rose slowly.", "I'm told that Berlin knows."]
    assert names.names(said) == ["Jane Smith University Oslo", "iPhone", "Berlin"]


def test_german_nouns_are_no_names() -> None:
    said = ["Der Versand kostet fünf Euro und die Lieferung nach Bad Tölz dauert drei Tage mit DHL."]
    assert names.names(said) == ["Bad Tölz", "DHL"]


def test_a_script_without_capitals_leaves_names_unmeasured() -> None:
    found = claims(sentences("配送は5日です。"), Context(("配送は7日です。",)))
    assert (found.names, found.unsupported_names) == (None, None)
    assert (found.numbers, found.unsupported_numbers) == (1, 1)


def test_what_is_made_up_is_counted_by_kind() -> None:
    context = "Delivery takes 5 days. Maria Lopez founded the shop on 2 May 2001."
    assert lacks("Delivery takes five days, says Maria Lopez.", context) == (0, 0, 0)
    assert lacks("Delivery takes 9 days, as Peter Miller said on 3 May 2001.", context) == (1, 1, 1)


def test_without_a_context_nothing_is_unsupported_and_nothing_supported() -> None:
    found = claims(("It takes 5 days, says Maria.",), None)
    assert (found.numbers, found.names, found.unsupported_numbers, found.unsupported_names) == (1, 1, None, None)
