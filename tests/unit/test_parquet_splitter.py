"""Parquet rows as documents: what each type becomes, and what a file may not do to the memory."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources import parquet_splitter
from resources.byte_source import UnreadableFile, digest_file
from resources.splitter import BATCH_BYTES, BATCH_ROWS, Batch
from resources.splitting import Splitting


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a [1]*?.parquet"


def batches(path: Path) -> list[Batch]:
    """A file's batches; the bytes that were read are those that were digested."""
    splitting = Splitting(path)
    found = list(splitting)
    digest = digest_file(path)
    assert (splitting.crc32, sum(b.row_lines for b in found)) == (digest.crc32, digest.lines)
    return found


def rows(path: Path) -> list[tuple[int, str, str | None]]:
    return [(r["line_number"], r["raw"], r["fault"]) for b in batches(path) for r in b.rows.to_pylist()]


def document(path: Path, value: Any, kind: pa.DataType) -> str:
    """How a file's one value is written."""
    pq.write_table(pa.table({"v": pa.array([value], kind)}), path)
    ((line, raw, fault),) = rows(path)
    assert (line, fault) == (1, None)
    return raw.removeprefix('{"v":').removesuffix("}")


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (datetime(2026, 10, 31, 10, 0, 0, 5, UTC), pa.timestamp("us", "UTC"), '"2026-10-31T10:00:00.000005Z"'),
        (datetime(2026, 10, 31, 10, tzinfo=UTC), pa.timestamp("ns", "Europe/Berlin"), '"2026-10-31T10:00:00.000000Z"'),
        (datetime(2026, 10, 31, 10), pa.timestamp("ms"), '"2026-10-31T10:00:00.000000Z"'),
        (date(2026, 10, 31), pa.date32(), '"2026-10-31"'),
        (time(10, 0, 1), pa.time64("us"), '"10:00:01"'),
        (Decimal("12345678901234567890.123456"), pa.decimal128(38, 6), "12345678901234567890.123456"),
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (float("nan"), pa.float64(), "null"),
        (float("-inf"), pa.float32(), "null"),
        ('ü "\\\n', pa.string(), '"ü \\"\\\\\\n"'),
        ("a", pa.dictionary(pa.int32(), pa.string()), '"a"'),
        ([1.5, float("nan"), None], pa.list_(pa.float64()), "[1.5,null,null]"),
        ({"T": datetime(2026, 1, 1), "b": None}, pa.struct([("T", pa.timestamp("s")), ("b", pa.string())]),
         '{"T":"2026-01-01T00:00:00.000000Z","b":null}'),
        ([{"role": "user", "parts": [{"n": 1.0}]}], pa.list_(pa.struct(
            [("role", pa.string()), ("parts", pa.list_(pa.struct([("n", pa.float64())])))])),
         '[{"role":"user","parts":[{"n":1.0}]}]'),
        ([("k", float("inf")), ("l", 1.0)], pa.map_(pa.string(), pa.float64()), '{"k":null,"l":1.0}'),
        (None, pa.struct([("a", pa.int8())]), "null"),
        ([], pa.list_(pa.string()), "[]"),
    ],
)  # fmt: skip
def test_what_each_type_becomes(path: Path, value: Any, kind: pa.DataType, written: str) -> None:
    assert document(path, value, kind) == written


def test_columns_that_differ_in_case_alone_are_two_keys(path: Path) -> None:
    names = ["Model", "model", "it's", 'a "b"']
    pq.write_table(pa.table([[f"{n}"] for n in range(4)], names=names), path)
    ((_, raw, _),) = rows(path)
    assert json.loads(raw) == dict(zip(names, "0123", strict=True))


def test_bytes_are_no_text_and_only_their_rows_are_at_fault(path: Path) -> None:
    table = pa.table(
        {
            "n": [1, 2, 3],
            "b": pa.array([None, b"x", None], pa.binary()),
            "deep": pa.array([None, None, [{"b": b"y"}]], pa.list_(pa.struct([("b", pa.binary(1))]))),
        }
    )
    pq.write_table(table, path)
    assert [(line, fault) for line, _, fault in rows(path)] == [(1, None), (2, "binary_value"), (3, "binary_value")]
    assert json.loads(rows(path)[1][1])["n"] == 2


