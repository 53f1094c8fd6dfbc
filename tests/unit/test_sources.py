"""The sources seed: what a wrong entry is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from resources.sources import SourceError, formats, load, mapped_format, parse


def test_the_shipped_seed_loads() -> None:
    sources = load()
    assert sources["gateway"].keep_attributes == ("app_version", "channel", "country")
    assert sources["azure_llm_2023"].defaults["request_model"] == "gpt-4"
    assert formats()["azure_llm_2023"].expects == ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "lacks `format`; known formats: anthropic, arena_hard, azure_llm_2023, canonical"),
        ({"format": "grpc"}, "unknown format 'grpc'; known: anthropic, arena_hard, azure_llm_2023, canonical"),
        ({"format": "canonical", "default": {}}, "unknown keys default; allowed: columns, defaults"),
        ({"format": "canonical", "on_same_path": "merge"}, "append or replace"),
        ({"format": "canonical", "defaults": {"user_token": "x"}}, "no default can be given for 'user_token'"),
        ({"format": "canonical", "defaults": {"prompt_text": "x"}}, "no default can be given for 'prompt_text'"),
        ({"format": "canonical", "defaults": {"file_id": "x"}}, "no default can be given for 'file_id'"),
        ({"format": "canonical", "defaults": {"endpoint_trust": "all"}}, "allowed: public, partner, internal"),
        ({"format": "canonical", "defaults": {"provider": None}}, "is a text, a number, true or false"),
        ({"format": "canonical", "keep_attributes": "channel"}, "keep_attributes is a list"),
        ({"format": "canonical", "url": "/data/logs"}, "url is where its files lie, such as s3://bucket/prefix"),
        ({"format": "mapped"}, "`columns` goes with format mapped"),
        ({"format": "canonical", "columns": {"ts": "TIME"}}, "`columns` goes with format mapped"),
        ({"format": "mapped", "columns": {"model": "m", "ts": "t"}}, "columns names model; allowed: "),
        ({"format": "mapped", "columns": {"output_tokens": "o"}}, "lacks ts, the time of the request"),
        ({"format": "mooncake", "start": "soon"}, "start is a time such as"),
    ],
)
def test_a_wrong_entry_is_told_what_is_allowed(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(SourceError) as raised:
        parse({"sources": {"mine": entry}})
    assert told in str(raised.value)


@pytest.mark.parametrize("raw", [None, [], {"source": {}}, {"sources": []}, {"sources": {"../up": {"format": "canonical"}}}])
def test_a_seed_of_another_shape_is_refused(raw: Any) -> None:
    with pytest.raises(SourceError):
        parse(raw)


def test_a_yes_or_no_default_is_text_as_a_record_would_write_it() -> None:
    assert parse({"sources": {"mine": {"format": "canonical", "defaults": {"is_batch": True}}}})["mine"].defaults == {
        "is_batch": "true"
    }


def test_a_map_of_columns_makes_a_format() -> None:
    entry = {"format": "mapped", "columns": {"ts": "TIME", "output_tokens": "/usage/out"}, "start": "2024-01-01"}
    source = parse({"sources": {"mine": entry}})["mine"]
    made = mapped_format(source)
    assert (made.expects, made.parameters) == (("TIME", "usage"), {"pointers": ["/TIME", "/usage/out"]})
    assert source.start == datetime(2024, 1, 1, tzinfo=UTC)
