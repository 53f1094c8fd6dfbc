"""Text as sentences, passages and words, for any language that is written with spaces or one sign a syllable.

Here belongs how text is cut, by a few rules of punctuation and no model. What the pieces mean is not asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

PASSAGE_CHARACTERS = 320
"""About what a sentence embedder was trained to read at once."""
STEM_CHARACTERS = 6
"""Longer words are told apart by their beginning: "delivery" and "deliveries" are one."""

_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "nr", "bzw", "ca", "evtl", "ggf", "inkl", "zzgl", "tel",
    "e.g", "i.e", "z.b", "d.h", "u.a", "p.ex", "sra", "approx", "dept", "fig", "jan", "feb", "apr", "aug", "sept", "oct",
    "okt", "nov", "dec", "dez",
})  # fmt: skip
_END = re.compile(
    r"""(?:[.!?…]+["'”’»)\]]*|[。！？．]+["”’」』）]*|[।؟۔]+)   # what ends a sentence
        (?:\s*(?:\[[^\[\]\n]{1,40}\]|【[^【】\n]{1,40}】))*         # citations that stand behind it belong to it
        (?=\s|$|(?<=[。！？．」』）]))
      | \n\s*\n | \n(?=\s*(?:[-*•]|\d{1,2}[.)])\s) """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"([^\s(\"'“„«]+)\.$")
_SYLLABIC = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SYLLABIC}]|(?:(?![{_SYLLABIC}])[^\W_])+(?:['’](?:(?![{_SYLLABIC}])[^\W_])+)*")


@lru_cache(maxsize=20_000)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text in their order, none empty; items of a list and paragraphs end one, abbreviations,
    decimals and initials do not."""
    pieces = (" ".join(text[start:end].split()) for start, end in sentence_spans(text))
    return tuple(piece for piece in pieces if piece and _WORD.search(piece))


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where they stand: stretches that follow on each other and cover all of the text, blanks included."""
    start = 0
    for end in _END.finditer(text):
        if "\n" not in end[0] and end[0].startswith(".") and _goes_on(text, start, end):
            continue
        yield start, end.end()
        start = end.end()
    yield start, len(text)


@lru_cache(maxsize=20_000)
def passages(text: str) -> tuple[str, ...]:
    """Neighbouring sentences together, up to PASSAGE_CHARACTERS; a longer sentence is cut between words."""
    found: list[str] = []
    for sentence in sentences(text):
        for piece in _cut(sentence):
            if found and len(found[-1]) + len(piece) < PASSAGE_CHARACTERS:
                found[-1] += f" {piece}"
            else:
                found.append(piece)
    return tuple(found)


@lru_cache(maxsize=50_000)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order, as they compare: without case, accents and most endings. Signs of scripts without
    spaces are words of their own."""
    return tuple(_stem(word) for word in _WORD.findall(plain(text)))


def plain(text: str) -> str:
    """Without case, accents, and the several ways to write one letter or digit."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in parts if not "\u0300" <= c <= "\u036f"))


def _stem(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    return word if any(c.isdigit() for c in word) else word[:STEM_CHARACTERS]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the full stop is one of an abbreviation, an initial, or an ordinal (5. März) within a sentence."""
    last = _LAST_WORD.search(text[max(start, end.start() - 20) : end.start() + 1])
    following = text[end.end() : end.end() + 2].strip()
    if not last or not following:
        return False
    word = last[1]
    if word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isupper()):
        return True
    return following[0].islower() or (word.isdigit() and len(word) <= 2)


def _cut(sentence: str) -> list[str]:
    pieces = []
    while len(sentence) > PASSAGE_CHARACTERS:
        end = sentence.rfind(" ", PASSAGE_CHARACTERS // 2, PASSAGE_CHARACTERS)
        end = end if end > 0 else PASSAGE_CHARACTERS
        pieces.append(sentence[:end])
        sentence = sentence[end:].strip()
    return [*pieces, sentence] if sentence else pieces
