"""Which kind of index a size wants, and when one is built anew instead of changed.

Here belong the rules, as numbers of ours. What they are asked with comes from tables and manifests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

FLAT_BELOW = 50_000
"""Vectors up to which comparing with each is fast enough: a few ms a query and thread, and exact."""
DIMENSIONS_PER_CODE = 4
MOST_TOMBSTONES = 0.15
MOST_RECALL_LOST = 0.005
What = Literal["full", "churn"]


@dataclass(frozen=True)
class Standing:
    """What is live, and what is measured of it tonight. `built_recall`: on the day on which it was built from nothing;
    `recall`: on tonight's queries, None where nothing was measured."""

    kind: str
    embedder: str
    chunkers: tuple[str, ...]
    corpus_version: str
    rows: int
    tombstones: int
    built_recall: float | None
    recall: float | None = None


@dataclass(frozen=True)
class Wanted:
    """What the corpus is tonight."""

    vectors: int
    dimensions: int
    embedder: str
    chunkers: tuple[str, ...]
    corpus_version: str


@dataclass(frozen=True)
class Due:
    """What is to be built, None: nothing; and why."""

    what: What | None
    why: str


def kind_for(vectors: int, dimensions: int) -> str:
    """The FAISS factory string: flat below 50,000 vectors, above lists of 4-bit codes with an exact look at the best.

    About 1.3 lists for each unit of the square root, a power of two: 512 for 100,000 vectors, 2,048 for a million.
    """
    if vectors < FLAT_BELOW:
        return "Flat"
    lists = 2 ** math.ceil(math.log2(1.3 * math.sqrt(vectors)))
    each = next(n for n in range(DIMENSIONS_PER_CODE, dimensions + 1) if dimensions % n == 0)
    return f"IVF{lists},PQ{dimensions // each}x4fs,RFlat"


def due(standing: Standing | None, wanted: Wanted) -> Due:
    """What is to be built tonight. Flat indexes have nothing trained, and are built anew whenever their corpus changed."""
    if not wanted.vectors:
        return Due(None, "the corpus has no chunk that is live")
    if standing is None:
        return Due("full", "nothing is live yet")
    if standing.embedder != wanted.embedder:
        return Due("full", "the embedder changed, and vectors of two do not compare")
    if standing.chunkers != wanted.chunkers:
        return Due("full", f"chunks are cut by {', '.join(wanted.chunkers)} instead of {', '.join(standing.chunkers)}")
    kind = kind_for(wanted.vectors, wanted.dimensions)
    if is_outgrown(standing.kind, kind):
        return Due("full", f"{wanted.vectors:,} vectors want {kind} instead of {standing.kind}")
    if has_lost(standing.built_recall, standing.recall):
        return Due("full", f"it finds {standing.recall:.1%} of what is nearest, and {standing.built_recall:.1%} when built")
    if standing.corpus_version == wanted.corpus_version:
        return Due(None, "nothing changed")
    if standing.rows and standing.tombstones / standing.rows > MOST_TOMBSTONES:
        return Due("full", f"{standing.tombstones / standing.rows:.0%} of its rows are removed ones")
    return Due("full" if kind == "Flat" else "churn", "the corpus changed")


def is_outgrown(live: str, wanted: str) -> bool:
    """Flat against not flat, or four times as many lists as are there, or a quarter of them: less is no reason."""
    if live == wanted:
        return False
    if "Flat" in (live, wanted):
        return True
    there, asked = (int(kind.split(",")[0].removeprefix("IVF")) for kind in (live, wanted))
    return asked >= 4 * there or there >= 4 * asked


def has_lost(before: float | None, now: float | None) -> bool:
    """Whether an index finds more than half a point less of what is nearest than it did."""
    return before is not None and now is not None and before - now > MOST_RECALL_LOST
