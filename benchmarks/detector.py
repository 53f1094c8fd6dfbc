"""How well the detector tells what is made up, on answers that people judged: writes docs/proofs/detector.md.

    python -m benchmarks.detector [--cache FOLDER] [--print]

Measured on public sets beside the checkout, of which no text is written down. Everything is scored by a fit that has
not seen the row's document (HaluEval: its question). The baselines are fitted in the same folds, so that each may learn
which way it points.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from assets.quality.answers import Exchange, measured
from assets.quality.detector import FEATURES, Floats, matrix
from assets.quality.detector_training import Bools, Interval, auc, brier, folds, interval
from assets.quality.refusal import hedges, refuses
from assets.quality.sentences import words
from assets.quality.similarity import similarities
from resources.embedder import Embedder

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "proofs" / "detector.md"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SEED = 20_261_121
REPEATS = 3
FOLDS = 5
COLUMN_PENALTY = 0.1
VECTOR_PENALTY = 1.0
BASELINES = ("lexical overlap", "MiniLM similarity")


@dataclass(frozen=True)
class Case:
    """An answer that people judged. `group`: what it must not be split from."""

    origin: str
    group: str
    question: str | None
    context: str | None
    answer: str
    is_wrong: bool


@dataclass(frozen=True)
class Judged:
    """A set, measured: columns of quality.scores, and vectors of whole answers and of what they answer to."""

    name: str
    rows: pl.DataFrame
    wrong: Bools
    groups: list[str]
    origins: list[str]
    overlap: Floats
    answers: Floats
    sources: Floats

    @property
    def similarity(self) -> Floats:
        return np.asarray((self.answers * self.sources).sum(axis=1))


def summac() -> Iterator[Case]:
    """Claims of four sets of summaries; 1 is consistent."""
    for path in sorted((SHARED / "summac_hist").glob("*.json")):
        for row in json.loads(path.read_text(encoding="utf-8")).values():
            yield Case(path.stem, row["document"], None, row["document"], row["claim"], row["label"] == 0)


def begin() -> Iterator[Case]:
    """Turns of dialogue over a piece of knowledge."""
    with (SHARED / "begin" / "wow" / "begin_dev_wow.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            is_wrong = row["begin_label"] != "Fully attributable"
            yield Case("wow", row["knowledge"], row["message"], row["knowledge"], row["response"], is_wrong)


def halueval() -> Iterator[Case]:
    """Answers to anything, without a context."""
    with (SHARED / "halueval" / "data" / "general_data.json").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            query = row["user_query"]
            yield Case("general", query, query, None, row["chatgpt_response"], row["hallucination"] == "yes")


SETS = {"summac_hist": summac, "begin": begin, "HaluEval-general": halueval}


def judged(name: str, cases: list[Case], embedder: Embedder) -> Judged:
    """A set as quality.scores would have it."""

    def embed(texts: list[str]) -> tuple[np.ndarray, str]:
        return embedder.embed(texts), embedder.fingerprint[:8]

    found = []
    for case in cases:
        documents = [("d-1", 1, case.context)] if case.context else []
        found.append(measured(Exchange(case.answer, case.question, documents=documents)))
    meanings, _ = similarities([pieces for _, pieces in found], embed)
    table = [columns | meaning for (columns, _), meaning in zip(found, meanings, strict=True)]
    output = pl.Series("output", [case.answer for case in cases])
    rows = pl.DataFrame(table, infer_schema_length=None).with_columns(output)
    sources = [case.context or case.question or "" for case in cases]
    return Judged(
        name,
        rows.with_columns(refuses=refuses(pl.col("output")), hedges=hedges(pl.col("output"))),
        np.array([case.is_wrong for case in cases]),
        [case.group for case in cases],
        [case.origin for case in cases],
        np.array([overlap(case.answer, source) for case, source in zip(cases, sources, strict=True)]),
        embedder.embed([case.answer for case in cases]).astype(np.float64),
        embedder.embed(sources).astype(np.float64),
    )


def overlap(answer: str, source: str) -> float:
    """The baseline: the share of the answer's different words that the source has."""
    said = set(words(answer))
    return len(said & set(words(source))) / len(said) if said else 0.0


def held_out(of: Judged, features: Floats, penalty: float) -> Floats:
    """The logit of each row from fits that have not seen its group; the mean of a few splits."""
    from sklearn.linear_model import LogisticRegression

    total = np.zeros(len(of.wrong))
    for repeat in range(REPEATS):
        for train, test in folds(of.wrong, of.groups, FOLDS, SEED + repeat):
            model = LogisticRegression(C=penalty, max_iter=2_000).fit(features[train], of.wrong[train])
            total[test] += model.decision_function(features[test]) / REPEATS
    return total


