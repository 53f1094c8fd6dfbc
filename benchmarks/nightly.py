"""A night, taken apart, beside the same SQL in bare DuckDB.

    python -m benchmarks.nightly [--days 14] [--requests-per-day 20000] [--write]

Every night runs as its own process, as `make nightly` does. `--write` puts the result into benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
LAST_DAY = date(2026, 10, 31)


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, peak MB) of one process, as the operating system accounts for it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=REPO, env=os.environ | environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def environment(root: Path, day: date) -> dict[str, str]:
    """The warehouse below `root`, on the night after a day."""
    return {
        "NOCTURNE_HOME": str(root / "home"),
        "NOCTURNE_DATA": str(root / "data"),
        "NOCTURNE_LANDING": str(root / "landing"),
        "NOCTURNE_NOW": f"{day + timedelta(days=1)}T03:00:00+00:00",
        "NOCTURNE_SETTLE_SECONDS": "0",
        "DAGSTER_HOME": str(root / "home" / "dagster"),
    }


def night(root: Path, name: str, day: date = LAST_DAY) -> dict[str, float]:
    """One `make nightly` over the warehouse below `root`, on the night after a day."""
    report = root / f"{name}.json"
    wall, cpu, peak = measured(
        [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-validation", "--report", str(report)],
        environment(root, day),
    )
    written = json.loads(report.read_text(encoding="utf-8"))
    parts = {part: written["seconds"][part] for part in ("land", "compute", "publish")}
    return {
        "start-up": wall - sum(parts.values()),
        **parts,
        "wall": wall,
        "cpu": cpu,
        "peak_mb": peak,
        "commits": written["commits"],
    }


def baseline(root: Path) -> dict[str, float]:
    """The same files through the same SELECTs in bare DuckDB (benchmarks/bare_duckdb.py)."""
    wall, cpu, peak = measured([sys.executable, "-m", "benchmarks.bare_duckdb", str(root)], {})
    return {"wall": wall, "cpu": cpu, "peak_mb": peak}


def header() -> str:
    """When, where and with what a result was measured."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"duckdb {version('duckdb')}, deltalake {version('deltalake')}, dagster {version('dagster')}."
    )


def report_of(options: argparse.Namespace, lines: int, figures: dict[str, dict[str, float]]) -> str:
    """The result as Markdown."""
    first, quiet, bare = figures["first night"], figures["quiet night"], figures["bare DuckDB"]
    rows = [
        f"| {name} | " + " | ".join(f"{run.get(part, float('nan')):.1f}" if part in run else "" for part in PARTS) + " |"
        for name, run in figures.items()
    ]
    return "\n".join(
        [
            "# A night, taken apart",
            "",
            header(),
            f"{options.days} days, {options.requests_per_day:,} requests a day, {lines:,} lines of gzipped JSON.",
            f"Command: `python -m benchmarks.nightly --days {options.days} --requests-per-day {options.requests_per_day}`",
            "",
            f"| seconds | {' | '.join(PARTS)} |",
            f"|---|{'---:|' * len(PARTS)}",
            *rows,
            "",
            f"**First night / bare DuckDB: {first['cpu'] / bare['cpu']:.2f} x CPU, "
            f"{first['wall'] / bare['wall']:.2f} x wall.** "
            f"Quiet night / first night: {quiet['wall'] / first['wall']:.2f} x wall, {quiet['commits']:.0f} commits.",
            "",
        ]
    )


PARTS = ("start-up", "land", "compute", "publish", "wall", "cpu", "peak_mb", "commits")


def main() -> None:
    """Make the traffic, run baseline and nights, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--requests-per-day", type=int, default=20_000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    from simulator.traffic import simulate

    root = Path(tempfile.mkdtemp(prefix="nocturne-bench-"))
    try:
        first_day = LAST_DAY - timedelta(days=options.days - 1)
        made = simulate(root / "landing", root / "truth", first_day, options.days, options.requests_per_day, seed=7)
        lines = sum(file.lines for file in made)
        figures = {"first night": night(root, "first"), "quiet night": night(root, "quiet"), "bare DuckDB": baseline(root)}
        text = report_of(options, lines, figures)
        print(text)
        if options.write:
            (REPO / "benchmarks" / "results" / "nightly.md").write_text(text, encoding="utf-8")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
