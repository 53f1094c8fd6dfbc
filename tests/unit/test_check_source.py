"""`make check-source`: what somebody who writes a format or declares a source is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipelines.check_source import main

TS = "2026-10-31T10:00:00Z"


def told(capsys: pytest.CaptureFixture[str], tmp_path: Path, lines: list[Any], *more: str) -> tuple[int, str]:
    path = tmp_path / "my.jsonl"
    path.write_text("".join(f"{json.dumps(line) if isinstance(line, dict) else line}\n" for line in lines))
    status = main([str(path), *(more or ("--format", "canonical"))])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_the_first_rows_are_shown_as_they_would_land(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, said = told(capsys, tmp_path, [{"ts": TS, "output_tokens": 7, "retrievals": [{"document_id": "d"}]}])
    assert status == 0
    assert "records  2 = 2 landed + 0 ignored + 0 quarantined" in said
    assert "1 retrieval records; the first:" in said
    assert ["output_tokens", "7"] in [line.split() for line in said.splitlines()]


def test_a_bad_record_is_named_by_column_and_expectation_and_not_quoted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [{"ts": TS}, {"ts": TS, "latency_ms": "canary"}, "canary", {"ts": TS, "latency_ms": "canary"}]
    status, said = told(capsys, tmp_path, lines)
    assert status == 0
    assert "2 x bad_type in latency_ms, expected a number, at least 0" in said
    assert "1 x not_json" in said
    assert "line 2: " in said
    assert "canary" not in said


def test_an_empty_column_is_listed_with_the_tables_that_miss_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, said = told(capsys, tmp_path, [{"ts": TS, "provider": "openai"}, {"ts": TS}])
    empty = said.split("empty columns of requests")[1]
    for column, user in (("uncached_input_tokens", "cost.charges"), ("tenant_token", "cost.cost_15min")):
        assert any(line.split()[:1] == [column] and user in line for line in empty.splitlines())
    assert "provider" in said.split("partly filled")[1].split("empty columns")[0]


def test_a_file_of_another_format_says_what_was_expected(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, said = told(capsys, tmp_path, [{"ts": TS}], "--format", "otlp")
    assert status == 1
    assert "not_this_format, expected" in said
    assert "No record fits format otlp" in said


@pytest.mark.parametrize("more", [("--format", "nope"), ("--source", "nope"), ("--format", "mapped")])
def test_what_cannot_be_checked_says_what_could_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: tuple[str, ...]
) -> None:
    path = tmp_path / "my.jsonl"
    path.write_text("{}\n")
    assert main([str(path), *more]) == 2
    assert "canonical" in (said := capsys.readouterr().err) or "gateway" in said or "SOURCE" in said
    assert main([str(tmp_path / "none.jsonl"), "--format", "canonical"]) == 2
    assert "there is no file" in capsys.readouterr().err


FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "formats"


@pytest.mark.parametrize("file", ["otlp/collector.jsonl", "openai/chat.jsonl"])
def test_whoever_does_not_know_the_format_is_told_it(capsys: pytest.CaptureFixture[str], file: str) -> None:
    """Rows of one format often pass as poorer rows of another: the one that reads most is shown."""
    assert main([str(FIXTURES / file)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"no FORMAT was given; these read it: {Path(file).parent} (")
    assert f"{Path(file).name} as {Path(file).parent}" in said


def test_a_wrong_format_is_told_with_the_one_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FIXTURES / "langfuse" / "trace.json"), "--format", "otlp"]) == 1
    assert "records land with FORMAT=langfuse" in capsys.readouterr().out


def test_what_no_format_reads_is_sent_to_a_map_of_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("when,words\nnow,7\n")
    assert main([str(path)]) == 1
    assert "docs/formats/mapped.md" in capsys.readouterr().out


def test_a_large_file_is_not_read_once_for_each_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    with path.open("wb") as file:
        file.truncate(32_000_001)
    assert main([str(path)]) == 2
    assert "my.jsonl is larger than 32 MB; give FORMAT=" in capsys.readouterr().err


def test_a_home_folder_is_found_as_make_hands_it_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.jsonl").write_text(json.dumps({"ts": TS}) + "\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["~/my.jsonl", "--format", "canonical"]) == 0
    assert "1 landed" in capsys.readouterr().out


def test_a_source_is_checked_with_its_defaults(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{TS},10,2\n")
    assert main([str(path), "--source", "azure_llm_2023"]) == 0
    assert "gpt-4" in capsys.readouterr().out


def test_a_folder_or_a_pipe_is_said_to_be_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path in (tmp_path, tmp_path / "pipe.jsonl"):
        assert main([str(path), "--format", "canonical"]) == 2
        said = capsys.readouterr().err
        assert said == f"check-source: {path} is no file; name one log file, not a folder, a pipe or a device\n"
