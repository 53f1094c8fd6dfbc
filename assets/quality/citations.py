"""What an answer cites: which documents, for which sentence, and whether they were found and bear the sentence out.

Here belong the ways in which answers cite: an id or rank in brackets, `(see id)`, and an id of a retrieved document named in
the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assets.quality.support import Context

BORNE_OUT = 0.5
"""Share of a sentence's words that a document must have to bear it out."""
_BRACKETS = re.compile(r"\[([^\[\]\n]{1,60})\](?!\()|【([^【】\n]{1,60})】")
_SEE = re.compile(r"(?i)\((?:see|sources?|cf|siehe|quelle|voir|ver|fuente|vedi|fonte|zie|bron)[.:]?\s+([^()\n]{1,60})\)")
_LABEL = re.compile(r"\^?(?:(?:doc|document|source|ref|quelle|dokument)\.?\s+)?(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """A retrieved document: its words as a context, None where they are not kept."""

    id: str
    rank: int | None
    context: Context | None


@dataclass(frozen=True)
class Citations:
    """Shares from 0 to 1; None where there is nothing to take a share of."""

    coverage: float | None
    correct: float | None


def cited(sentence: str, documents: Sequence[Document]) -> tuple[list[str], str]:
    """What a sentence cites, by id or rank, each once and in lower case; and the sentence without it."""
    labels: dict[str, None] = {}

    def take(match: re.Match[str]) -> str:
        found = [label for group in match.groups() if group for label in _labels(group, ids)]
        labels.update(dict.fromkeys(found))
        return " " if found else match[0]

    ids = {document.id.casefold() for document in documents}
    rest = _SEE.sub(take, _BRACKETS.sub(take, sentence))
    for document in documents:
        # An id that is a word of the language would be found everywhere.
        if re.search(r"\d|[-_/]", document.id):
            rest, times = re.subn(rf"(?<!\w){re.escape(document.id)}(?!\w)", " ", rest, flags=re.IGNORECASE)
            if times:
                labels[document.id.casefold()] = None
    return list(labels), rest


def citations(sentences: Sequence[str], documents: Sequence[Document]) -> Citations:
    """How many sentences cite, and how many of the citations are right. None and None where nothing was retrieved."""
    if not documents:
        return Citations(None, None)
    by_label = {str(document.rank): document for document in documents if document.rank is not None}
    by_label |= {document.id.casefold(): document for document in documents}
    found = [cited(sentence, documents) for sentence in sentences]
    right = [_bears_out(by_label.get(label), rest) for labels, rest in found for label in labels]
    coverage = sum(bool(labels) for labels, _ in found) / len(found) if found else None
    return Citations(coverage, sum(right) / len(right) if right else None)


def _bears_out(document: Document | None, sentence: str) -> bool:
    if document is None:
        return False
    support = document.context.support(sentence).words if document.context else None
    return support is None or support >= BORNE_OUT


def _labels(group: str, ids: set[str]) -> list[str]:
    """The labels within one pair of brackets: ids that are known, small numbers, and what looks like an id."""
    found = []
    for part in re.split(r"[,;]", group.split("†")[0]):
        match = _LABEL.fullmatch(part.strip())
        label = (match[1] if match else part.strip()).casefold()
        looks_like_id = match is not None and re.fullmatch(r"\d{1,3}|(?=.*\d)(?=.*[a-z])[\w./:-]+", label)
        if label in ids or looks_like_id:
            found.append(label)
    return found
