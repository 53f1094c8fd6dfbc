"""An instrumented application, from its first call to the price of each: spans that the real SDK, the real
instrumentations of both conventions and the real file exporter wrote.

The provider is a server on this machine. What a call cost is what genai-prices makes of the usage that it answered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import house as harness
import pytest
from genai_prices import Usage, calc_price
from house import House, selected

from resources.sources import Source

openai = pytest.importorskip("openai", reason="the extra dev is not installed")

CHATS = [
    # question, model, prompt tokens, of them cached, completion tokens, of them reasoning
    ("Which tea for the morning?", "gpt-4o-2024-08-06", 1200, 1024, 80, 0),
    ("And for the evening?", "gpt-4o-mini-2024-07-18", 90, 0, 30, 0),
    ("Prove it.", "o4-mini-2025-04-16", 4000, 512, 900, 640),
]
EMBEDDED = ("text-embedding-3-small", 7)
CONVENTIONS = ("genai", "openinference")


class Provider(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does, with the usage of CHATS; the model `busy` is overloaded."""

    def log_message(self, *_: object) -> None:
        return None

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked["model"] == "busy":
            self._answer(429, {"error": {"message": "slow down", "type": "rate_limit_exceeded", "code": "429"}})
        elif "input" in asked:
            usage = {"prompt_tokens": EMBEDDED[1], "total_tokens": EMBEDDED[1]}
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
            self._answer(200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})
        else:
            question = asked["messages"][-1]["content"]
            _, model, prompt, cached, completion, reasoning = next(chat for chat in CHATS if chat[0] == question)
            usage = {
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            }  # fmt: skip
            message = {"role": "assistant", "content": "Sencha."}
            self._answer(200, {
                "id": f"chatcmpl-{self.headers['x-call']}", "object": "chat.completion", "created": 1, "model": model,
                "service_tier": "default", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            })  # fmt: skip

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def run_application(convention: str, url: str, file: Path) -> None:
    """Three chats, an embedding, a refused chat, a retrieval and a tool call, below spans of an agent and of HTTP."""
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if convention == "genai":
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    else:
        from openinference.instrumentation.openai import OpenAIInstrumentor
    file.parent.mkdir(parents=True)
    tracers = TracerProvider(
        resource=Resource.create({"service.name": f"tea-{convention}", "deployment.environment.name": "test"})
    )
    tracers.add_span_processor(BatchSpanProcessor(FileSpanExporter(file)))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=tracers)
    client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
    tracer = tracers.get_tracer("app")
    try:
        with (
            tracer.start_as_current_span("POST /ask", attributes={"http.request.method": "POST"}),
            tracer.start_as_current_span("agent", attributes=_agent(convention)),
        ):
            with tracer.start_as_current_span("notes", attributes=_retrieval(convention)):
                pass
            for number, (question, model, *_) in enumerate(CHATS):
                client.chat.completions.create(
                    model=model,
                    messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
                    extra_headers={"x-call": f"{convention}-{number}"},
                )
            client.embeddings.create(model=EMBEDDED[0], input="sencha")
            with pytest.raises(openai.RateLimitError):
                client.chat.completions.create(model="busy", messages=[{"role": "user", "content": "Hello?"}])
            with tracer.start_as_current_span("timer", attributes=_tool(convention)):
                pass
    finally:
        instrumentor.uninstrument()
        tracers.shutdown()
        client.close()


def _agent(convention: str) -> dict[str, Any]:
    """An agent's span repeats what its calls used."""
    if convention == "genai":
        return {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 5290}
    return {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 5290}


def _retrieval(convention: str) -> dict[str, Any]:
    if convention == "genai":
        documents = [{"id": "note-7", "score": 0.91}, {"id": "note-2", "score": 0.42}]
        return {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": json.dumps(documents)}
    from openinference.semconv.trace import DocumentAttributes, SpanAttributes

    found = {
        f"{SpanAttributes.RETRIEVAL_DOCUMENTS}.{n}.{key}": value
        for n, (name, score) in enumerate([("note-7", 0.91), ("note-2", 0.42)])
        for key, value in ((DocumentAttributes.DOCUMENT_ID, name), (DocumentAttributes.DOCUMENT_SCORE, score))
    }
    return {SpanAttributes.OPENINFERENCE_SPAN_KIND: "RETRIEVER", **found}


def _tool(convention: str) -> dict[str, Any]:
    if convention == "genai":
        return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "timer", "gen_ai.tool.call.id": "call_1"}
    return {"openinference.span.kind": "TOOL", "tool.name": "timer", "tool.id": "call_1"}


