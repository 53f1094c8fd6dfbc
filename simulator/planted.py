"""Strings that must not reach a warehouse: made-up personal data and secrets, right in shape and check digits.

Here belongs how each kind is spelled. All of it is drawn at random: no number is anybody's, no key opens anything.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

_FIRST = ("mira", "tomas", "ines", "oskar", "lena", "pavel", "aiko", "jonas", "noor", "silke")
_LAST = ("varga", "lindqvist", "okafor", "brandt", "moreau", "santos", "novak", "haddad", "keller", "ibsen")
_DOMAINS = ("example.com", "example.org", "mail.example.net")
_BASE62 = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_CARDS = (("4", 16), ("51", 16), ("55", 16), ("37", 15))
_IBANS = (("DE", 18), ("AT", 16), ("FR", 23), ("NL", 10))


def luhn_digit(digits: str) -> str:
    """The digit that makes a number pass the Luhn check (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def iban_check(country: str, account: str) -> str:
    """The two check digits of an IBAN (ISO 13616, modulo 97)."""
    rearranged = "".join(str(int(character, 36)) for character in account + country + "00")
    return f"{98 - int(rearranged) % 97:02d}"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _text(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _email(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST)}.{rng.choice(_LAST)}{rng.randrange(10, 99)}@{rng.choice(_DOMAINS)}"


def _phone(rng: random.Random) -> str:
    # 555-01xx numbers and +49 30 23125 xxx are set aside for fiction.
    if rng.random() < 0.5:
        return f"+1 {rng.choice(('212', '415', '312'))} 555 01{_digits(rng, 2)}"
    return f"+49 30 23125 {_digits(rng, 3)}"


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(_CARDS)
    body = prefix + _digits(rng, length - len(prefix) - 1)
    number = body + luhn_digit(body)
    if length == 16 and rng.random() < 0.5:
        return " ".join(number[place : place + 4] for place in range(0, 16, 4))
    return number


def _iban(rng: random.Random) -> str:
    country, length = rng.choice(_IBANS)
    account = ("RABO" if country == "NL" else "") + _digits(rng, length)
    number = country + iban_check(country, account) + account
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4)) if rng.random() < 0.5 else number


def _ip(rng: random.Random) -> str:
    # The networks of RFC 5737 and RFC 3849 are for documentation.
    if rng.random() < 0.2:
        return f"2001:db8:{rng.randrange(1, 0xFFFF):x}:{rng.randrange(1, 0xFFFF):x}::{rng.randrange(1, 0xFFFF):x}"
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"


def _ssn(rng: random.Random) -> str:
    # Areas 000, 666 and 9xx are never issued, and recognisers pass them over.
    area = rng.choice([number for number in range(100, 899) if number != 666])
    return f"{area}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "ssn": _ssn,
    "aws-access-token": lambda rng: "AKIA" + _text(rng, _BASE32, 16),
    "github-pat": lambda rng: "ghp_" + _text(rng, _BASE62, 36),
    "gcp-api-key": lambda rng: "AIza" + _text(rng, _BASE62, 35),
    "openai-api-key": lambda rng: "sk-" + _text(rng, _BASE62, 20) + "T3BlbkFJ" + _text(rng, _BASE62, 20),
    "slack-bot-token": lambda rng: f"xoxb-{_digits(rng, 12)}-{_digits(rng, 12)}-{_text(rng, _BASE62, 24)}",
    "stripe-access-token": lambda rng: "sk_live_" + _text(rng, _BASE62, 24),
}
"""How each kind is spelled; secrets carry the ids of their gitleaks rules."""
SECRETS = tuple(kind for kind in KINDS if "-" in kind)
_WITH = {
    "email": ("You can reach me at {}.", "My address is {}, in case you need it."),
    "phone": ("Please call me back on {}.", "My number is {}."),
    "card": ("I paid with card {}.", "The card was {}, is that wrong?"),
    "iban": ("Send the money to {}.", "My account is {}."),
    "ip": ("The order came from {}, I think.", "Your page says that {} is blocked."),
    "ssn": ("My social security number is {}.", "You asked for my SSN: {}."),
}
_WITH_SECRET = ("Our script uses the key {} for this.", "It fails with {} in the header.", "token={}")


def plant(rng: random.Random, kind: str) -> tuple[str, str]:
    """(the string, a sentence around it)."""
    value = KINDS[kind](rng)
    return value, rng.choice(_WITH.get(kind, _WITH_SECRET)).format(value)


def as_truth(request_id: str, part: str, kind: str, value: str) -> dict[str, Any]:
    """What the ground truth says about a planted string."""
    return {"request_id": request_id, "part": part, "kind": kind, "text": value}
