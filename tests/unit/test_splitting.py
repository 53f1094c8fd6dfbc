"""One list of documents in every packing: the same documents, in the same order, and every line accounted for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.byte_source import digest_file
from resources.splitting import Splitting

SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("t", pa.string()),
        ("l", pa.list_(pa.float64())),
        ("s", pa.struct([("t", pa.string()), ("l", pa.list_(pa.struct([("b", pa.bool_())])))])),
    ]
)
TEXT = st.text(max_size=8) | st.sampled_from(['"}],[{"', "\\", "a\nb", "\u2028", "\0", "x" * 300])
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
DOCUMENT = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "t": st.none() | TEXT,
        "l": st.none() | st.lists(FLOAT, max_size=3),
        "s": st.none()
        | st.fixed_dictionaries(
            {"t": st.none() | TEXT, "l": st.none() | st.lists(st.fixed_dictionaries({"b": st.booleans()}), max_size=2)}
        ),
    }
)
SPACE = st.text(" \t\r\n", max_size=3)
Write = Callable[[Path, list[Any], str, bool], None]


def array(documents: list[Any], space: str, ascii_: bool) -> bytes:
    separator = f"{space},{space}"
    indent = len(space) or None
    inner = separator.join(json.dumps(d, indent=indent, ensure_ascii=ascii_) for d in documents)
    return f"{space}[{space}{inner}{space}]{space}".encode()


def lines(documents: list[Any], space: str, ascii_: bool) -> bytes:
    return b"".join(json.dumps(d, ensure_ascii=ascii_).encode() + b"\n" for d in documents)


PACKINGS: dict[str, Write] = {
    "x.json": lambda path, d, s, a: _put(path, array(d, s, a)),
    "x.json.gz": lambda path, d, s, a: _put(path, gzip.compress(array(d, s, a))),
    "x.json.zst": lambda path, d, s, a: _put(path, zstd.compress(array(d, s, a))),
    "lines.json": lambda path, d, s, a: _put(path, lines(d, s, a)),
    "x.jsonl": lambda path, d, s, a: _put(path, lines(d, s, a)),
    "x.ndjson.gz": lambda path, d, s, a: _put(path, gzip.compress(lines(d, s, a))),
    "x.jsonl.zst": lambda path, d, s, a: _put(path, zstd.compress(lines(d, s, a)[:9]) + zstd.compress(lines(d, s, a)[9:])),
    "x.parquet": lambda path, d, s, a: pq.write_table(pa.Table.from_pylist(d, SCHEMA), path, row_group_size=3),
}


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("name", PACKINGS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DOCUMENT, max_size=7), SPACE, st.booleans())
def test_any_documents_are_the_same_in_every_packing(
    tmp_path: Path, name: str, documents: list[Any], space: str, ascii_: bool
) -> None:
    path = tmp_path / name
    PACKINGS[name](path, documents, space, ascii_)
    splitting = Splitting(path)
    batches = list(splitting)
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    assert [json.loads(row["raw"]) for row in rows] == documents
    assert [row["line_number"] for row in rows] == sorted(row["line_number"] for row in rows)
    assert {row["fault"] for row in rows} <= {None}
    digest = digest_file(path)
    assert splitting.crc32 == digest.crc32
    assert digest.lines == sum(b.row_lines + b.blank_lines + b.header_lines + len(b.refused) for b in batches)
    if any("\0" in json.dumps(d, ensure_ascii=False) or "\\u0000" in json.dumps(d) for d in documents):
        assert any(batch.has_nul_escape for batch in batches)


def test_csv_is_read_from_zst_like_from_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.zst"
    path.write_bytes(zstd.compress(b'a,b\n1,"x\ny"\n'))
    assert [json.loads(row["raw"]) for batch in Splitting(path) for row in batch.rows.to_pylist()] == [
        {"a": "1", "b": "x\ny"}
    ]
