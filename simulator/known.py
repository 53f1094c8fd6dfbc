"""What is known about a night's words: which answers are wrong and how, which documents were right, what was planted.

Sums and what is rare go into ground_truth.json; a line for every answer goes into `answers/<day>.jsonl` beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from simulator.catalogue import FEATURES, MODELS
from simulator.chunk import Chunk
from simulator.dialogue import missed_share
from simulator.feedback import Note
from simulator.fragments import prompt_version
from simulator.phrases import canary
from simulator.planted import as_truth


class Known:
    """Collects one day's truths about words. A request counts whether or not its record arrives."""

    def __init__(self, day: date) -> None:
        self.day = day
        self._lines: list[str] = []
        self._sums: dict[tuple[str, str], Counter[str]] = {}
        self._wrong: dict[str, dict[str, str]] = {"hallucinated": {}, "unsafe": {}}
        self._attacked: dict[str, str] = {}
        self._planted: list[dict[str, Any]] = []
        self._twice: list[dict[str, str]] = []
        self._feedback: Counter[str] = Counter()
        self._orphans: list[str] = []

    def add(self, chunk: Chunk, sources: list[str]) -> None:
        """A chunk's words; `sources` names where each row is logged."""
        rows = zip(
            chunk.words or [], chunk.ids["request"].tolist(), chunk.codes["feature"].tolist(),
            chunk.codes["model"].tolist(), sources, strict=False,
        )  # fmt: skip
        for words, request, feature_code, model_code, source in rows:
            request_id = f"req_{request:016x}"
            truth = words.truth
            if truth is None:
                continue
            feature, model = FEATURES[feature_code].name, MODELS[model_code].name
            sums = self._sums.setdefault((feature, model), Counter())
            sums.update({"answers": 1, truth.label: 1})
            # In millionths, so that sums of sums stay exact.
            sums["expected_hallucinated_ppm"] += round(truth.probability * 1e6)
            if truth.label in self._wrong:
                self._wrong[truth.label][request_id] = truth.kind or ""
            if truth.attack:
                self._attacked[request_id] = truth.attack
            line = {
                "request_id": request_id,
                "source": source,
                "feature": feature,
                "model": model,
                "label": truth.label,
                "kind": truth.kind,
                "attack": truth.attack,
                "document_id": truth.document_id,
                "document_rank": truth.rank,
                "retrieved": [found.document.id for found in words.retrieved],
                "answer": truth.answer,
            }
            self._lines.append(json.dumps(line, ensure_ascii=False))

    def add_planted(self, chunk: Chunk) -> None:
        """The strings that are in the records of a chunk as its source logs it."""
        for words, request in zip(chunk.words or [], chunk.ids["request"].tolist(), strict=False):
            self._planted += [as_truth(f"req_{request:016x}", *planted) for planted in words.planted]

    def add_twice(self, request: int, first: str, second: str) -> None:
        """A request that two sources log."""
        self._twice.append({"request_id": f"req_{request:016x}", "first": first, "second": second})

    def add_feedback(self, notes: list[Note]) -> None:
        """What was said about a chunk's answers."""
        for note in notes:
            self._feedback.update({"records": 1, "repeated": note.copies - 1, f"after_{note.days_later}_days": 1})
            if note.is_orphan:
                self._orphans.append(note.request_id)
            if note.planted:
                self._planted.append(as_truth(note.request_id, *note.planted))

    def as_truth(self) -> dict[str, Any]:
        """What ground_truth.json says of the day."""
        return {
            "answers": [
                {"feature": feature, "model": model, **dict(sorted(sums.items()))}
                for (feature, model), sums in sorted(self._sums.items())
            ],
            **self._wrong,
            "attacked": self._attacked,
            "missed_share": missed_share(self.day),
            "canaries": {f.name: canary(f.name, prompt_version(self.day, code)) for code, f in enumerate(FEATURES)},
            "planted": self._planted,
            "logged_twice": self._twice,
            "feedback": dict(sorted(self._feedback.items())) | {"orphans": self._orphans},
        }

    def write_answers(self, folder: Path) -> None:
        """One line for every answer of the day."""
        path = folder / "answers" / f"{self.day.isoformat()}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in self._lines), encoding="utf-8")
