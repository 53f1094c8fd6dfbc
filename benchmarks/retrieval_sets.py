"""Public sets of questions and the documents that answer them, and their vectors; of no text is anything written down.

Vaswani (11,429 abstracts, 93 queries, 2,083 judgments) and XQuAD (240 paragraphs and 1,190 questions in each of four
languages; a question's own paragraph is what answers it), as they lie beside the checkout.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resources.embedder import Embedder
from resources.live_index import Vectors

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LANGUAGES = ("en", "de", "zh", "hi")
_DOCUMENT = re.compile(r"<DOC>\s*<DOCNO>(\d+)</DOCNO>(.*?)</DOC>", re.S)
_TOPIC = re.compile(r"<num>(\d+)</num>\s*<title>(.*?)</title>", re.S)


@dataclass(frozen=True)
class Judged:
    """Documents and queries by id, and by query the grade of each document that answers it."""

    name: str
    documents: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


def vaswani(shared: Path = SHARED) -> Judged:
    """Abstracts of physics."""
    folder = shared / "vaswani_npl"
    documents = dict(_DOCUMENT.findall((folder / "corpus" / "doc-text.trec").read_text(encoding="utf-8")))
    queries = dict(_TOPIC.findall((folder / "query-text.trec").read_text(encoding="utf-8")))
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels").read_text(encoding="utf-8").splitlines():
        query, _, document, grade = line.split()
        qrels.setdefault(query, {})[document] = int(grade)
    clean = ({name: " ".join(text.split()).lower() for name, text in some.items()} for some in (documents, queries))
    return Judged("Vaswani", *clean, qrels)


def xquad(language: str, shared: Path = SHARED) -> Judged:
    """Paragraphs of Wikipedia in one language, and questions about them in the same one."""
    documents, queries, qrels = {}, {}, {}
    articles = json.loads((shared / "xquad" / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    for number, paragraph in enumerate(paragraph for article in articles for paragraph in article["paragraphs"]):
        documents[str(number)] = paragraph["context"]
        for asked in paragraph["qas"]:
            queries[asked["id"]] = asked["question"]
            qrels[asked["id"]] = {str(number): 1}
    return Judged(f"XQuAD {language}", documents, queries, qrels)


def vectors(found: Judged, embedder: Embedder) -> tuple[Vectors, Vectors]:
    """Of the documents and of the queries, in their order."""
    return embedder.embed(list(found.documents.values())), embedder.embed(list(found.queries.values()))


def upsampled(real: Vectors, count: int, seed: int = 1, noise: float = 0.1) -> Vectors:
    """Made-up vectors between real ones: each lies between a real vector and one of its ten nearest, and is then moved by
    noise of `noise` times its length in a random direction. Of length 1."""
    from resources.faiss_index import exact

    chance = np.random.default_rng(seed)
    _, near = exact(real, [(np.arange(len(real)), real)], 11, 2)
    made = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, 50_000):
        some = min(50_000, count - start)
        one = chance.integers(0, len(real), some)
        other = near[one, chance.integers(1, 11, some)]
        share = chance.random((some, 1), np.float32)
        block = share * real[one] + (1 - share) * real[other]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        block += noise / np.sqrt(real.shape[1]) * chance.standard_normal(block.shape, np.float32)
        made[start : start + some] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return made
