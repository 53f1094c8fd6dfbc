"""What no training row may give away: the texts of every evaluation set, by the name of the set.

Here belongs where those sets stand: seeds of this project, folders that tuning.yml names, and whatever else datasets.yml
names. What counts as giving away is assets/tuning/decontaminate.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assets.quality.eval_case import EvalCaseError
from pipelines.release.case_files import Suites
from resources.dataset_seed import DatasetSeed, DatasetSeedError
from resources.golden_seed import GOLDEN_FILE, load_golden
from resources.probe_seed import load_probes
from resources.tuning_seed import TUNING_FILE, load_tuning

PROBES_FILE = "probes.yml"
_FIELDS = ("question", "query", "prompt", "text", "reference", "answer", "messages", "chosen", "rejected")
_FILES = ("*.jsonl", "*.txt")
_BEIR_CORPUS = "corpus.jsonl"
"""Documents of a set in BEIR layout: what is searched, not what is asked."""


def evaluation_sets(seeds: Path, seed: DatasetSeed) -> dict[str, list[str]]:
    """The texts of each set. Raises DatasetSeedError for a file that cannot be read as one, and the errors of the seeds."""
    found = {"golden_queries": [one.query for some in load_golden(seeds / GOLDEN_FILE).values() for one in some]}
    try:
        suites = Suites(seeds).all()
    except EvalCaseError as error:
        raise DatasetSeedError(f"an evaluation suite cannot be read: {error}") from error
    for suite, cases in suites.items():
        found[f"evals/{suite}"] = [text for case in cases for text in (case.question, case.reference) if text]
    found["probes"] = [one.prompt for one in load_probes(seeds / PROBES_FILE).prompts.values()]
    for kind, entry in load_tuning(seeds / TUNING_FILE).kinds.items():
        if kind == "detector":
            continue  # Its sets are rows of numbers, which no text gives away.
        for name, folder in (("general_set", entry.general_set), ("safety_set", entry.safety_set)):
            if folder is not None:
                found[f"{kind}/{name}"] = list(_texts(folder))
    for path in seed.evaluation_sets:
        found[str(path)] = list(_texts(path))
    return found


def _texts(path: Path) -> Iterator[str]:
    """The texts of a file, or of all files of a folder. Raises DatasetSeedError where there is none."""
    files = sorted(file for pattern in _FILES for file in path.rglob(pattern)) if path.is_dir() else [path]
    files = [file for file in files if file.name != _BEIR_CORPUS]
    if not files:
        raise DatasetSeedError(f"the evaluation set {path} has no .jsonl and no .txt; restore it, or take its entry out")
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetSeedError(f"the evaluation set {file} cannot be read ({type(error).__name__})") from None
        yield from _of_lines(file, lines) if file.suffix == ".jsonl" else (line for line in lines if line.strip())


def _of_lines(file: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise DatasetSeedError(f"{file}, line {number} is not JSON: nobody can keep its text from training") from None
        found = [text for name in _FIELDS for text in _said(row.get(name))] if isinstance(row, dict) else []
        if not found:
            raise DatasetSeedError(f"{file}, line {number} has none of {', '.join(_FIELDS)}; name its text so")
        yield from found


def _said(value: Any) -> list[str]:
    """The text of a field, or of the messages that it lists."""
    if isinstance(value, list):
        return [one["content"] for one in value if isinstance(one, dict) and isinstance(one.get("content"), str)]
    return [value] if isinstance(value, str) else []
