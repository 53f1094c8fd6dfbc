"""The public texts on which redaction is measured; they lie beside the checkout and are no part of the project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
MARKED = DATA / "presidio_research" / "data" / "synth_dataset_v2.json"
_ARENA = DATA / "arena_hard" / "history_arena-bench-v1" / "model_answer"
_HALUEVAL = DATA / "halueval" / "data" / "general_data.json"
# What the data set calls otherwise than we do.
_KINDS = {"US_DRIVER_LICENSE": "DRIVER_LICENSE", "DOMAIN_NAME": "URL"}


@dataclass(frozen=True)
class MarkedText:
    """A text and where, by its makers' word, personal data stands in it: (kind, start, end)."""

    text: str
    spans: tuple[tuple[str, int, int], ...]


def marked_texts() -> list[MarkedText]:
    """The texts of presidio-research; raises FileNotFoundError where they are not at hand."""
    return [
        MarkedText(
            entry["full_text"],
            tuple(
                (_KINDS.get(span["entity_type"], span["entity_type"]), span["start_position"], span["end_position"])
                for span in entry["spans"]
            ),
        )
        for entry in json.loads(MARKED.read_text(encoding="utf-8"))
    ]


def answers() -> list[str]:
    """Answers of sixteen models, about nobody in particular (Arena-Hard, HaluEval); raises FileNotFoundError."""
    files = sorted(_ARENA.glob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"{_ARENA} holds no answers; the public data sets are not beside the checkout")
    turns = (turn for path in files for answer in _lines(path) for choice in answer["choices"] for turn in choice["turns"])
    return [text for text in chain(turns, (line["chatgpt_response"] for line in _lines(_HALUEVAL))) if text]


def _lines(path: Path) -> Iterator[Any]:
    # Not splitlines(): it splits at U+2028, which stands unescaped in JSON.
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
