"""What an index of public documents finds, and what ten nights of churn cost it: writes docs/proofs/retrieval.md.

    python -m benchmarks.retrieval [--cache FOLDER] [--print]

Measured through the parts that a night uses: the packaged embedder, resources/faiss_index.py, assets/retrieval/ranking.py.
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from assets.retrieval.index_gate import TUNED_TO
from assets.retrieval.ranking import METRICS, Estimate, difference, estimate, measured
from benchmarks.retrieval_sets import LANGUAGES, Judged, vaswani, vectors, xquad
from resources.embedder import Embedder
from resources.faiss_index import FLAT, VectorIndex, build, exact, recalls, tune
from resources.live_index import Ids, Point, Vectors

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "proofs" / "retrieval.md"
THREADS = 2
K = 10
CODES = "IVF128,PQ96x4fs,RFlat"
"""The kind that large indexes have, on few documents: what a night would build as Flat."""
NIGHTS, CHURN = 10, 0.05
NAMES = {"hit_rate": "hit rate", "recall": "recall", "precision": "precision", "mrr": "MRR", "ndcg": "nDCG"}


@dataclass(frozen=True)
class Night:
    """What was found on the churned index and on one built anew of the same vectors, at the same point."""

    churned: float
    rebuilt: Estimate
    difference: Estimate
    removed: int
    found_again: int


def of(index: VectorIndex, point: Point, judged: Judged, queries: Vectors) -> dict[str, Estimate]:
    """Each metric with its interval."""
    names = list(judged.documents)
    _, ids = index.search(queries, K, point)
    runs = {query: [names[id_] for id_ in row if id_ >= 0] for query, row in zip(judged.queries, ids, strict=True)}
    return {metric: estimate(values) for metric, values in measured(runs, judged.qrels, K).items()}


def compared(judged: Judged, documents: Vectors, queries: Vectors) -> list[str]:
    """Rows of the table: Flat, and codes tuned on documents, which the queries are not among."""
    lines = []
    asked = documents[:: max(1, len(documents) // 500)]
    for kind in (FLAT, *([CODES] if len(documents) > 5_000 else [])):
        index = build(kind, documents.shape[1], len(documents), lambda rows: documents[rows], THREADS)
        truth, _ = exact(np.vstack([asked, queries]), [(index.ids, documents)], K, THREADS)
        point = tune(index, asked, truth[: len(asked)], TUNED_TO).point
        faithful = estimate(recalls(index.search(queries, K, point)[0], truth[len(asked) :]))
        found = of(index, point, judged, queries)
        told = " | ".join(shown(found[metric]) for metric in METRICS)
        lines.append(f"| {judged.name} | {len(documents):,} | {len(queries):,} | {kind} | {shown(faithful)} | {told} |")
    return lines


def churned(documents: Vectors, queries: Vectors) -> tuple[Point, list[Night]]:
    """Ten nights on which as many documents come as go."""
    chance = np.random.default_rng(20_261_122)
    order = chance.permutation(len(documents))
    first = int(len(documents) / (1 + NIGHTS * CHURN))
    each = int(first * CHURN)
    held = documents[order]
    index = build(CODES, held.shape[1], first, lambda rows: held[rows], THREADS)
    asked = np.vstack([queries, held[: len(held) : 12]])
    point = tune(index, asked[::2], exact(asked[::2], [(index.ids, held[:first])], K, THREADS)[0], TUNED_TO).point
    live: Ids = np.arange(first)
    removed: Ids = np.empty(0, np.int64)
    nights = []
    for night in range(NIGHTS):
        gone = chance.choice(live, each, replace=False)
        index.remove(gone)
        new = index.add(held[first + night * each : first + (night + 1) * each])
        live, removed = np.sort(np.concatenate([np.setdiff1d(live, gone), new])), np.concatenate([removed, gone])
        fresh = build(CODES, held.shape[1], len(live), lambda rows, live=live: held[live[rows]], THREADS)
        truth, _ = exact(asked, [(live, held[live])], K, THREADS)
        ours, theirs = (recalls(one.search(asked, K, point)[0], truth) for one in (index, fresh))
        again = int(np.isin(index.search(held[removed], K, point)[1], removed).sum())
        nights.append(Night(float(ours.mean()), estimate(theirs), difference(ours, theirs), len(removed), again))
    return point, nights


def shown(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def points(change: Estimate) -> str:
    return f"{100 * change.value:+.2f} ({100 * change.low:+.2f} to {100 * change.high:+.2f})"


def page(cache: Path | None) -> str:
    embedder = Embedder(cache=cache)
    rows, churn = [], ""
    for judged in (vaswani(), *(xquad(language) for language in LANGUAGES)):
        documents, queries = vectors(judged, embedder)
        rows += compared(judged, documents, queries)
        if judged.name == "Vaswani":
            point, nights = churned(documents, queries)
            churn = "\n".join(
                f"| {place} | {night.removed:,} | {night.found_again} | {night.churned:.4f} | {night.rebuilt.value:.4f} | "
                f"{points(night.difference)} |"
                for place, night in enumerate(nights, start=1)
            )
            searched = f"{point.nprobe} lists, {point.k_factor} candidates a result"
    header = " | ".join(f"{NAMES[metric]}@{K}" for metric in METRICS)
    table = "\n".join(rows)
    return f"""# What an index of public documents finds

{datetime.now(UTC):%Y-%m-%d}, the packaged all-MiniLM-L6-v2 in float32, {platform.machine()}.
Command: `python -m benchmarks.retrieval`. Means over queries with their 95 % intervals (bootstrap of queries). Index recall:
of the ten nearest vectors, the share that the index finds; the others: of the documents that people, or the set's makers,
say answer the query. Vaswani has 22 relevant abstracts a query in the mean, so that precision can be high and recall@10
cannot; XQuAD one, so that precision@10 is .1 at most. The model has read little but English: the other languages show the
model, not the index. Long paragraphs are cut where the model stops reading.

| set | documents | queries | kind | index recall | {header} |
|---|---|---|---|---|{"---|" * len(METRICS)}
{table}

Lists of codes were tuned on documents, and are asked the set's queries, which are unlike them: a night tunes on what was
asked.
Judgments that do not belong to the queries are no bad score but an error, with how many ids match (`QrelsError`,
tests/unit/retrieval/test_ranking.py).

## Ten nights of 5 % churn

Vaswani's vectors; every night 5 % of the documents go and as many come, in place: what was trained on the first night
stays. The rebuilt index is trained anew on each night's documents; both are searched alike, with the set's queries and every
twelfth document: {searched}. The aim: within half a point of the
rebuild, and nothing removed is ever found, asked for by its own vector.

| night | removed so far | of those found | recall@10, churned | rebuilt | difference in points |
|---|---|---|---|---|---|
{churn}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="keep vectors here")
    parser.add_argument("--print", action="store_true", help="print the page, and write nothing")
    options = parser.parse_args()
    text = page(options.cache)
    if options.print:
        print(text)
    else:
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
