"""Keys that no column takes: a misspelt name is said, and nobody's words are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from house import House, request

from resources.unread_keys import LOOKED_AT_DOCUMENTS, unread_keys


def test_a_key_that_no_column_takes_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    known = {"ts": "2026-11-01T00:00:00Z", "user_id": "u", "history_text": "before", "retrievals": []}
    lines = [json.dumps(known | {"input_tokens": n, "what did he say?": 1}) for n in range(3)]
    path.write_text("\n".join([*lines, "{broken", "[1]"]), encoding="utf-8")
    assert unread_keys(path) == ["input_tokens"]


def test_a_key_of_few_records_may_be_a_name_and_is_not_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"total": n, name: 1}) for n, name in enumerate(("Alice", "Bob", "Carol"))))
    assert unread_keys(path) == ["total"]


def test_keys_are_found_in_every_packing(tmp_path: Path) -> None:
    records = [{"ts": "2026-11-01T00:00:00Z", "input_tokens": 1}]
    (tmp_path / "a.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    assert unread_keys(tmp_path / "a.json") == unread_keys(tmp_path / "a.parquet") == ["input_tokens"]


def test_only_the_beginning_of_a_file_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    line = json.dumps({"ts": "2026-11-01T00:00:00Z"}) + "\n"
    path.write_bytes(gzip.compress((line * LOOKED_AT_DOCUMENTS + '{"late": 1}\n').encode()))
    assert unread_keys(path) == []
    assert unread_keys(tmp_path / "gone.jsonl") == []


def test_landing_says_which_keys_of_a_source_it_could_not_use(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z", input_tokens=5), request("r2", "2026-11-08T10:00:00Z")])
    report = house.land()
    assert {source: list(keys) for source, keys in report.unread.items()} == {"gateway": ["input_tokens"]}
