"""A night in which ten thousand responses with their words are scored, beside a night of a fifth of them.

    python -m benchmarks.scores [--responses 2000 10000] [--write]

Each night lands one day of traffic with its words into an empty warehouse, without vectors of earlier nights, computes all
tables and publishes, as a process of its own. The claim is that a night grows no faster than its responses.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.nightly import REPO, header, night
from simulator.traffic import simulate

DAY = date(2026, 10, 28)
SEED = 7
REQUESTS_PER_RESPONSE = 1.15
"""Some requests are errors, refused by a filter or mirrored; they have no answer to score."""
MAX_MINUTES, MAX_GB = 10, 3
"""What a night of ten thousand responses may take of a machine with two cores."""
PARTS = ("land", "compute", "publish", "wall", "cpu", "peak_mb")


def one_night(root: Path, responses: int) -> dict[str, float]:
    """The seconds and the peak of a night, the responses that it scored, and the different texts that were embedded."""
    for _ in simulate(root / "landing", root / "truth", DAY, 1, int(responses * REQUESTS_PER_RESPONSE), SEED, texts=True):
        pass
    figures = night(root, "night", DAY)
    # Of a first night no file is a replaced one.
    scored = sum(pq.read_metadata(file).num_rows for file in (root / "data" / "quality" / "scores").rglob("*.parquet"))
    texts = 0
    for path in (root / "home" / "embeddings").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as cache:
            texts += cache.execute("select count(*) from vectors").fetchone()[0]
    return figures | {"responses": scored, "texts": texts}


def report_of(figures: list[dict[str, float]]) -> str:
    """The result as Markdown."""
    least, most = figures[0], figures[-1]
    wanted = " ".join(f"{run['wanted']:.0f}" for run in figures)
    rows = [
        f"| {run['responses']:,.0f} | {run['texts']:,.0f} | "
        + " | ".join(f"{run[part]:.1f}" for part in PARTS)
        + f" | {1000 * run['cpu'] / run['responses']:.1f} |"
        for run in figures
    ]
    return "\n".join(
        [
            "# A night of ten thousand scored responses",
            "",
            header(),
            "One day of simulated traffic with its words, all tables, an empty warehouse, no vectors of earlier nights. "
            "Others used the machine as well, so that CPU seconds are the better measure.",
            f"Command: `python -m benchmarks.scores --responses {wanted}`",
            "",
            f"| responses scored | different texts embedded | {' | '.join(PARTS)} | cpu per 1,000 responses |",
            f"|{'---:|' * (len(PARTS) + 3)}",
            *rows,
            "",
            f"**{most['responses'] / least['responses']:.1f} x the responses: {most['cpu'] / least['cpu']:.2f} x CPU.**",
            f"{most['responses']:,.0f} responses: {most['cpu'] / 60:.1f} minutes of CPU in {most['wall'] / 60:.1f} minutes "
            f"(at most {MAX_MINUTES} on two quiet cores), {most['peak_mb'] / 1000:.2f} GB (at most {MAX_GB}).",
            "",
        ]
    )


def main() -> None:
    """Make the traffic, run the nights, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="nocturne-scores-"))
    try:
        figures = [one_night(root / str(n), n) | {"wanted": n} for n in sorted(options.responses)]
    finally:
        shutil.rmtree(root)
    text = report_of(figures)
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "scores.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
