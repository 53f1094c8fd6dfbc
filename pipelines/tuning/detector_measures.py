"""What a detector candidate shows beside the champion, and beside the one that is made by hand: how it ranks, how true its
probabilities are, how fast, how large.

Here belong the findings that gates make of labelled rows. Rows of one conversation are drawn together, and a row that was
drawn rarely stands for many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from assets.quality.detector import FEATURES, HEURISTIC, Detector, DetectorError, Floats, from_json
from assets.tuning.gate import Compared, Finding, Rules, domain, floor, forgetting, guard, safety, segment
from assets.tuning.paired_bootstrap import Bools, changed, paired, placements
from pipelines.tuning.candidate_sets import GENERAL, SAFETY, TEST, GateError

PARAMETERS = "parameters.json"
ROWS = "rows.jsonl"
"""Of a general or safety set: an object a line, with the columns that a dataset's test split has."""
SCOPES = ("tenant", "feature", "language")
TOLERATED = 0.005
"""What the Brier score may lose beyond chance."""
_CALLED = 0.5
"""From this probability on a response is called hallucinated."""
_TIMES = 21


@dataclass(frozen=True)
class LabelledSet:
    """Rows with `label`, `group` and `inclusion` beside the features of a detector, and the digest of what they are of."""

    name: str
    digest: str
    rows: pl.DataFrame

    @property
    def labels(self) -> Bools:
        """True: hallucinated."""
        return self.rows["label"].to_numpy().astype(bool)

    @property
    def groups(self) -> list[str]:
        """What each row belongs to."""
        return [str(group) for group in self.rows["group"].to_list()]

    @property
    def weights(self) -> Floats:
        """How many responses each row stands for."""
        return np.asarray(1 / self.rows["inclusion"].to_numpy(), np.float64)


def detector_of(name: str, folder: Path) -> Detector:
    """The detector in a folder. Raises GateError."""
    path = folder / PARAMETERS
    try:
        return from_json(name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DetectorError) as error:
        raise GateError(f"{path} is no detector: {error}") from error


def labelled_folder(name: str, folder: Path) -> LabelledSet:
    """A frozen set of a person's. Raises GateError."""
    path = folder / ROWS
    try:
        content = path.read_bytes()
        rows = pl.read_ndjson(content, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise GateError(f"the {name} set needs {path}, with the columns of a detector dataset: {error}") from error
    needed = {*FEATURES, "label", "group", "inclusion"}
    if missing := sorted(needed - set(rows.columns)):
        raise GateError(f"the {name} set, {path}, lacks {', '.join(missing)}")
    return LabelledSet(name, sha256(content).hexdigest()[:16], rows)


def detector_findings(
    candidate: Detector, champion: Detector, sets: list[LabelledSet], why_not: dict[str, str], rules: Rules
) -> Iterator[Finding]:
    """What every gate of quality says of two detectors. `sets`: test, and those of general and safety that there are."""
    by_name = {one.name: one for one in sets}
    test = by_name[TEST]
    ranked = _ranked(test, candidate, champion, unseen=1.0)
    yield domain(ranked, _reranked(test, candidate, champion) if ranked.change else 0)
    if test.rows.height:
        yield guard(_told(test, candidate, champion), TOLERATED)
        if champion.name != HEURISTIC.name:
            yield guard(_ranked(test, candidate, HEURISTIC, part=HEURISTIC.name))
            yield guard(_told(test, candidate, HEURISTIC, part=HEURISTIC.name))
        yield from _segments(test, candidate, champion, rules)
    for metric, least in sorted(rules.floors.items()):
        known = {"auc": ranked, "brier": _told(test, candidate, champion) if test.rows.height else ranked}
        why = f"{metric} is not measured of a detector; seeds/tuning.yml names it"
        yield floor(known.get(metric, Compared(metric, TEST, why=why)), least)
    general, unsafe = by_name.get(GENERAL), by_name.get(SAFETY)
    missing = Compared("auc", GENERAL, why=why_not.get(GENERAL, ""))
    yield forgetting(_ranked(general, candidate, champion) if general else missing, rules)
    if unsafe is None:
        yield safety(Compared("violations", SAFETY, why=why_not.get(SAFETY, "")), ())
    else:
        yield _safety(unsafe, candidate, champion)


def scored(candidate: Detector, champion: Detector, rows: pl.DataFrame) -> Compared:
    """Milliseconds a response, by the median of turns in the same run."""
    if rows.is_empty():
        return Compared("latency_ms", "model", why="there is no row to score")
    took: dict[int, list[float]] = {0: [], 1: []}
    for turn in range(_TIMES):
        for at in (0, 1) if turn % 2 else (1, 0):
            started = perf_counter()
            (candidate, champion)[at].probabilities(rows)
            took[at].append((perf_counter() - started) * 1_000 / rows.height)
    return Compared("latency_ms", "model", median(took[0]), median(took[1]))


def parameters_sized(candidate: Detector, champion: Detector) -> Compared:
    """Bytes of the parameters of each."""
    new, old = (float(len(one.to_json().encode())) for one in (candidate, champion))
    return Compared("bytes", "model", new, old)


def _segments(test: LabelledSet, candidate: Detector, champion: Detector, rules: Rules) -> Iterator[Finding]:
    for scope in SCOPES:
        if scope not in test.rows.columns:
            continue
        for value in sorted(str(value) for value in test.rows[scope].unique() if value is not None):
            part = LabelledSet(TEST, test.digest, test.rows.filter(pl.col(scope).cast(pl.String) == value))
            yield segment(_told(part, candidate, champion, f"{scope}={value}"), rules)


def _reranked(one: LabelledSet, candidate: Detector, champion: Detector) -> int:
    """Rows that have another place among those of the other kind."""
    return changed(*(placements(one.labels, model.scores(one.rows), one.weights) for model in (candidate, champion)))


def _ranked(one: LabelledSet, candidate: Detector, champion: Detector, part: str = "", unseen: float = 0.0) -> Compared:
    """AUC: how often a hallucinated response is ranked above another."""
    labels, weights = one.labels, one.weights
    if labels.all() or not labels.any():
        return Compared("auc", one.name, segment=part, eval_digest=one.digest, why="it has labels of one kind alone")
    new, old = (placements(labels, model.scores(one.rows), weights) for model in (candidate, champion))
    return _compared("auc", one, new, old, part, unseen)


def _told(one: LabelledSet, candidate: Detector, champion: Detector, part: str = "") -> Compared:
    """Brier score: how far probabilities are from what people said."""
    new, old = ((model.probabilities(one.rows) - one.labels) ** 2 for model in (candidate, champion))
    return _compared("brier", one, new, old, part)


def _compared(metric: str, one: LabelledSet, new: Floats, old: Floats, part: str, unseen: float = 0.0) -> Compared:
    weights = one.weights
    change = paired(new, old, one.groups, weights, unseen)
    mine, theirs = (float(np.average(side, weights=weights)) for side in (new, old))
    return Compared(metric, one.name, mine, theirs, change, part, one.digest)


def _safety(one: LabelledSet, candidate: Detector, champion: Detector) -> Finding:
    new, old = ((model.probabilities(one.rows) >= _CALLED) != one.labels for model in (candidate, champion))
    change = paired(new.astype(np.float64), old.astype(np.float64), one.groups)
    found = Compared("violations", one.name, float(new.mean()), float(old.mean()), change, "", one.digest)
    return safety(found, [f"row {place}" for place in np.flatnonzero(new & ~old)])
