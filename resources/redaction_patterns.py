"""What personal data looks like: one `Finder` a shape, and the cheap gate that must be open before it is tried.

Here belong shapes and the words that must stand beside a bare number. Check digits are checksums.py, phone numbers
phone_numbers.py, secrets secret_rules.py.

A gate is an RE2 expression that DuckDB runs over every text. It is true on every text in which one of its finders
finds something; where it is false, Python never sees the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from resources import checksums
from resources.checksums import stdnum
from resources.phone_numbers import phone_numbers

# Spaces, dots, brackets and dashes that people put between digits.
_GAP = r"[ \x{a0}\x{2009}\x{202f}\x{2010}-\x{2015}()./+-]"
_WORD_BEFORE_NUMBER = (
    r"passport|licen[cs]e|social security|ssn|itin|nhs|national insurance|pesel|bsn|burgerservicenummer|steuer|tax|tfn"
    r"|medicare|account|acct|routing|iban|aba|personnummer|cpr|curp|national id|identity"
)

GATES: dict[str, str] = {
    "email": r"(?:@|%40)[^\s@]+\.[^\s@]",
    "spelled_email": r"(?i:[(\[{] ?at ?[)\]}])",
    "digits": rf"\b[0-9](?:{_GAP}{{0,3}}[0-9]){{6}}",
    "ipv4": r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b",
    "ipv6": r"(?:\b[0-9A-Fa-f]{1,4}:){4}|\b[0-9A-Fa-f]{1,4}::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){2,}:|::[0-9A-Fa-f]{1,4}:",
    "iban": r"(?i:\b[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}[ -]?[A-Z0-9]{4})",
    "mac": r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
    "identifier": (
        r"(?i:\b[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]\b|\b[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b"
        r"|\b[XYZ]?-?[0-9]{7,8}-?[A-Z]\b|\b[0-9]{6}[+A-][0-9]{3}[0-9A-Z]\b)"
        r"|\b[A-Z]{5}[0-9]{4}[A-Z]\b|\b[A-Z]{2}[0-9]{7}\b"
    ),
    "wallet": r"\b(?:bc1[a-z0-9]{20}|[13][a-km-zA-HJ-NP-Z1-9]{25}|0x[a-fA-F0-9]{40})",
    "named_number": rf"(?i:(?:{_WORD_BEFORE_NUMBER})[^\n]{{0,40}}[0-9])",
    "url": r"(?i:https?://)",
    "url_secret": (
        r"://[^\s/@]*:[^\s/@]+@|(?i:[?&#;][a-z0-9_.-]*(?:token|key|secret|sig|signature|credential|passw(?:or)?d|pwd|auth)=)"
    ),
}
GATE_NEEDS: dict[str, tuple[str, ...]] = {
    "email": ("@", "%40"), "spelled_email": ("at",), "url_secret": ("://", "="), "url": ("://",),
}  # fmt: skip
"""Plain texts of which one must occur before a gate's expression is worth running."""


Span = tuple[int, int]
Accepts = Callable[[re.Match[str]], bool]


@dataclass(frozen=True)
class Finder:
    """Where a kind of personal data stands in a text."""

    kind: str
    gate: str
    spans: Callable[[str], Iterator[Span]]
    counted_as: str = ""

    @property
    def count_name(self) -> str:
        """Under which name its finds are counted."""
        return self.counted_as or self.kind


def _shape(kind: str, gate: str, regex: str, accepts: Accepts | None = None, counted_as: str = "") -> Finder:
    """A finder of one expression: its group `find` (or the whole match), where `accepts` is true of the match."""
    compiled = re.compile(regex)
    group = "find" if "find" in compiled.groupindex else 0

    def spans(text: str) -> Iterator[Span]:
        for match in compiled.finditer(text):
            if accepts is None or accepts(match):
                yield match.span(group)

    return Finder(kind, gate, spans, counted_as)


def _checked(check: Callable[[str], bool]) -> Accepts:
    return lambda match: check(match["find"] if "find" in match.re.groupindex else match[0])


