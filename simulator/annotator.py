"""People who judge answers, simulated: they know the ground truth, and err as often as they are told to.

Here belongs what is said of an exported queue of the simulated traffic. As a program, `python -m simulator.annotator`: for
demonstrations and tests alone. Every label that it writes says in its comment that it is simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

COMMENT = "simulated label"


@dataclass(frozen=True)
class Annotator:
    """Who judges. `sensitivity`: the share of hallucinated answers that are called so; `specificity`: of all others, the
    share that are not."""

    name: str = "simulated-1"
    sensitivity: float = 1.0
    specificity: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1):
            raise ValueError(f"{self.name}: sensitivity and specificity are shares from 0 to 1")

    def says(self, request_id: str, label: str | None) -> str:
        """yes, no, or cannot say where the truth knows nothing of the answer; the same for the same answer, always."""
        if label is None:
            return "cannot say"
        is_wrong, lot = label == "hallucinated", random.Random(f"{self.seed} {self.name} {request_id}").random()
        is_right = lot < (self.sensitivity if is_wrong else self.specificity)
        return "yes" if is_wrong == is_right else "no"


def annotate(
    queue: Path, truth: Path, inbox: Path, first: Annotator, second: Annotator, labelled_at: datetime | None = None
) -> int:
    """Judge each folder of an exported queue (`queue`/<draw>/first.jsonl, and second.jsonl by another) as the ground truth
    of `truth` has it; one label file for each goes into `inbox`. Returns how many labels were written.

    A file that is in `inbox` already is left alone. Raises FileNotFoundError where `truth` has no answers of a day.
    """
    if first.name == second.name:
        raise ValueError("a second opinion is somebody else's; give the second annotator another name")
    inbox.mkdir(parents=True, exist_ok=True)
    written = 0
    for folder in sorted(path for path in queue.iterdir() if path.is_dir()):
        for who, name in ((first, "first"), (second, "second")):
            asked = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
            path = inbox / f"simulated-{folder.name}-{name}.jsonl"
            if not asked or path.exists():
                continue
            lines = [_label(task, who, _labels(truth, task["day"]).get(task["request_id"]), labelled_at) for task in asked]
            # A hidden file is none yet to whoever reads the inbox.
            aside = path.with_name(f".{path.name}")
            aside.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            os.replace(aside, path)
            written += len(lines)
    return written


def _label(task: dict[str, Any], who: Annotator, label: str | None, at: datetime | None) -> dict[str, Any]:
    said = {"request_id": task["request_id"], "day": task["day"], "annotator": who.name}
    when = {} if at is None else {"labelled_at": at.isoformat()}
    return {**said, **when, "hallucinated": who.says(task["request_id"], label), "comment": COMMENT}


@cache
def _labels(truth: Path, day: str) -> dict[str, str]:
    lines = (truth / "answers" / f"{day}.jsonl").read_text(encoding="utf-8").splitlines()
    return {answer["request_id"]: answer["label"] for answer in map(json.loads, lines)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulator.annotator", description="Simulated labels of a queue.")
    parser.add_argument("--queue", type=Path, required=True, help="labelling/queue of the home")
    parser.add_argument("--truth", type=Path, required=True, help="the truth folder of the simulated traffic")
    parser.add_argument("--inbox", type=Path, required=True, help="labelling/inbox of the home")
    parser.add_argument("--sensitivity", type=float, default=0.9)
    parser.add_argument("--specificity", type=float, default=0.97)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rates = options.sensitivity, options.specificity, options.seed
    try:
        first, second = Annotator("simulated-1", *rates), Annotator("simulated-2", *rates)
        count = annotate(options.queue, options.truth, options.inbox, first, second)
    except (ValueError, FileNotFoundError) as error:
        print(f"annotator: {error}", file=sys.stderr)
        return 2
    print(f"{count} simulated labels")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
