"""How an answer is written, told by its letters and a few phrases: lists, code, links, refusals, hedges.

Here belong the patterns. They follow rates over time; they are no verdict on one answer. Phrases are those of English,
German, French, Spanish, Italian, Portuguese and Dutch; an answer in another language says neither refusal nor hedge.
"""

from __future__ import annotations

import polars as pl

OPENING = 200
"""A refusal says so in its first characters; later the same words are often a caveat."""
_LIST_ITEM = r"(?m)^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]+\S"
_CODE = r"```"
_LINK = r"(?i)\bhttps?://|\bwww\.[a-z0-9-]+\."
_REFUSES = r"""(?ix)
    \b(?:sorry|afraid)\b.{0,60}\b(?:can['’]?t|cannot|unable|not\ able|won['’]t)\b
    | \bI\ (?:can['’]t|cannot|can\ not|won['’]t|will\ not|must\ decline)\b
    | \bI(?:['’]m|\ am)\ (?:unable|not\ able)\ to\b
    | \bich\ kann\b.{0,40}\b(?:nicht|kein\w*)\b | \bdarf\ ich\ nicht\b | \btut\ mir\ leid\b
    | \bje\ ne\ (?:peux|suis)\ pas\b | \bdésolée?\b.{0,40}\bne\b
    | \bno\ puedo\b | \blo\ siento\b.{0,40}\bno\b
    | \bnon\ posso\b | \bmi\ dispiace\b.{0,40}\bnon\b
    | \bnão\ posso\b | \bdesculpe\b.{0,40}\bnão\b
    | \bik\ kan\b.{0,40}\b(?:niet|geen)\b
"""
_HEDGES = r"""(?ix)
    \bas\ an?\ (?:AI|language\ model|artificial)\b | \bI(?:['’]m|\ am)\ not\ (?:sure|certain)\b
    | \bI\ (?:may|might|could)\ be\ (?:wrong|mistaken)\b | \bto\ the\ best\ of\ my\ knowledge\b | \bI\ don['’]t\ know\b
    | \bals\ KI\b | \bich\ bin\ (?:mir\ )?nicht\ sicher\b | \bich\ weiß\ (?:es\ )?nicht\b
    | \ben\ tant\ qu(?:e|['’])\ ?(?:IA|modèle)\b | \bje\ ne\ sais\ pas\b | \bje\ ne\ suis\ pas\ sûre?\b
    | \bcomo\ (?:IA|modelo)\b | \bno\ (?:estoy\ segur[oa]|lo\ sé)\b
    | \bcome\ (?:IA|modello)\b | \bnon\ (?:sono\ sicur[oa]|lo\ so)\b
    | \bnão\ (?:sei|tenho\ certeza)\b | \bals\ AI\b | \bik\ (?:weet\ het\ niet|ben\ niet\ zeker)\b
"""
STYLES = ("has_list", "has_code", "has_link", "refuses", "hedges")


def styles(text: pl.Expr) -> dict[str, pl.Expr]:
    """Each of STYLES as a Boolean of `text`; NULL where that is NULL."""
    return {
        "has_list": text.str.count_matches(_LIST_ITEM) >= 2,
        "has_code": text.str.contains(_CODE),
        "has_link": text.str.contains(_LINK),
        "refuses": text.str.head(OPENING).str.contains(_REFUSES),
        "hedges": text.str.contains(_HEDGES),
    }