def test_text_that_is_not_utf8_is_at_fault_and_its_neighbours_are_not(path: Path) -> None:
    values = pa.array([b"ok", b"\xff\xfe", b"ok", b"\xff\xfe", b"fine"])
    pq.write_table(pa.table({"t": pa.StringArray.from_buffers(5, *values.buffers()[1:3])}), path)
    assert [(raw, fault) for _, raw, fault in rows(path)] == [
        ('{"t":"ok"}', None), ("", "not_utf8"), ('{"t":"ok"}', None), ("", "not_utf8"), ('{"t":"fine"}', None),
    ]  # fmt: skip


def test_a_nul_character_is_announced_to_the_typing(path: Path) -> None:
    pq.write_table(pa.table({"t": ["a\0b"]}), path)
    assert [b.has_nul_escape for b in batches(path)] == [True]


def test_a_column_that_is_named_twice_refuses_the_file(path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), path)
    with pytest.raises(UnreadableFile, match="duplicate_column"):
        rows(path)


@pytest.mark.parametrize("damage", ["cut", "pages", "no parquet", "empty"])
def test_a_damaged_file_is_refused(path: Path, damage: str) -> None:
    pq.write_table(pa.table({"t": [f"text {n}" for n in range(5000)]}), path, compression="zstd")
    whole = path.read_bytes()
    start = len(whole) // 8
    damaged = {
        "cut": whole[:-100],
        "pages": whole[:start] + bytes(1000) + whole[start + 1000 :],
        "no parquet": b'{"a":1}\n',
        "empty": b"",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UnreadableFile, match="unreadable_parquet"):
        rows(path)


def test_order_and_numbers_run_on_over_row_groups(path: Path) -> None:
    pq.write_table(pa.table({"n": range(120_000)}), path, row_group_size=7_000)
    found = batches(path)
    assert max(len(b.rows) for b in found) <= BATCH_ROWS
    assert [(line, raw) for b in found for line, raw in zip(*b.rows.select([0, 1]).to_pydict().values(), strict=True)] == [
        (n + 1, f'{{"n":{n}}}') for n in range(120_000)
    ]


def test_a_value_that_a_dictionary_repeats_is_never_held_often(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a few KB that says 300 MB: what is in memory at once stays a batch."""
    long = pa.array(["x" * 500_000])
    repeated = pa.DictionaryArray.from_arrays(np.zeros(300, np.int32), long)
    nested = pa.ListArray.from_arrays(
        np.arange(301, dtype=np.int32), repeated.dictionary_decode().slice(0, 1).take([0] * 300)
    )
    pq.write_table(pa.table({"a": repeated, "b": nested}), path, row_group_size=300, dictionary_pagesize_limit=1 << 24)
    assert path.stat().st_size < 500_000
    written = []
    original = parquet_splitter._written

    def measured(con: Any, slice_: pa.Table) -> pa.Table:
        made = original(con, slice_)
        written.append(made.nbytes)
        return made

    monkeypatch.setattr(parquet_splitter, "_written", measured)
    total = 0
    for batch in Splitting(path):
        assert batch.rows.nbytes <= BATCH_BYTES + (8 << 20)
        total += len(batch.rows)
    assert total == 300
    assert max(written) < 9 << 20


def test_a_row_beyond_the_limit_is_at_fault_and_not_written_out(path: Path) -> None:
    pq.write_table(pa.table({"t": ["a", "x" * (17 << 20), "b"]}), path)
    assert rows(path) == [(1, '{"t":"a"}', None), (2, "", "document_too_long"), (3, '{"t":"b"}', None)]


def test_a_column_that_unpacks_beyond_measure_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_splitter, "BOMB_BYTES", 1 << 20)
    pq.write_table(pa.table({"t": ["y" * (40 << 20)]}), path, compression="zstd")
    with pytest.raises(UnreadableFile, match=r"decompression_bomb: .* more than 1000 times what it takes; deliver its rows"):
        rows(path)
