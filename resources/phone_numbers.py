"""Phone numbers in running text: shapes that only a phone number has, and looser ones beside a word that says so.

Digits in groups are mostly something else (dates, ranges of years, tables), and no numbering plan tells a local number
from them: a shape that stands for other things too needs its word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_GAP = "[ \u00a0\u2009\u202f\u2010-\u2015()./-]"
_CANDIDATE = re.compile(
    rf"(?<![\w/$€£#=_*^])(?<!\d[.,:-])(?:\+|\(\+)?\(?\d(?:{_GAP}{{0,3}}\d){{6,14}}"
    r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?(?![\w%°^]|[.,:/-]\d)",
    re.I,
)
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension)\s?\d{1,6}$", re.I)
# Written for no other purpose: North American, international, national with a trunk 0 or an area in brackets.
_SURE = re.compile(
    r"""
    (?:(?:\+|00)?1[ .-])? (?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[.-]) [2-9]\d\d [ .-] \d{4}
    | (?:(?:\+|00)?1[ ])? [2-9]\d\d [ ] [2-9]\d\d [ -] \d{4}
    | \(?\+ \d [\d ()./-]{6,20}
    | (?=(?:\D*\d){11,15}\D*$) 00(?:1|7|[2-9]\d\d?) (?:[ ./-]+ \d{2,8}){1,5}
    | \(0?\d{1,4}\) [ ]? (?:\d{2,5} (?:[ .-]\d{2,5}){1,3} | \d{5,8})
    | (?=(?:\D*\d){9,12}\D*$) (?!\d{5}[ ]\d{4}$) 0[1-9]\d{0,3} (?:[ ./-] \d{2,8}){1,4}
    """,
    re.X,
)
_WORD_BEFORE = re.compile(
    r"phone|mobile|\bcell(?: number|:| is| at)|\btel\b|telefon|handy|fax|\bcall\b|calling|dial|text me|\bsms\b"
    r"|whatsapp|\breach\b|hotline|voicemail|contact|messages? (?:to|on|at)|messages on my|answering|registered|ring me"
    r"|pager|switchboard|\b(?:my|your|his|her|our|their|new|old|wrong|this) numbers?\b"
    r"|\b(?:desk|office|home|work|direct)\W{0,4}$",
    re.I,
)
_WORD_AFTER = re.compile(r"\W{0,3}(?:office|fax|mobile|cell|home|work|phone|desk|direct)\b", re.I)
_NOT_A_PHONE = re.compile(
    r"""
    (?:1[5-9]|20)\d\d [ ]?[ -–—/]{1,2}[ ]? (?:1[5-9]|20)\d\d          # a range of years
    | \d{4}-\d\d-\d\d (?:.*)? | \d{1,2}[./-]\d{1,2}[./-]\d{4} (?:.*)?  # a date
    | \d+\.\d+                                                         # a decimal number
    | \d{1,3}(?:\.\d{3})+ | \d{1,3}(?:[ ]\d{3})*[ ]000                 # thousands
    | (?:\d{1,3}\.){3}\d{1,3}                                          # an IP address
    | \d{5}-\d{4}                                                      # a ZIP code
    | (?:\d[ ]){3,}.*                                                 # a row of small numbers
    """,
    re.X,
)
_CONTEXT_BEFORE_CHARACTERS = 45


def phone_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Where phone numbers stand in a text."""
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        number = _EXTENSION.sub("", match[0])
        if number.startswith("(") and ")" not in number:
            start, number = start + 1, number[1:]
        if _SURE.fullmatch(number):
            if not _NOT_A_PHONE.fullmatch(number):
                yield start, end
        elif not _NOT_A_PHONE.fullmatch(number) and (
            _WORD_BEFORE.search(text, max(0, start - _CONTEXT_BEFORE_CHARACTERS), start) or _WORD_AFTER.match(text, end)
        ):
            yield start, end