def scaled(features: Floats) -> Floats:
    """Standardised; what is not measured counts as the mean, and what nobody measured is left out."""
    kept = features[:, [~np.isnan(column).all() and np.nanstd(column) > 1e-9 for column in features.T]]
    return np.asarray(np.nan_to_num((kept - np.nanmean(kept, axis=0)) / np.nanstd(kept, axis=0)), np.float64)


def contestants(of: Judged) -> dict[str, Floats]:
    """The held-out score of everything that is compared, by its name."""
    columns = scaled(matrix(of.rows, tuple(FEATURES)))
    vectors = np.concatenate([of.sources, of.answers], axis=1) * np.sqrt(of.answers.shape[1]) / 4
    return {
        "lexical overlap": held_out(of, scaled(of.overlap[:, None]), 1.0),
        "MiniLM similarity": held_out(of, scaled(of.similarity[:, None]), 1.0),
        "MiniLM vectors": held_out(of, vectors, VECTOR_PENALTY / 50),
        "detector": held_out(of, columns, COLUMN_PENALTY),
        "detector with vectors": held_out(of, np.concatenate([columns, vectors], axis=1), VECTOR_PENALTY / 50),
    }


Measure = Callable[[Bools, Floats, Floats], float]


def within(origins: list[str], measure: Measure) -> Measure:
    """A measure of each origin by itself, averaged by its rows: which set a row comes from is no merit."""
    names = np.array(origins)

    def found(wrong: Bools, scores: Floats, weight: Floats) -> float:
        parts = [(names == name) & (weight > 0) for name in sorted(set(origins))]
        parts = [part for part in parts if len(set(wrong[part])) == 2]
        values = [measure(wrong[part], scores[part], weight[part]) for part in parts]
        return float(np.average(values, weights=[weight[part].sum() for part in parts]))

    return found


def ahead(of: Judged, ours: Floats, theirs: Floats) -> Interval:
    """By how much one AUC is above the other, both drawn together."""

    def difference(wrong: Bools, _: Floats, weight: Floats) -> float:
        return auc(wrong, ours, weight) - auc(wrong, theirs, weight)

    return interval(difference, of.wrong, ours, of.groups, np.ones(len(of.wrong)))


def page(sets: list[Judged]) -> str:
    """The document."""
    parts = [
        "# The detector, on answers that people judged",
        "",
        f"Written by `python -m benchmarks.detector`, {datetime.now(UTC).date()}. AUC of held-out rows ({FOLDS} folds by",
        f"document, the mean of {REPEATS} splits) with the 95 % interval of a bootstrap of documents; Brier score of the",
        "same fit.",
        "",
    ]
    for of in sets:
        parts += _section(of)
    return "\n".join([*parts, *_columns(sets)]) + "\n"


def _section(of: Judged) -> list[str]:
    scores = contestants(of)
    ones = np.ones(len(of.wrong))
    many = len(set(of.origins)) > 1
    heading = "| | AUC | ahead of lexical overlap | of MiniLM similarity | Brier |"
    lines = [
        f"## {of.name}",
        "",
        f"{len(of.wrong):,} answers, {of.wrong.mean():.0%} of them called wrong, {len(set(of.groups)):,} documents.",
        "",
        heading + (" AUC within each source |" if many else ""),
        "|---|---|---|---|---|" + ("---|" if many else ""),
    ]
    for name, found in scores.items():
        value = interval(auc, of.wrong, found, of.groups, ones)
        gains = ["" if name in BASELINES else _told(ahead(of, found, scores[other]), sign="+") for other in BASELINES]
        chance = brier(of.wrong, np.asarray(1 / (1 + np.exp(-found))), ones)
        row = f"| {name} | {_told(value)} | {gains[0]} | {gains[1]} | {chance:.3f} |"
        if many:
            row += f" {_told(interval(within(of.origins, auc), of.wrong, found, of.groups, ones))} |"
        lines.append(row)
    return [*lines, ""]


def _columns(sets: list[Judged]) -> list[str]:
    """How well each column ranks by itself."""
    lines = [
        "## Each column by itself",
        "",
        "AUC without any fit: above .5, a higher value goes with wrong answers; below, with right ones.",
        "",
        "| column | " + " | ".join(of.name for of in sets) + " |",
        "|---|" + "---|" * len(sets),
    ]
    for name in FEATURES:
        cells = []
        for of in sets:
            found = matrix(of.rows, (name,))[:, 0]
            there = ~np.isnan(found)
            is_flat = not there.any() or np.nanstd(found) < 1e-9
            cells.append("–" if is_flat else f"{auc(of.wrong[there], found[there], np.ones(int(there.sum()))):.3f}")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def _told(value: Interval, sign: str = "") -> str:
    return f"{value.value:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="detector", description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder for vectors, so that a second run is quick")
    parser.add_argument("--print", action="store_true", help="print the page, and write nothing")
    options = parser.parse_args()
    embedder = Embedder(cache=options.cache)
    found = page([judged(name, list(cases()), embedder) for name, cases in SETS.items()])
    if options.print:
        print(found)
    else:
        DOCUMENT.write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
