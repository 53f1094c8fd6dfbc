"""How texts are read against the rules of injection_rules.py: each different text once, decoded where it is encoded."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from itertools import islice

import polars as pl

from assets.quality.injection_rules import ENCODED, RULES
from assets.quality.phrase_rules import LONGEST, combined, matched

ATTEMPT = 0.5
"""From this score on a text counts as an attempt."""
_DECODED, _DECODED_WEIGHT, _HINT = "decoded_payload", 0.8, 0.3
_PIECE = re.compile(r"\b(?:[A-Za-z0-9+/]{24,}={0,2}|(?:[0-9a-fA-F]{2}){16,})(?![A-Za-z0-9+/=])")
_LONG_RUN = r"[A-Za-z0-9+/]{24}"
"""What every piece has: most texts have none, and are not looked at again."""
_MOST_PIECES = 5
CATEGORY_OF = {rule.name: rule.category for rule in RULES} | {_DECODED: ENCODED}
_WEIGHT = {rule.name: rule.weight for rule in RULES} | {_DECODED: _DECODED_WEIGHT}


def scored(texts: pl.DataFrame) -> pl.DataFrame:
    """`texts` (text, is_given: others gave it to the model) with `score` and `rules`, the names of those that hit.

    In the order that they came in. A text without words has score 0 and no rules.
    """
    distinct = texts.select("text", "is_given").unique(maintain_order=True)
    found = matched(distinct, RULES)
    payloads = _payloads(distinct["text"])
    said = pl.DataFrame({"text": list(payloads.values()), "is_given": [True] * len(payloads)}, schema=distinct.schema)
    decoded = matched(said, RULES)
    hints = {place: score(rules) for place, rules in zip(payloads, decoded, strict=True)}
    rules = [[*hit, _DECODED] if hints.get(place, 0.0) >= _HINT else hit for place, hit in enumerate(found)]
    judged = distinct.with_columns(
        score=pl.Series([score(hit) for hit in rules], dtype=pl.Float64), rules=pl.Series(rules, dtype=pl.List(pl.String))
    )
    return texts.join(judged, on=["text", "is_given"], how="left", nulls_equal=True, maintain_order="left")


def score(rules: list[str]) -> float:
    """How little doubt is left, from 0 to 1."""
    return combined(_WEIGHT[rule] for rule in rules)


def categories(rules: list[str]) -> list[str]:
    """The categories of some rules, in order, each once."""
    return sorted({CATEGORY_OF[rule] for rule in rules})


def _payloads(texts: pl.Series) -> dict[int, str]:
    """By place: what the encoded pieces of a text say, where they say something in letters."""
    found = {}
    places = texts.str.contains(_LONG_RUN).fill_null(False).arg_true()
    for place, text in zip(places, texts.gather(places), strict=True):
        pieces = [_decoded(match[0]) for match in islice(_PIECE.finditer(text[:LONGEST]), _MOST_PIECES)]
        said = " ".join(piece for piece in pieces if piece)
        if said:
            found[place] = said
    return found


def _decoded(piece: str) -> str:
    """A piece of base64 or hexadecimal as text; empty where it is none."""
    try:
        raw = bytes.fromhex(piece) if re.fullmatch(r"[0-9a-fA-F]+", piece) else b64decode(piece + "=" * (-len(piece) % 4))
        said = raw.decode("utf-8")
    except (NotBase64, ValueError):
        return ""
    return said if sum(c.isprintable() or c.isspace() for c in said) == len(said) and " " in said else ""
