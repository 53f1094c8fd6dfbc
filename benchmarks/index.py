"""What searching, building and changing an index costs: writes benchmarks/results/index.md.

    python -m benchmarks.index [--cache FOLDER] [--most 1000000] [--write]

CPU seconds of this process, which other work on the machine leaves alone; every ratio is of one run.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pyarrow as pa

from assets.retrieval.index_gate import TARGET
from assets.retrieval.index_rules import kind_for
from assets.retrieval.ranking import estimate
from benchmarks.retrieval_sets import LANGUAGES, upsampled, vaswani, vectors, xquad
from resources.embedder import Embedder
from resources.faiss_index import Tuned, VectorIndex, build, exact, recalls, tune
from resources.index_store import CHUNK_COLUMNS, Draft, IndexStore
from resources.live_index import Vectors

RESULTS = Path(__file__).parent / "results" / "index.md"
THREADS, K, QUERIES = 2, 10, 1_000
SIZE, CHANGED = 100_000, 0.01
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """What something took."""

    cpu_s: float
    wall_s: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s)


def cost(work: Callable[[], object], repeats: int = 1) -> Cost:
    """The cheapest of some repeats."""
    found = []
    for _ in range(repeats):
        cpu, wall = process_time(), perf_counter()
        work()
        found.append(Cost(process_time() - cpu, perf_counter() - wall))
    return min(found, key=lambda one: one.cpu_s)


def sealed(store: IndexStore, number: int, index: VectorIndex, tuned: Tuned, names: list[str]) -> None:
    """Make a release, and publish it: what a night does besides FAISS's work."""
    ids = index.ids
    columns = {
        "id": ids, "chunk_id": [names[id_] for id_ in ids], "document_id": [names[id_] for id_ in ids],
        "version": ["v"] * len(ids), "access_label": ["internal"] * len(ids), "valid_until": [None] * len(ids),
    }  # fmt: skip
    point = {"nprobe": tuned.point.nprobe, "k_factor": tuned.point.k_factor}
    draft = Draft(index, pa.table(columns, schema=CHUNK_COLUMNS), {"embedder": "e" * 32, "operating_point": point})
    store.make("main", number, draft)
    store.publish("main", number)


