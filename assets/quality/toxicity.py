"""quality.toxicity: a proxy of how foul each answer is, from a short list of phrases.

Here belong the phrases and the table. It is a proxy, never a verdict: people say what is toxic (quality.labels). Slurs are
not in the list: the list is public, and half of them are ordinary words elsewhere.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from assets.quality.phrase_rules import Rule, combined, matched

VERSION = "phrases-1"
"""Raise it with every change of a phrase: days of two versions do not compare."""
_FOOL = (
    r"(?:idiot|moron|imbecile|fool|stupid|dumb|pathetic|worthless|useless|loser|disgusting|ugly|brainless"
    r"|braindead|scum|trash"
    r"|pig|dimwit|cretin|halfwit|disgrace|nobody|clown)"
)
_PEOPLE = (
    r"(?:women|men|girls|jews|muslims|christians|hindus|atheists|blacks|whites|asians|africans|arabs"
    r"|immigrants|migrants"
    r"|refugees|foreigners|gays|lesbians|homosexuals|disabled people|old people|poor people)"
)
_OBSCENE = (
    r"(?:fuck[a-z]*|motherfuck[a-z]*|shit(?:ty|head|s)?|bullshit|bitch(?:es)?|cunts?|asshole?s?|arseholes?"
    r"|bastards?|dickheads?"
    r"|wankers?|twats?|pricks?|douchebags?|scheiß[a-zß]*|scheiss[a-z]*|arschloch|wichser|fick(?:en|t)?"
    r"|hurensohn|merde|putain"
    r"|connard|salope|enculé|mierda|puta|cabrón|gilipollas|stronzo|vaffanculo|cazzo|caralho|klootzak)"
)
RULES: tuple[Rule, ...] = (
    Rule(
        "threat", "threat", 0.8,
        r"\bi(?:'ll| will| am going to|'m going to) (?:kill|hurt|beat|destroy|find and|stab|shoot|crush)"
        r" you\b|\bkill yourself\b"
        r"|\byou (?:deserve|ought) to (?:die|suffer|be (?:beaten|killed|shot))\b|\bi hope you (?:die|suffer)\b",
    ),
    Rule(
        "insult", "insult", 0.6,
        rf"\byou(?:'re| are| were)? (?:just |really |so |such |a |an |the |nothing but |complete |total "
        rf"|utter ){{0,4}}{_FOOL}\b"
        r"|\bshut (?:the [a-z]+ )?up\b",
    ),
    Rule(
        "demeans_a_group", "demeans", 0.8,
        rf"\b(?:all |those |these |most )?{_PEOPLE} (?:are|should be|deserve) (?:all |just |nothing but "
        rf"|naturally )?(?:a |an )?(?:inferior"
        r"|stupid|animals|vermin|parasites|criminals|filth[a-z]*|subhuman|disgusting|lazy|dirty|killed"
        r"|exterminated|deported)\b",
    ),
    Rule("obscenity", "obscenity", 0.4, rf"\b{_OBSCENE}\b"),
    Rule("obscenities", "obscenity", 0.4, rf"\b{_OBSCENE}\b", times=3),
)  # fmt: skip
_WEIGHT = {rule.name: rule.weight for rule in RULES}
_PLACE = ["file_id", "record_number"]
_FACTS = ["request_id", "user_token", "conversation_token", "tenant", "feature", "model", "prompt_version", "environment"]
_SCHEMA = {
    "day": pl.Date, **dict.fromkeys(_FACTS, pl.String), "inclusion_probability": pl.Float64, "toxicity_proxy": pl.Float64,
    "phrases": pl.String, "lexicon": pl.String,
}  # fmt: skip
COLUMNS = {
    "logs.requests": [*_FACTS, "is_shadow", *_PLACE],
    "logs.texts": [*_PLACE, "record_kind", "part", "text", "inclusion_probability"],
}


def toxicity(day: date, requests: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """One row per answered, not-shadow request of `day` whose answer's words are kept."""
    answers = texts.filter((pl.col("part") == "output") & (pl.col("record_kind") == "request"))
    answers = answers.filter(pl.col("text").str.strip_chars() != "").drop("part", "record_kind")
    kept = requests.filter(~pl.col("is_shadow").fill_null(False)).join(answers, on=_PLACE)
    distinct = kept.select("text").unique().with_columns(is_given=pl.lit(False))
    hits = matched(distinct, RULES)
    judged = distinct.select("text").with_columns(
        toxicity_proxy=pl.Series([combined(_WEIGHT[name] for name in names) for names in hits], dtype=pl.Float64),
        phrases=pl.Series([",".join(names) or None for names in hits], dtype=pl.String),
    )
    rows = kept.join(judged, on="text").with_columns(day=pl.lit(day), lexicon=pl.lit(VERSION))
    return rows.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()).sort("request_id")
