"""Spans as a log format: three conventions, three shapes of document, and which tokens are counted once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.capture import CapturePolicy, Rule
from resources.keyring import Keyring
from resources.sources import Source, formats
from resources.staged_file import StagedFile, rows_of
from resources.staging import StagingRules, stage_file
from resources.warehouse import Connection, connect

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "formats" / "otlp"
ARRIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
STARTED, ENDED = 1_793_440_800_000_000_000, 1_793_440_801_500_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
LLM = {"openinference.span.kind": "LLM", "llm.system": "openai", "llm.model_name": "gpt-4o"}
INPUT = ("uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "audio_input_tokens",
         "audio_cache_read_tokens", "image_input_tokens")  # fmt: skip
OUTPUT = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")


def any_value(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON writes it: whole numbers as texts."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(v) for v in value]} if value else {}}
        case dict():
            return {"kvlistValue": {"values": pairs(value)} if value else {}}
    return {}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def span(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "00000000000000a1", "startTimeUnixNano": str(STARTED),
        "endTimeUnixNano": str(ENDED), "attributes": pairs(attributes), "status": {}, **more,
    }  # fmt: skip


def export(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> str:
    scopes = [{"scope": {"name": "test"}, "spans": list(spans)}]
    return json.dumps({"resourceSpans": [{"resource": {"attributes": pairs(resource or {})}, "scopeSpans": scopes}]})


def event(name: str, attributes: dict[str, Any], after_ns: int = 0) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": str(STARTED + after_ns), "attributes": pairs(attributes)}


@cache
def connection() -> Connection:
    return connect(threads=1)


def selected(*documents: str) -> list[dict[str, Any]]:
    """What the SELECT yields, without NULLs, in the order of documents and parts."""
    con = connection()
    numbers = pa.array(range(1, len(documents) + 1), pa.int64())
    con.register("records", pa.table([numbers, numbers, list(documents)], names=["record_number", "line_number", "raw"]))
    found = con.sql(formats()["otlp"].sql).to_arrow_table().to_pylist()
    con.unregister("records")
    found.sort(key=lambda row: (row["record_number"], row["part"]))
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def row_of(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    (row,) = selected(export(span(attributes, **more)))
    return row


def counts(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    return {name: int(row[name]) for name in names if name in row}


@pytest.fixture
def staged(tmp_path: Path) -> Any:
    capture = CapturePolicy((Rule("full"),), redact=False)
    rules = StagingRules(date(2023, 1, 1), Keyring.open(tmp_path / "keys"), capture, None)

    def run(path: Path) -> StagedFile:
        return stage_file(path, f"otlp/{path.name}", Source("otlp", "otlp"), ARRIVED, rules, tmp_path / "stage")

    return run


# Files


def test_one_line_of_a_collector_is_many_records_and_each_span_is_accounted_for(staged: Any) -> None:
    stage = staged(FIXTURES / "collector.jsonl")
    assert (stage.lines_read, stage.records, stage.records_landed, stage.records_quarantined) == (5, 18, 10, 0)
    assert stage.ignored_by_reason == {
        "document_without_id": 1, "log_records": 1, "metrics": 1, "no_spans": 1, "not_a_genai_span": 1,
        "not_a_model_call": 3,
    }  # fmt: skip
    landed = rows_of(stage.landed_path).sort_by("record_number").to_pylist()
    assert [r["record_kind"] for r in landed] == [
        "retrieval", "retrieval", "request", "feedback", "tool_call", "retrieval", "retrieval", "request", "feedback",
        "tool_call",
    ]  # fmt: skip
    chat = landed[2]
    assert chat["ts"] == datetime(2026, 10, 31, 10, 0, 0, 300_000, tzinfo=UTC)
    assert {k: chat[k] for k in ("request_id", "environment", "feature", "deployment", "finish_reason", "service_tier")} == {
        "request_id": "chatcmpl-tea1", "environment": "prod", "feature": "tea-shop", "deployment": "2026.10.1",
        "finish_reason": "tool_calls", "service_tier": "default",
    }  # fmt: skip
    assert (chat["latency_ms"], chat["time_to_first_token_ms"]) == (1500.0, 250.0)
    texts = {(r["record_number"], r["part"]): r["text"] for r in rows_of(stage.texts_path).to_pylist()}
    assert texts[chat["record_number"], "system"] == 'You know tea. Say {"values":[]} never.'
    assert texts[chat["record_number"], "history"] == "Which tea for the morning?\nSencha."
    assert texts[chat["record_number"], "prompt"] == 'How long, {"in": "minutes"}?'
    assert texts[chat["record_number"], "output"] == "Let me time it."
    assert texts[landed[0]["record_number"], "document"] == "Sencha: 70 degrees, one minute."
    assert json.loads(texts[landed[4]["record_number"], "arguments"]) == {"minutes": 1, "tags": ["green"]}


def test_openinference_spans_say_the_same_as_genai_spans(staged: Any) -> None:
    landed = rows_of(staged(FIXTURES / "collector.jsonl").landed_path).sort_by("record_number").to_pylist()
    llm, feedback, tool = landed[7:]
    assert (llm["provider"], llm["request_model"], llm["response_model"]) == (
        "azure.ai.openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18",
    )  # fmt: skip
    assert (llm["uncached_input_tokens"], llm["cache_read_tokens"], llm["audio_input_tokens"]) == (180, 100, 20)
    assert (llm["output_tokens"], llm["audio_output_tokens"]) == (32, 8)
    assert (llm["finish_reason"], llm["max_output_tokens"], llm["prompt_version"]) == ("length", 50, "v3")
    assert llm["time_to_first_token_ms"] == 200.0
    assert feedback["request_id"] == llm["request_id"]
    assert (feedback["feedback_by"], feedback["feedback_value"]) == ("annotator", 1.0)
    assert (tool["tool_name"], tool["tool_status"]) == ("kettle", "ok")
    assert [r["document_id"] for r in landed[5:7]] == ["n-1", "tea.md"]


def test_a_span_as_the_sdk_prints_it_and_as_phoenix_exports_it_are_records_too(staged: Any) -> None:
    landed = rows_of(staged(FIXTURES / "single_spans.jsonl").landed_path).sort_by("record_number").to_pylist()
    claude, failed, flat = landed
    assert (claude["request_id"], claude["parent_id"], claude["latency_ms"]) == ("msg_tea", "00000000000000d0", 2500.0)
    assert counts(claude, INPUT[:3]) == {
        "uncached_input_tokens": 100, "cache_read_tokens": 500, "cache_write_5m_tokens": 300,
    }  # fmt: skip
    assert (claude["provider"], claude["finish_reason"], claude["environment"]) == ("anthropic", "stop", "staging")
    assert (failed["error_class"], failed["error_code"]) == ("provider", "openai.RateLimitError")
    assert (failed["uncached_input_tokens"], failed["output_tokens"]) == (None, None)
    assert (flat["request_id"], flat["uncached_input_tokens"], flat["output_tokens"]) == ("00000000000000f1", 12, 3)


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        ({"resourceMetrics": []}, {"ignored_reason": "metrics"}),
        ({"resourceLogs": []}, {"ignored_reason": "log_records"}),
        ({"resourceSpans": []}, {"ignored_reason": "no_spans"}),
        ({"resourceSpans": [{"scopeSpans": [{"spans": []}]}]}, {"ignored_reason": "no_spans"}),
        ({"resourceSpans": {"spans": 1}}, {"mismatch": "resourceSpans: a list of objects"}),
        (
            {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [{}]}]}]},
            {"mismatch": "resourceSpans[].scopeSpans, which OTLP has in place of instrumentationLibrarySpans"},
        ),
        (
            {"model": "gpt-4o", "usage": {}},
            {"mismatch": "resourceSpans (an OTLP export) or context.span_id (one span): neither is there"},
        ),
    ],
)
def test_a_document_without_spans_says_why(document: dict[str, Any], verdict: dict[str, str]) -> None:
    assert selected(json.dumps(document)) == [{"record_number": 1, "part": 1, **verdict}]


# Kinds of span


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "chat"}, "request"),
        ({"gen_ai.operation.name": "embeddings"}, "request"),
        ({"gen_ai.operation.name": "generate_content"}, "request"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool_call"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9}, "not_a_model_call"),
        ({"gen_ai.operation.name": "search_memory"}, "not_a_model_call"),
        ({"gen_ai.operation.name": "chat.completions", "gen_ai.usage.output_tokens": 9}, "request"),
        ({"gen_ai.operation.name": "retrieval"}, "no_documents"),
        ({"openinference.span.kind": "EMBEDDING"}, "request"),
        ({"openinference.span.kind": "RERANKER"}, "not_a_model_call"),
        ({"openinference.span.kind": "EVALUATOR"}, "not_a_model_call"),
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 9}, "not_a_model_call"),
        ({"gen_ai.system": "OpenAI", "llm.request.type": "chat"}, "request"),
        ({"gen_ai.system": "anthropic", "gen_ai.request.model": "claude"}, "request"),
        ({"traceloop.span.kind": "workflow"}, "not_a_model_call"),
        ({"traceloop.span.kind": "tool"}, "tool_call"),
        ({"http.request.method": "GET"}, "not_a_genai_span"),
        ({}, "not_a_genai_span"),
    ],
)
def test_what_repeats_the_usage_of_calls_below_it_is_no_request(attributes: dict[str, Any], kind: str) -> None:
    row = row_of(attributes)
    assert row.get("ignored_reason", row.get("record_kind")) == kind


def test_a_vector_stores_hits_are_retrievals() -> None:
    hits = [event("db.query.result", {"db.query.result.id": f"d{n}", "db.query.result.score": n / 2}) for n in (1, 2)]
    rows = selected(export(span({"db.system": "chroma"}, events=hits)))
    assert [(r["record_kind"], r["document_id"], r["document_rank"], r["retrieval_score"]) for r in rows] == [
        ("retrieval", "d1", "1", "0.5"),
        ("retrieval", "d2", "2", "1.0"),
    ]


def test_an_evaluation_of_a_trace_or_session_is_not_pinned_on_the_span_that_carries_it() -> None:
    said = {f"{scope}.evaluations.0.evaluation.name": "helpful" for scope in ("trace", "session")}
    _, *feedback = selected(export(span(CHAT | said)))
    assert len(feedback) == 2
    assert all(not {"request_id", "parent_id"} & set(row) and row["trace_id"] for row in feedback)


def test_an_evaluation_knows_the_span_that_it_speaks_of_and_the_request_where_that_came_along() -> None:
    asked = span(CHAT | {"gen_ai.response.id": "chatcmpl-1"}, spanId="00000000000000c1")
    rated = [event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 1})]
    later = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000e1", "parentSpanId": "00000000000000e0"}
    link = {"links": [{"traceId": asked["traceId"], "spanId": asked["spanId"]}]}
    evaluator = {"openinference.span.kind": "EVALUATOR"}

    def names(*spans: dict[str, Any]) -> list[tuple[str | None, ...]]:
        rows = [r for r in selected(export(*spans)) if r["record_kind"] == "feedback"]
        return [tuple(r.get(name) for name in ("request_id", "trace_id", "parent_id", "span_id")) for r in rows]

    known = ("chatcmpl-1", asked["traceId"], asked["spanId"])
    assert names(asked | {"events": rated}) == [(*known, asked["spanId"])]
    assert names(asked, span(evaluator, events=rated, **later, **link)) == [(*known, later["spanId"])]
    assert names(span(evaluator, events=rated, **later, **link)) == [(None, *known[1:], later["spanId"])]
    # On another span, and without a link: of that span, not of what is above it.
    tool = span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "clock"}, events=rated, **later)
    assert names(asked, tool) == [(None, later["traceId"], later["spanId"], later["spanId"])]
    # A call may link to what has nothing to do with its evaluation.
    elsewhere = {"links": [{"traceId": later["traceId"], "spanId": later["spanId"]}]}
    assert names(asked | {"events": rated} | elsewhere) == [(*known, asked["spanId"])]


def test_every_record_of_a_span_has_its_id_and_took_its_time() -> None:
    found = json.dumps([{"id": "n-1", "score": 0.9}, {"id": "n-2", "score": 0.8}])
    rows = selected(export(
        span(CHAT, spanId="00000000000000c1"),
        span({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": found}, spanId="00000000000000c2"),
        span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "clock"}, spanId="00000000000000c3"),
        resource={"service.namespace": "kitchen"},
    ))  # fmt: skip
    assert [(r["record_kind"], r["span_id"][-2:]) for r in rows] == [
        ("request", "c1"), ("retrieval", "c2"), ("retrieval", "c2"), ("tool_call", "c3"),
    ]  # fmt: skip
    assert {(r["latency_ms"], r["team"]) for r in rows} == {("1500.0", "kitchen")}


def test_an_attribute_that_stands_twice_counts_as_it_stood_first() -> None:
    rated = event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "relevance"})
    rated["attributes"] += pairs({"gen_ai.evaluation.name": "taste"})
    twice = span(CHAT, events=[rated])
    twice["attributes"] += pairs({"gen_ai.request.model": "gpt-3"})
    document = json.loads(export(twice, resource={"service.name": "shop"}))
    document["resourceSpans"][0]["resource"]["attributes"] += pairs({"service.name": "desk"})
    request, feedback = selected(json.dumps(document))
    assert (request["request_model"], request["feature"]) == ("gpt-4o", "shop")
    assert feedback["feedback_name"] == "relevance"


# Tokens


def test_tokens_read_from_and_written_to_a_cache_are_taken_off_the_input() -> None:
    usage = {"input_tokens": 1000, "cache_read.input_tokens": 600, "cache_write.input_tokens": 300, "output_tokens": 90,
             "reasoning.output_tokens": 50}  # fmt: skip
    row = row_of(CHAT | {f"gen_ai.usage.{name}": count for name, count in usage.items()})
    assert [row[name] for name in (*INPUT[:3], *OUTPUT[:2])] == ["100", "600", "300", "40", "50"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"llm.token_count.prompt": 100, "llm.token_count.prompt_details.cache_read": 600, "llm.token_count.completion": 9},
        {
            "llm.token_count.prompt": 700, "llm.token_count.prompt_details.cache_read": 600,
            "llm.token_count.completion": 9, "llm.token_count.total": 1309,
        },
    ],
)  # fmt: skip
def test_cached_tokens_that_an_instrumentation_left_out_of_the_input_are_not_taken_off(attributes: dict[str, int]) -> None:
    row = row_of(LLM | attributes)
    assert row["uncached_input_tokens"] == str(attributes["llm.token_count.prompt"])
    assert row["cache_read_tokens"] == "600"


def test_audio_read_from_the_cache_is_audio_and_not_text() -> None:
    usage = {"input_tokens": 100, "cache_read.input_tokens": 40, "audio.input_tokens": 30,
             "audio.cache_read.input_tokens": 10}  # fmt: skip
    row = row_of(CHAT | {f"gen_ai.usage.{name}": count for name, count in usage.items()})
    assert counts(row, INPUT) == {
        "uncached_input_tokens": 40, "cache_read_tokens": 30, "audio_input_tokens": 20, "audio_cache_read_tokens": 10,
    }  # fmt: skip


def test_a_count_that_is_no_number_reaches_landing_as_it_stands() -> None:
    assert row_of(CHAT | {"gen_ai.usage.input_tokens": "many"})["uncached_input_tokens"] == "many"


def test_counts_that_the_span_does_not_give_stay_null() -> None:
    assert not {*INPUT, *OUTPUT} & set(row_of(CHAT | {"gen_ai.response.model": "gpt-4o"}))


COUNTS = st.tuples(*[st.integers(0, 5000)] * 10)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(COUNTS, st.booleans()), min_size=10, max_size=30))
def test_token_classes_add_up_to_input_and_output(calls: list[tuple[tuple[int, ...], bool]]) -> None:
    spans = []
    for (text, read, written, audio, audio_read, image, answer, reasoning, spoken, drawn), has_total in calls:
        total_in, total_out = text + read + written + audio + audio_read + image, answer + reasoning + spoken + drawn
        usage = {
            "input_tokens": total_in, "cache_read.input_tokens": read + audio_read, "cache_creation.input_tokens": written,
            "audio.input_tokens": audio + audio_read, "audio.cache_read.input_tokens": audio_read,
            "image.input_tokens": image, "output_tokens": total_out, "reasoning.output_tokens": reasoning,
            "audio.output_tokens": spoken, "image.output_tokens": drawn,
            **({"total_tokens": total_in + total_out} if has_total else {}),
        }  # fmt: skip
        spans.append(span(CHAT | {f"gen_ai.usage.{name}": count for name, count in usage.items()}))
    rows = selected(export(*spans))
    assert [tuple(counts(row, (*INPUT, *OUTPUT)).values()) for row in rows] == [call for call, _ in calls]


# Errors


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        ("429", None, ("provider", "429")),
        ("openai.RateLimitError", None, ("provider", None)),
        ("openai.BadRequestError", 400, ("client", "400")),
        ("openai.AuthenticationError", None, ("client", None)),
        ("openai.APITimeoutError", None, ("infrastructure", None)),
        ("httpx.ConnectError", None, ("infrastructure", None)),
        ("LengthFinishReasonError", None, ("model", None)),
        ("json.decoder.JSONDecodeError", None, ("schema", None)),
        ("botocore.errorfactory.ValidationException", None, ("client", None)),
        ("anthropic.InternalServerError", 529, ("provider", "529")),
        ("_OTHER", None, ("infrastructure", None)),
    ],
)
def test_whose_failure_it_was(error: str, status: int | None, expected: tuple[str, str | None]) -> None:
    told = {"error.type": error} | ({"http.response.status_code": status} if status else {})
    row = row_of(CHAT | told, status={"code": 2})
    assert (row["error_class"], row.get("http_status")) == expected
    assert row["error_code"] == error


def test_an_exception_that_was_handled_is_no_failure() -> None:
    row = row_of(CHAT, events=[event("exception", {"exception.type": "KeyError"})], status={"code": 1})
    assert "error_class" not in row and "error_code" not in row


@pytest.mark.parametrize("reason", ["content_filter", "content-filter", "SAFETY", "refusal"])
def test_an_answer_that_was_blocked_is_the_models_failure(reason: str) -> None:
    row = row_of(CHAT | {"gen_ai.response.finish_reasons": [reason]})
    assert [row[name] for name in ("finish_reason", "safety_output_verdict", "error_class")] == [
        "content_filter",
        "block",
        "model",
    ]


# Words


TALK = [
    {"role": "system", "text": "Rules."},
    {"role": "user", "text": "First?"},
    {"role": "assistant", "text": "One."},
    {"role": "user", "text": "Second?"},
]


OPENAI_TALK = [{"role": m["role"], "content": m["text"]} for m in TALK]


def _genai(as_text: bool) -> dict[str, Any]:
    messages = [{"role": m["role"], "parts": [{"type": "text", "content": m["text"]}]} for m in TALK]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "Two."}], "finish_reason": "stop"}]
    said = {"gen_ai.input.messages": messages, "gen_ai.output.messages": answer}
    return {key: json.dumps(value) if as_text else value for key, value in said.items()}


def _indexed(prefix_in: str, prefix_out: str, role: str, content: str) -> dict[str, Any]:
    said = {f"{prefix_in}.{n}.{role}": m["role"] for n, m in enumerate(TALK)}
    said |= {f"{prefix_in}.{n}.{content}": m["text"] for n, m in enumerate(TALK)}
    return said | {f"{prefix_out}.0.{role}": "assistant", f"{prefix_out}.0.{content}": "Two."}


@pytest.mark.parametrize(
    "more",
    [
        {"attributes": CHAT | _genai(as_text=True)},
        {"attributes": CHAT | _genai(as_text=False)},
        {"attributes": CHAT, "events": [event("gen_ai.client.inference.operation.details", _genai(as_text=False))]},
        {
            "attributes": CHAT,
            "events": [
                event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(OPENAI_TALK)}),
                event("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant", "content": "Two."}]'}),
            ],
        },
        {
            "attributes": CHAT,
            "events": [
                *(event(f"gen_ai.{m['role']}.message", {"content": m["text"]}) for m in TALK),
                event("gen_ai.choice", {"message": json.dumps({"role": "assistant", "content": "Two."})}),
            ],
        },
        {"attributes": CHAT | _indexed("gen_ai.prompt", "gen_ai.completion", "role", "content")},
        {"attributes": LLM | _indexed("llm.input_messages", "llm.output_messages", "message.role", "message.content")},
    ],
    ids=["json", "structured", "details-event", "content-events", "message-events", "openllmetry", "openinference"],
)  # fmt: skip
def test_every_convention_tells_system_history_prompt_and_answer_apart(more: dict[str, Any]) -> None:
    row = row_of(**more)
    assert [row[f"{part}_text"] for part in ("system", "history", "prompt", "output")] == [
        "Rules.", "First?\nOne.", "Second?", "Two.",
    ]  # fmt: skip


def test_the_tenth_message_stands_after_the_second() -> None:
    said = {f"llm.input_messages.{n}.message.{key}": value
            for n in (10, 9, 2, 0, 1) for key, value in (("role", "assistant"), ("content", str(n)))}  # fmt: skip
    assert row_of(LLM | said)["history_text"] == "0\n1\n2\n9\n10"


def test_an_index_of_a_billion_is_one_message() -> None:
    said = {f"llm.input_messages.{n}.message.role": "user" for n in (0, 1_000_000_000)}
    assert row_of(LLM | said)["record_kind"] == "request"


JSON_VALUES = st.recursive(
    st.text(max_size=12) | st.integers(-9, 10**12) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


TOOL = {"gen_ai.operation.name": "execute_tool"}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=3), min_size=10, max_size=30))
def test_structured_values_become_the_json_that_they_stand_for(calls: list[dict[str, Any]]) -> None:
    """Also where a text looks like OTLP itself: braces, quotes, backslashes and keys within texts stay texts."""
    rows = selected(export(*(span(TOOL | {"gen_ai.tool.call.arguments": arguments}) for arguments in calls)))
    assert [json.loads(row["arguments_text"]) for row in rows] == calls


@pytest.mark.parametrize("text", ['{"stringValue":"x"}', '\\"}', '{"key":"a","value":{}}', "]}}", '"value":{}', "\\", '{"'])
def test_a_text_that_looks_like_otlp_stays_a_text(text: str) -> None:
    row = row_of(TOOL | {"gen_ai.tool.call.arguments": {"a": [text, {"b": text}], text: 1}})
    assert json.loads(row["arguments_text"]) == {"a": [text, {"b": text}], text: 1}
