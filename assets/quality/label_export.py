"""What people are asked, as files: JSON lines, CSV, and what Label Studio and Argilla import.

Here belongs how a task is spelled for each. Neither score, nor reason, nor model is in any of them: who judges does not know
what is expected.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from xml.sax.saxutils import quoteattr

from assets.quality.label_files import FIELDS, escaped

LONGEST_CELL = 30_000
"""Characters; a spreadsheet takes 32,767, and cuts what is longer without a word."""
CUT = "\n[... cut for the spreadsheet; the other formats have all of it]"
BETWEEN = "\n\n-----\n\n"
CHOICES = ("yes", "no", "cannot say")
_SHOWN = ("system", "history", "prompt", "context", "answer")
_ANSWERS = tuple(name for name in FIELDS if name not in ("request_id", "day"))


@dataclass(frozen=True)
class Task:
    """One response to judge, with what the model was given: `context` are documents, then results of tools."""

    day: date
    request_id: str
    feature: str | None
    system: str | None
    history: str | None
    prompt: str | None
    context: Sequence[str]
    answer: str

    def shown(self) -> dict[str, str]:
        """What people read, as one text each; nothing is an empty one."""
        given = {name: getattr(self, name) or "" for name in ("system", "history", "prompt", "answer")}
        return {name: BETWEEN.join(self.context) if name == "context" else given[name] for name in _SHOWN}


@dataclass(frozen=True)
class Asked:
    """What is asked of each task: names to words for people (seeds/labelling.yml)."""

    verdicts: Mapping[str, str]
    severities: Mapping[str, str]
    root_causes: Mapping[str, str]


def json_lines(tasks: Sequence[Task]) -> bytes:
    """A line a task: what is shown, and the fields to fill in, NULL. Filled in, it is a label file."""
    blanks = dict.fromkeys(_ANSWERS)
    rows = [{**_ids(task), **task.shown(), "context": list(task.context), **blanks} for task in tasks]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def spreadsheet(tasks: Sequence[Task]) -> bytes:
    """CSV with empty cells to fill in, which is then a label file. No cell is a formula; long ones are cut, and say so."""
    out = _Written()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["day", "request_id", "feature", *_SHOWN, *_ANSWERS])
    for task in tasks:
        cells = [str(task.day), task.request_id, task.feature or "", *map(_fitting, task.shown().values())]
        writer.writerow([*map(escaped, cells), *[""] * len(_ANSWERS)])
    # With the mark, spreadsheets read UTF-8.
    return "".join(out).encode("utf-8-sig")


def label_studio(tasks: Sequence[Task]) -> bytes:
    """Label Studio's JSON import: a list of tasks, for a project with `label_studio_config`."""
    return _json([{"data": {**_ids(task), **task.shown()}} for task in tasks])


def label_studio_config(asked: Asked) -> bytes:
    """The labelling interface of such a project."""
    parts = [f'  <Header value="{name}"/>\n  <Text name="{name}" value="${name}"/>' for name in _SHOWN]
    questions: list[tuple[str, str, Sequence[str]]] = [(name, words, CHOICES) for name, words in asked.verdicts.items()]
    questions += [("severity", _meanings("Severity of the worst fault", asked.severities), tuple(asked.severities))]
    questions += [("root_cause", _meanings("Likely cause", asked.root_causes), tuple(asked.root_causes))]
    for name, words, choices in questions:
        values = "".join(f"<Choice value={quoteattr(choice)}/>" for choice in choices)
        parts.append(f"  <Header value={quoteattr(words)}/>")
        parts.append(f'  <Choices name="{name}" toName="answer" choice="single">{values}</Choices>')
    parts.append('  <TextArea name="comment" toName="answer" placeholder="Comment" maxSubmissions="1"/>')
    return ("<View>\n" + "\n".join(parts) + "\n</View>\n").encode()


def argilla(tasks: Sequence[Task]) -> bytes:
    """Argilla's JSON of records (`dataset.records.from_json`); the dataset's fields and questions have the same names."""
    return _json(
        [
            {
                "id": f"{task.day} {task.request_id}",
                "fields": {name: words or "-" for name, words in task.shown().items()},
                "metadata": _ids(task),
                "suggestions": {},
                "responses": {},
                "vectors": {},
            }
            for task in tasks
        ]
    )


class _Written(list[str]):
    """What csv writes, piece by piece."""

    write = list.append


def _ids(task: Task) -> dict[str, str]:
    return {"day": str(task.day), "request_id": task.request_id, "feature": task.feature or ""}


def _fitting(words: str) -> str:
    return words if len(words) <= LONGEST_CELL else words[: LONGEST_CELL - len(CUT)] + CUT


def _meanings(title: str, meanings: Mapping[str, str]) -> str:
    return f"{title}: " + "; ".join(f"{name}: {words}" for name, words in meanings.items())


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
