"""One answer and what it may rest on, measured: the columns of quality.scores that need no vectors, and the pieces that do.

Here belongs what counts as context, and how long an answer is looked at. What is measured stands in the files named for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assets.quality.citations import Document, citations, cited
from assets.quality.claims import claims
from assets.quality.sentences import sentences, words
from assets.quality.support import Context

MOST_SENTENCES = 24
MOST_PASSAGES = 6
"""Passages that a sentence is compared with by meaning: those that share most words with the answer."""
MATERIAL_CHARACTERS = 200
"""A prompt or history as long as that, and longer than the answer, brings material, such as an article to be summarised."""
QUESTION_CHARACTERS = 1_000


@dataclass(frozen=True)
class Exchange:
    """An answer with all that was said before it, None or empty where that is not known or not kept.

    `documents`: id, rank, and text of what was retrieved; `results`: of tools.
    """

    answer: str
    question: str | None = None
    system: str | None = None
    history: str | None = None
    documents: Sequence[tuple[str, int | None, str | None]] = ()
    results: Sequence[str] = ()

    @property
    def context(self) -> Context | None:
        """All that the answer may rest on; None where there is no document, result or material among it."""
        kept = [text for _, _, text in self.documents if text] + [text for text in self.results if text]
        said = [text for text in (self.question, self.history) if text]
        if not kept and all(len(text) < max(MATERIAL_CHARACTERS, len(self.answer)) for text in said):
            return None
        return Context((*kept, *said, *((self.system,) if self.system else ())))


@dataclass(frozen=True)
class Pieces:
    """What of an exchange is compared by meaning: sentences of the answer, passages of the context, the question."""

    sentences: tuple[str, ...]
    passages: tuple[str, ...]
    question: str | None


def measured(exchange: Exchange) -> tuple[dict[str, Any], Pieces]:
    """The columns by their name in quality.scores, and the pieces. An answer without a word has one sentence: itself."""
    context = exchange.context
    texts = {text: Context((text,)) for _, _, text in exchange.documents if text}
    documents = [Document(id_, rank, texts.get(text or "")) for id_, rank, text in exchange.documents]
    found = sentences(exchange.answer) or (exchange.answer.strip(),)
    looked_at = found[:MOST_SENTENCES]
    said = [rest.strip() or sentence for sentence in looked_at for _, rest in [cited(sentence, documents)]]
    columns: dict[str, Any] = {
        "has_context": context is not None,
        "answer_characters": len(exchange.answer),
        "sentences": len(found),
        **_support(said, context),
        "document_support": _document_support(said, exchange),
        **asdict(claims(said, context)),
    }
    cites = citations(looked_at, documents)
    columns |= {"citation_coverage": cites.coverage, "citation_correct": cites.correct}
    near = context.nearest((word for sentence in said for word in words(sentence)), MOST_PASSAGES) if context else ()
    question = (exchange.question or "")[:QUESTION_CHARACTERS].strip() or None
    return columns, Pieces(tuple(said), near, question)


def _document_support(said: Sequence[str], exchange: Exchange) -> float | None:
    """What was asked supports nothing here: an answer that repeats the question has found nothing."""
    kept = [text for _, _, text in exchange.documents if text] + [text for text in exchange.results if text]
    different = {word for sentence in said for word in words(sentence)}
    if not kept or not different:
        return None
    return len(different & Context(tuple(kept)).words) / len(different)


def _support(said: Sequence[str], context: Context | None) -> dict[str, float | None]:
    measured = [context.support(sentence) for sentence in said] if context else []
    found = [support for support in measured if support.words is not None]
    if not found:
        return dict.fromkeys(("support_mean", "support_min", "passage_support", "copied"))
    by_words = [support.words or 0.0 for support in found]
    return {
        "support_mean": sum(by_words) / len(found),
        "support_min": min(by_words),
        "passage_support": sum(support.passage or 0.0 for support in found) / len(found),
        "copied": sum(support.copied or 0.0 for support in found) / len(found),
    }
