"""Real answers of several models to the same prompts, as versions before the release gate.

vectara_hhem_v1: summaries of the same articles, each with a factuality score that a model made (a case passes at .5 and
above, as its leaderboard counts). arena_hard: answers to the same questions, which nobody judged here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assets.release.release_gate import Approval, Finding, Result, Rules, findings
from resources.contracts import REPO

DATA = REPO.parent / "shared" / "data"
VECTARA = DATA / "vectara_hhem_v1" / "v1_dataset_output"
ARENA = DATA / "arena_hard" / "history_arena-bench-v1" / "model_answer"
BASELINE = "gpt-4-0314"
FACTUAL = 0.5
COMPARED = Rules(pass_rate=0.01, segment_pass_rate=None, mean_cost_usd=None, latency_p95_ms=None, answered=0.5)
"""The comparison alone: what these models cost and how long they took is not in the data."""
Passed = Mapping[str, bool | None]


def vectara() -> dict[str, tuple[float, dict[str, bool | None]]]:
    """By model: the published rate of hallucinations, in per cent, and what passed, by article. Of an article that stands
    there twice the first counts; a summary that is marked as invalid is not measured."""
    found = {}
    for folder in sorted(path for path in VECTARA.glob("*/*") if path.is_dir()):
        articles = {row["summary_uid"]: row["article_id"] for row in _lines(folder / "summaries.jsonl")}
        passed: dict[str, bool | None] = {}
        for row in _lines(folder / "judgments.jsonl"):
            if (article := articles.get(row["summary_uid"])) is not None:
                score = row["hhem_score"] if row["is_valid"] else None
                passed.setdefault(str(article), None if score is None else score >= FACTUAL)
        [stats] = list(_lines(folder / "stats.jsonl"))
        found[folder.name] = (float(stats["hallucination_rate"]), passed)
    return found


def arena_answers() -> dict[str, dict[str, str]]:
    """By model: its answers by question."""
    return {
        path.stem: {row["question_id"]: row["choices"][0]["turns"][0] for row in _lines(path)}
        for path in sorted(ARENA.glob("*.jsonl"))
    }


def compared(candidate: Passed, live: Passed, rules: Rules = COMPARED) -> Finding:
    """What the gate says of a candidate beside the live version."""
    sides = [
        [Result(case, 1, passed, False, (), passed is not None) for case, passed in sorted(side.items())]
        for side in (candidate, live)
    ]
    found = findings(sides[0], sides[1], rules, Approval())
    [one] = [row for row in found if row.gate == "comparison" and row.segment == "all"]
    return one


def some(passed: Passed, count: int, seed: int) -> dict[str, bool | None]:
    """What passed on a random part of the cases; the same part for each model."""
    cases = sorted(passed)
    chosen = np.random.default_rng(seed).choice(len(cases), size=count, replace=False)
    return {cases[place]: passed[cases[place]] for place in chosen}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
