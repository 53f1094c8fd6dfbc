"""What a wrong answer says instead of a fact of the handbook, and what is wrong with it.

Here belong the words alone. How often an answer is wrong is in `dialogue.py`.
"""

from __future__ import annotations

import random

from simulator import phrases
from simulator.documents import Fact, handbook
from simulator.languages import Language

UNSUPPORTED_SHARE = 0.25
_NAMES = tuple(
    sorted({fact.value for document in handbook().documents for fact in document.facts if fact.value.isalpha()})
)
"""Values of one word, of which a wrong answer takes another one."""


def invent(rng: random.Random, fact: Fact, language: Language | None) -> tuple[str, str]:
    """What is wrong, and a sentence in which it is: a claim that no document makes, another number, another name."""
    if rng.random() < UNSUPPORTED_SHARE:
        claims = language.phrases["unsupported"] if language else phrases.UNSUPPORTED
        return "unsupported_claim", f"{fact.sentence} {rng.choice(claims)}"
    other = _another_number(rng, fact.value)
    if other is not None:
        return "changed_number", fact.sentence.replace(fact.value, other)
    name = rng.choice([name for name in _NAMES if name != fact.value])
    return "changed_name", fact.sentence.replace(fact.value, name)


def _another_number(rng: random.Random, value: str) -> str | None:
    """The value with its first digit changed, so that the number is another one; None where it has none."""
    place = next((place for place, character in enumerate(value) if character.isdigit()), None)
    if place is None:
        return None
    digit = rng.choice([other for other in "123456789" if other != value[place]])
    return value[:place] + digit + value[place + 1 :]
