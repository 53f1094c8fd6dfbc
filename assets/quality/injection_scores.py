"""How texts are read against the rules of injection_rules.py: made plain, matched, decoded where they are encoded.

Rules of a text are independent witnesses: its score is one less the product of one less their weights. Matching is
linear in the text (Rust's regular expressions), and equal texts are read once.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from math import prod

import polars as pl

from assets.quality.injection_rules import ENCODED, RULES, Rule

ATTEMPT = 0.5
"""From this score on a text counts as an attempt."""
LONGEST = 20_000
"""Characters of a text that are read."""
_DECODED, _DECODED_WEIGHT, _HINT = "decoded_payload", 0.8, 0.3
_PIECE = re.compile(r"\b(?:[A-Za-z0-9+/]{24,}={0,2}|(?:[0-9a-fA-F]{2}){16,})(?![A-Za-z0-9+/=])")
_MOST_PIECES = 5
CATEGORY_OF = {rule.name: rule.category for rule in RULES} | {_DECODED: ENCODED}
_WEIGHT = {rule.name: rule.weight for rule in RULES} | {_DECODED: _DECODED_WEIGHT}


def plain(text: pl.Expr) -> pl.Expr:
    """In lower case and compatibility form, without invisible signs and hyphens within words, blanks as one space."""
    return (
        text.str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all("[\u2018\u2019\u02bc]", "'")
        .str.replace_all("[\u200b-\u200f\u2060\u00ad\ufeff]", "")
        .str.replace_all(r"([a-z])- ?([a-z])", "${1}${2}")
        .str.replace_all(r"\s+", " ")
    )


def scored(texts: pl.DataFrame) -> pl.DataFrame:
    """`texts` (text, is_given: others gave it to the model) with `score` and `rules`, the names of those that hit.

    In the order that they came in. A text without words has score 0 and no rules.
    """
    distinct = texts.select("text", "is_given").unique(maintain_order=True)
    found = _matched(distinct)
    payloads = _payloads(distinct["text"].to_list())
    decoded = _matched(pl.DataFrame({"text": list(payloads.values()), "is_given": True}, schema=distinct.schema))
    hints = {place: score(rules) for place, rules in zip(payloads, decoded, strict=True)}
    rules = [[*hit, _DECODED] if hints.get(place, 0.0) >= _HINT else hit for place, hit in enumerate(found)]
    judged = distinct.with_columns(
        score=pl.Series([score(hit) for hit in rules], dtype=pl.Float64), rules=pl.Series(rules, dtype=pl.List(pl.String))
    )
    return texts.join(judged, on=["text", "is_given"], how="left", nulls_equal=True, maintain_order="left")


def score(rules: list[str]) -> float:
    """How little doubt is left, from 0 to 1."""
    return round(1 - prod(1 - _WEIGHT[rule] for rule in rules), 4)


def categories(rules: list[str]) -> list[str]:
    """The categories of some rules, in order, each once."""
    return sorted({CATEGORY_OF[rule] for rule in rules})


def _matched(texts: pl.DataFrame) -> list[list[str]]:
    """The rules that hit each text, in their order."""
    read = texts.lazy().with_columns(pl.col("text").fill_null("").str.head(LONGEST).alias("raw"))
    read = read.with_columns(flat=plain(pl.col("raw")))
    names = pl.concat_list([_hit(rule) for rule in RULES]).list.drop_nulls()
    return read.select(names.alias("rules")).collect()["rules"].to_list()


def _hit(rule: Rule) -> pl.Expr:
    text = pl.col("raw" if rule.on_raw else "flat")
    # Boundaries of Unicode words would make the automaton give up at the first sign beyond ASCII.
    pattern = rule.pattern.replace(r"\b", r"(?-u:\b)")
    hits = text.str.contains(pattern) if rule.times == 1 else text.str.count_matches(pattern) >= rule.times
    if rule.in_given:
        hits = pl.col("is_given") & hits
    return pl.when(hits).then(pl.lit(rule.name))


def _payloads(texts: list[str | None]) -> dict[int, str]:
    """By place: what the encoded pieces of a text say, where they say something in letters."""
    found = {}
    for place, text in enumerate(texts):
        pieces = [_decoded(match[0]) for match in list(_PIECE.finditer((text or "")[:LONGEST]))[:_MOST_PIECES]]
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
