"""Answers that decline, or say that they found nothing, and answers that are unsure of themselves.

Here belong the words by which a search says that it found nothing; the other phrases are those of assets/drift/style.py, in
the same seven languages.
"""

from __future__ import annotations

import polars as pl

from assets.drift.style import OPENING, styles

_FOUND_NOTHING = r"""(?ix)
    \b(?:could|can|did)\ ?(?:not|n['’]t)\ find\b
    | \b(?:have|has|there\ is|found)\ no\ (?:\w+\ )?(?:information|answer|mention|record)
    | \b(?:does|do)(?:\ not|n['’]t)\ (?:say|mention|contain|cover|specify|provide)\b
    | \bnot\ (?:mentioned|covered|specified)\ in\b
    | \bnot\ (?:have\ )?enough\ (?:information|context)\b
    | \bkeine\ (?:\w+\ )?(?:Informationen?|Angaben?|Antwort|Hinweise?)\b | \bnicht\ (?:finden|gefunden|enthalten|erwähnt)\b
    | \bn['’](?:ai|a|est|y\ a)\ pas\ (?:trouvé|d['’]information|mentionné|précisé)
    | \baucune\ (?:information|réponse|mention)\b
    | \bno\ (?:he\ encontrado|encuentro|encontré|tengo\ información|se\ menciona)\b | \bninguna\ (?:información|respuesta)\b
    | \bnon\ (?:ho\ trovato|trovo|ho\ informazioni)\b | \bnessuna\ (?:informazione|risposta)\b
    | \bnão\ (?:encontrei|encontro|tenho\ informações)\b | \bnenhuma\ (?:informação|resposta)\b
    | \bgeen\ (?:informatie|antwoord|vermelding)\b | \bniet\ (?:vinden|gevonden|vermeld)\b
"""


def refuses(text: pl.Expr) -> pl.Expr:
    """It says in its first words that it cannot or will not help, or that it found nothing."""
    return styles(text)["refuses"] | text.str.head(OPENING).str.contains(_FOUND_NOTHING)


def hedges(text: pl.Expr) -> pl.Expr:
    """It says that it may be wrong, or is only a machine."""
    return styles(text)["hedges"]
