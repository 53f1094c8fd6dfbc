"""One night of a hundred thousand, three hundred thousand and a million requests.

    python -m benchmarks.volume [--requests 100000 300000 1000000] [--repeats 1] [--plain] [--write]

Each night lands the files of one day into an empty warehouse, computes and publishes it, as a process of its own. The claim
is that a night grows no faster than its requests: the seconds per 100,000 lines stand beside those of the smallest night.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.nightly import PARTS, REPO, header, night
from simulator.traffic import simulate

DAY = date(2026, 10, 28)
"""A Wednesday: days of the simulated world differ, and this one has no fewer requests than their mean."""
SEED = 7
STEP = 100_000
MAX_MINUTES, MAX_GB = 10, 3
"""What a night of a million requests may take of a machine with two cores."""


def one_night(root: Path, requests: int, repeats: int, is_plain: bool) -> dict[str, float]:
    """The medians of some nights of one day of traffic, each into an empty warehouse; its lines and bytes."""
    made = list(simulate(root / "landing", root / "truth", DAY, 1, requests, SEED, plain=is_plain))
    runs = []
    for number in range(repeats):
        runs.append(night(root, f"night-{number}", DAY))
        for folder in ("home", "data"):
            shutil.rmtree(root / folder)
    shutil.rmtree(root / "landing")
    figures = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    return figures | {"lines": sum(f.lines for f in made), "mb": sum(f.bytes for f in made) / 1e6}


def report_of(options: argparse.Namespace, figures: dict[int, dict[str, float]]) -> str:
    """The result as Markdown."""
    parts = [part for part in PARTS if part != "commits"]
    rows, sentences = [], []
    smallest = min(figures)
    for requests, run in sorted(figures.items()):
        each = {part: run[part] * STEP / run["lines"] for part in ("wall", "cpu")}
        rows.append(
            f"| {requests:,} | {run['lines']:,.0f} | {run['mb']:,.0f} | "
            + " | ".join(f"{run[part]:.1f}" for part in parts)
            + f" | {each['wall']:.2f} | {each['cpu']:.2f} |"
        )
        if requests != smallest:
            growth = {part: run[part] / figures[smallest][part] for part in ("wall", "cpu", "peak_mb")}
            sentences.append(
                f"**{run['lines'] / figures[smallest]['lines']:.1f} x the lines: {growth['cpu']:.2f} x CPU, "
                f"{growth['wall']:.2f} x wall, "
                f"{growth['peak_mb']:.2f} x memory.**"
            )
    most = figures[max(figures)]
    return "\n".join(
        [
            "# A night of a million requests",
            "",
            header(),
            f"One day of the gateway's traffic in four {'plain' if options.plain else 'gzipped'} files, into an empty "
            f"warehouse. Nights of each size: {options.repeats}. Others used the machine as well, so that CPU seconds "
            "are the better measure.",
            f"Command: `python -m benchmarks.volume --requests {' '.join(map(str, options.requests))} "
            f"--repeats {options.repeats}{' --plain' if options.plain else ''}`",
            "",
            f"| requests | lines | MB | {' | '.join(parts)} | wall per {STEP:,} lines | cpu per {STEP:,} lines |",
            f"|{'---:|' * (len(parts) + 5)}",
            *rows,
            "",
            " ".join(sentences),
            f"{most['lines']:,.0f} lines: {most['wall'] / 60:.1f} minutes (at most {MAX_MINUTES}), "
            f"{most['peak_mb'] / 1000:.2f} GB (at most {MAX_GB}).",
            "",
        ]
    )


def main() -> None:
    """Make the traffic, run the nights, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="files as they are, instead of .gz")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="nocturne-volume-"))
    try:
        figures = {n: one_night(root / str(n), n, options.repeats, options.plain) for n in options.requests}
    finally:
        shutil.rmtree(root)
    text = report_of(options, figures)
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "volume.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
