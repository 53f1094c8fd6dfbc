"""The LiteLLM formats: one convention of tokens for all providers, whose failure it was, and no record without a reason."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from formats import FIXTURES, fixture_lines, landed_rows, quarantined_rows, rows_of, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import REPO
from resources.sources import Source

PUBLISHED = REPO.parent / "shared" / "data" / "litellm_payloads"
PAYLOADS = Source("gateway", "litellm", keep_attributes=("app", "beta", "channel", "model_id"))
SPEND = Source("spend", "litellm_spend_logs", keep_attributes=("channel",))
INPUT = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "audio_input_tokens",
    "image_input_tokens",
)  # fmt: skip
OUTPUT = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")


def by_id(format_name: str, name: str) -> dict[str, dict[str, Any]]:
    """The request rows of a fixture, by request id."""
    rows = rows_of(format_name, fixture_lines(format_name, name))
    return {row["request_id"]: row for row in rows if row["record_kind"] == "request"}


def tokens(row: dict[str, Any]) -> dict[str, int]:
    return {name: int(row[name]) for name in INPUT + OUTPUT if name in row}


def payload(**more: Any) -> dict[str, Any]:
    return {**json.loads(fixture_lines("litellm", "calls.jsonl")[0]), **more}


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("chatcmpl-whole", {
            "uncached_input_tokens": 968, "cache_read_tokens": 1024, "audio_input_tokens": 8,
            "output_tokens": 170, "reasoning_tokens": 128, "audio_output_tokens": 2}),
        # LiteLLM adds what Anthropic read from and wrote to its cache to prompt_tokens.
        ("msg_claude", {
            "uncached_input_tokens": 10, "cache_read_tokens": 1000, "cache_write_5m_tokens": 60, "cache_write_1h_tokens": 40,
            "output_tokens": 7, "reasoning_tokens": 0}),
        # A write without a lifetime counts as one for five minutes.
        ("bedrock-no-lifetime", {
            "uncached_input_tokens": 50, "cache_read_tokens": 300, "cache_write_5m_tokens": 150, "output_tokens": 10}),
        # The total says that this reasoning stands beside the answer.
        ("grok-beside", {"uncached_input_tokens": 50, "output_tokens": 10, "reasoning_tokens": 100}),
        ("gemini-picture", {
            "uncached_input_tokens": 12, "image_input_tokens": 258, "output_tokens": 10, "image_output_tokens": 1290}),
        ("embedding-1", {"uncached_input_tokens": 5, "output_tokens": 0}),
    ],
)  # fmt: skip
def test_token_classes_do_not_overlap(request_id: str, expected: dict[str, int]) -> None:
    assert tokens(by_id("litellm", "calls.jsonl")[request_id]) == expected


_CALLS = st.tuples(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**5),
    st.integers(0, 10**5), st.booleans(),
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(st.lists(_CALLS, min_size=20, max_size=20))
def test_the_classes_add_up_to_what_litellm_counted(calls: list[tuple[int, ...]]) -> None:
    documents, totals = [], []
    for read, short, long, rest, reasoning, words, is_anthropic in calls:
        counts = {"prompt_tokens": read + short + long + rest, "completion_tokens": reasoning + words}
        counts["total_tokens"] = sum(counts.values())
        lifetimes = {"ephemeral_1h_input_tokens": long}
        usage: dict[str, Any] = counts | {
            "prompt_tokens_details": {
                "cached_tokens": read, "cache_creation_tokens": short + long, "cache_creation_token_details": lifetimes,
            },
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }  # fmt: skip
        if is_anthropic:
            usage |= {"cache_read_input_tokens": read, "cache_creation_input_tokens": short + long}
        documents.append(payload(metadata={"usage_object": usage}, **counts))
        totals.append((counts["prompt_tokens"], counts["completion_tokens"], read, short, long))
    rows = [tokens(row) for row in rows_of("litellm", documents)]
    parts = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    assert [
        (sum(r.get(n, 0) for n in INPUT), sum(r.get(n, 0) for n in OUTPUT), *(r[n] for n in parts)) for r in rows
    ] == totals


def test_what_the_caller_said_and_how_it_went() -> None:
    row = by_id("litellm", "calls.jsonl")["chatcmpl-whole"]
    expected = {
        "ts": "1793440800.25", "latency_ms": "2500.0", "time_to_first_token_ms": "400.0", "trace_id": "trace-chatcmpl-whole",
        "conversation_id": "s-9", "user_id": "u-1", "tenant": "acme", "team": "guides", "api_key_id": "ab" * 32,
        "feature": "tower", "environment": "staging", "prompt_id": "guide", "prompt_version": "3", "provider": "openai",
        "request_model": "gpt-4o", "response_model": "gpt-4o", "route": "chat", "temperature": "0.3", "top_p": "0.8",
        "max_output_tokens": "400", "retry_count": "2", "is_fallback": "true", "reported_cost_usd": "0.00045",
        "system_text": "You are a guide.", "history_text": "Good day.\nWelcome.", "prompt_text": "How high is the tower?",
        "output_text": "It is 161 metres high.", "finish_reason": "stop",
    }  # fmt: skip
    assert {name: row.get(name) for name in expected} == expected
    assert "response_cache_hit" not in row  # LiteLLM wrote null


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        # A hit names its provider only in front of the model, and costs nothing.
        ("chatcmpl-hit_cache_hit1793440800.5", {
            "provider": "openai", "request_model": "gpt-4o", "response_cache_lookup": "true", "response_cache_hit": "true"}),
        ("chatcmpl-hidden", {"prompt_text": None, "output_text": None}),
        ("resp_cut", {"finish_reason": "length", "citation_count": "1", "output_text": "It is 161"}),
        ("embedding-1", {"prompt_text": "tower\nheight", "time_to_first_token_ms": None}),
        ("batch_results", {"is_batch": "true"}),
        ("msg_claude", {"service_tier": "default", "provider": "anthropic"}),
        ("bedrock-no-lifetime", {"provider": "aws.bedrock", "request_model": "anthropic.claude-3-haiku"}),
        ("gemini-picture", {"provider": "gcp.gemini"}),
        ("azure-deployment", {
            "provider": "azure.ai.openai", "request_model": "our-gpt", "response_model": "gpt-4o-2024-11-20",
            "service_tier": "priority", "finish_reason": "content_filter", "error_class": "model",
            "safety_output_verdict": "block"}),
    ],
)  # fmt: skip
def test_what_is_special_about_a_call(request_id: str, expected: dict[str, Any]) -> None:
    row = by_id("litellm", "calls.jsonl")[request_id]
    assert {name: row.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("request_id", "error_class", "error_code", "http_status"),
    [
        ("f-429", "provider", "RateLimitError", "429"),
        ("f-500", "provider", "InternalServerError", "500"),
        # Nobody answered: the status is LiteLLM's own.
        ("f-refused", "infrastructure", "InternalServerError", None),
        ("f-timeout", "infrastructure", "Timeout", None),
        ("f-torn", "infrastructure", "RemoteProtocolError", None),
        ("f-key", "client", "AuthenticationError", "401"),
        ("f-long", "model", "ContextWindowExceededError", "400"),
        ("f-policy", "model", "ContentPolicyViolationError", "400"),
        ("f-policy-code", "model", "content_filter", None),
        ("f-schema", "schema", "JSONSchemaValidationError", "400"),
        ("f-blocked", "model", "HTTPException", "400"),
        ("g-masked", None, None, None),
    ],
)
def test_whose_failure_it_was(request_id: str, error_class: str, error_code: str, http_status: str) -> None:
    row = by_id("litellm", "failures.jsonl")[request_id]
    assert (row.get("error_class"), row.get("error_code"), row.get("http_status")) == (error_class, error_code, http_status)
    assert row["finish_reason"] == ("error" if error_class else "stop")


def test_a_failure_is_measured_only_where_litellm_counted() -> None:
    rows = by_id("litellm", "failures.jsonl")
    assert tokens(rows["f-429"]) == {}
    assert "reported_cost_usd" not in rows["f-429"]
    assert tokens(rows["f-torn"]) == {"uncached_input_tokens": 28, "output_tokens": 1}
    assert rows["f-torn"]["reported_cost_usd"] == "8e-05"


@pytest.mark.parametrize(
    ("request_id", "before", "after", "category", "filter_ms"),
    [
        ("f-blocked", "block", None, "violence", "50.0"),
        ("g-masked", "flag", "pass", "pii", "30.0"),
        ("g-down", None, None, None, None),  # a filter that failed has judged nothing
    ],
)
def test_what_the_guardrails_said(request_id: str, before: str, after: str, category: str, filter_ms: str) -> None:
    row = by_id("litellm", "failures.jsonl")[request_id]
    names = ("safety_input_verdict", "safety_output_verdict", "safety_category", "filter_ms")
    assert tuple(row.get(name) for name in names) == (before, after, category, filter_ms)


def test_one_document_holds_a_call_its_tool_calls_and_what_was_found() -> None:
    rows = [r for r in rows_of("litellm", fixture_lines("litellm", "parts.jsonl")) if r["record_number"] == 1]
    assert [(r["part"], r["record_kind"], r.get("record_id"), r.get("document_id")) for r in rows] == [
        (1, "request", None, None), (2, "tool_call", "call_1", None), (3, "tool_call", "call_2", None),
        (4, "retrieval", None, "doc-7"), (5, "retrieval", None, "hills.md"),
    ]  # fmt: skip
    assert {r["request_id"] for r in rows} == {"chatcmpl-tools"}
    assert (rows[0]["retrieval_ms"], rows[1]["arguments_text"], rows[1]["tool_name"]) == (
        "120.0",
        '{"what":"tower"}',
        "measure",
    )
    assert [(r["document_rank"], r["retrieval_score"]) for r in rows[3:]] == [("1", "0.91"), ("2", "0.4")]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (2, {"record_id": "call_3", "tool_name": "measure", "part": 2}),
        (3, {"record_id": "toolu_1", "tool_name": "measure", "part": 2, "arguments_text": '{"what":"tower"}'}),
        # The call of an MCP tool is no request.
        (4, {"record_id": "mcp-1", "tool_name": "maps-measure", "part": 1, "tool_status": "ok",
             "result_text": '{"height_m":161}', "request_id": None}),
        (5, {"record_id": "mcp-2", "tool_name": "measure", "part": 1, "tool_status": "timeout"}),
    ],
)  # fmt: skip
def test_tool_calls_of_every_interface(document: int, expected: dict[str, Any]) -> None:
    rows = rows_of("litellm", fixture_lines("litellm", "parts.jsonl"))
    (row,) = [r for r in rows if r["record_number"] == document and r["record_kind"] == "tool_call"]
    assert {name: row.get(name) for name in expected} == expected


def test_every_line_lands_or_says_why(tmp_path: Path) -> None:
    lines = fixture_lines("litellm", "parts.jsonl")
    stage = staged(tmp_path, PAYLOADS, ("\n".join(lines) + "\n").encode())
    kinds = Counter(row["record_kind"] for row in landed_rows(stage))
    assert kinds == {"request": 3, "tool_call": 6, "retrieval": 2}
    assert (stage.lines_read, stage.records_quarantined, stage.ignored_by_reason) == (6, 0, {"not_a_model_call": 1})


def test_stored_types_and_kept_attributes(tmp_path: Path) -> None:
    stage = staged(tmp_path, PAYLOADS, fixture_lines("litellm", "calls.jsonl")[0].encode())
    (row,) = landed_rows(stage)
    assert row["ts"].isoformat() == "2026-10-31T10:00:00.250000+00:00"
    assert json.loads(row["attributes"]) == {"app": "kiosk", "beta": True, "channel": "web", "model_id": "dep-7"}
    assert (row["latency_ms"], row["retry_count"], row["is_fallback"]) == (2500.0, 2, True)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (json.loads(fixture_lines("litellm_spend_logs", "rows.jsonl")[0]), "use format litellm_spend_logs"),
        ({"event": "click"}, "id: "),
        (payload(startTime="yesterday"), "startTime: "),
        (payload(call_type=None), "call_type: "),
        (payload(prompt_tokens="many"), "prompt_tokens: "),
        (payload(completion_tokens={"n": 1}), "completion_tokens: "),
    ],
)
def test_what_is_no_payload_is_told_what_was_expected(tmp_path: Path, document: dict[str, Any], told: str) -> None:
    stage = staged(tmp_path, PAYLOADS, json.dumps(document).encode())
    (bad,) = quarantined_rows(stage)
    assert bad["reason"] == "not_this_format"
    assert told in bad["expected"]


@pytest.mark.parametrize("format_name", ["litellm", "litellm_spend_logs"])
def test_a_field_of_another_shape_never_stops_the_file(format_name: str) -> None:
    shapes: list[Any] = [None, 7, -1.5, "x", "{", "", True, [], [1], {}, {"a": []}, [{"b": 2}], '["x"]']
    name = {"litellm": "calls.jsonl", "litellm_spend_logs": "rows.jsonl"}[format_name]
    whole = json.loads(fixture_lines(format_name, name)[0])
    documents = [whole | {key: shape} for key in whole for shape in shapes]
    rows = rows_of(format_name, documents)
    assert {row["record_number"] for row in rows} == set(range(1, len(documents) + 1))


def test_a_spend_log_row_is_the_call_that_its_payload_is() -> None:
    logged = by_id("litellm_spend_logs", "rows.jsonl")["chatcmpl-1"]
    sent = by_id("litellm", "calls.jsonl")["chatcmpl-whole"]
    same = (
        "user_id", "tenant", "team", "feature", "environment", "provider", "request_model", "route", "latency_ms",
        "time_to_first_token_ms", *INPUT, *OUTPUT,
    )  # fmt: skip
    assert {name: logged.get(name) for name in same} == {name: sent.get(name) for name in same}


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        # Older proxies keep the details elsewhere, and the metadata as a text.
        ("msg_old", {
            "uncached_input_tokens": "50", "cache_read_tokens": "300", "cache_write_5m_tokens": "150", "team": "team-1",
            "time_to_first_token_ms": None, "response_cache_lookup": None}),
        ("f-429", {
            "error_class": "provider", "error_code": "RateLimitError", "http_status": "429", "uncached_input_tokens": None,
            "reported_cost_usd": None}),
        ("hit", {"provider": "openai", "request_model": "gpt-4o", "response_cache_hit": "True"}),
        ("found", {"retrieval_ms": "120.0", "safety_input_verdict": "pass"}),
        ("batch-1", {"ignored_reason": "not_a_model_call"}),
    ],
)  # fmt: skip
def test_what_is_special_about_a_spend_log_row(request_id: str, expected: dict[str, Any]) -> None:
    row = by_id("litellm_spend_logs", "rows.jsonl")[request_id]
    assert {name: row.get(name) for name in expected} == expected


def test_spend_logs_hold_tools_and_finds_too(tmp_path: Path) -> None:
    lines = fixture_lines("litellm_spend_logs", "rows.jsonl")
    stage = staged(tmp_path, SPEND, ("\n".join(lines) + "\n").encode())
    rows = landed_rows(stage)
    assert Counter(row["record_kind"] for row in rows) == {"request": 5, "tool_call": 1, "retrieval": 2}
    (tool,) = [row for row in rows if row["record_kind"] == "tool_call"]
    assert (tool["tool_name"], tool["tool_status"], tool["request_id"]) == ("maps-measure", "ok", None)
    assert (stage.records_quarantined, stage.ignored_by_reason) == (0, {"not_a_model_call": 1})


def test_spend_logs_of_a_database_dump_are_the_rows_of_the_api(tmp_path: Path) -> None:
    stage = staged(tmp_path, SPEND, (FIXTURES / "litellm_spend_logs" / "rows.csv").read_bytes(), "rows.csv")
    first, second = landed_rows(stage)
    assert stage.records_quarantined == 0
    expected = {
        "uncached_input_tokens": 968, "cache_read_tokens": 1024, "audio_input_tokens": 8, "output_tokens": 170,
        "reasoning_tokens": 128, "latency_ms": 2500.0, "feature": "tower", "environment": "staging",
        "attributes": '{"channel":"web"}', "response_cache_hit": False,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert first["time_to_first_token_ms"] is None  # not a stream: the first token came with the last
    assert (second["uncached_input_tokens"], second["cache_write_5m_tokens"]) == (50, 150)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"request_id": None, "id": "x"}, "use format litellm"),
        ({"request_id": ""}, "request_id: "),
        ({"spend": None}, "spend: "),
        ({"call_type": None}, "call_type: "),
        ({"prompt_tokens": None}, "prompt_tokens: "),
        ({"completion_tokens": "1.5e"}, "completion_tokens: "),
    ],
)
def test_what_is_no_spend_log_row_is_told_what_was_expected(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    row = json.loads(fixture_lines("litellm_spend_logs", "rows.jsonl")[0]) | change
    (bad,) = quarantined_rows(staged(tmp_path, SPEND, json.dumps(row).encode()))
    assert bad["reason"] == "not_this_format"
    assert told in bad["expected"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the transcribed LiteLLM payloads are not beside the checkout")
def test_the_published_payloads_land_whole(tmp_path: Path) -> None:
    seen = 0
    for number, path in enumerate(sorted(p for p in PUBLISHED.rglob("*.json*") if p.is_file())):
        source = SPEND if "spend" in path.name.lower() else PAYLOADS
        folder = tmp_path / str(number)
        folder.mkdir()
        stage = staged(folder, source, path.read_bytes(), path.name)
        assert stage.reason is None
        assert (stage.lines_refused, stage.records_quarantined) == (0, 0), quarantined_rows(stage)
        seen += stage.records_landed
    assert seen > 0
