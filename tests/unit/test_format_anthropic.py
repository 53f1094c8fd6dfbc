"""The anthropic format: bodies become requests, tool calls and found documents, and say why where they do not."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from formats import expected_rows, fixture_lines, landed_rows, quarantined_rows, rows_of, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.sources import Source

START = datetime(2026, 10, 31, tzinfo=UTC)
SOURCE = Source("bodies", "anthropic", start=START)


@cache
def fixture_rows(name: str) -> dict[tuple[int, int], dict[str, Any]]:
    """The rows of a fixture file by (document, part)."""
    rows = rows_of("anthropic", fixture_lines("anthropic", name), START)
    return {(row["record_number"], row["part"]): row for row in rows}


@pytest.mark.parametrize(("name", "place", "says"), expected_rows("anthropic"))
def test_a_body_becomes_what_it_says(name: str, place: tuple[int, int], says: dict[str, Any]) -> None:
    row = fixture_rows(name)[place]
    assert {column: row.get(column) for column in says} == says


def test_a_document_of_another_shape_or_without_a_time_is_told_which_field_was_expected() -> None:
    rows = rows_of("anthropic", fixture_lines("anthropic", "mismatched.jsonl"))
    fields = [row["mismatch"].split(":")[0] for row in rows]
    assert fields == ["response/type", "response/type", "response", "response/usage", "ts", "response/type"]


@pytest.mark.parametrize("name", ["messages", "streams", "batch_results", "errors", "mismatched"])
def test_every_line_and_part_of_a_fixture_is_landed_ignored_or_quarantined(name: str, tmp_path: Path) -> None:
    lines = fixture_lines("anthropic", f"{name}.jsonl")
    rows = fixture_rows(f"{name}.jsonl").values()
    stage = staged(tmp_path, SOURCE, "\n".join(lines).encode())
    ignored = Counter(row["ignored_reason"] for row in rows if "ignored_reason" in row)
    bad = [row["mismatch"] for row in rows if "mismatch" in row and "ignored_reason" not in row]
    assert (stage.lines_read, stage.lines_refused) == (len(lines), 0)
    assert stage.ignored_by_reason == dict(ignored)
    assert [row["expected"] for row in quarantined_rows(stage)] == bad
    assert Counter(row["record_kind"] for row in landed_rows(stage)) == Counter(
        row["record_kind"] for row in rows if "ignored_reason" not in row and "mismatch" not in row
    )


KNOWN = st.integers(0, 10**9)
COUNT = st.one_of(st.none(), KNOWN)
CLASSES = ("uncached_input_tokens", "cache_read_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens")


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(KNOWN, COUNT, COUNT, COUNT, KNOWN, COUNT), min_size=20, max_size=60))
def test_token_classes_add_up_to_input_and_cache_and_output(counts: list[tuple[int | None, ...]]) -> None:
    documents = []
    for uncached, read, written_5m, written_1h, text, thinking in counts:
        usage: dict[str, Any] = {"input_tokens": uncached, "output_tokens": (text or 0) + (thinking or 0)}
        usage["cache_read_input_tokens"] = read
        if written_5m is not None or written_1h is not None:
            usage["cache_creation_input_tokens"] = (written_5m or 0) + (written_1h or 0)
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": written_5m, "ephemeral_1h_input_tokens": written_1h}
        usage["output_tokens_details"] = {"thinking_tokens": thinking}
        documents.append({"ts": "2026-10-31T11:00:00Z", "type": "message", "content": [], "usage": usage})
    rows = rows_of("anthropic", documents)
    for row, (uncached, read, written_5m, written_1h, text, thinking) in zip(rows, counts, strict=True):
        assert [int(row[name]) if name in row else None for name in CLASSES] == [uncached, read, written_1h, text, thinking]
        assert int(row.get("cache_write_5m_tokens", 0)) == (written_5m or 0)
