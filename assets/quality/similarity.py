"""How near in meaning an answer is to its context, to the question, and to itself.

Here belong cosines of vectors that somebody else makes; each text is embedded once for all answers that are
measured together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.quality.answers import Pieces

Vectors = NDArray[np.float32]
Embed = Callable[[list[str]], tuple[Vectors, str]]
"""Texts -> a vector of length 1 for each, and the short name of what made them."""


def similarities(exchanges: Sequence[Pieces], embed: Embed) -> tuple[list[dict[str, Any]], str]:
    """The columns of quality.scores that need vectors, for each exchange, None where there is nothing to compare; and what
    made the vectors."""
    texts = dict.fromkeys(
        text for pieces in exchanges for text in (*pieces.sentences, *pieces.passages, pieces.question) if text is not None
    )
    vectors, embedder = embed(list(texts))
    place = {text: number for number, text in enumerate(texts)}
    return [_of(pieces, place, vectors) for pieces in exchanges], embedder


def _of(pieces: Pieces, place: dict[str, int], vectors: Vectors) -> dict[str, Any]:
    said = vectors[[place[text] for text in pieces.sentences]]
    found: dict[str, Any] = dict.fromkeys(("similarity_mean", "similarity_min", "question_similarity", "coherence"))
    if pieces.passages:
        nearest = (said @ vectors[[place[text] for text in pieces.passages]].T).max(axis=1)
        found |= {"similarity_mean": float(nearest.mean()), "similarity_min": float(nearest.min())}
    if pieces.question is not None:
        middle = said.mean(axis=0)
        length = float(np.linalg.norm(middle))
        found["question_similarity"] = float(middle @ vectors[place[pieces.question]]) / length if length > 0 else None
    if len(said) > 1:
        found["coherence"] = float((said[:-1] * said[1:]).sum(axis=1).mean())
    return found
