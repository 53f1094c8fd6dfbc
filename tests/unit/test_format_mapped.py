"""The column map: a team's own column names, whatever characters they are made of, in CSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import landed_rows, quarantined_rows, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from resources import staging
from resources.column_map import ColumnMapError, MappedSelect, select_of
from resources.contracts import contracts
from resources.record_typing import RECORDS_SCHEMA
from resources.sources import Format, Source, source_columns, text_columns
from resources.warehouse import connect

ALLOWED = [*source_columns(contracts()["logs.landed"]), *text_columns()]
TS = "2026-10-31T10:00:00Z"


def look(columns: dict[str, str], records: list[Any]) -> list[dict[str, Any]]:
    """What a map finds in records, by our column."""
    select = select_of(columns, ALLOWED)
    numbers = range(1, len(records) + 1)
    con = connect()
    try:
        con.register("records", pa.table([numbers, numbers, [json.dumps(r) for r in records]], schema=RECORDS_SCHEMA))
        rows: list[dict[str, Any]] = con.sql(select.sql, params=select.parameters).to_arrow_table().to_pylist()
    finally:
        con.close()
    return [{name: row[name] for name in columns} for row in sorted(rows, key=lambda row: row["record_number"])]


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source whose file has columns of its own, one of them nested."""
    columns = {
        "ts": "TIME", "uncached_input_tokens": "ContextTokens", "output_tokens": "/usage/out",
        "request_model": "the model's name", "prompt_text": "question",
    }  # fmt: skip
    select: MappedSelect = select_of(columns, ALLOWED)
    made = Format("mapped", select.sql, select.expects, select.parameters)
    monkeypatch.setattr(staging, "formats", lambda: {"mapped": made})
    return Source("mine", "mapped")


RECORD = {"TIME": TS, "ContextTokens": 12, "usage": {"out": 5}, "the model's name": "m-1", "question": "why?", "more": [1]}


def parquet_bytes(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def csv_bytes(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("name", "content", "output_tokens"),
    [
        ("x.jsonl", json.dumps(RECORD).encode(), 5),
        ("x.parquet", parquet_bytes([RECORD]), 5),
        ("x.csv", csv_bytes([RECORD]), None),  # A CSV field is a text: there is nothing inside it to point at.
    ],
)
def test_one_map_reads_json_lines_parquet_and_csv(
    mapped: Source, tmp_path: Path, name: str, content: bytes, output_tokens: int | None
) -> None:
    (row,) = landed_rows(staged(tmp_path, mapped, content, name))
    assert (row["uncached_input_tokens"], row["output_tokens"], row["request_model"]) == (12, output_tokens, "m-1")
    assert (row["ts"].isoformat(), row["cache_read_tokens"]) == ("2026-10-31T10:00:00+00:00", None)
    assert row["prompt_fingerprint"]


def test_a_csv_header_that_lacks_a_mapped_column_is_refused_with_its_name(mapped: Source, tmp_path: Path) -> None:
    without = {name: value for name, value in RECORD.items() if name != "the model's name"}
    stage = staged(tmp_path, mapped, csv_bytes([without]), "x.csv")
    assert stage.reason is not None and "lacks the model's name" in stage.reason


def test_a_value_that_does_not_fit_is_quarantined_under_our_name(mapped: Source, tmp_path: Path) -> None:
    stage = staged(tmp_path, mapped, json.dumps(RECORD | {"ContextTokens": "a dozen"}).encode())
    assert [(row["reason"], row["column_name"]) for row in quarantined_rows(stage)] == [
        ("bad_type", "uncached_input_tokens")
    ]


def test_null_and_a_missing_key_are_null_and_numbers_keep_their_digits() -> None:
    columns = {"ts": "t", "team": "gone", "feature": "n", "latency_ms": "f", "output_tokens": "big", "is_batch": "b"}
    record = {"t": TS, "n": None, "f": 0.1, "big": 12345678901234567890, "b": True}
    assert look(columns, [record]) == [
        {
            "ts": TS,
            "team": None,
            "feature": None,
            "latency_ms": "0.1",
            "output_tokens": "12345678901234567890",
            "is_batch": "true",
        }
    ]


KEY = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(KEY.filter(lambda key: key.strip() and not key.startswith("/")), min_size=3, max_size=3, unique=True))
def test_any_text_can_be_a_key_and_none_of_it_is_sql(keys: list[str]) -> None:
    first, second, third = keys
    record = {first: "1", second: {third: "2", first: [{"x": "3"}]}, third: "4"}
    inside = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in (second, third))
    deep = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in (second, first, "0", "x"))
    columns = {"ts": first, "team": inside, "feature": deep, "route": third}
    assert look(columns, [record]) == [{"ts": "1", "team": "2", "feature": "3", "route": "4"}]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (None, "columns is a mapping of our column to the file's"),
        ([], "columns is a mapping of our column to the file's"),
        ({"ts": "TIME", "tokens": "n"}, "columns names tokens; allowed: "),
        ({"ts": "TIME", "user_token": "n"}, "columns names user_token; allowed: "),
        ({"ts": "TIME", "team; drop table records": "n"}, "columns names team; drop table records; allowed: "),
        ({"ts": "TIME", "team": 7}, "columns: team is the name of a column or a pointer such as /usage/total, not 7"),
        ({"ts": "TIME", "team": " "}, "columns: team is the name of a column"),
        ({"team": "t"}, "columns lacks ts"),
    ],
)
def test_a_wrong_map_is_told_what_is_allowed(columns: Any, told: str) -> None:
    with pytest.raises(ColumnMapError) as raised:
        select_of(columns, ALLOWED)
    assert told in str(raised.value)
