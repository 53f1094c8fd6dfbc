"""Small files are staged together, and land as if each came alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from core import core_house, file_states

from resources import small_files, staging
from resources.capture import CapturePolicy, Rule
from resources.keyring import Keyring
from resources.landing_area import Candidate
from resources.record_typing import RecordTyping
from resources.small_files import SmallFile, stage_together, together
from resources.sources import Format, Source
from resources.staged_file import ACCOUNTING_FILE, ROWS_FILES, StagedFile, rows_of
from resources.staging import StagingRules, stage_file

SOURCE = Source("gateway", "canonical")
ARRIVED = datetime(2026, 11, 10, 1, tzinfo=UTC)


def line(**values: Any) -> str:
    return json.dumps({"ts": "2026-11-09T12:00:00Z", "request_model": "m", "user_id": "u1", **values}) + "\n"


def oddities() -> dict[str, bytes]:
    """Files as they come, by name."""
    tool = {"tool_name": "search", "arguments_text": "red shoes"}
    return {
        "plain.jsonl": (line(request_id="a") + line(team="no id") + line(tool_calls=[tool])).encode(),
        "again.jsonl": (line(team="no id") + line(tool_calls=[tool])).encode(),
        "bad.jsonl": b"no json\n\n" + line(input_tokens=-1).encode() + b"[1]\n" + line(request_id="b").encode(),
        "nul.jsonl": (line(team="a\0b") + line(request_id="c")).encode(),
        "empty.jsonl": b"",
        "words.jsonl.gz": gzip.compress(line(request_id="d", prompt_text="What is it?", output_text="A shoe.").encode()),
        "list.json": f"[{line(request_id='e')},{line(request_id='f')}]".encode(),
    }


def rules(folder: Path) -> StagingRules:
    return StagingRules(date(2023, 1, 1), Keyring.open(folder / "keys"), CapturePolicy(), None)


def staged_together(folder: Path, contents: Mapping[str, bytes]) -> dict[str, Path]:
    """Where each file's stage is, whole or not."""
    files = []
    for number, (name, content) in enumerate(contents.items()):
        (folder / name).write_bytes(content)
        files.append(SmallFile(folder / name, f"gateway/{name}", folder / "together" / str(number)))
    stage_together(files, SOURCE, ARRIVED, rules(folder))
    return {file.path.name: file.folder for file in files}


def told(folder: Path) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """A stage's accounting, and its rows in an order of their own."""
    assert StagedFile.load(folder)
    rows = [rows_of(folder / name).to_pylist() for name in ROWS_FILES]
    return json.loads((folder / ACCOUNTING_FILE).read_text()), [sorted(part, key=str) for part in rows]


def test_files_that_are_staged_together_are_as_each_alone(tmp_path: Path) -> None:
    for name, folder in staged_together(tmp_path, oddities()).items():
        alone = stage_file(tmp_path / name, f"gateway/{name}", SOURCE, ARRIVED, rules(tmp_path), tmp_path / "alone")
        assert told(folder) == told(alone.folder), name


def test_words_are_kept_of_files_that_are_staged_together(tmp_path: Path) -> None:
    everything = replace(rules(tmp_path), capture=CapturePolicy((Rule("full"),), redact=False))
    names = ("words.jsonl.gz", "nul.jsonl")
    files = [SmallFile(tmp_path / name, f"gateway/{name}", tmp_path / "s" / name) for name in names]
    for file in files:
        file.path.write_bytes(oddities()[file.path.name])
    stage_together(files, SOURCE, ARRIVED, everything)
    assert [row["text"] for row in told(files[0].folder)[1][1]] == ["A shoe.", "What is it?"]


def test_what_is_odd_is_left_to_be_staged_alone_and_stops_no_other(tmp_path: Path) -> None:
    damaged, bomb = gzip.compress(b"{}\n" * 9)[:-9], gzip.compress(b"\n" * (9 << 20))
    odd = {"damaged.jsonl.gz": damaged, "bomb.jsonl.gz": bomb, "gone": b""}
    paths = {name: tmp_path / name for name in ("plain.jsonl", *odd)}
    for name, content in {"plain.jsonl": oddities()["plain.jsonl"], **odd}.items():
        paths[name].write_bytes(content)
    paths["gone"].unlink()
    files = {name: SmallFile(path, f"gateway/{name}", tmp_path / "s" / name) for name, path in paths.items()}
    assert stage_together(list(files.values()), SOURCE, ARRIVED, rules(tmp_path)) == [files["plain.jsonl"]]
    assert StagedFile.load(files["plain.jsonl"].folder).records_landed == 4
    assert not any((files[name].folder / ACCOUNTING_FILE).exists() for name in odd)


def test_a_document_that_stops_the_sql_leaves_each_file_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stops = "select record_number, raw ->> 'ts' as ts, cast((raw ->> 'n')::int as varchar) as team from records"
    monkeypatch.setattr(staging, "formats", lambda: {"canonical": Format("canonical", stops)})
    folders = staged_together(tmp_path, {"good.jsonl": line(n=1).encode(), "stops.jsonl": line(n="x").encode()})
    assert not any((folder / ACCOUNTING_FILE).exists() for folder in folders.values())
    good = stage_file(tmp_path / "good.jsonl", "gateway/good.jsonl", SOURCE, ARRIVED, rules(tmp_path), tmp_path / "s")
    assert good.records_landed == 1


def test_small_files_of_one_source_go_together_in_the_order_of_the_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "MOST_FILES", 2)
    sizes = {"a/1": 5, "a/2": 5, "a/3": 5, "a/4": small_files.SMALL_BYTES + 1, "b/1": 5, "c/1": 5, "c/2": 5}
    found = [[file.path for file in group] for group in together(Candidate(path, size, 1) for path, size in sizes.items())]
    assert found == [["a/1", "a/2"], ["a/3"], ["a/4"], ["b/1"], ["c/1", "c/2"]]


def test_a_night_of_many_small_files_is_typed_by_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed: list[int] = []
    run = RecordTyping.run

    def counted(self: RecordTyping, records: pa.Table, has_nul_escape: bool) -> pa.Table:
        typed.append(len(records))
        return run(self, records, has_nul_escape)

    monkeypatch.setattr(RecordTyping, "run", counted)
    house = core_house(tmp_path)
    for number in range(12):
        house.deliver(f"{number:02}.jsonl", [json.loads(line(request_id=f"r{number}", wishes="x"))])
    report = house.land()
    assert typed == [12]
    assert [state for _, state in file_states(house)] == ["landed"] * 12
    assert report.unread == {"gateway": {"wishes": None}}
    house.deliver("12.jsonl", [json.loads(line(request_id="r12"))])
    assert house.land().unchanged == 12
