"""Command line: `python -m simulator --out DIR --truth DIR --first-day 2026-11-01`."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from simulator.dirt import NO_DIRT, Dirt
from simulator.plans import PLANS, SIZES
from simulator.sources import OTHER_NAMES
from simulator.traffic import simulate


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="Write invented LLM traffic and its ground truth."
    )
    parser.add_argument("--out", type=Path, required=True, help="landing folder")
    parser.add_argument("--truth", type=Path, required=True, help="folder of ground_truth.json, outside --out")
    parser.add_argument("--first-day", type=date.fromisoformat, required=True, help="UTC day, such as 2026-11-01")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--requests-per-day", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--world-first-day", type=date.fromisoformat, help="where the world began (default: --first-day)"
    )
    parser.add_argument(
        "--world-days", type=int, help="days that the incidents are placed within (default: to the last day)"
    )
    parser.add_argument("--files-per-day", type=int, default=4, help="a divisor of 24")
    parser.add_argument("--source", default="gateway", help="sub-folder of the gateway")
    parser.add_argument("--texts", action="store_true", help="add what was said, documents, tool calls and feedback")
    parser.add_argument(
        "--others", nargs="*", default=[], choices=OTHER_NAMES, metavar="SOURCE",
        help=f"log some of the traffic in other tools' formats (with --texts): {', '.join(OTHER_NAMES)}",
    )  # fmt: skip
    parser.add_argument("--plan", choices=PLANS, default="default", help="which incidents are planted")
    parser.add_argument("--size", choices=SIZES, default="medium", help="of the incidents of service, drift and quality")
    parser.add_argument("--no-dirt", action="store_true")
    parser.add_argument("--plain", action="store_true", help="nothing is packed")
    options = parser.parse_args(arguments)
    lines = size_bytes = files = 0
    try:
        for file in simulate(
            options.out, options.truth, options.first_day, options.days, options.requests_per_day, options.seed,
            world_first_day=options.world_first_day, world_days=options.world_days,
            incidents=PLANS[options.plan](options.size), dirt=NO_DIRT if options.no_dirt else Dirt(),
            files_per_day=options.files_per_day, source=options.source, plain=options.plain,
            texts=options.texts, others=options.others,
        ):  # fmt: skip
            print(f"{file.path}  {file.lines} lines  {file.bytes} bytes", flush=True)
            lines, size_bytes, files = lines + file.lines, size_bytes + file.bytes, files + 1
    except ValueError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    print(f"{files} files, {lines} lines, {size_bytes} bytes; truth in {options.truth / 'ground_truth.json'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
