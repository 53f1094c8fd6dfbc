"""Check digits: whether a run of characters is a number of its kind, or only looks like one.

Here belongs what a candidate must satisfy beyond its shape. Shapes are redaction_patterns.py. python-stdnum knows the
national rules; it is imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from ipaddress import AddressValueError, IPv4Address, IPv6Address

# Leading digits and lengths that card networks issue: without them one in ten runs of digits passes Luhn.
_CARD_NETWORKS = re.compile(
    r"""
    4(?:\d{12}|\d{15}|\d{18})                                              # Visa: 13, 16, 19
    | (?:5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720)\d{12}  # Mastercard
    | 3[47]\d{13}                                                          # American Express
    | 3(?:0[0-5]|[689]\d)\d{11}(?:\d{2})?                                  # Diners Club: 14, 16
    | (?:2131|1800)\d{11} | 35\d{14}                                       # JCB
    | (?:6011|64[4-9]\d|65\d\d|62\d\d|81\d\d)\d{12,15}                     # Discover, UnionPay
    | (?:50\d\d|5[6-9]\d\d|6\d{3}|0604)\d{8,15}                                     # Maestro and others
    | 220[0-4]\d{12,15}                                                    # Mir
    """,
    re.X,
)
_CARD_GROUPING = re.compile(r"(?:4,){2,4}[1-4]|4,6,[45]|\d+")
CARD_GROUPS = 5
"""At most so many groups of digits make a card."""


def luhn(digits: str) -> bool:
    """Whether digits satisfy the Luhn check (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(text: str) -> bool:
    """A payment card: issued prefix and length, Luhn, and the grouping of a card or none."""
    groups = re.findall(r"\d+", text)
    digits = "".join(groups)
    grouped = ",".join(str(len(group)) for group in groups)
    if len(groups) == len(digits):  # every digit by itself, as in speech
        grouped = "1"
    return bool(
        _CARD_GROUPING.fullmatch(grouped)
        and _CARD_NETWORKS.fullmatch(digits)
        and len(set(digits)) > 1
        and luhn(digits)
    )


def is_ipv4(text: str) -> bool:
    """An IPv4 address that may be somebody's: not this machine, none, or a netmask."""
    try:
        address = IPv4Address(text)
    except AddressValueError:
        return False
    return not (address.is_unspecified or text.startswith(("127.0.0.", "255.255.")))


def is_ipv6(text: str) -> bool:
    """An IPv6 address that may be somebody's, and no slice or scope of a program (`1::2`, `a::b`)."""
    try:
        address = IPv6Address(text.partition("%")[0])
    except AddressValueError:
        return False
    hextets = [hextet for hextet in text.split(":") if hextet]
    written_as_address = len(hextets) >= 3 or bool(hextets and len(hextets[0]) == 4)
    has_digit = any(character.isdigit() for character in text)
    return written_as_address and has_digit and not (address.is_loopback or address.is_unspecified)


def is_ethereum_address(text: str) -> bool:
    """0x and 40 hex digits that are not one repeated; the mixed-case checksum needs Keccak and is not computed."""
    return len(set(text[2:].lower())) > 6


def is_dea_number(text: str) -> bool:
    """A registration number of the US Drug Enforcement Administration (two letters, seven digits, check digit)."""
    digits = [int(digit) for digit in text[2:]]
    return (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10 == digits[6]


def is_ssn(text: str) -> bool:
    """A US social security number that can have been issued, with any separator or none."""
    return stdnum("us.ssn")(re.sub(r"\D", "", text))


def is_iban(text: str) -> bool:
    """An IBAN of its country's length whose digits pass modulo 97 (ISO 13616)."""
    from stdnum import iban

    # The national check digits within are left out: banks and test data break them.
    return bool(iban.is_valid(text, check_country=False))


def is_spanish_person(text: str) -> bool:
    """A DNI or NIE: the letter fits the digits."""
    return stdnum("es.nie" if text[0].isalpha() else "es.dni")(text)


def stdnum(module: str) -> Callable[[str], bool]:
    """python-stdnum's check of one kind of number, such as `us.ssn` or `it.codicefiscale`; imported when first asked."""
    return lambda text: bool(_stdnum_is_valid(module)(text))


@cache
def _stdnum_is_valid(module: str) -> Callable[[str], bool]:
    check: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return check
