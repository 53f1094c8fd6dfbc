"""Questions, the pieces of text that answer them, and pieces that only seem to: what a retriever is trained on.

Here belongs which piece of a right document is the positive, and which are hard negatives: near to the question by the
embedder in use, past the first ones, and clearly farther than the positive (after sentence-transformers' mining: a range and
a relative margin). Where pieces and vectors come from is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from assets.tuning.dedupe import COSINE, Vectors

FIRST, LAST = 10, 100
"""Places by similarity from which negatives are taken: what is nearer may well answer, and only nobody said so."""
MARGIN = 0.05
"""A negative's similarity is below that of the positive by this share of it."""
NEGATIVES = 4
_QUESTIONS_AT_ONCE = 256


@dataclass(frozen=True)
class Pieces:
    """The pieces that can be found: ids, documents, and their vectors, in one order; `index` each belongs to."""

    ids: Sequence[str]
    documents: Sequence[str]
    vectors: Vectors

    def by_document(self) -> dict[str, list[int]]:
        """The places of the pieces of each document."""
        found: dict[str, list[int]] = {}
        for place, document in enumerate(self.documents):
            found.setdefault(document, []).append(place)
        return found


def best_piece(question: Vectors, pieces: Pieces, places: Sequence[int]) -> int:
    """Of a right document's pieces the one that is nearest to the question; of equals the first."""
    return places[int(np.argmax(pieces.vectors[list(places)] @ question))]


def hard_negatives(
    questions: Vectors, positives: Sequence[int], right: Sequence[Collection[str]], pieces: Pieces, most: int = NEGATIVES
) -> list[list[int]]:
    """For each question the places of up to `most` hard negatives, the nearest first; of a small corpus there may be none.

    `positives`: the place of its positive. `right`: documents known to answer it; none of their pieces is a negative, nor is
    one that says the same as the positive.
    """
    found: list[list[int]] = []
    documents = np.asarray(pieces.documents, dtype=object)
    for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
        scores = questions[start : start + _QUESTIONS_AT_ONCE] @ pieces.vectors.T
        for row, similar in enumerate(scores):
            positive, known = positives[start + row], set(right[start + row]) | {documents[positives[start + row]]}
            order = np.lexsort((np.arange(len(similar)), -similar))[FIRST:LAST]
            below = similar[positive] - MARGIN * abs(similar[positive])
            same = pieces.vectors[order] @ pieces.vectors[positive] >= COSINE
            wanted = [
                int(place)
                for place, is_same in zip(order, same, strict=True)
                if similar[place] <= below and not is_same and documents[place] not in known
            ]
            found.append(wanted[:most])
    return found
