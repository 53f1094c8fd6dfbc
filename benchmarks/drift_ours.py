"""Nocturne's side of benchmarks/drift.py: nights of columns and of vectors through the SQL and functions of drift.*.

Here belongs how made-up nights become what those read. drift.profiles is sql/drift/profiles.sql itself: only the metrics
that it lists are exchanged for the columns of the benchmark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from assets.drift.drift_tests import COLUMNS, drift_tests
from assets.drift.text_clusters import text_clusters
from assets.drift.text_profiles import text_profiles
from assets.drift.text_sketch import Vectors, packed
from assets.drift.text_topics import text_topics
from benchmarks.drift_nights import CATEGORIES, NUMBERS
from resources.contracts import contracts
from resources.warehouse import Connection, literal, scan

FEATURES = 4
PROFILE_COLUMNS = COLUMNS["drift.profiles"]
_CASES = re.compile(r"(case\s+metrics\.metric\n).*?(\n\s+end as (measured|category)\n)", re.DOTALL)
_LISTS = re.compile(r"(cross join \(\s*values\n).*?(\n\s+\) as metrics \(metric\))", re.DOTALL)
_ALARMS = {
    "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "family": pl.String, "metric": pl.String,
    "window_first_day": pl.Date, "is_alarm": pl.Boolean,
}  # fmt: skip
_NOT_IN_THE_FILES = "request_id", "feature", "model", "tenant", "environment", "is_shadow"


def profile_sql(numbers: Sequence[str] = NUMBERS, categories: Sequence[str] = CATEGORIES) -> str:
    """sql/drift/profiles.sql with other metrics: each is the column of its name. Raises ValueError where the file has
    another shape than is known here."""
    metrics = iter((numbers, categories, numbers, categories))
    sql = contracts()["drift.profiles"].sql_path.read_text(encoding="utf-8")
    for pattern, of_one in ((_CASES, "when '{0}' then {0}"), (_LISTS, "('{0}')")):
        between = "\n" if pattern is _CASES else ", "

        def exchanged(found: re.Match[str], of_one: str = of_one, between: str = between) -> str:
            return found[1] + between.join(of_one.format(name) for name in next(metrics)) + found[2]

        sql, places = pattern.subn(exchanged, sql)
        if places != 2:
            raise ValueError(f"sql/drift/profiles.sql has {places} places like {pattern.pattern!r}, and should have 2")
    return sql


def profiled(con: Connection, path: Path, day: date) -> pl.DataFrame:
    """Rows of drift.profiles of one night, from its Parquet file. All rows are one segment, as they are to Evidently."""
    absent = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in
                       zip(_NOT_IN_THE_FILES, [*["varchar"] * 5, "boolean"], strict=True))  # fmt: skip
    for schema in ("logs", "cost", "service"):
        con.execute(f"create schema if not exists {schema}")
    con.execute(f"create or replace view logs.requests as select *, {absent} from read_parquet({literal(str(path))})")
    for name in ("cost.request_costs", "service.features"):
        con.execute(f"create or replace view {name} as {scan(contracts()[name], [])}")
    return con.sql(profile_sql(), params={"day": day.isoformat()}).pl().sort("segment_kind", "segment", "metric", "bin")


def read_profiles(con: Connection, folder: Path) -> pl.DataFrame:
    """The stored profiles of some nights, read as a night reads its tables."""
    return con.sql(f"select {', '.join(PROFILE_COLUMNS)} from read_parquet({literal(str(folder / '*.parquet'))})").pl()


def tested(day: date, profiles: pl.DataFrame, text_profiles: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows of drift.drift_tests; no night before was an alarm."""
    texts = profiles.clear() if text_profiles is None else text_profiles
    return drift_tests(day, profiles.select(PROFILE_COLUMNS), texts.select(PROFILE_COLUMNS), pl.DataFrame(schema=_ALARMS))


class Meanings:
    """The tables of texts, from vectors: clusters of the first night, which stand still, and a profile of each night. The
    texts are of FEATURES features in turn, so that there are segments: one test alone has too few nights to calibrate on."""

    def __init__(self, day: date, vectors: Vectors):
        schema = {"day": pl.Date, "part": pl.String, "embedder": pl.String, "reference": pl.String, "fitted_day": pl.Date,
                  "cluster": pl.Int64, "n": pl.Int64, "centre": pl.String}  # fmt: skip
        self.clusters = text_clusters(day, vector_rows(day, vectors), pl.DataFrame(schema=schema))

    def profiled(self, day: date, vectors: pl.DataFrame) -> pl.DataFrame:
        """Rows of drift.text_profiles of a night's rows of drift.text_vectors."""
        sample = vectors.select("request_id", "part").with_columns(
            user_token=pl.lit(None, pl.String), text=pl.lit("words"),
            feature=pl.format("feature_{}", pl.int_range(pl.len()) % FEATURES), model=pl.lit(None, pl.String),
            tenant=pl.lit(None, pl.String), inclusion_probability=pl.lit(1.0),
        )  # fmt: skip
        of_text = vectors.select("request_id", "part", "embedder", "vector")
        topics = text_topics(day, sample, of_text, self.clusters.drop("day", "n"))
        requests = pl.DataFrame({"segment_kind": "all", "segment": "", "metric": "error_class", "n": [vectors.height]})
        return text_profiles(day, of_text.drop("embedder"), topics, requests)


def vector_rows(day: date, vectors: Vectors) -> pl.DataFrame:
    """Rows of drift.text_vectors."""
    return pl.DataFrame(
        {
            "day": day, "request_id": [f"r{i:06}" for i in range(len(vectors))], "part": "prompt", "embedder": "made",
            "vector": packed(vectors),
        }
    )  # fmt: skip
