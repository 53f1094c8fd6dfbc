"""Calendar dates in a text, as what they may mean: 2024-03-05, 5 March 2024, 5.3.2024 and March 5 are of one day.

Here belong days and months with a year or a day, in seven languages and the signs of East Asia; a year alone is a number
(quantities.py). All of it reads text as `plain` of sentences.py gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Meaning = tuple[int | None, int, int | None]
"""Year, month, day; None: not said."""
Dated = frozenset[Meaning]

_MONTHS = (
    "january|jan|januar|janner|janvier|janv|enero|ene|gennaio|gen|janeiro|januari",
    "february|feb|februar|fevrier|fevr|febrero|febbraio|fevereiro|fev|februari",
    "march|mar|marz|mars|marzo|marco|maart|mrt",
    "april|apr|avril|avr|abril|abr|aprile",
    "may|mai|mayo|maggio|mag|maio|mei",
    "june|jun|juni|juin|junio|giugno|giu|junho",
    "july|jul|juli|juillet|juil|julio|luglio|lug|julho",
    "august|aug|aout|agosto|ago|augustus",
    "september|sept|sep|septembre|septiembre|settembre|set|setembro",
    "october|oct|oktober|okt|octobre|octubre|ottobre|ott|outubro|out",
    "november|nov|novembre|noviembre|novembro",
    "december|dec|dezember|dez|decembre|diciembre|dic|dicembre|dezembro",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split("|")}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"""(?<![\w./-])(?:
      (?P<y1>\d{{4}})[-/.](?P<m1>\d{{1,2}})[-/.](?P<d1>\d{{1,2}})(?!\d)
    | (?P<y2>\d{{4}})\s?年\s?(?P<m2>\d{{1,2}})\s?月(?:\s?(?P<d2>\d{{1,2}})\s?日)?
    | (?P<a3>\d{{1,2}})(?P<mark>[/.-])(?P<b3>\d{{1,2}})(?P=mark)(?P<y3>\d{{4}}|\d{{2}})(?!\d)
    | (?P<d4>\d{{1,2}})(?:st|nd|rd|th|er|[.ºª])?\s*(?:of\s|de\s)?\s*
          (?P<m4>{_MONTH})\b\.?(?:,?\s+(?:of\s|de\s|del\s)?(?P<y4>\d{{4}})\b)?
    | (?P<m5>{_MONTH})\b\.?\s+(?:the\s)?(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:%])(?:,?\s+(?P<y5>\d{{4}})\b)?
    | (?P<m6>{_MONTH})\b\.?,?\s+(?:of\s|de\s|del\s)?(?P<y6>\d{{4}})\b
    )""",
    re.VERBOSE,
)


def dates(text: str) -> tuple[list[Dated], str]:
    """The dates of a plain text in their order, and the text without them; what no calendar has (31.31.2024) stays in it."""
    found: list[Dated] = []

    def take(match: re.Match[str]) -> str:
        meanings = _meanings(match)
        if not meanings:
            return match[0]
        found.append(meanings)
        return " "

    rest = _DATE.sub(take, text)
    return found, rest


def unsupported(said: Iterable[Dated], known: Iterable[Dated]) -> int:
    """How many of `said` the `known` do not bear out: known dates may say more than is said, not less."""
    there = {meaning for dated in known for meaning in dated}
    return sum(not any(_says(other, meaning) for meaning in dated for other in there) for dated in said)


def years(known: Iterable[Dated]) -> set[int]:
    """The years that dates name: they bear out a year that is said alone."""
    return {year for dated in known for year, _, _ in dated if year is not None}


def _says(known: Meaning, said: Meaning) -> bool:
    return all(part is None or part == other for part, other in zip(said, known, strict=True))


def _meanings(match: re.Match[str]) -> Dated:
    part = match.groupdict()
    found: list[Meaning]
    if part["y1"]:
        found = [(int(part["y1"]), int(part["m1"]), int(part["d1"]))]
    elif part["y2"]:
        found = [(int(part["y2"]), int(part["m2"]), int(part["d2"]) if part["d2"] else None)]
    elif part["y3"]:
        year = int(part["y3"]) + (2000 if len(part["y3"]) == 2 else 0)
        first, second = int(part["a3"]), int(part["b3"])
        # With dots the day comes first; with strokes it depends on who writes.
        found = [(year, second, first), (year, first, second) if part["mark"] != "." else (year, second, first)]
    else:
        place = next(number for number in "456" if part[f"m{number}"])
        said_day, said_year = part.get(f"d{place}"), part[f"y{place}"]
        month = MONTHS[part[f"m{place}"]]
        found = [(int(said_year) if said_year else None, month, int(said_day) if said_day else None)]
    return frozenset((y, m, d) for y, m, d in found if 1 <= m <= 12 and (d is None or 1 <= d <= 31))
