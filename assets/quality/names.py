"""Names in a text, told by their capitals: people, places, products, abbreviations.

Here belongs a rule and no list. It is blind where a script has no capitals, and says so; in a text that writes nouns with
capitals, as German does, only names of two words and words with inner capitals or digits count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.quality.dates import MONTHS
from assets.quality.sentences import plain, words

GERMAN = 0.08
"""Share of the commonest German words among all, from which a text is taken for German."""
TITLES = 0.6
"""Share of words with capitals, from which capitals tell nothing of one word."""
_COMMON_IN_GERMAN = frozenset({
    "der", "die", "das", "und", "ist", "sind", "nicht", "ein", "eine", "einen", "mit", "auf", "für", "dem", "wird", "sie",
    "zu", "im", "von", "bei", "nach", "werden",
})  # fmt: skip
_TOKEN = re.compile(r"[^\W_]+(?:['’&.-][^\W_]+)*")
_BETWEEN = re.compile(r"\s+(?:(?:of|the|and|de|del|della|di|da|do|dos|du|la|le|van|von|der|den|zu)\s+){0,2}")
_FIRST_PERSON = re.compile(r"I(?:['’]\w+)?")


def names(sentences: Sequence[str]) -> list[str] | None:
    """The names in the sentences of a text, in their order; None where its script has no capitals.

    The first word of a sentence counts if it is no ordinary word with a capital, such as ACME or iPhone.
    """
    if not any(c.lower() != c.upper() for sentence in sentences for c in sentence):
        return None
    least = 2 if _nouns_have_capitals(sentences) else 1
    found = []
    for sentence in sentences:
        for span in _spans(sentence):
            if len(span) >= least or any(_is_marked(word) for word in span):
                found.append(" ".join(span))
    return found


def unsupported(said: Sequence[str], known: frozenset[str]) -> int:
    """How many names have a word that is not among `known`, which are words as sentences.py gives them."""
    return sum(not known.issuperset(words(name)) for name in said)


def _spans(sentence: str) -> list[list[str]]:
    """Runs of words with capitals, with the small words of names between them left out."""
    found: list[list[str]] = []
    end = -1
    for place, token in enumerate(_TOKEN.finditer(sentence)):
        word = token[0]
        if not _is_name_like(word) or (place == 0 and not _is_marked(word)) or _is_of_a_date(sentence, token):
            continue
        if end >= 0 and _BETWEEN.fullmatch(sentence, end, token.start()):
            found[-1].append(word)
        else:
            found.append([word])
        end = token.end()
    return found


def _is_of_a_date(sentence: str, token: re.Match[str]) -> bool:
    """A month with digits beside it; alone it may be somebody's name."""
    beside = sentence[max(token.start() - 4, 0) : token.start()] + sentence[token.end() : token.end() + 4]
    return any(c.isdigit() for c in beside) and plain(token[0]) in MONTHS


def _is_name_like(word: str) -> bool:
    return (word[0].isupper() and len(word) > 1 and not _FIRST_PERSON.fullmatch(word)) or _is_marked(word)


def _is_marked(word: str) -> bool:
    """It has capitals beyond the first letter, or letters and digits."""
    return any(c.isupper() for c in word[1:]) or (any(c.isdigit() for c in word) and any(c.isupper() for c in word))


def _nouns_have_capitals(sentences: Sequence[str]) -> bool:
    said = [_TOKEN.findall(sentence) for sentence in sentences]
    inner = [word for of_sentence in said for word in of_sentence[1:]]
    german = sum(word.lower() in _COMMON_IN_GERMAN for of_sentence in said for word in of_sentence)
    capitals = sum(word[0].isupper() for word in inner)
    return german >= max(GERMAN * sum(map(len, said)), 1) or capitals > TITLES * len(inner)
