"""How the same thing is said: as a list, with many kind words, or at greater length.

Here belong changes of a text that leave its facts alone. Who says it so, and since when, is in `drift_incidents.py`.
"""

from __future__ import annotations

import random
import re

PLAIN, TERSE, WARM = range(3)
"""Styles of an answer. Plain: as it was drawn."""

_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_BEFORE = (
    "What a good question, and thank you for being with us! ",
    "I am glad that you ask, and I will gladly explain. ",
    "Of course, let me walk you through it step by step. ",
)
_AFTER = (
    " I hope that this helps you along. If anything is left open, simply write to us again, at any hour.",
    " Please tell me whether that answers it, and have a wonderful day with everything that you are planning.",
    " You are always welcome to come back with more questions; we are happy to look into them together.",
)
_ASIDES = (
    "I have been a customer for many years and have never had to ask before.",
    "My sister bought the same last winter and was told something else on the telephone.",
    "It would be kind to explain it so that I can show it to my family tonight.",
    "I have looked through all my papers and through every message that you have sent me.",
    "We are about to move house, and until then everything has to be settled.",
    "Last time this was done within a day, which I thought was really very good.",
)


def styled(text: str, style: int, rng: random.Random) -> str:
    """The text in another style; what only programs read (JSON) stays as it is."""
    if style == PLAIN or text.startswith("{"):
        return text
    if style == TERSE:
        return f"- {max(_SENTENCES.split(text), key=len)}\n- Source: handbook"
    return rng.choice(_BEFORE) + text + rng.choice(_AFTER)


def lengthened(text: str, factor: float, rng: random.Random) -> str:
    """The text with so much said besides that it is `factor` times as long, to the next whole word."""
    wanted, start = round(len(text) * factor), rng.randrange(len(_ASIDES))
    place = 0
    while len(text) < wanted:
        for word in _ASIDES[(start + place) % len(_ASIDES)].split():
            if len(text) >= wanted:
                break
            text += f" {word}"
        place += 1
    return text
