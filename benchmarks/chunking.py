"""How well the chunkers cut: what of the stretches that answer a question the best pieces cover.

    python -m benchmarks.chunking [--cache FOLDER] [--print]

Writes docs/proofs/chunking.md. Measured on the public set chunking_eval beside the checkout (five corpora, 472 questions
with the characters that answer each), with the packaged embedder and exact search over the pieces of all five. No text of it
is written down.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import numpy as np

from assets.retrieval.chunkers import CHUNKERS, DEFAULT, Chunker
from assets.retrieval.ranking import Estimate, difference, estimate
from assets.retrieval.spans import Coverage, Span, coverage
from pipelines.retrieval.index_queries import Embeds
from resources.embedder import Embedder

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "proofs" / "chunking.md"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "chunking_eval"
BASELINE = "fixed-1"
TOP = (3, 5, 10)
MOST_PIECES = 40
MEASURES = ("recall", "precision", "iou")
READS_TOKENS = 256
BUDGETS = (2_000, 4_000)
"""Characters that a model is given: chunkers whose pieces differ in length compare at equal ones."""


@dataclass(frozen=True)
class Question:
    """A question, the corpus that it was made from, and the stretches that answer it."""

    words: str
    corpus: str
    wanted: tuple[Span, ...]


@dataclass(frozen=True)
class Cut:
    """What one chunker made of the corpora, and how its pieces cover each question's answer: `found` by the number of
    pieces, `within` by the characters that they may have together."""

    pieces: tuple[str, ...]
    found: dict[int, list[Coverage]]
    within: dict[int, list[Coverage]]
    cpu_seconds: float

    def values(self, top: int, measure: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([getattr(one, measure) for one in self.found[top]])


def load(folder: Path = SHARED, only: Sequence[str] = ()) -> tuple[dict[str, str], list[Question]]:
    """The corpora by name, and the questions of all of them or of `only` some.

    Raises ValueError where a reference's words do not stand where it says: questions and corpora of two versions.
    """
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "corpora").glob("*.md"))}
    texts = {name: text for name, text in texts.items() if not only or name in only}
    questions = []
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            corpus = row["corpus_id"]
            if corpus not in texts:
                continue
            references = json.loads(row["references"])
            for one in references:
                if texts[corpus][one["start_index"] : one["end_index"]] != one["content"]:
                    raise ValueError(f"{corpus}: the words of a reference do not stand at {one['start_index']}")
            wanted = tuple((corpus, one["start_index"], one["end_index"]) for one in references)
            questions.append(Question(row["question"], corpus, wanted))
    return texts, questions


def measured(chunker: Chunker, texts: dict[str, str], questions: Sequence[Question], embedder: Embeds) -> Cut:
    """Cut, embed, search exactly, and hold what is found against what was wanted."""
    started = process_time()
    spans: list[Span] = [(name, chunk.start, chunk.end) for name, text in texts.items() for chunk in chunker(text)]
    pieces = [texts[name][start:end] for name, start, end in spans]
    scores = embedder.embed([one.words for one in questions]) @ embedder.embed(pieces).T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :MOST_PIECES]
    found = {
        top: [coverage([spans[place] for place in row[:top]], one.wanted) for row, one in zip(best, questions, strict=True)]
        for top in TOP
    }
    within = {
        budget: [
            coverage(first_characters([spans[place] for place in row], budget), one.wanted)
            for row, one in zip(best, questions, strict=True)
        ]
        for budget in BUDGETS
    }
    return Cut(tuple(pieces), found, within, process_time() - started)


def first_characters(spans: Sequence[Span], budget: int) -> list[Span]:
    """The first pieces up to so many characters, the last of them cut short; what was there before costs again."""
    kept: list[Span] = []
    for document, start, end in spans:
        kept.append((document, start, min(end, start + budget)))
        budget -= kept[-1][2] - start
        if not budget:
            break
    return kept


def share_cut_off(pieces: Sequence[str], embedder: Embedder) -> float:
    """Pieces that have more tokens than the packaged embedder reads."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(embedder.folder))
    counts = [len(ids) for ids in tokenizer(list(pieces), verbose=False)["input_ids"]]
    return sum(count > READS_TOKENS for count in counts) / len(counts)