@pytest.fixture(scope="module")
def night(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Both applications' files, landed and priced two days after they were written."""
    house = House(tmp_path_factory.mktemp("night"), datetime.now(UTC) + timedelta(days=2), selected("cost.request_costs"))
    house.set_shipped_prices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        patch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
        patch.setattr(harness, "SOURCES", {name: Source(name, "otlp") for name in CONVENTIONS})
        for convention in CONVENTIONS:
            run_application(convention, provider, house.landing / convention / "traces.jsonl")
        house.night()
        yield house


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_each_call_is_one_request_and_nothing_else_is(night: House, convention: str) -> None:
    (counts,) = night.ask(
        "select lines_refused, records, records_landed, records_quarantined, ignored_by_reason from logs.files "
        f"where source = '{convention}'"
    )
    assert counts[:4] == (0, 10, 8, 0)
    assert json.loads(counts[4]) == {"not_a_genai_span": 1, "not_a_model_call": 1}
    rows = night.ask(
        "select uncached_input_tokens, coalesce(cache_read_tokens, 0), output_tokens, coalesce(reasoning_tokens, 0), "
        "finish_reason, provider, response_model, feature, environment, latency_ms > 0, system_fingerprint is not null "
        f"from logs.requests where source = '{convention}' and output_tokens is not null order by ts"
    )
    assert rows == [
        (prompt - cached, cached, completion - reasoning, reasoning, "stop", "openai", model, f"tea-{convention}", "test",
         True, True)
        for _, model, prompt, cached, completion, reasoning in CHATS
    ]  # fmt: skip


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_each_call_costs_what_genai_prices_makes_of_its_usage(night: House, convention: str) -> None:
    priced = night.ask(
        "select r.response_model, c.list_amount from logs.requests as r "
        "inner join cost.request_costs as c using (request_id) "
        f"where r.source = '{convention}' and r.error_class is null order by r.ts"
    )
    usages = [
        (model, Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=completion))
        for _, model, prompt, cached, completion, _ in CHATS
    ] + [(EMBEDDED[0], Usage(input_tokens=EMBEDDED[1]))]
    expected = [(model, calc_price(usage, model, provider_id="openai").total_price) for model, usage in usages]
    assert [model for model, _ in priced] == [model for model, _ in expected]
    assert all(amount > 0 for _, amount in expected)
    for (_, amount), (_, right) in zip(priced, expected, strict=True):
        assert abs(amount - right) <= Decimal("1e-12")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_refused_call_is_the_providers_failure_and_costs_nothing(night: House, convention: str) -> None:
    failed = night.ask(
        "select r.error_class, r.error_code, coalesce(c.list_amount, 0) from logs.requests as r "
        f"left join cost.request_costs as c using (request_id) where r.source = '{convention}' and r.request_model = 'busy'"
    )
    assert failed == [("provider", "openai.RateLimitError", 0)]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_documents_and_tool_calls_share_the_trace_of_their_requests(night: House, convention: str) -> None:
    found = night.ask(
        "select document_id, document_rank, retrieval_score, trace_id from logs.landed "
        f"where source = '{convention}' and record_kind = 'retrieval' order by document_rank"
    )
    assert [row[:3] for row in found] == [("note-7", 1, 0.91), ("note-2", 2, 0.42)]
    called = night.ask(
        "select tool_name, record_id, tool_status, trace_id from logs.landed "
        f"where source = '{convention}' and record_kind = 'tool_call'"
    )
    assert [row[:3] for row in called] == [("timer", "call_1", "ok")]
    traces = night.ask(f"select distinct trace_id from logs.requests where source = '{convention}'")
    assert {row[-1] for row in found + called} == {trace for (trace,) in traces}
