"""From a file to batches of records, whatever it is packed in: the one place that chooses a splitter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resources.byte_source import CheckedReader, decompressed, packing_of
from resources.csv_splitter import split_csv
from resources.json_splitter import split_json
from resources.parquet_splitter import split_parquet
from resources.splitter import Batch, LineReader, split_jsonl


class Splitting:
    """A file's batches, once. After the last one, `crc32` is that of the bytes that were read (`Digest.crc32`).

    `expects` are the columns that a CSV header must name. Raises UnreadableFile, at once or after some batches.
    """

    def __init__(self, path: Path, expects: tuple[str, ...] = ()):
        self._path = path
        self._expects = expects
        self.crc32 = 0

    def __iter__(self) -> Iterator[Batch]:
        packing = packing_of(self._path)
        with decompressed(self._path, packing) as stream:
            reader = CheckedReader(stream)
            match packing.content:
                case "csv":
                    yield from split_csv(LineReader(reader), self._expects)
                case "json":
                    yield from split_json(reader)
                case "parquet":
                    yield from split_parquet(self._path, reader)
                case _:
                    yield from split_jsonl(LineReader(reader))
            self.crc32 = reader.crc32
