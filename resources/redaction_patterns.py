"""What personal data looks like anywhere in the world: addresses of mail and machines, cards, accounts, wallets, links.

Here belong these shapes and the list of all finders. Numbers that a state gives are national_numbers.py, check digits
checksums.py, phone numbers phone_numbers.py, secrets secret_rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from resources import checksums
from resources.checksums import stdnum
from resources.national_numbers import NATIONAL_NUMBERS
from resources.phone_numbers import phone_numbers
from resources.redaction_finder import Finder, Gate, Span, checked, shape, shape_gate
from resources.secret_rules import is_stand_in

# Spaces, dots, brackets and dashes that people put between digits, as RE2 and as Python write them.
_GAP = r"[ \x{a0}\x{2009}\x{202f}\x{2010}-\x{2015}()./+-]"
_CARD_GAP = "[ \u00a0\u2009\u202f\u2010-\u2015.-]"

_AT = Gate(r"(?:@|%40)[^\s@]+\.[^\s@]", needs=("@", "%40"))
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_LOCAL = r"[\w+][\w.+%'&~-]{0,63}"

_IN_URL = Gate(
    r"://[^\s/@]*:[^\s/@]+@"
    r"|(?i:[?&#;][a-z0-9_.-]*(?:token|key|secret|sig|signature|credential|passw(?:or)?d|pwd|auth)=)",
    needs=("://",),
)
_WALLET = shape_gate(r"\b(?:bc1[a-z0-9]{20}|[13][a-km-zA-HJ-NP-Z1-9]{25}|0x[a-fA-F0-9]{40})")

_VERSION_BEFORE = re.compile(r"(?:\bv|version|release|build|firmware|section|chapter)\.?:?\s*$", re.I)


def _is_address_not_version(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 12) : match.start()]
    return checksums.is_ipv4(match[0]) and not _VERSION_BEFORE.search(before)


def _is_no_stand_in(match: re.Match[str]) -> bool:
    return not is_stand_in(match["secret"])


_DIGIT_GROUPS = re.compile(rf"(?a)(?<![\w.])(?<!\d[,-])\d(?:{_CARD_GAP}?\d){{11,}}+")
_DIGIT_GROUP = re.compile(r"[0-9]+")
_NO_EDGE = re.compile(r"(?a)\w|[.,-]\d")


def _cards(text: str) -> Iterator[Span]:
    """Cards among groups of digits: an expiry date or a number before one may stand in the same row."""
    for match in _DIGIT_GROUPS.finditer(text):
        groups = [group.span() for group in _DIGIT_GROUP.finditer(text, *match.span())]
        if all(end - start == 1 for start, end in groups):  # digit by digit: the whole row or nothing
            groups = [match.span()]
        first = 0
        while first < len(groups):
            start = groups[first][0]
            ends = (groups[n][1] for n in reversed(range(first, min(first + checksums.CARD_GROUPS, len(groups)))))
            end = next((end for end in ends if checksums.is_card(text[start:end]) and not _NO_EDGE.match(text, end)), None)
            if end is not None and (first == 0 or text[start - 1] not in ".-"):
                yield start, end
            first += 1


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_TOKEN_END = re.compile(r"(?<=[A-Za-z0-9])(?![A-Za-z0-9])")


def _ibans(text: str) -> Iterator[Span]:
    """An IBAN ends where its country says; what the shape swallowed beyond that are the words that follow."""
    for match in _IBAN.finditer(text):
        ends = [match.start() + end.start() for end in _TOKEN_END.finditer(match[0])]
        for end in reversed(ends):
            if checksums.is_iban(text[match.start() : end]):
                yield match.start(), end
                break


FINDERS: tuple[Finder, ...] = (
    shape(
        "EMAIL_ADDRESS", _AT,
        rf"{_LOCAL}(?:@|%40)(?:{_LABEL}\.){{1,8}}(?:[^\W\d_]{{2,24}}|xn--[\w-]{{2,40}})(?![\w(])",
    ),
    shape(
        "EMAIL_ADDRESS", shape_gate(r"[(\[{] ?[aA][tT] ?[)\]}]"),
        rf"(?i){_LOCAL} {{0,2}}[(\[{{] ?at ?[)\]}}] {{0,2}}{_LABEL}"
        rf"(?: {{0,2}}(?:[(\[{{] ?(?:dot|punkt|point|\.) ?[)\]}}]|\.) {{0,2}}{_LABEL}){{1,6}}",
    ),
    shape(
        "IP_ADDRESS", shape_gate(r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b"),
        r"(?a)(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", _is_address_not_version,
    ),
    shape(
        "IP_ADDRESS",
        shape_gate(
            r"(?:\b[0-9A-Fa-f]{1,4}:){4}|\b[0-9A-Fa-f]{1,4}::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){2,}:|::[0-9A-Fa-f]{1,4}:"
        ),
        r"(?a)(?<![:.\w])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4}|(?<=::))(?![:\w])",
        checked(checksums.is_ipv6),
    ),
    shape(
        "MAC_ADDRESS", shape_gate(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b"),
        r"(?a)(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])",
    ),
    Finder("CREDIT_CARD", shape_gate(rf"\b[0-9](?:{_GAP}?[0-9]){{11}}"), _cards),
    Finder("IBAN_CODE", shape_gate(r"\b[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}[ -]?[A-Za-z0-9]{4}"), _ibans),
    shape(
        "CRYPTO", _WALLET,
        r"(?a)(?<!\w)(?:bc1[a-z0-9]{20,80}|[13][a-km-zA-HJ-NP-Z1-9]{25,34})(?!\w)", checked(stdnum("bitcoin")),
    ),
    shape("CRYPTO", _WALLET, r"(?a)(?<!\w)0x[a-fA-F0-9]{40}(?!\w)", checked(checksums.is_ethereum_address)),
    *NATIONAL_NUMBERS,
    # After those that look like one: of two finds of the same stretch, the first names it.
    Finder("PHONE_NUMBER", shape_gate(rf"\b[0-9](?:{_GAP}{{0,3}}[0-9]){{6}}"), phone_numbers),
    shape(
        "SECRET", _IN_URL,
        r"(?<=://)(?P<find>[^\s/:@'\"<>]{0,100}:(?P<secret>[^\s/@'\"<>]{1,200}))(?=@[\w.-])",
        _is_no_stand_in, counted_as="SECRET:url-credentials",
    ),
    shape(
        "SECRET", _IN_URL,
        r"(?i)[?&#;](?:[a-z0-9_.-]{0,40}(?:token|secret|signature|credential|passw(?:or)?d|pwd)"
        r"|(?:[a-z0-9_.-]{0,20}[_.-])?(?:api_?)?key|sig|auth)=(?P<find>(?P<secret>[^\s&#'\"<>()]{8,2000}))",
        _is_no_stand_in, counted_as="SECRET:url-parameter",
    ),
    shape("URL", Gate(r"(?i:https?://)", needs=("://",)), r"(?i)\bhttps?://[^\s<>\"'\x60]{3,2000}"),
)

OPTIONAL_KINDS = frozenset({"URL"})
KINDS = frozenset(finder.kind for finder in FINDERS)
