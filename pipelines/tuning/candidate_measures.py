"""What an embedder candidate shows beside the champion: what each finds in the frozen sets, how fast, how large.

Here belong the searches and the findings that gates make of them. What a gate asks is assets/tuning/gate.py. Both meet
the same queries and passages in the same run, with exact search: an index has its own gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from assets.retrieval.ranking import Floats, Runs, first_of_each, measured
from assets.tuning.gate import (
    Compared,
    Finding,
    Rules,
    domain,
    floor,
    forgetting,
    guard,
    ratio,
    safety,
    segment,
)
from assets.tuning.paired_bootstrap import changed, paired
from pipelines.retrieval.index_queries import Embeds
from pipelines.tuning.candidate_sets import GENERAL, GOLDEN, SAFETY, TEST, RankedSet
from resources.embedder import Embedder
from resources.faiss_index import exact
from resources.live_index import Vectors

K = 10
GUARDED = ("recall", "mrr")
TOLERATED = 0.01
"""What recall and reciprocal rank, or golden queries, may lose: beyond chance and this is a loss for somebody."""
LATENCY_QUERIES = 40
_TEXTS_SEARCHED = 50
"""Passages among which ten documents are looked for."""
_AT_ONCE = 4_096


def embedder_findings(
    candidate: Embeds, champion: Embeds, sets: Sequence[RankedSet], why_not: dict[str, str], rules: Rules, threads: int = 2
) -> Iterator[Finding]:
    """What every gate of quality says of two embedders. `sets`: test, and those of golden, general and safety that there
    are; `why_not`: why the others are not."""
    asked = [one for one in sets if one.queries]
    runs = searched(champion, asked, threads)
    new = runs if candidate.fingerprint == champion.fingerprint else searched(candidate, asked, threads)
    by_name = {one.name: (one, new[one.name], runs[one.name]) for one in asked}
    for name in (TEST, GENERAL, GOLDEN, SAFETY):
        if name not in by_name:
            yield _unmeasured(name, why_not.get(name, "it has no query"), rules)
    for name, (one, mine, theirs) in by_name.items():
        if name == SAFETY:
            yield _safety(one, mine, theirs)
            continue
        ours, before = measured(mine, one.qrels, K), measured(theirs, one.qrels, K)
        ndcg = _compared(one, "ndcg", ours["ndcg"], before["ndcg"])
        if name == GENERAL:
            yield forgetting(ndcg, rules)
        elif name == GOLDEN:
            yield guard(ndcg, TOLERATED)
        else:
            yield from _of_test(one, ours, before, rules)


def searched(embedder: Embeds, sets: Sequence[RankedSet], threads: int) -> dict[str, Runs]:
    """By set and query the ten best documents, by the nearest of their passages; each text is embedded once."""
    found: dict[str, Runs] = {}
    for passages in dict.fromkeys(one.passages for one in sets):
        sharing = [one for one in sets if one.passages == passages]
        texts = list(dict.fromkeys(text for _, text in passages))
        documents: dict[str, list[str]] = {text: [] for text in texts}
        for document, text in passages:
            documents[text].append(document)
        queries = list(dict.fromkeys(query for one in sharing for query in one.queries.values()))
        best = exact(embedder.embed(queries), _blocks(embedder, texts), _TEXTS_SEARCHED, threads)[1]
        ranked = {
            query: first_of_each([name for at in row[row >= 0] for name in documents[texts[at]]])[:K]
            for query, row in zip(queries, best, strict=True)
        }
        found |= {one.name: {name: ranked[query] for name, query in one.queries.items()} for one in sharing}
    return found


def timed(candidate: Embeds, champion: Embeds, queries: Sequence[str]) -> Compared:
    """Median milliseconds in which each embeds one query, asked in turns in the same run."""
    if not queries:
        return Compared("latency_ms", "model", why="there is no query to ask")
    asked = [queries[at] for at in np.linspace(0, len(queries) - 1, min(LATENCY_QUERIES, len(queries))).astype(int)]
    models = [_forgetful(candidate), _forgetful(champion)]
    took: list[list[float]] = [[], []]
    for model in models:
        model.embed(asked[:1])  # The first loads it.
    for turn, query in enumerate(asked):
        for at in (0, 1) if turn % 2 else (1, 0):
            started = perf_counter()
            models[at].embed([query])
            took[at].append((perf_counter() - started) * 1_000)
    return Compared("latency_ms", "model", median(took[0]), median(took[1]))


def sized(candidate: Path, champion: Path, patterns: Sequence[str] = ("*.safetensors", "pytorch_model*.bin")) -> Compared:
    """Bytes of what is loaded of each."""
    sizes = [
        sum(path.stat().st_size for path in {path for pattern in patterns for path in folder.rglob(pattern)})
        for folder in (candidate, champion)
    ]
    return Compared("bytes", "model", float(sizes[0]), float(sizes[1]))


def costs(time: Compared, size: Compared, rules: Rules) -> Iterator[Finding]:
    """Whether it is too slow, or too large."""
    yield ratio("latency", time, rules.most_slowdown)
    yield ratio("size", size, rules.most_growth)


def _of_test(one: RankedSet, ours: dict[str, Floats], before: dict[str, Floats], rules: Rules) -> Iterator[Finding]:
    found = _compared(one, "ndcg", ours["ndcg"], before["ndcg"], unseen=1.0)
    yield domain(found, changed(ours["ndcg"], before["ndcg"]))
    for metric in GUARDED:
        yield guard(_compared(one, metric, ours[metric], before[metric]), TOLERATED)
    for metric, least in sorted(rules.floors.items()):
        value = float(ours[metric].mean()) if metric in ours else None
        why = "" if metric in ours else f"{metric} is not measured of an embedder; seeds/tuning.yml names it"
        yield floor(Compared(metric, one.name, value, eval_digest=one.digest, why=why), least)
    names = sorted(one.qrels)
    for part in sorted({part for parts in one.segments.values() for part in parts}):
        mine = np.array([part in one.segments.get(name, ()) for name in names])
        yield segment(_compared(one, "ndcg", ours["ndcg"][mine], before["ndcg"][mine], part), rules)


def _safety(one: RankedSet, mine: Runs, theirs: Runs) -> Finding:
    bad = [{name for name, grades in one.qrels.items() if not grades.keys().isdisjoint(run[name])} for run in (mine, theirs)]
    new, old = (np.array([float(name in some) for name in sorted(one.qrels)]) for some in bad)
    return safety(_compared(one, "violations", new, old), bad[0] - bad[1])


def _compared(one: RankedSet, metric: str, new: Floats, old: Floats, part: str = "", unseen: float = 0.0) -> Compared:
    change = paired(new, old, unseen=unseen)
    return Compared(metric, one.name, float(new.mean()), float(old.mean()), change, part, one.digest)


def _forgetful(model: Embeds) -> Embeds:
    """The same, whose answers are not remembered."""
    return replace(model, cache=None) if isinstance(model, Embedder) else model


def _unmeasured(name: str, why: str, rules: Rules) -> Finding:
    if name == TEST:
        return domain(Compared("ndcg", name, why=why), 0)
    if name == GENERAL:
        return forgetting(Compared("ndcg", name, why=why), rules)
    if name == SAFETY:
        return safety(Compared("violations", name, why=why), ())
    return guard(Compared("ndcg", name, why=why), TOLERATED)


def _blocks(embedder: Embeds, texts: Sequence[str]) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Vectors]]:
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        yield np.arange(start, start + len(some)), embedder.embed(some)
