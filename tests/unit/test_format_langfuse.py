"""The langfuse format: what was called, found, run and said of it, whichever way it was exported."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import FIXTURES, fixture_lines, landed_rows, quarantined_rows, rows_of, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import REPO
from resources.sources import Source

PUBLISHED = REPO.parent / "shared" / "data" / "langfuse_traces"
SOURCE = Source("langfuse", "langfuse", keep_attributes=("name", "trace_name", "usage_pricing_tier_name", "version"))
INPUT = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "audio_input_tokens",
    "audio_cache_read_tokens", "image_input_tokens",
)  # fmt: skip
OUTPUT = ("output_tokens", "reasoning_tokens", "audio_output_tokens")


def observations() -> dict[str, dict[str, Any]]:
    """The rows of the observations fixture, by their name in the file."""
    lines = fixture_lines("langfuse", "observations.jsonl")
    names = [json.loads(line)["id"] for line in lines]
    return {names[row["record_number"] - 1]: row for row in reversed(rows_of("langfuse", lines))}


def generation(**more: Any) -> dict[str, Any]:
    return {**json.loads(fixture_lines("langfuse", "observations.jsonl")[0]), **more}


def counted(usage: dict[str, int]) -> dict[str, int]:
    """The token classes of a generation with these usage details."""
    (row,) = rows_of("langfuse", [generation(usage_details=usage)])
    return {name: int(row[name]) for name in INPUT + OUTPUT if name in row}


def _usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    """Details with 64 cached and 20 reasoning tokens."""
    return {"input": tokens_in, "input_cached_tokens": 64, "output": tokens_out, "output_reasoning_tokens": 20}


def test_a_generation_with_all_that_langfuse_says() -> None:
    expected = {
        "record_kind": "request", "request_id": "chatcmpl-1", "ts": "2026-10-31 10:00:00.250000", "trace_id": "t-1",
        "parent_id": None, "user_id": "u-1", "conversation_id": "s-9", "environment": "production", "deployment": "2026.10",
        "prompt_id": "guide", "prompt_version": "3", "provider": "openai", "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06", "temperature": "0.3", "top_p": "0.8", "max_output_tokens": "400",
        "uncached_input_tokens": "976", "cache_read_tokens": "1024", "output_tokens": "172", "reasoning_tokens": "128",
        "service_tier": "priority", "reported_cost_usd": "0.0067", "latency_ms": "2500.0", "time_to_first_token_ms": "400.0",
        "finish_reason": "stop", "error_class": None, "is_complete": None, "system_text": "You are a guide.",
        "history_text": "Good day.\nWelcome.", "prompt_text": "How high is the tower?",
        "output_text": "It is 161 metres high.",
    }  # fmt: skip
    row = observations()["o-whole"]
    assert {name: row.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # What LiteLLM sends to Langfuse has the provider's id behind a time.
        ("time-10-00-00-250000_chatcmpl-2", {
            "request_id": "chatcmpl-2", "provider": "anthropic", "service_tier": "flex", "uncached_input_tokens": "10",
            "cache_read_tokens": "1000", "cache_write_5m_tokens": "65", "cache_write_1h_tokens": "40"}),
        ("o-emb", {"record_kind": "request", "request_id": "o-emb", "uncached_input_tokens": "5", "output_tokens": None}),
        ("o-tool", {
            "record_kind": "tool_call", "record_id": "o-tool", "request_id": None, "tool_name": "measure",
            "tool_status": "ok", "arguments_text": '{"what":"tower"}', "result_text": "161", "latency_ms": "2500.0",
            "span_id": "o-tool"}),
        ("o-tool-late", {"tool_status": "timeout", "error_class": None}),
        ("o-nothing", {"ignored_reason": "retriever_without_documents"}),
        ("o-span", {"ignored_reason": "span"}),
        ("o-event", {"ignored_reason": "event"}),
        ("o-agent", {"ignored_reason": "agent"}),
        ("o-guard", {"ignored_reason": "guardrail"}),
        ("t-1", {"ignored_reason": "trace"}),
        ("o-limit", {
            "error_class": "provider", "error_code": "RateLimitError", "http_status": "429", "finish_reason": "error",
            "uncached_input_tokens": None, "reported_cost_usd": None}),
        ("o-running", {"is_complete": "false", "latency_ms": None}),
    ],
)  # fmt: skip
def test_what_an_observation_becomes(name: str, expected: dict[str, Any]) -> None:
    row = observations()[name]
    assert {column: row.get(column) for column in expected} == expected


@pytest.mark.parametrize(
    ("message", "error_class", "http_status"),
    [
        ("Error code: 401 - bad key", "client", "401"),
        ("Overloaded", "provider", None),
        ("upstream status=503", "provider", "503"),
        ("The response was filtered by the content management policy. Error code: 400", "model", "400"),
        ("OutputParsingError: no JSON", "schema", None),
        ("APITimeoutError: Request timed out.", "infrastructure", None),
        ("", "infrastructure", None),
    ],
)
def test_whose_failure_a_status_message_tells_of(message: str, error_class: str, http_status: str | None) -> None:
    (row,) = rows_of("langfuse", [generation(level="ERROR", status_message=message)])
    assert (row["error_class"], row.get("http_status")) == (error_class, http_status)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # Parts beside each other, as Langfuse holds them.
        (_usage(14, 10) | {"total": 108}, (14, 64, 10, 20)),
        (_usage(14, 10), (14, 64, 10, 20)),
        ({"input": 14, "cache_read_input_tokens": 64, "output": 10}, (14, 64, 10, None)),
        # The total says that the parts lie within.
        (_usage(78, 30) | {"total": 108}, (14, 64, 10, 20)),
        ({"input": 6, "completion_details.reasoning": 1104, "output": 2055, "total": 2061}, (6, None, 951, 1104)),
        # One side within, the other beside.
        (_usage(78, 10) | {"total": 108}, (14, 64, 10, 20)),
        (_usage(14, 30) | {"total": 108}, (14, 64, 10, 20)),
        # Without a total, a dotted key is a part.
        ({"input": 78, "prompt_details.cache_read": 64, "output": 10}, (14, 64, 10, None)),
        # The same number under two names is one.
        ({"input": 14, "input_cached_tokens": 64, "input_cache_read": 64, "output": 10, "total": 88}, (14, 64, 10, None)),
        ({"promptTokenCount": 14, "candidatesTokenCount": 10, "thoughtsTokenCount": 20}, (14, None, 10, 20)),
        ({}, (None, None, None, None)),
    ],
)  # fmt: skip
def test_token_classes_do_not_overlap(usage: dict[str, int], expected: tuple[int | None, ...]) -> None:
    found = counted(usage)
    names = ("uncached_input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
    assert tuple(found.get(name) for name in names) == expected


_CALLS = st.tuples(
    st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(st.lists(_CALLS, min_size=20, max_size=20))
def test_whichever_way_they_are_counted_the_classes_add_up_to_the_total(calls: list[tuple[int, ...]]) -> None:
    documents, totals = [], []
    for rest, read, written, words, reasoning, is_within in calls:
        totals.append(rest + read + written + words + reasoning)
        usage = {
            "input": rest + (read + written if is_within else 0), "input_cached_tokens": read, "total": totals[-1],
            "input_cache_creation": written, "output": words + (reasoning if is_within else 0),
            "output_reasoning_tokens": reasoning,
        }  # fmt: skip
        documents.append(generation(usage_details=usage))
    rows = rows_of("langfuse", documents)
    assert [sum(int(row.get(name, 0)) for name in INPUT + OUTPUT) for row in rows] == totals


def test_what_a_retriever_found_is_a_record_a_document() -> None:
    rows = [
        r for r in rows_of("langfuse", fixture_lines("langfuse", "observations.jsonl")) if r.get("record_id") == "o-docs"
    ]
    assert {(r["span_id"], r["latency_ms"]) for r in rows} == {("o-docs", "2500.0")}
    assert [(r["document_rank"], r["document_id"], r.get("retrieval_score"), r["document_text"]) for r in rows] == [
        ("1", "doc-7", "0.91", "The tower is 161 metres high."), ("2", "hills.md", None, "The hill is lower."),
    ]  # fmt: skip
    assert len({r["part"] for r in rows}) == 2


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, {"record_id": "s-num", "request_id": "chatcmpl-2", "feedback_kind": "rating", "feedback_name": "grounded",
             "feedback_value": "0.8", "feedback_label": None, "feedback_by": "model",
             "comment_text": "Most of it is in the source."}),
        # Over the API comes what users say and what programs measure: nothing tells which.
        # Of its observation only the span is known: what the request is called stands in another document.
        (2, {"request_id": None, "parent_id": "o-emb", "span_id": "s-bool", "trace_id": "t-1", "feedback_value": "1",
             "feedback_by": None}),
        # The value of a category is its place in a list.
        (3, {"request_id": None, "parent_id": None, "feedback_value": None, "feedback_label": "too long",
             "feedback_by": "annotator"}),
        (4, {"feedback_kind": "comment", "feedback_value": None, "comment_text": "Please be shorter."}),
        (5, {"feedback_kind": "correction", "feedback_value": None, "correction_text": "It is 161.5 metres high."}),
    ],
)  # fmt: skip
def test_a_score_is_feedback(number: int, expected: dict[str, Any]) -> None:
    rows = rows_of("langfuse", fixture_lines("langfuse", "scores.jsonl"))
    row = rows[number - 1]
    assert row["record_kind"] == "feedback"
    assert {name: row.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("invalid_request_error: messages are missing", "client"),
        ("openai.InternalServerError: try again", "provider"),
        ("Error code: 409 - conflict", "provider"),
        ("Error code: 425 - too early", "infrastructure"),
        ("The socket hung up", "infrastructure"),
    ],
)
def test_whose_failure_it_was_is_told_by_the_words(fault: str, expected: str) -> None:
    (row,) = rows_of("langfuse", [generation(level="ERROR", status_message=fault)])
    assert row["error_class"] == expected


def test_a_trace_with_all_inside_gives_its_user_and_ids_to_them() -> None:
    rows = rows_of("langfuse", [(FIXTURES / "langfuse" / "trace.json").read_text(encoding="utf-8")])
    assert [(r["part"], r["record_kind"], r.get("ignored_reason")) for r in rows] == [
        (1, "request", "trace"), (2, "request", None), (3, "request", "span"), (4, "feedback", None), (5, "feedback", None),
    ]  # fmt: skip
    asked, rated, corrected = rows[1], rows[3], rows[4]
    assert (asked["user_id"], asked["conversation_id"], asked["deployment"]) == ("u-5", "s-5", "r-5")
    # The score names the observation; the request goes by its provider's id.
    assert rated["request_id"] == asked["request_id"] == "chatcmpl-9"
    assert rated["parent_id"] == asked["span_id"] != asked["request_id"]
    assert (corrected["feedback_kind"], corrected["correction_text"]) == ("correction", "Higher.")


def test_a_trace_of_the_api_is_read_like_one_of_the_export() -> None:
    rows = rows_of("langfuse", [(FIXTURES / "langfuse" / "trace_of_api.json").read_text(encoding="utf-8")])
    assert [(r.get("ignored_reason"), r.get("request_id"), r["user_id"]) for r in rows] == [
        ("trace", None, "u-5"), (None, "chatcmpl-9", "u-5"),
    ]  # fmt: skip


def test_a_listed_trace_names_its_observations_and_is_only_a_trace() -> None:
    trace = json.loads((FIXTURES / "langfuse" / "trace_of_api.json").read_text(encoding="utf-8"))
    (row,) = rows_of("langfuse", [trace | {"observations": ["o-1", "o-2"], "scores": ["s-1"]}])
    assert row["ignored_reason"] == "trace"


def test_every_export_gives_the_same_records(tmp_path: Path) -> None:
    lines = fixture_lines("langfuse", "observations.jsonl")
    rows = [json.loads(line) for line in lines]
    camel = [
        {"".join(w if not n else w.capitalize() for n, w in enumerate(k.split("_"))): v for k, v in r.items()} for r in rows
    ]
    table = pa.Table.from_pylist(
        [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows[:-1]]
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    texts = {
        "x.jsonl": "\n".join(lines[:-1]).encode(),
        "x.json": json.dumps(camel[:-1]).encode(),
        "x.parquet": (tmp_path / "rows.parquet").read_bytes(),
    }
    found = {}
    for name, content in texts.items():
        folder = tmp_path / name.removeprefix("x.")
        folder.mkdir()
        stage = staged(folder, SOURCE, content, name)
        assert stage.records_quarantined == 0, quarantined_rows(stage)
        left_out = ("file_id", "record_digest")  # and what is made with the key, which is another in each folder
        facts = [
            {k: v for k, v in row.items() if k not in left_out and not k.endswith(("_token", "_fingerprint"))}
            for row in landed_rows(stage)
        ]
        found[name] = (facts, stage.ignored_by_reason)
    assert found["x.json"] == found["x.jsonl"] == found["x.parquet"]
    assert found["x.json"][1] == {"agent": 1, "event": 1, "guardrail": 1, "retriever_without_documents": 1, "span": 1}


def test_a_name_for_a_tier_of_prices_is_no_service_tier(tmp_path: Path) -> None:
    line = json.dumps(generation(metadata={}, usage_pricing_tier_name="Large Context"))
    (row,) = landed_rows(staged(tmp_path, SOURCE, line.encode()))
    assert row["service_tier"] is None
    assert json.loads(row["attributes"])["usage_pricing_tier_name"] == "Large Context"


def test_what_no_cap_is_written_as_is_no_cap(tmp_path: Path) -> None:
    lines = [json.dumps(generation(model_parameters=json.dumps({"max_tokens": cap}))) for cap in (-1, "Infinity", "null", 5)]
    rows = landed_rows(staged(tmp_path, SOURCE, "\n".join(lines).encode()))
    assert [row["max_output_tokens"] for row in rows] == [None, None, None, 5]


@pytest.mark.parametrize("document", [{"event": "click"}, {"id": "x", "timestamp": "2026-10-31"}, {"o-1": {"input": {}}}])
def test_what_is_not_of_langfuse_is_told_what_was_expected(tmp_path: Path, document: dict[str, Any]) -> None:
    (bad,) = quarantined_rows(staged(tmp_path, SOURCE, json.dumps(document).encode()))
    assert (bad["reason"], bad["expected"].split(",")[0]) == ("not_this_format", "type")


def test_a_field_of_another_shape_never_stops_the_file() -> None:
    shapes: list[Any] = [None, 7, "x", "{", True, [1], {"a": []}, [{"b": 2}], '["x"]']
    documents = [generation(**{name: shape}) for name in generation() for shape in shapes]
    rows = rows_of("langfuse", documents)
    assert {row["record_number"] for row in rows} == set(range(1, len(documents) + 1))


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published Langfuse traces are not beside the checkout")
def test_the_published_traces_land_whole(tmp_path: Path) -> None:
    traces = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(PUBLISHED.rglob("*.trace.json"))]
    observed = [o for trace in traces for o in trace["observations"]]
    kinds = Counter(o["type"] for o in observed)
    scores = sum(len(trace["trace"].get("scores", [])) + len(trace["trace"].get("corrections", [])) for trace in traces)
    stage = staged(tmp_path, SOURCE, "\n".join(map(json.dumps, traces)).encode())
    assert (stage.lines_refused, stage.records_quarantined) == (0, 0), quarantined_rows(stage)
    rows = landed_rows(stage)
    assert kinds["GENERATION"] > 40 and kinds["TOOL"] > 10 and scores > 20
    assert Counter(row["record_kind"] for row in rows) == {
        "request": kinds["GENERATION"], "tool_call": kinds["TOOL"], "feedback": scores,
    }  # fmt: skip
    assert stage.ignored_by_reason == {
        "agent": kinds["AGENT"], "chain": kinds["CHAIN"], "span": kinds["SPAN"], "trace": len(traces),
    }  # fmt: skip
    # The tokens that landed are, generation by generation, those that Langfuse counted by name; some are in its total only.
    counted_there = Counter(_counted_by_name(o["usageDetails"]) for o in observed if o["type"] == "GENERATION")
    requests = [row for row in rows if row["record_kind"] == "request"]
    assert Counter(sum(row[name] or 0 for name in INPUT + OUTPUT) for row in requests) == counted_there


def _counted_by_name(usage: dict[str, int]) -> int:
    named = sum(count for key, count in usage.items() if key != "total")
    return min(named, usage.get("total", named))


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published Langfuse traces are not beside the checkout")
def test_a_published_trace_lands_as_the_file_that_it_is(tmp_path: Path) -> None:
    path = next(PUBLISHED.rglob("claude-agent-*.trace.json"))
    stage = staged(tmp_path, SOURCE, path.read_bytes(), path.name)
    trace = json.loads(path.read_text(encoding="utf-8"))
    members = len(trace["observations"]) + len(trace["trace"]["scores"]) + len(trace["trace"]["corrections"])
    assert (stage.records, stage.records_quarantined, stage.reason) == (members + 1, 0, None)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published Langfuse traces are not beside the checkout")
def test_documents_beside_the_published_traces_are_told_apart(tmp_path: Path) -> None:
    beside = [json.loads(path.read_text(encoding="utf-8")) for path in PUBLISHED.rglob("*.chatml.json")]
    stage = staged(tmp_path, SOURCE, "\n".join(map(json.dumps, beside)).encode())
    assert len(beside) > 10
    assert Counter(bad["reason"] for bad in quarantined_rows(stage)) == {"not_this_format": len(beside)}
