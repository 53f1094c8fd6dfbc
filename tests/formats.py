"""What a log format makes of documents, and what landing makes of that. For the tests of one format each.

Here belongs running a format's SELECT as landing runs it, with its words still in view, and staging a file of documents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from resources import staged_file
from resources.capture import CapturePolicy
from resources.contracts import REPO, contracts
from resources.file_numbers import know_files
from resources.keyring import Keyring
from resources.record_typing import RECORDS_SCHEMA
from resources.sources import Source, formats, source_columns, text_columns
from resources.staged_file import StagedFile
from resources.staging import StagingRules, stage_file
from resources.warehouse import connect, parameters_of

FIXTURES = REPO / "tests" / "fixtures" / "formats"
ARRIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)


def fixture_lines(format_name: str, name: str) -> list[str]:
    """The documents of tests/fixtures/formats/<format>/<name>."""
    return (FIXTURES / format_name / name).read_text(encoding="utf-8").splitlines()


def expected_rows(format_name: str) -> list[tuple[str, tuple[int, int], dict[str, Any]]]:
    """(file, (document, part), what the row says) of tests/fixtures/formats/<format>/expected.yml."""
    expected = yaml.safe_load((FIXTURES / format_name / "expected.yml").read_text(encoding="utf-8"))
    return [
        (name, (int(place.split(".")[0]), int(place.split(".")[1])), says)
        for name, places in expected.items()
        for place, says in places.items()
    ]


def rows_of(
    format_name: str, documents: Sequence[str | dict[str, Any]], start: datetime | None = None
) -> list[dict[str, Any]]:
    """What a format's SELECT yields, by document and part; of each row, what is not NULL and not empty."""
    raw = [document if isinstance(document, str) else json.dumps(document) for document in documents]
    numbers = range(1, len(raw) + 1)
    sql = formats()[format_name].sql
    names = [*source_columns(contracts()["logs.landed"]), *text_columns()]
    offered = {"start": start, "structure": json.dumps(dict.fromkeys(names, "VARCHAR"))}
    con = connect()
    try:
        know_files(con, ["f" * 64])
        con.register("records", pa.table([numbers, numbers, raw], schema=RECORDS_SCHEMA))
        rows = con.sql(sql, params=parameters_of(sql, offered)).to_arrow_table().to_pylist()
    finally:
        con.close()
    said = [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]
    return sorted(said, key=lambda row: (row["record_number"], row.get("part", 1)))


def staged(folder: Path, source: Source, content: bytes, name: str = "x.jsonl") -> StagedFile:
    """A file of a source, staged by the real landing code; `landed_rows` reads what came of it."""
    path = folder / name
    path.write_bytes(content)
    rules = StagingRules(date(2023, 1, 1), Keyring.open(folder / "keys"), CapturePolicy(), None)
    return stage_file(path, f"{source.name}/{name}", source, ARRIVED, rules, folder / "stage")


def landed_rows(stage: StagedFile) -> list[dict[str, Any]]:
    """The landed rows, in the order of the file."""
    rows: list[dict[str, Any]] = staged_file.rows_of(stage.landed_path).sort_by("record_number").to_pylist()
    return rows


def quarantined_rows(stage: StagedFile) -> list[dict[str, Any]]:
    """The rows of the quarantine, in the order of the file."""
    rows: list[dict[str, Any]] = staged_file.rows_of(stage.quarantine_path).sort_by("line_number").to_pylist()
    return rows
