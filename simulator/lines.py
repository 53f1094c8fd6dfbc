"""A chunk as JSON lines: the canonical record, absent columns left out.

Columns of few values come ready-made from `fragments.py`; numbers and ids are spelled by polars, a column at a time.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from simulator.catalogue import FEATURES, PROMPT_PARTS, TENANTS, TOKEN_COLUMNS
from simulator.chunk import Chunk, WordArray
from simulator.fragments import RELEASES, TABLES, feature_table

_WHOLE = (
    "conversation_turn",
    "max_output_tokens",
    *TOKEN_COLUMNS,
    *PROMPT_PARTS,
    "window_lost_tokens",
    "retry_count",
    "citation_count",
    "batch_size",
)
_FRACTIONS = (
    "temperature",
    "top_p",
    "latency_ms",
    "model_ms",
    "retrieval_ms",
    "filter_ms",
    "queue_ms",
    "time_to_first_token_ms",
    "response_cache_age_s",
    "batch_wait_ms",
    "model_load_ms",
)
_NANO = 10**9
_TABLES = {name: pl.Series(name, [*table, None], dtype=pl.String) for name, table in TABLES.items()}
_USER_PREFIX = pl.Series("user_prefix", [f',"user_id":"u{code}-' for code in range(len(TENANTS))])


def json_lines(chunk: Chunk) -> pl.Series:
    """One string a row, without a line end."""
    if not len(chunk):
        return pl.Series("line", [], dtype=pl.String)
    columns: list[pl.Series] = []
    expressions: list[pl.Expr] = [pl.lit('{"ts":"')]

    def add(series: pl.Series, *expression: pl.Expr) -> None:
        columns.append(series)
        expressions.extend(expression)

    add(_timestamps(chunk), pl.col("ts"), pl.lit('","request_id":"req_'))
    add(_hex("request", chunk.ids["request"]), pl.col("request"), pl.lit('","trace_id":"0000000000000000'))
    add(_hex("trace", chunk.ids["trace"]), pl.col("trace"), pl.lit('"'))
    parent = _hex("parent", chunk.ids["parent"]).set(pl.Series(chunk.whole["has_parent"] != 1), None)
    add(parent, pl.concat_str(pl.lit(',"parent_id":"req_'), pl.col("parent"), pl.lit('"')))
    talk = _hex("talk", chunk.ids["conversation"]).set(pl.Series(chunk.whole["conversation_turn"] < 1), None)
    add(talk, pl.concat_str(pl.lit(',"conversation_id":"conv_'), pl.col("talk"), pl.lit('"')))
    columns.append(_gather(_USER_PREFIX, chunk.codes["tenant"], "user_prefix"))
    user = pl.when(pl.col("user") >= 0).then(pl.col("user")).cast(pl.String).str.zfill(6)
    add(pl.Series("user", chunk.whole["user"]), pl.concat_str(pl.col("user_prefix"), user, pl.lit('"')))
    features = pl.Series("feature", [piece for release in RELEASES for piece in feature_table(chunk.day, release)])
    place = chunk.codes["feature"] + len(FEATURES) * (chunk.codes["release"] == 1)
    add(_gather(features, place, "feature"), pl.col("feature"))
    for name, table in _TABLES.items():
        name = f"{name}_json"
        add(_gather(table, chunk.codes[name.removesuffix("_json")], name), pl.col(name))
    for name in _WHOLE:
        series = pl.Series(name, chunk.whole[name])
        add(series.set(series < 0, None), pl.concat_str(pl.lit(f',"{name}":'), pl.col(name)))
    for name in _FRACTIONS:
        series = pl.Series(name, chunk.ms[name], nan_to_null=True)
        add(series, pl.concat_str(pl.lit(f',"{name}":'), pl.col(name)))
    nano = pl.Series("cost", chunk.whole["reported_cost_nano_usd"])
    whole_usd, rest = pl.col("cost") // _NANO, (pl.col("cost") % _NANO).cast(pl.String).str.zfill(9)
    cost = pl.concat_str(pl.lit(',"reported_cost_usd":'), whole_usd, pl.lit("."), rest)
    add(nano.set(nano < 0, None), cost)
    expressions.append(pl.lit("}"))
    return pl.DataFrame(columns).select(pl.concat_str(expressions, ignore_nulls=True).alias("line"))["line"]


def _gather(table: pl.Series, codes: np.ndarray[tuple[int], np.dtype[np.int64]], name: str) -> pl.Series:
    """Pieces by code; -1 takes the last piece, which is null."""
    return table.gather(np.where(codes < 0, len(table) - 1, codes)).alias(name)


def _timestamps(chunk: Chunk) -> pl.Series:
    return pl.Series("ts", chunk.ts_ms).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def _hex(name: str, words: WordArray) -> pl.Series:
    """64-bit ids as 16 hexadecimal digits."""
    text = words.astype(">u8").tobytes().hex()
    return pl.Series(name, np.frombuffer(text.encode("ascii"), dtype="S16").astype("U16").tolist(), dtype=pl.String)


def iso_time(ts_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(ts_ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ts_ms % 1000:03d}Z"