def bare(data: Vectors, kind: str, path: Path) -> Cost:
    """The same index by FAISS's own calls: train, add, write."""
    import faiss

    faiss.omp_set_num_threads(THREADS)

    def work() -> None:
        index = faiss.index_factory(data.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index.train(data)
        index.add(data)
        faiss.write_index(index, str(path))

    return cost(work)


def of_a_size(data: Vectors, asked: Vectors, folder: Path) -> tuple[list[str], dict[str, float]]:
    """The first page's figures: search, build, change."""
    kind = kind_for(len(data), data.shape[1])
    names = [f"{n:032x}" for n in range(2 * len(data))]
    store, made = IndexStore(folder / "home"), []
    built = cost(lambda: made.append(build(kind, data.shape[1], len(data), lambda rows: data[rows], THREADS)))
    index = made[0]
    truths: list[Vectors] = []
    flat = cost(lambda: truths.append(exact(asked, [(np.arange(len(data)), data)], K, THREADS)[0]), REPEATS)
    truth, found = truths[0], []
    tuning = cost(lambda: found.append(tune(index, asked[::2], truth[::2], TARGET)))
    best = found[0]
    faithful = estimate(recalls(index.search(asked[1::2], K, best.point)[0], truth[1::2]))
    search = cost(lambda: index.search(asked, K, best.point), REPEATS)
    sealing = cost(lambda: sealed(store, 1, index, best, names))
    theirs = bare(data, kind, folder / "bare.faiss")

    changed = int(CHANGED * len(data))
    came = upsampled(data[:20_000], changed, seed=5)

    def night() -> None:
        index.remove(np.arange(changed))
        index.add(came)

    churn = cost(night)
    again = cost(lambda: tune(index, asked[::2], truth[::2], TARGET)) + cost(lambda: sealed(store, 2, index, best, names))
    whole = built + tuning + sealing
    lines = [
        f"| Flat, every vector compared | 1 | {len(asked) / flat.cpu_s:,.0f} | {len(asked) / flat.wall_s:,.0f} | 1 × |",
        f"| {kind}, {best.point.nprobe} lists, {best.point.k_factor} candidates a result "
        f"| {faithful.value:.4f} ({faithful.low:.4f} to {faithful.high:.4f}) "
        f"| {len(asked) / search.cpu_s:,.0f} | {len(asked) / search.wall_s:,.0f} "
        f"| **{flat.cpu_s / search.cpu_s:.0f} ×** ({flat.wall_s / search.wall_s:.0f} × of the clock) |",
    ]
    return lines, {
        "bare": theirs.cpu_s, "built": built.cpu_s, "tuning": tuning.cpu_s, "sealing": sealing.cpu_s,
        "whole": whole.cpu_s, "truth": flat.cpu_s, "churn": churn.cpu_s, "churn_whole": (churn + again).cpu_s,
    }  # fmt: skip


def of_another_size(data: Vectors, asked: Vectors) -> str:
    """A row of the table of sizes."""
    kind, made, truths = kind_for(len(data), data.shape[1]), list[VectorIndex](), list[Vectors]()
    built = cost(lambda: made.append(build(kind, data.shape[1], len(data), lambda rows: data[rows], THREADS)))
    truth = cost(lambda: truths.append(exact(asked, [(np.arange(len(data)), data)], K, THREADS)[0]))
    best = tune(made[0], asked[::2], truths[0][::2], TARGET)
    recall = recalls(made[0].search(asked[1::2], K, best.point)[0], truths[0][1::2]).mean()
    point = "every vector" if kind == "Flat" else f"{best.point.nprobe} lists, {best.point.k_factor} a result"
    search = cost(lambda: made[0].search(asked, K, best.point), 3)
    return (
        f"| {len(data):,} | {kind} | {built.cpu_s:.1f} | {1e6 * built.cpu_s / len(data):.0f} | {truth.cpu_s:.1f} "
        f"| {point} | {recall:.4f} | {len(asked) / search.cpu_s:,.0f} |"
    )


def page(cache: Path | None, most: int) -> str:
    import faiss

    embedder = Embedder(cache=cache)
    sets = [vectors(judged, embedder) for judged in (vaswani(), *(xquad(language) for language in LANGUAGES))]
    real = np.vstack([np.vstack(one) for one in sets])
    chance = np.random.default_rng(2).permutation(len(real))
    base, held = real[chance[QUERIES:]], real[chance[:QUERIES]]
    with tempfile.TemporaryDirectory() as folder:
        lines, c = of_a_size(upsampled(base, SIZE), held, Path(folder))
    print("\n".join(lines), c, flush=True)
    rows = []
    for size in (size for size in SIZES if size <= most):
        rows.append(of_another_size(upsampled(base, size, seed=3), held))
        print(rows[-1], flush=True)
    sizes = "\n".join(rows)
    released, ratio = c["built"] + c["sealing"], c["whole"] / c["churn_whole"]
    return f"""# Searching, building and changing an index

{datetime.now(UTC):%Y-%m-%d}, {THREADS} threads ({platform.machine()}), Python {platform.python_version()}, FAISS
{faiss.__version__}, beside other work on the machine: CPU seconds are what is compared.
Command: `python -m benchmarks.index --write`

The vectors are made of {len(base):,} real ones (all-MiniLM-L6-v2, of Vaswani and of XQuAD in four languages): each lies
between one and one of its ten nearest, moved by noise of .35 of its length (`benchmarks/retrieval_sets.py`). The {QUERIES:,}
queries are real vectors that no made one stems from; half of them chose the operating point, recall@10 is the others'.

## Searching {SIZE:,} vectors of 384 dimensions

| | recall@10 | queries a CPU second | queries a second | |
|---|---|---:|---:|---:|
{lines[0]}
{lines[1]}

The aim is .99 at 30 times the speed of Flat.

## Building them

| | CPU seconds | of FAISS's own calls |
|---|---:|---:|
| FAISS: `index_factory`, `train`, `add`, `write_index` | {c["bare"]:.1f} | 1 × |
| ours: the same index, not yet written | {c["built"]:.1f} | {c["built"] / c["bare"]:.2f} × |
| and written, digested, signed, proven, published | {released:.1f} | **{released / c["bare"]:.2f} ×** |
| and its operating point found | {c["whole"]:.1f} | {c["whole"] / c["bare"]:.2f} × |
| exact search for the truth, apart | {c["truth"]:.1f} | |

## A night with {CHANGED:.0%} changed

| {int(CHANGED * SIZE):,} vectors go and as many come | CPU seconds | cheaper than a full one |
|---|---:|---:|
| changing the index in place | {c["churn"]:.2f} | {c["built"] / c["churn"]:.0f} × |
| the whole night: changed, tuned, written, signed, proven, published | {c["churn_whole"]:.1f} | {ratio:.1f} × |

## By size

| vectors | kind | CPU s to build | µs each | exact truth, CPU s | operating point | recall@10 | queries a CPU second |
|---|---|---:|---:|---:|---|---:|---:|
{sizes}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="keep vectors here")
    parser.add_argument("--most", type=int, default=max(SIZES), help="the largest size to build")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} instead of printing it")
    options = parser.parse_args()
    text = page(options.cache, options.most)
    if options.write:
        RESULTS.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