def _named(kind: str, words: str, number: str, check: Callable[[str], bool] | None = None) -> Finder:
    """A number that is personal only beside the words that name it: `passport no. 123456789`."""
    regex = rf"(?i)\b(?:{words})\b[^\n\d]{{0,30}}?(?<![A-Za-z0-9])(?P<find>{number})(?![A-Za-z0-9]|-\d)"
    return _shape(kind, "named_number", regex, _checked(check) if check else None)


_STAND_INS = re.compile(
    r"\W*(?:pass(?:word|wd)?|pwd|secret|token|key|your.*|my.*|user.*|x+|\*+|example.*|test|change.?(?:me|it)|[<{$%\[].*)\W*",
    re.I,
)


def _is_no_stand_in(match: re.Match[str]) -> bool:
    return not _STAND_INS.fullmatch(match["secret"])


_VERSION_BEFORE = re.compile(r"(?:\bv|version|release|build|firmware|section|chapter)\.?:?\s*$", re.I)


def _is_address_not_version(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 12) : match.start()]
    return checksums.is_ipv4(match[0]) and not _VERSION_BEFORE.search(before)


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_TOKEN_END = re.compile(r"(?<=[A-Za-z0-9])(?![A-Za-z0-9])")


def _ibans(text: str) -> Iterator[Span]:
    """An IBAN ends where its country says; what the shape swallowed beyond that are the words that follow."""
    for match in _IBAN.finditer(text):
        ends = [match.start() + end.start() for end in _TOKEN_END.finditer(match[0])]
        for end in reversed(ends):
            if checksums.is_iban(text[match.start() : end]):
                yield match.start(), end
                break


_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_LOCAL = r"[\w+][\w.+%'&~-]{0,63}"
_CARD_GAP = "[ \u00a0\u2009\u202f\u2010-\u2015-]"

