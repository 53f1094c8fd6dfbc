"""Parquet rows as JSON objects, one document each; the row's number stands for its line.

Times become ISO 8601 in UTC, to the microsecond; decimals are exact; structs, lists and maps stay what they are; NaN and
infinity, which JSON cannot say, become null. A row with a binary value is a bad record: bytes are no text, and nobody
has said how to write them down.

Memory is bounded by a slice of rows and one page of each column, whatever repeats: a column of repeated values is held as
a dictionary, and measured before it is written out. A Parquet page may still hold 2 GB by its format, so a column that
can only be made of such pages is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resources.byte_source import BOMB_BYTES, BOMB_RATIO, CHUNK_BYTES, ByteReader, UnreadableFile, unreadable_parquet
from resources.splitter import BATCH_BYTES, BATCH_ROWS, MAX_LINE_BYTES, ROWS_SCHEMA, Batch
from resources.warehouse import Connection, connect, literal

READ_ROWS = 4096
DICTIONARY_BYTES = 64 << 20
"""Up to this size a chunk of a column is read as a dictionary; a larger one holds its values, so repeats little."""
_SLICE_BYTES = 8 << 20


def split_parquet(path: Path, reader: ByteReader) -> Iterator[Batch]:
    """Every row as a JSON object, in batches. `reader` gives the file's bytes, and is read to its end.

    Raises UnreadableFile where the file is damaged, names a column twice or unpacks beyond measure.
    """
    con = connect(memory_limit="1GB", threads=1)
    con.execute("set preserve_insertion_order = true")
    parts, held_bytes, held_rows, first = list[pa.Table](), 0, 0, 1
    try:
        for rows, is_too_long in _slices(path):
            part = _without_content(first, len(rows), "document_too_long") if is_too_long else _as_json(con, rows, first)
            if parts and (held_rows + len(part) > BATCH_ROWS or held_bytes + part.nbytes > BATCH_BYTES):
                yield _batch(parts)
                parts, held_bytes, held_rows = [], 0, 0
            parts.append(part)
            held_bytes += part.nbytes
            held_rows += len(part)
            first += len(part)
    finally:
        con.close()
    yield _batch(parts)
    while reader.read(CHUNK_BYTES):
        pass


def _batch(parts: list[pa.Table]) -> Batch:
    rows = pa.concat_tables([ROWS_SCHEMA.empty_table(), *parts])
    has_nul_escape = pc.any(pc.match_substring(rows["raw"], "\\u0000")).as_py() is True
    return Batch(rows, row_lines=len(rows), has_nul_escape=has_nul_escape, holds_lines=False)


def _slices(path: Path) -> Iterator[tuple[pa.Table, bool]]:
    """The rows in order, about 8 MB at a time when written out, each with whether it is one row beyond the limit."""
    with unreadable_parquet(), pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        repeated = _small_texts(file)
    if len(set(names)) < len(names):
        raise UnreadableFile("duplicate_column: the file names a column twice; rename one of them")
    for batch in _batches(path, repeated):
        yield from _cut(batch)


def _batches(path: Path, repeated: list[str]) -> Iterator[pa.RecordBatch]:
    with unreadable_parquet(), pq.ParquetFile(path, read_dictionary=repeated, buffer_size=CHUNK_BYTES) as file:
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            row_bytes = group.total_byte_size // max(group.num_rows, 1) + 1
            count = int(np.clip(BATCH_BYTES // row_bytes, 1, READ_ROWS))
            yield from file.iter_batches(count, [number], use_threads=False)


def _small_texts(file: pq.ParquetFile) -> list[str]:
    """The columns of text that are read as dictionaries. Raises UnreadableFile for a column that unpacks beyond measure."""
    small = []
    groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
    for place in range(file.metadata.num_columns):
        chunks = [group.column(place) for group in groups]
        for chunk in chunks:
            size = chunk.total_uncompressed_size
            if size > BOMB_BYTES and size > BOMB_RATIO * chunk.total_compressed_size:
                raise UnreadableFile(
                    f"decompression_bomb: a column unpacks to {size >> 20} MB, more than {BOMB_RATIO} times what it takes; "
                    "deliver its rows as .jsonl"
                )
        column = file.schema.column(place)
        is_small = all(chunk.total_uncompressed_size <= DICTIONARY_BYTES for chunk in chunks)
        if is_small and column.physical_type == "BYTE_ARRAY" and column.converted_type in ("UTF8", "NONE"):
            small.append(column.path)
    return small


def _cut(batch: pa.RecordBatch) -> Iterator[tuple[pa.Table, bool]]:
    """The batch in slices of about 8 MB when written out, each with whether it is one row beyond the limit."""
    sizes = sum((_row_bytes(column) for column in batch.columns), np.zeros(len(batch), np.int64))
    table, start, held = pa.Table.from_batches([batch]), 0, 0
    # An entry of a dictionary that cannot be written out would be at fault for every row that shares it.
    plain = pa.schema([(field.name, _decoded(field.type)) for field in batch.schema])
    for row, size in enumerate(sizes.tolist()):
        if row > start and held + size > _SLICE_BYTES:
            yield table.slice(start, row - start).cast(plain), False
            start, held = row, 0
        held += size
        if size > MAX_LINE_BYTES:
            yield table.slice(row, 1), True
            start, held = row + 1, 0
    if start < len(table):
        yield table.slice(start).cast(plain), False


def _row_bytes(column: pa.Array) -> np.ndarray:
    """About how many bytes each value takes when it is written out, repeated ones as often as they stand there."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        lengths = np.append(_row_bytes(column.dictionary), 0)
        sizes: np.ndarray = lengths[pc.fill_null(column.indices, len(lengths) - 1).to_numpy(zero_copy_only=False)]
        return sizes
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return np.asarray(pc.fill_null(pc.binary_length(column), 0), np.int64)
    if pa.types.is_struct(kind):
        return sum((_row_bytes(field) for field in column.flatten()), np.zeros(len(column), np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        held = np.append(0, np.cumsum(_row_bytes(column.values)))[column.offsets.to_numpy()]
        return np.diff(held)
    return np.full(len(column), column.nbytes // max(len(column), 1) + 1, np.int64)


def _as_json(con: Connection, rows: pa.Table, first_number: int) -> pa.Table:
    """Rows of `ROWS_SCHEMA`, numbered on from `first_number`. A row that cannot be written out alone is at fault."""
    fault = None
    try:
        rows.validate(full=True)
        made = _written(con, rows)
    except pa.ArrowInvalid:
        fault = "not_utf8"
    except Exception as error:
        # DuckDB's errors have many types, and their messages quote values: which row it was is found by halving.
        if not type(error).__module__.endswith("duckdb"):
            raise
        fault = "impossible_value"
    if fault is None:
        return made.add_column(0, "line_number", _numbers(first_number, len(rows))).cast(ROWS_SCHEMA)
    if len(rows) == 1:
        return _without_content(first_number, 1, fault)
    half = len(rows) // 2
    first, second = rows.slice(0, half), rows.slice(half)
    return pa.concat_tables([_as_json(con, first, first_number), _as_json(con, second, first_number + half)])


def _written(con: Connection, rows: pa.Table) -> pa.Table:
    """`raw` and `fault` of the rows."""
    # By place, because DuckDB does not tell `Model` from `model`.
    con.register("parquet_rows", rows.rename_columns([f"column{n}" for n in range(rows.num_columns)]))
    try:
        types = con.table("parquet_rows").types
        values = ", ".join(f"$name{n}, {_sayable(kind, f'column{n}')}" for n, kind in enumerate(types))
        binary = [f"column{n} is not null" for n, kind in enumerate(types) if _holds_bytes(kind)]
        fault = f"case when {' or '.join(binary)} then 'binary_value' end" if binary else "null::varchar"
        names = {f"name{n}": name for n, name in enumerate(rows.column_names)}
        select = f"select json_object({values})::varchar as raw, {fault} as fault from parquet_rows"
        return con.sql(select, params=names).to_arrow_table()
    finally:
        con.unregister("parquet_rows")


def _without_content(first_number: int, count: int, fault: str) -> pa.Table:
    return pa.table([_numbers(first_number, count), [""] * count, [fault] * count], schema=ROWS_SCHEMA)


def _numbers(first: int, count: int) -> pa.Array:
    return pa.array(np.arange(first, first + count, dtype=np.int64))


def _decoded(kind: pa.DataType) -> pa.DataType:
    """The type without its dictionaries."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(_decoded(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _decoded(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_decoded(kind.key_type), _decoded(kind.item_type))
    return kind


def _sayable(kind: Any, value: str, depth: int = 0) -> str:
    """SQL that makes a value of a DuckDB type what JSON can say."""
    if kind.id == "blob":
        return "null"
    if kind.id in ("float", "double"):
        return f"case when isfinite({value}) then {value} end"
    if kind.id.startswith("timestamp"):
        return f"strftime({value}::timestamptz::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.id == "struct":
        fields = (
            f"{literal(name)}, {_sayable(child, f'struct_extract_at({value}, {place})', depth)}"
            for place, (name, child) in enumerate(kind.children, 1)
        )
        return f"case when {value} is not null then json_object({', '.join(fields)}) end"
    if kind.id in ("list", "array"):
        inner = _sayable(kind.children[0][1], f"item{depth}", depth + 1)
        return f"list_transform({value}, lambda item{depth}: {inner})"
    if kind.id == "map":
        inner = _sayable(kind.children[1][1], f"item{depth}", depth + 1)
        return f"map(map_keys({value}), list_transform(map_values({value}), lambda item{depth}: {inner}))"
    return value


def _holds_bytes(kind: Any) -> bool:
    if kind.id in ("struct", "list", "array", "map"):
        return any(_holds_bytes(child) for name, child in kind.children if name != "size")
    return bool(kind.id == "blob")
