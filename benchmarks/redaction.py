"""Redaction beside Presidio's pattern recognisers, on the same texts, in the same minute.

    python -m benchmarks.redaction [--write]

Three mixtures: model answers that hold next to no personal data, short texts made to hold it, and answers with one such
text to ten. Redaction is measured end to end (Arrow table in, Arrow table out, all kinds and all secret rules), after one
run that compiles its expressions; Presidio on a sample, as it takes minutes for the whole. CPU-seconds are of all threads.
`--write` puts the result into benchmarks/results/.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median

import pyarrow as pa

from benchmarks.presidio_baseline import presidio_patterns
from benchmarks.redaction_corpus import answers, marked_texts
from resources.redaction import Redactor
from resources.warehouse import connect

RESULT = Path(__file__).resolve().parent / "results" / "redaction.md"


@dataclass(frozen=True)
class Speed:
    """Of one run: texts, megabytes (of UTF-8), wall and CPU seconds."""

    texts: int
    megabytes: float
    wall: float
    cpu: float

    @property
    def texts_per_cpu_second(self) -> float:
        return self.texts / self.cpu

    def row(self, corpus: str, name: str) -> str:
        """A row of the table."""
        return (
            f"| {corpus} | {name} | {self.texts:,} | {self.texts / self.wall:,.0f} | {self.texts_per_cpu_second:,.0f} "
            f"| {self.megabytes / self.wall:,.1f} | {self.megabytes / self.cpu:,.1f} |"
        )


def measured(texts: list[str], work: Callable[[], object]) -> Speed:
    """One run of `work` over `texts`."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Speed(len(texts), sum(len(text.encode()) for text in texts) / 1e6, wall, cpu)


def redaction_speed(redactor: Redactor, texts: list[str], runs: int = 5) -> Speed:
    """The median run, by CPU-seconds."""
    table = pa.table({"text": texts})
    redactor.redact(table)
    speeds = sorted((measured(texts, lambda: redactor.redact(table)) for _ in range(runs)), key=lambda speed: speed.cpu)
    return speeds[len(speeds) // 2]


def main() -> None:
    """Measure the mixtures and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sample", type=int, default=400, help="texts of each mixture that Presidio reads")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()

    random = Random(7)
    clean, marked = answers(), [text.text for text in marked_texts()]
    mixed = clean + random.choices(marked, k=len(clean) // 10)
    corpora = {"model answers": clean, "answers, every eleventh text made": mixed, "made texts": marked * 30}
    redactor = Redactor(connect(threads=options.threads))
    presidio = presidio_patterns()
    presidio("warm up: 555-123-4567, a@example.org")
    rows, ratios = [], []
    for name, texts in corpora.items():
        random.shuffle(texts)
        ours = redaction_speed(redactor, texts)
        sample = texts[: options.sample]
        theirs = measured(sample, lambda sample=sample: [presidio(text) for text in sample])  # type: ignore[misc]
        ratio = ours.texts_per_cpu_second / theirs.texts_per_cpu_second
        ratios.append(ratio)
        rows += [ours.row(name, "redaction"), theirs.row(name, "Presidio"), f"| | **{ratio:.0f} x by CPU** | | | | | |"]
    text = "\n".join(
        [
            "# Redaction beside Presidio's pattern recognisers",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
            f"{options.threads} DuckDB threads, Python {platform.python_version()}, duckdb {version('duckdb')}, "
            f"google-re2 {version('google-re2')}, "
            f"presidio-analyzer {version('presidio-analyzer')}.",
            f"Command: `python -m benchmarks.redaction --threads {options.threads} --sample {options.sample}`. "
            "Redaction: the median of five runs, all kinds and all 221 secret rules, from Arrow to Arrow. "
            "Presidio: its predefined English recognisers without a language model, finds only, nothing replaced.",
            "",
            "| texts | program | number | texts/s wall | texts/s CPU | MB/s wall | MB/s CPU |",
            "|---|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"Median ratio: **{median(ratios):.0f} x**. The sweep runs on all threads, the finders on one.",
            "",
        ]
    )
    print(text)
    if options.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
