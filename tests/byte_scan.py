"""What lies on the disk, byte by byte: for tests that something is not there any more, or never was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def searched(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, as bytes; of Parquet also its values and statistics, unpacked."""
    for path in root.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        yield path, path.read_bytes()
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts = [str(column.to_pylist()) for column in table.columns if pa.types.is_string(column.type)]
            yield path, " ".join([*texts, str(pq.read_metadata(path).to_dict())]).encode()