def _shown(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def page(cuts: dict[str, Cut], questions: Sequence[Question], embedder: Embedder) -> str:
    """The page for people."""
    other = cuts[BASELINE]
    lines = [
        "# How well documents are cut", "",
        f"Written by `python -m benchmarks.chunking`, {datetime.now(UTC):%Y-%m-%d}: chunking_eval (five corpora of English, "
        f"{len(questions)} questions, MIT), all-MiniLM-L6-v2, exact search over the pieces of all five. In per cent, with "
        "95 % intervals by a bootstrap of questions. Recall: how much of the characters that answer a question stands in "
        "the pieces found. Precision: how much of what is found is answer; what is found twice counts twice. IoU: what is "
        "both, of all that is either.", "",
        "| chunker | pieces | characters, mean | cut off by the embedder | pieces found | recall | precision | IoU |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, cut in cuts.items():
        length, cut_off = np.mean([len(piece) for piece in cut.pieces]), share_cut_off(cut.pieces, embedder)
        for top in TOP:
            figures = " | ".join(_shown(estimate(cut.values(top, measure))) for measure in MEASURES)
            made = f"{len(cut.pieces):,} | {length:.0f} | {100 * cut_off:.1f}%"
            lines.append(f"| {name} | {made} | {top} | {figures} |")
    lines += ["", "Of the first characters that a model is given, whatever the pieces' length, recall, and less that of "]
    lines[-1] += f"{BASELINE} in points:"
    lines += ["", "| chunker |" + "".join(f" {budget:,} characters | less |" for budget in BUDGETS)]
    lines.append("|---|" + "---|---|" * len(BUDGETS))
    for name, cut in cuts.items():
        cells = []
        for budget in BUDGETS:
            mine, theirs = (np.array([one.recall for one in some.within[budget]]) for some in (cut, other))
            cells += [_shown(estimate(mine)), "" if cut is other else _shown(difference(mine, theirs))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Against {BASELINE}, the same questions paired, in points:", ""]
    lines += ["| chunker | pieces found | recall | IoU |", "|---|---|---|---|"]
    for name, cut in cuts.items():
        for top in TOP if name != BASELINE else ():
            paired = [_shown(difference(cut.values(top, m), other.values(top, m))) for m in ("recall", "iou")]
            lines.append(f"| {name} | {top} | {' | '.join(paired)} |")
    lines += ["", "Recall by corpus, of five pieces:", ""]
    lines += [f"| corpus | questions | {' | '.join(cuts)} |", "|---|---|" + "---|" * len(cuts)]
    for corpus in sorted({one.corpus for one in questions}):
        places = [place for place, one in enumerate(questions) if one.corpus == corpus]
        shares = [_shown(estimate(cut.values(5, "recall")[places])) for cut in cuts.values()]
        lines.append(f"| {corpus} | {len(places)} | {' | '.join(shares)} |")
    spent = sum(cut.cpu_seconds for cut in cuts.values())
    told = "Questions and answers were made by a model; another set, or pages of your own, may rank the chunkers otherwise."
    lines += ["", f"It took {spent:,.0f} s of processor time. {told}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="keep vectors in this folder, and take them from there")
    parser.add_argument("--print", action="store_true", help="show the page, and write nothing")
    options = parser.parse_args()
    texts, questions = load()
    embedder = Embedder(cache=options.cache)
    names = (DEFAULT, *(name for name in CHUNKERS if name != DEFAULT))
    cuts = {name: measured(CHUNKERS[name], texts, questions, embedder) for name in names}
    text = page(cuts, questions, embedder)
    print(text)
    if not options.print:
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
