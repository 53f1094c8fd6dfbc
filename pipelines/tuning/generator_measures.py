"""What a generator candidate shows beside the champion: how likely each finds good answers, and which of two it prefers.

Here belong the findings that gates make of values of examples, and the frozen sets that a person wrote. The values come from
a process of their own (resources/generator_scores.py). Examples of one conversation or document are drawn together; those
whose question alone is longer than what a model is given are left out for both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.tuning.gate import Compared, Finding, Rules, domain, floor, forgetting, safety, segment
from assets.tuning.paired_bootstrap import changed, paired
from pipelines.tuning.candidate_measures import sized
from pipelines.tuning.candidate_sets import GENERAL, SAFETY, TEST, GateError

EXAMPLES = "examples.jsonl"
"""Of a general or safety set. General: an object a line with `messages`, a list of role and content that ends with a good
answer. Safety: `prompt` (messages), `chosen` (the safe answer) and `rejected` (the other). `example_id` may be left out."""
PRIMARY = {"sft": "nll", "preferences": "preferred"}
Scores = Callable[[Path], pa.Table]
"""Values of the examples of a Parquet file under candidate and champion (resources/generator_scores.py)."""


@dataclass(frozen=True)
class ExampleSet:
    """Examples in the layout of a dataset, sft or preferences, and the digest of where they come from."""

    name: str
    digest: str
    rows: pa.Table


def examples_of(name: str, folder: Path) -> ExampleSet:
    """A frozen set of a person's. Raises GateError."""
    path = folder / EXAMPLES
    needed = ("prompt", "chosen", "rejected") if name == SAFETY else ("messages",)
    try:
        content = path.read_bytes()
        lines = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        rows = [
            {"example_id": str(line.get("example_id", number))} | {key: _as_text(line[key]) for key in needed}
            for number, line in enumerate(lines, start=1)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GateError(f"the {name} set needs {path}, an object a line with {', '.join(needed)}: {error!r}") from error
    if not rows or len({row["example_id"] for row in rows}) < len(rows):
        raise GateError(f"the {name} set, {path}, {'names an example twice' if rows else 'has no example'}")
    return ExampleSet(name, sha256(content).hexdigest()[:16], pa.Table.from_pylist(rows))


def generator_findings(
    kind: str, sets: list[ExampleSet], why_not: Mapping[str, str], scores: Scores, rules: Rules
) -> Iterator[Finding]:
    """What every gate of quality and speed says of two generators. `sets`: test, and those of general and safety that there
    are. Raises GeneratorScoresError."""
    by_name = {one.name: one for one in sets}
    values = {name: _values(one, scores) for name, one in by_name.items()}
    test, metric = by_name[TEST], PRIMARY[kind]
    found = values[TEST].drop_nulls([f"{metric}", f"{metric}_champion"])
    whole = _compared(metric, test, found, unseen=_worst(metric, found))
    yield domain(whole, changed(*_sides(metric, found)) if found.height else 0)
    known = {metric: whole, "nll": _compared("nll", test, values[TEST].drop_nulls(["nll", "nll_champion"]))}
    for name, least in sorted(rules.floors.items()):
        why = f"{name} is not measured of {kind}; seeds/tuning.yml names it"
        yield floor(known.get(name, Compared(name, TEST, why=why)), least)
    for feature in sorted(str(value) for value in found["feature"].unique() if value is not None):
        part = found.filter(pl.col("feature") == feature)
        yield segment(_compared(metric, test, part, f"feature={feature}"), rules)
    if GENERAL in by_name:
        told = values[GENERAL].drop_nulls(["nll", "nll_champion"])
        yield forgetting(_compared("nll", by_name[GENERAL], told), rules)
    else:
        yield forgetting(Compared("nll", GENERAL, why=why_not[GENERAL]), rules)
    if SAFETY in by_name:
        yield _safety(by_name[SAFETY], values[SAFETY])
    else:
        yield safety(Compared("violations", SAFETY, why=why_not[SAFETY]), ())


def token_time(one: ExampleSet, scores: Scores) -> Compared:
    """Median milliseconds a token of the answers of some examples, in the same process."""
    found = _values(one, scores).filter(pl.col("tokens") > 0)
    if not found.height:
        return Compared("latency_ms", "model", why="no answer fits into what the model is given")
    new, old = (
        median((found[f"seconds{side}"] / found[f"tokens{side}"] * 1_000).to_list()) for side in ("", "_champion")
    )
    return Compared("latency_ms", "model", new, old)


def loaded_size(base: Path, candidate: Path, champion: Path | None) -> Compared:
    """Bytes of base and adapter of each."""
    adapters = sized(candidate, champion or candidate)
    whole = sized(base, base).candidate or 0.0
    old = adapters.champion if champion is not None and adapters.champion is not None else 0.0
    return Compared("bytes", "model", whole + (adapters.candidate or 0.0), whole + old)


def remembered(scores: Scores) -> Scores:
    """The same, asked once for each set: content, not path, is what a set is."""
    known: dict[str, pa.Table] = {}

    def scored(path: Path) -> pa.Table:
        digest = sha256(path.read_bytes()).hexdigest()
        if digest not in known:
            known[digest] = scores(path)
        return known[digest]

    return scored


def _values(one: ExampleSet, scores: Scores) -> pl.DataFrame:
    """A row an example: the candidate's values beside the champion's."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "examples.parquet"
        pq.write_table(one.rows, path)
        told = pl.from_arrow(scores(path)) if one.rows.num_rows else pl.DataFrame()
    assert isinstance(told, pl.DataFrame)
    if told.is_empty():
        columns = ("nll", "preferred", "seconds", "tokens")
        numbers = {f"{name}{side}": pl.Float64 for name in columns for side in ("", "_champion")}
        return pl.DataFrame(schema={"example_id": pl.String, "feature": pl.String, "group": pl.String, **numbers})
    told = told.with_columns(pl.col("prefers_chosen").cast(pl.Float64).alias("preferred"))
    sides = {model: told.filter(pl.col("model") == model) for model in ("candidate", "champion")}
    values = ["example_id", "nll", "preferred", "seconds", "tokens"]
    found = sides["candidate"].join(sides["champion"].select(values), on="example_id", suffix="_champion")
    if found.height != one.rows.num_rows:
        raise GateError(f"{one.name}: {found.height} of {one.rows.num_rows} examples were measured; are their ids unique?")
    return found.sort("example_id")


def _compared(metric: str, one: ExampleSet, found: pl.DataFrame, part: str = "", unseen: float = 0.0) -> Compared:
    if not found.height:
        return Compared(metric, one.name, segment=part, eval_digest=one.digest, why="no example of it can be measured")
    new, old = _sides(metric, found)
    groups = found.select(pl.col("group").fill_null(pl.col("example_id"))).to_series().to_list()
    change = paired(new, old, groups, unseen=unseen)
    return Compared(metric, one.name, float(new.mean()), float(old.mean()), change, part, one.digest)


def _sides(metric: str, found: pl.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return found[metric].to_numpy().astype(np.float64), found[f"{metric}_champion"].to_numpy().astype(np.float64)


def _worst(metric: str, found: pl.DataFrame) -> float:
    """The largest change that one more example could bring: of a share 1, of nats as large as any that was seen."""
    if metric != "nll" or not found.height:
        return 1.0
    new, old = _sides(metric, found)
    return float(np.abs(new - old).max())


def _safety(one: ExampleSet, values: pl.DataFrame) -> Finding:
    found = values.drop_nulls(["preferred", "preferred_champion"])
    if found.height < values.height or not found.height:
        why = f"{values.height - found.height} of {values.height} examples are longer than what the model is given"
        return safety(Compared("violations", one.name, eval_digest=one.digest, why=why), ())
    new, old = (1 - side for side in _sides("preferred", found))
    newly = found.filter((pl.col("preferred") == 0) & (pl.col("preferred_champion") == 1))["example_id"].to_list()
    compared = Compared("violations", one.name, float(new.mean()), float(old.mean()), paired(new, old), "", one.digest)
    return safety(compared, newly)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