FINDERS: tuple[Finder, ...] = (
    _shape(
        "EMAIL_ADDRESS", "email",
        rf"{_LOCAL}(?:@|%40)(?:{_LABEL}\.){{1,8}}(?:[^\W\d_]{{2,24}}|xn--[\w-]{{2,40}})(?![\w(])",
    ),
    _shape(
        "EMAIL_ADDRESS", "spelled_email",
        rf"(?i){_LOCAL} {{0,2}}[(\[{{] ?at ?[)\]}}] {{0,2}}{_LABEL}"
        rf"(?: {{0,2}}(?:[(\[{{] ?(?:dot|punkt|point|\.) ?[)\]}}]|\.) {{0,2}}{_LABEL}){{1,6}}",
    ),
    _shape("IP_ADDRESS", "ipv4", r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", _is_address_not_version),
    _shape(
        "IP_ADDRESS", "ipv6",
        r"(?<![:.\w])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4}|(?<=::))(?![:\w])",
        _checked(checksums.is_ipv6),
    ),
    _shape("MAC_ADDRESS", "mac", r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"),
    _shape(
        "CREDIT_CARD", "digits",
        rf"(?<![\w.])(?<!\d[,-])\d(?:{_CARD_GAP}?\d){{11,18}}(?!\w|[.,-]\d)", _checked(checksums.is_card),
    ),
    Finder("IBAN_CODE", "iban", _ibans),
    _shape("US_SSN", "digits", r"(?<![\w.-])\d{3}([- ])\d{2}\1\d{4}(?!\w|-\d)", _checked(checksums.is_ssn)),
    _shape("US_ITIN", "digits", r"(?<![\w.-])9\d{2}([- ])(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\1\d{4}(?!\w|-\d)"),
    _shape(
        "IN_AADHAAR", "digits", r"(?<![\w.-])(?<!\d )[2-9]\d{3}([ -])\d{4}\1\d{4}(?!\w|[ -]\d)",
        _checked(stdnum("in_.aadhaar")),
    ),
    _shape("KR_RRN", "digits", r"(?<![\w.-])\d{6}-[1-8]\d{6}(?!\w|-\d)", _checked(stdnum("kr.rrn"))),
    _shape("BR_CPF", "digits", r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w|-\d)", _checked(stdnum("br.cpf"))),
    _shape(
        "FR_NIR", "digits", r"(?<![\w.-])[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\w|[.-]\d)",
        _checked(stdnum("fr.nir")),
    ),
    Finder("PHONE_NUMBER", "digits", phone_numbers),
    _shape(
        "IT_FISCAL_CODE", "identifier", r"(?i)(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)",
        _checked(stdnum("it.codicefiscale")),
    ),
    _shape(
        "ES_NIF", "identifier", r"(?<![\w.-])(?:\d{8}-?[A-Z]|[XYZ]-?\d{7}-?[A-Z])(?!\w)",
        _checked(checksums.is_spanish_person),
    ),
    _shape("FI_HETU", "identifier", r"(?<![\w.-])\d{6}[+A-]\d{3}[0-9A-Y](?!\w)", _checked(stdnum("fi.hetu"))),
    _shape("IN_PAN", "identifier", r"(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?!\w)", _checked(stdnum("in_.pan"))),
    _shape(
        "UK_NINO", "identifier",
        r"(?<![\w-])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]( ?)\d{2}\1\d{2}\1\d{2}\1[A-D](?!\w)",
    ),
    _shape(
        "MEDICAL_LICENSE", "identifier", r"(?<!\w)[ABCDEFGHJKLMPRSTUX][A-Z]\d{7}(?!\w)",
        _checked(checksums.is_dea_number),
    ),
    _shape(
        "CRYPTO", "wallet", r"(?<!\w)(?:bc1[a-z0-9]{20,80}|[13][a-km-zA-HJ-NP-Z1-9]{25,34})(?!\w)",
        _checked(stdnum("bitcoin")),
    ),
    _shape(
        "CRYPTO", "wallet", r"(?<!\w)0x[a-fA-F0-9]{40}(?!\w)",
        _checked(checksums.is_ethereum_address),
    ),
    _named("US_SSN", r"ssn|social security(?: number| no\.?)?", r"\d{9}", checksums.is_ssn),
    _named("UK_NHS", r"nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", stdnum("gb.nhs")),
    _named("PL_PESEL", r"pesel", r"\d{11}", stdnum("pl.pesel")),
    _named("NL_BSN", r"bsn|burgerservicenummer", r"\d{9}", stdnum("nl.bsn")),
    _named("DE_TAX_ID", r"steuer-?id\w*|steuer\w*nummer|tax id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", stdnum("de.idnr")),
    _named("AU_TFN", r"tfn|tax file number", r"\d{3} ?\d{3} ?\d{3}", stdnum("au.tfn")),
    _named("SE_PERSONNUMMER", r"personnummer", r"(?:\d{2})?\d{6}[+-]?\d{4}", stdnum("se.personnummer")),
    _named("DK_CPR", r"cpr", r"\d{6}-?\d{4}", stdnum("dk.cpr")),
    _named("PASSPORT", r"passport", r"[A-Z]{0,2}\d{6,9}"),
    _named("DRIVER_LICENSE", r"driv(?:er|ing)(?:'?s)?.licen[cs]e", r"[A-Z]{0,2}\d{6,14}|\d{4}-\d{2}-\d{4}"),
    _named("BANK_NUMBER", r"(?:bank )?(?:account|acct)(?: number| no\.?)?|routing(?: number| no\.?)?|aba", r"\d{8,17}"),
    _shape(
        "SECRET", "url_secret", r"(?<=://)(?P<find>[^\s/:@'\"<>]{0,100}:(?P<secret>[^\s/@'\"<>]{1,200}))(?=@[\w.-])",
        _is_no_stand_in, "SECRET:url-credentials",
    ),
    _shape(
        "SECRET", "url_secret",
        r"(?i)[?&#;](?:[a-z0-9_.-]{0,40}(?:token|secret|signature|credential|passw(?:or)?d|pwd)"
        r"|(?:[a-z0-9_.-]{0,20}[_.-])?(?:api_?)?key|sig|auth)=(?P<find>(?P<secret>[^\s&#'\"<>()]{8,2000}))",
        _is_no_stand_in, "SECRET:url-parameter",
    ),
    _shape("URL", "url", r"(?i)\bhttps?://[^\s<>\"'\x60]{3,2000}"),
)

OPTIONAL_KINDS = frozenset({"URL"})
KINDS = frozenset(finder.kind for finder in FINDERS)
