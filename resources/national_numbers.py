"""Numbers that states and their registers give to people: social security, tax, health, passports, licences.

A shape that other things have too needs its check digits, or the words that name it, or both.
"""

from __future__ import annotations

from resources import checksums
from resources.checksums import stdnum
from resources.redaction_finder import Finder, checked, named, shape, shape_gate

_THREE_TWO_FOUR = shape_gate(r"\b[0-9]{3}[ .-][0-9]{2}[ .-][0-9]{4}\b")
_HAS_LETTERS = shape_gate(
    r"(?i:\b[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]\b|\b[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b"
    r"|\b[XYZ]?-?[0-9]{7,8}-?[A-Z]\b|\b[0-9]{6}[+A-][0-9]{3}[0-9A-Z]\b)"
    r"|\b[A-Z]{5}[0-9]{4}[A-Z]\b|\b[A-Z]{2}[0-9]{7}\b"
)

NATIONAL_NUMBERS: tuple[Finder, ...] = (
    shape("US_SSN", _THREE_TWO_FOUR, r"(?a)(?<![\w.-])\d{3}([ .-])\d{2}\1\d{4}(?!\w|[.-]\d)", checked(checksums.is_ssn)),
    shape("US_ITIN", _THREE_TWO_FOUR, r"(?a)(?<![\w.-])9\d{2}([ .-])(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\1\d{4}(?!\w|-\d)"),
    shape(
        "IN_AADHAAR", shape_gate(r"\b[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}\b"),
        r"(?a)(?<![\w.-])(?<!\d )[2-9]\d{3}([ -])\d{4}\1\d{4}(?!\w|[ -]\d)", checked(stdnum("in_.aadhaar")),
    ),
    shape(
        "KR_RRN", shape_gate(r"\b[0-9]{6}-[0-9]{7}\b"),
        r"(?a)(?<![\w.-])\d{6}-[1-8]\d{6}(?!\w|-\d)", checked(stdnum("kr.rrn")),
    ),
    shape(
        "BR_CPF", shape_gate(r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b"),
        r"(?a)(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w|-\d)", checked(stdnum("br.cpf")),
    ),
    shape(
        "FR_NIR", shape_gate(r"\b[12](?: ?[0-9]){14}\b"),
        r"(?a)(?<![\w.-])[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\w|[.-]\d)", checked(stdnum("fr.nir")),
    ),
    shape(
        "IT_FISCAL_CODE", _HAS_LETTERS,
        r"(?ai)(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)", checked(stdnum("it.codicefiscale")),
    ),
    shape(
        "ES_NIF", _HAS_LETTERS,
        r"(?a)(?<![\w.-])(?:\d{8}-?[A-Z]|[XYZ]-?\d{7}-?[A-Z])(?!\w)", checked(checksums.is_spanish_person),
    ),
    shape("FI_HETU", _HAS_LETTERS, r"(?a)(?<![\w.-])\d{6}[+A-]\d{3}[0-9A-Y](?!\w)", checked(stdnum("fi.hetu"))),
    shape("IN_PAN", _HAS_LETTERS, r"(?a)(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?!\w)", checked(stdnum("in_.pan"))),
    shape(
        "UK_NINO", _HAS_LETTERS,
        r"(?a)(?<![\w-])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]( ?)\d{2}\1\d{2}\1\d{2}\1[A-D](?!\w)",
    ),
    shape(
        "MEDICAL_LICENSE", _HAS_LETTERS,
        r"(?a)(?<!\w)[ABCDEFGHJKLMPRSTUX][A-Z]\d{7}(?!\w)", checked(checksums.is_dea_number),
    ),
    named("US_SSN", r"ssn|social security(?: number| no\.?)?", r"\d{9}", checksums.is_ssn),
    named("UK_NHS", r"nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", stdnum("gb.nhs")),
    named("PL_PESEL", r"pesel", r"\d{11}", stdnum("pl.pesel")),
    named("NL_BSN", r"bsn|burgerservicenummer", r"\d{9}", stdnum("nl.bsn")),
    named("DE_TAX_ID", r"steuer-?id\w*|steuer\w*nummer|tax id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", stdnum("de.idnr")),
    named("AU_TFN", r"tfn|tax file number", r"\d{3} ?\d{3} ?\d{3}", stdnum("au.tfn")),
    named("SE_PERSONNUMMER", r"personnummer", r"(?:\d{2})?\d{6}[+-]?\d{4}", stdnum("se.personnummer")),
    named("DK_CPR", r"cpr", r"\d{6}-?\d{4}", stdnum("dk.cpr")),
    named("PASSPORT", r"passport", r"[A-Z]{0,2}\d{6,9}"),
    named("DRIVER_LICENSE", r"driv(?:er|ing)(?:'?s)?.licen[cs]e", r"[A-Z]{0,2}\d{6,14}|\d{4}-\d{2}-\d{4}"),
    named("BANK_NUMBER", r"(?:bank )?(?:account|acct)(?: number| no\.?)?|routing(?: number| no\.?)?|aba", r"\d{8,17}"),
)
