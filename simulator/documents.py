"""The handbook of the invented shop: its documents, the facts in them, and the questions that facts answer.

Here belongs the reading of `handbook.md`. Who asks what, and what is answered, is in `dialogue.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HANDBOOK = Path(__file__).with_name("handbook.md")
VERSION = "1"
_VALUE = re.compile(r"\{(.+?)\}")


class HandbookError(ValueError):
    """A line of the handbook that cannot be read; says which and what is expected."""


@dataclass(frozen=True)
class Fact:
    """One sentence of a document. `value` is the part of it that `question` asks for."""

    document_id: str
    topic: str
    sentence: str
    value: str
    question: str


@dataclass(frozen=True)
class Document:
    """A short text of the handbook."""

    id: str
    topic: str
    title: str
    facts: tuple[Fact, ...]

    @property
    def text(self) -> str:
        return f"{self.title}. " + " ".join(fact.sentence for fact in self.facts)


@dataclass(frozen=True)
class Handbook:
    """All documents, and by topic the questions (`gaps`) that none of them answers."""

    documents: tuple[Document, ...]
    gaps: dict[str, tuple[str, ...]]

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self.gaps)

    def of(self, topic: str) -> tuple[Document, ...]:
        """The documents of one topic."""
        return tuple(document for document in self.documents if document.topic == topic)


@cache
def handbook() -> Handbook:
    """The handbook that ships with the simulator; raises HandbookError."""
    return parse(HANDBOOK.read_text(encoding="utf-8"))


def parse(text: str) -> Handbook:
    """Read a handbook; its notation stands at the top of handbook.md. Raises HandbookError."""
    titles: list[tuple[str, str, list[tuple[str, str, str]]]] = []
    gaps: dict[str, list[str]] = {}
    topic = ""
    body = re.sub(r"<!--.*?-->", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)
    for number, line in enumerate(body.splitlines(), start=1):
        mark, _, rest = line.partition(" ")
        if mark == "#":
            topic = rest
            gaps[topic] = []
        elif mark == "##" and topic:
            titles.append((topic, rest, []))
        elif mark == "?" and topic:
            gaps[topic].append(rest)
        elif mark == "-" and titles:
            titles[-1][2].append(_fact(number, rest))
        elif line.strip():
            raise HandbookError(f"handbook.md, line {number}: a line begins with `# `, `## `, `- ` or `? `")
    documents = []
    places: dict[str, int] = {}
    for topic, title, facts in titles:
        places[topic] = places.get(topic, 0) + 1
        document_id = f"{topic}-{places[topic]:02d}"
        made = tuple(Fact(document_id, topic, sentence, value, question) for sentence, value, question in facts)
        documents.append(Document(document_id, topic, title, made))
    return Handbook(tuple(documents), {topic: tuple(questions) for topic, questions in gaps.items()})


def _fact(number: int, text: str) -> tuple[str, str, str]:
    sentence, _, question = text.partition(" | ")
    values = _VALUE.findall(sentence)
    if len(values) != 1 or not question.endswith("?"):
        raise HandbookError(f"handbook.md, line {number}: a fact is `- a sentence with one {{value}} | a question?`")
    return _VALUE.sub(r"\1", sentence), values[0], question


def write_documents(folder: Path) -> Path:
    """Write `documents.jsonl`: one document a line, as an index would take it in."""
    path = folder / "documents.jsonl"
    rows = (
        {"document_id": d.id, "document_version": VERSION, "topic": d.topic, "title": d.title, "text": d.text}
        for d in handbook().documents
    )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
