"""Rules over words: a pattern with a name and a weight, how a text is made plain for it, and what several hits amount to.

Here belongs the machinery that injection_rules.py and toxicity.py share. Matching is linear in the text (Rust's regular
expressions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import polars as pl

LONGEST = 20_000
"""Characters of a text that are read."""


@dataclass(frozen=True)
class Rule:
    """`weight`: how much of a doubt that a text is harmless a hit takes away, from 0 to 1. `times`: hits that it takes.

    A pattern is matched on the plain text, `on_raw` on the text as it is. `in_given`: of texts that the model was given by
    others (documents, results of tools) alone: people may say such things to their own assistant.
    """

    name: str
    category: str
    weight: float
    pattern: str
    times: int = 1
    on_raw: bool = False
    in_given: bool = False


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


def matched(texts: pl.DataFrame, rules: Sequence[Rule]) -> list[list[str]]:
    """The names of the rules that hit each text (columns text, is_given), in the order of the rules."""
    if texts.is_empty():
        return []  # To compile the patterns costs more than anything else of a quiet day.
    read = texts.lazy().with_columns(pl.col("text").fill_null("").str.head(LONGEST).alias("raw"))
    names = pl.concat_list([_hit(rule) for rule in rules]).list.drop_nulls()
    found: list[list[str]] = (
        read.with_columns(flat=plain(pl.col("raw"))).select(names.alias("rules")).collect()["rules"].to_list()
    )
    return found


def combined(weights: Iterable[float]) -> float:
    """How little doubt several hits leave, as if they were independent witnesses: from 0 to 1."""
    return round(1 - prod(1 - weight for weight in weights), 4)


def _hit(rule: Rule) -> pl.Expr:
    text = pl.col("raw" if rule.on_raw else "flat")
    # Boundaries of Unicode words would make the automaton give up at the first sign beyond ASCII.
    pattern = rule.pattern.replace(r"\b", r"(?-u:\b)")
    hits = text.str.contains(pattern) if rule.times == 1 else text.str.count_matches(pattern) >= rule.times
    if rule.in_given:
        hits = pl.col("is_given") & hits
    return pl.when(hits).then(pl.lit(rule.name))
