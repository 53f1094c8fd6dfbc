"""How many texts a second become vectors, beside sentence-transformers as it comes.

    python -m benchmarks.embedding [--rounds 3] [--write]

Both embed the same public texts with the packaged model in float32, each round in a process of its own, by turns; loading
the model is not counted. The cache is off: every text is computed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.nightly import REPO, header
from benchmarks.retrieval_sets import vaswani, xquad
from resources.embedder import Embedder, Vectors

SHORT, LONG = 600, 120
AIM = 0.95
KINDS = ("bare", "ours")
WARMING = ["Where is my parcel?"] * 32


def texts() -> dict[str, list[str]]:
    """Abstracts of some 40 words, and paragraphs of some 120."""
    return {
        "abstracts": list(vaswani().documents.values())[:SHORT],
        "paragraphs": list(xquad("en").documents.values())[:LONG],
    }


def measured(kind: str) -> dict[str, dict[str, float]]:
    """Seconds of the clock and of the processor that each set took in this process, and the sum of its vectors."""
    embedder = Embedder()
    embed: Callable[[list[str]], Vectors] = embedder.embed
    if kind == "bare":
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(embedder.folder), device="cpu", local_files_only=True)

        def embed(some: list[str]) -> Vectors:
            return np.asarray(model.encode(some, normalize_embeddings=True, show_progress_bar=False))

    embed(WARMING)
    found = {}
    for name, some in texts().items():
        began, cpu = time.perf_counter(), time.process_time()
        vectors = embed(some)
        found[name] = {
            "wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "texts": len(some),
            "sum": float(np.abs(vectors).sum()),
        }  # fmt: skip
    return found


def rounds(count: int) -> dict[str, dict[str, dict[str, float]]]:
    """The medians of some rounds, by kind and set."""
    runs: dict[str, list[dict[str, dict[str, float]]]] = {kind: [] for kind in KINDS}
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    for _ in range(count):
        for kind in KINDS:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.embedding", "--one", kind]
            ran = subprocess.run(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, check=True)
            runs[kind].append(json.loads(ran.stdout))
    return {
        kind: {
            name: {part: statistics.median(run[name][part] for run in some) for part in some[0][name]} for name in some[0]
        }
        for kind, some in runs.items()
    }


def report_of(found: dict[str, dict[str, dict[str, float]]], count: int) -> str:
    """The result as Markdown."""
    rows = []
    for name, bare in found["bare"].items():
        ours = found["ours"][name]
        if abs(ours["sum"] / bare["sum"] - 1) > 1e-4:
            raise SystemExit(f"{name}: the vectors are not the same; there is nothing to compare")
        speed = [run["texts"] / run[part] for part in ("cpu", "wall") for run in (bare, ours)]
        rows.append(
            f"| {name} | {bare['texts']:,.0f} | {speed[0]:.1f} | {speed[1]:.1f} | **{speed[1] / speed[0]:.2f} ×** "
            f"| {speed[2]:.1f} | {speed[3]:.1f} | {speed[3] / speed[2]:.2f} × |"
        )
    return "\n".join(
        [
            "# Texts into vectors",
            "",
            header(),
            f"Medians of {count} rounds by turns, all-MiniLM-L6-v2 in float32, no cache; loading is not counted. "
            "`SentenceTransformer.encode` with its defaults against `resources.embedder`, texts a second.",
            f"Command: `python -m benchmarks.embedding --rounds {count}`",
            "",
            "| | texts | bare, per CPU second | ours | | bare, per second | ours | |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"The aim is {AIM} ×. Products go through oneDNN, and a batch has 16 texts, so that less of it is padding.",
            "",
        ]
    )


def main() -> None:
    """The command line; `--one` is what each round runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    text = report_of(rounds(options.rounds), options.rounds)
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "embedding.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
