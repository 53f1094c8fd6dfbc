"""The openai format: provider bodies become requests, tool calls and found documents, and say why where they do not."""

from __future__ import annotations

import json
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
SOURCE = Source("bodies", "openai", defaults={"provider": "openai"}, start=START)
INPUT = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "audio_input_tokens", "audio_cache_read_tokens",
    "image_input_tokens",
)  # fmt: skip
OUTPUT = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")


@cache
def fixture_rows(name: str) -> dict[tuple[int, int], dict[str, Any]]:
    """The rows of a fixture file by (document, part)."""
    rows = rows_of("openai", fixture_lines("openai", name), START)
    return {(row["record_number"], row["part"]): row for row in rows}


@pytest.mark.parametrize(("name", "place", "says"), expected_rows("openai"))
def test_a_body_becomes_what_it_says(name: str, place: tuple[int, int], says: dict[str, Any]) -> None:
    row = fixture_rows(name)[place]
    assert {column: row.get(column) for column in says} == says


def test_a_web_address_too_long_for_a_name_is_known_by_its_digest() -> None:
    (found,) = [row for row in fixture_rows("responses.jsonl").values() if row.get("document_id", "").startswith("sha256:")]
    assert len(found["document_id"]) == len("sha256:") + 64


def test_a_document_of_another_shape_is_told_which_field_was_expected() -> None:
    rows = rows_of("openai", fixture_lines("openai", "mismatched.jsonl"))
    fields = [row["mismatch"].split(":")[0] for row in rows]
    assert fields == [
        "response/object", "response/object", "response", "response", "response/usage", "response/usage", "response", "ts",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["chat", "responses", "streams", "embeddings", "batch_output", "errors", "mismatched"])
def test_every_line_and_part_of_a_fixture_is_landed_ignored_or_quarantined(name: str, tmp_path: Path) -> None:
    lines = fixture_lines("openai", f"{name}.jsonl")
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


def test_nothing_of_an_error_message_or_a_header_is_stored(tmp_path: Path) -> None:
    stage = staged(tmp_path, SOURCE, "\n".join(fixture_lines("openai", "errors.jsonl")).encode())
    stored = json.dumps(landed_rows(stage), default=str)
    assert "Ann Example" not in stored and "slow down" not in stored


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 9), min_size=20, max_size=60))
def test_token_classes_add_up_to_both_totals_whatever_lies_inside_them(counts: list[tuple[int, ...]]) -> None:
    documents = []
    for uncached, cached, written, audio, audio_cached, image, text, reasoning, audio_out in counts:
        prompt, completion = uncached + cached + written + audio + audio_cached + image, text + reasoning + audio_out
        details = {
            "cached_tokens": cached + audio_cached, "cache_write_tokens": written, "audio_tokens": audio + audio_cached,
            "image_tokens": image, "cached_tokens_details": {"audio_tokens": audio_cached},
        }  # fmt: skip
        usage = {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": details,
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
        }  # fmt: skip
        documents.append({"object": "chat.completion", "created": 1793440800, "choices": [], "usage": usage})
    for row, given_counts in zip(rows_of("openai", documents), counts, strict=True):
        uncached, cached, written, audio, audio_cached, image, text, reasoning, audio_out = given_counts
        classes = {name: int(row[name]) for name in INPUT + OUTPUT if name in row}
        assert classes == {
            "uncached_input_tokens": uncached, "cache_read_tokens": cached, "cache_write_5m_tokens": written,
            "audio_input_tokens": audio, "audio_cache_read_tokens": audio_cached, "image_input_tokens": image,
            "output_tokens": text, "reasoning_tokens": reasoning, "audio_output_tokens": audio_out,
        }  # fmt: skip


def test_a_stream_and_the_plain_answer_it_stands_for_are_the_same_record() -> None:
    plain = json.loads(fixture_lines("openai", "chat.jsonl")[1])
    body, choice = plain["response"], plain["response"]["choices"][0]
    head = {"id": body["id"], "object": "chat.completion.chunk", "created": body["created"], "model": body["model"],
            "service_tier": body["service_tier"]}  # fmt: skip
    words = [{"content": word + " "} for word in choice["message"]["content"].split(" ")[:-1]]
    words.append({"content": choice["message"]["content"].split(" ")[-1]})
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in words]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append(head | {"choices": [], "usage": body["usage"]})
    text = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks) + "data: [DONE]\r\n\r\n"
    as_text, as_list, as_plain = rows_of("openai", [plain | {"response": text}, plain | {"response": chunks}, plain])
    for row in (as_text, as_list, as_plain):
        del row["record_number"]
    as_plain.pop("citation_count")  # A stream of chunks lists no annotations.
    assert as_text == as_list == as_plain
