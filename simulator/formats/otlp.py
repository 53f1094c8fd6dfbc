"""Spans as the OpenTelemetry collector's file exporter writes them: OTLP/JSON, one export request a line, many spans in it.

After the OTLP JSON encoding (ids in hexadecimal, 64-bit integers as text, enums as numbers) and the semantic conventions
for generative AI: a call of a model, the retrieval before it and the tools after it are spans of one trace, among spans
of the web server and the database that have nothing to say here.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from simulator.chunk import Chunk
from simulator.formats.format import (
    Format,
    Spelled,
    dump,
    forget_silent_errors,
    forget_usage_of_failures,
    forget_words,
    merge,
    records,
)  # fmt: skip
from simulator.words import ToolCall, Words

SPANS_PER_EXPORT = 64
_TRACES_PER_EXPORT = SPANS_PER_EXPORT // 4
_INTERNAL, _SERVER, _CLIENT = 1, 2, 3
_OK, _ERROR = 0, 2
_PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai"}
_SDK = {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.37.0"}
_SCOPE = {"name": "opentelemetry.instrumentation.alderbrook", "version": "2.1.0"}
_OTHERS = 2
"""Spans of a trace that are no business of ours: the web server's and the database's."""


class OTLP(Format):
    """Traces of an application. The conventions know one kind of cache write and no person who approves a tool."""

    def forget(self, chunk: Chunk) -> None:
        forget_silent_errors(chunk)
        forget_usage_of_failures(chunk)
        merge(chunk, "cache_write_5m_tokens", "cache_write_1h_tokens")
        forget_words(chunk, calls="results")
        if chunk.words is not None:
            starts = -np.nan_to_num(chunk.ms["retrieval_ms"]).astype(np.int64) - 5
            chunk.words = [
                replace(words, retrieved_after_ms=start)
                for words, start in zip(chunk.words, starts.tolist(), strict=True)
            ]

    def spell(self, chunk: Chunk) -> Spelled:
        """A row is its resource, a tab and its spans: `assemble` puts rows of one resource together."""
        if chunk.words is None:
            raise ValueError("OTLP needs texts; simulate with texts=True")
        texts = [
            dump(_resource(record)) + "\t" + dump(_trace(record, words))[1:-1]
            for record, words in zip(records(chunk), chunk.words, strict=True)
        ]
        # A search that found nothing is a span without a record in it.
        ignored = [_OTHERS + (not words.retrieved) for words in chunk.words]
        return Spelled(pl.Series("text", texts, dtype=pl.String), np.array(ignored, dtype=np.int64))

    def assemble(self, texts: pl.Series) -> bytes:
        traces = [text.split("\t", 1) for text in texts]
        lines, scope = [], dump(_SCOPE)
        for begin in range(0, len(traces), _TRACES_PER_EXPORT):
            batch = sorted(traces[begin : begin + _TRACES_PER_EXPORT], key=lambda row: row[0])
            resources = [
                f'{{"resource":{resource},"scopeSpans":[{{"scope":{scope},"spans":[{",".join(row[1] for row in rows)}]}}]}}'
                for resource, rows in groupby(batch, key=lambda row: row[0])
            ]
            lines.append(f'{{"resourceSpans":[{",".join(resources)}]}}')
        return "\n".join(lines).encode() + b"\n"


def _resource(record: dict[str, Any]) -> dict[str, Any]:
    named = {
        "service.name": record["feature"],
        "service.namespace": record["team"],
        "service.version": record["deployment"],
        "deployment.environment.name": record["environment"],
    }
    return {"attributes": _attributes(named | _SDK)}


def _trace(record: dict[str, Any], words: Words) -> list[dict[str, Any]]:
    chat_id = record["request_id"].removeprefix("req_")
    root_id, search_id, query_id = (f"{int(chat_id, 16) ^ mark:016x}" for mark in (0xA1 << 40, 0xB2 << 40, 0xC3 << 40))
    begin = record["ts_ms"]
    end = begin + record.get("latency_ms", 0.0)
    searched = begin + words.retrieved_after_ms
    last = max([end, *(begin + call.after_ms + (call.latency_ms or 0.0) for call in words.tool_calls)])
    whose = {
        "tenant.id": record["tenant"],
        "user.id": record.get("user_id"),
        "gen_ai.conversation.id": record.get("conversation_id"),
    }
    answered = 502 if "error_class" in record else 200
    http = {"http.request.method": "POST", "http.route": record["endpoint"], "http.response.status_code": answered}
    database = {"db.system.name": "postgresql", "db.operation.name": "SELECT", "db.collection.name": "handbook"}
    found = [{"id": r.document.id, "score": r.score, "content": r.document.text} for r in words.retrieved]
    retrieval = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": record["index_version"],
        "gen_ai.retrieval.query.text": words.prompt,
        "gen_ai.retrieval.documents": dump(found),
    }
    status = {"code": _ERROR, "message": record["error_code"]} if "error_class" in record else {"code": _OK}
    trace, index, model = record["trace_id"], record["index_version"], record["request_model"]
    return [
        _span(trace, root_id, "", f"POST {record['endpoint']}", _SERVER, searched - 7, last + 3, http),
        _span(trace, search_id, root_id, f"retrieval {index}", _CLIENT, searched, begin, retrieval | whose),
        _span(trace, query_id, search_id, "SELECT handbook", _CLIENT, searched + 1, begin - 1, database),
        _span(trace, chat_id, root_id, f"chat {model}", _CLIENT, begin, end, _chat(record, words) | whose, status),
        *(_tool(trace, root_id, chat_id, number, begin, call, whose) for number, call in enumerate(words.tool_calls)),
    ]


def _chat(record: dict[str, Any], words: Words) -> dict[str, Any]:
    """Attributes of a call of a model; absent ones are None."""
    first_ms = record.get("time_to_first_token_ms")
    answered = "error_class" not in record
    system, *messages = words.messages()
    counts = {name: record.get(name, 0) for name in record if name.endswith("_tokens")}
    inputs = ("uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "audio_input_tokens",
              "audio_cache_read_tokens", "image_input_tokens")  # fmt: skip
    outputs = ("output_tokens", "reasoning_tokens", "audio_output_tokens")
    is_counted = "uncached_input_tokens" in record
    finish = record.get("finish_reason", "stop")
    said = [{"type": "text", "content": words.output}] if words.output is not None else []
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(record["provider"], record["provider"]),
        "gen_ai.request.model": record["request_model"],
        "gen_ai.request.temperature": record.get("temperature"),
        "gen_ai.request.top_p": record.get("top_p"),
        "gen_ai.request.max_tokens": record.get("max_output_tokens"),
        "gen_ai.request.stream": True if first_ms is not None else None,
        "gen_ai.prompt.name": record["prompt_id"],
        "gen_ai.prompt.version": record["prompt_version"],
        "gen_ai.response.id": record["request_id"] if answered else None,
        "gen_ai.response.model": record.get("response_model"),
        "gen_ai.response.finish_reasons": [finish] if answered else None,
        "gen_ai.response.time_to_first_chunk": first_ms / 1000 if first_ms is not None else None,
        "openai.response.service_tier": record.get("service_tier") if record["provider"] == "openai" else None,
        "gen_ai.usage.input_tokens": sum(counts.get(name, 0) for name in inputs) if is_counted else None,
        "gen_ai.usage.cache_read.input_tokens": record.get("cache_read_tokens"),
        "gen_ai.usage.cache_creation.input_tokens": record.get("cache_write_5m_tokens"),
        "gen_ai.usage.output_tokens": sum(counts.get(name, 0) for name in outputs) if is_counted else None,
        "gen_ai.usage.reasoning.output_tokens": record.get("reasoning_tokens"),
        "gen_ai.system_instructions": dump([{"type": "text", "content": system["content"]}]),
        "gen_ai.input.messages": dump(
            [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in messages]
        ),
        "gen_ai.output.messages": dump([{"role": "assistant", "parts": said, "finish_reason": finish}]) if said else None,
        "server.address": f"{record['provider']}.example.net",
        "server.port": 443,
        "error.type": record.get("error_code"),
    }


def _tool(
    trace: str, root: str, chat: str, number: int, begin: int, call: ToolCall, whose: dict[str, Any]
) -> dict[str, Any]:
    started = begin + call.after_ms
    failed = call.status != "ok"
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call.id,
        "gen_ai.tool.call.arguments": dump(call.arguments),
        "gen_ai.tool.call.result": call.result,
        "error.type": "tool_error" if failed else None,
    }
    return _span(
        trace, f"{int(chat, 16) ^ ((0xD4 + number) << 40):016x}", root, f"execute_tool {call.name}", _INTERNAL,
        started, started + (call.latency_ms or 0.0), attributes | whose, {"code": _ERROR if failed else _OK},
    )  # fmt: skip


def _span(
    trace: str, span: str, parent: str, name: str, kind: int, begin_ms: float, end_ms: float, attributes: dict[str, Any],
    status: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "flags": 257,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(round(begin_ms * 1000) * 1000),
        "endTimeUnixNano": str(round(end_ms * 1000) * 1000),
        "attributes": _attributes(attributes),
        "status": status or {},
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
