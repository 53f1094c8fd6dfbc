"""Raw bodies of Anthropic's Messages API, as a proxy keeps them: one line a call, in an envelope.

After the API reference: input_tokens counts neither what was read from the prompt cache nor what was written to it;
the writes are split by their lifetime. The system prompt stands beside the messages, tool calls within the content.
"""

from __future__ import annotations

from typing import Any

from simulator.chunk import Chunk
from simulator.formats.format import (
    Written,
    forget_silent_errors,
    forget_usage_of_failures,
    forget_words,
    given,
)  # fmt: skip
from simulator.formats.openai import OWN, envelope_times
from simulator.words import Words

_ERROR_TYPES = {
    400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error"
}  # fmt: skip
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class Anthropic(Written):
    """The Messages API; it has neither audio nor a service tier named priority for everybody."""

    def forget(self, chunk: Chunk) -> None:
        forget_silent_errors(chunk)
        forget_usage_of_failures(chunk)
        forget_words(chunk, retrieved=True, calls="asked")

    def write(self, record: dict[str, Any], words: Words) -> tuple[list[dict[str, Any]], int]:
        system, *messages = words.messages()
        request = given(
            model=record["request_model"],
            max_tokens=record.get("max_output_tokens", 4096),
            system=[{"type": "text", "text": system["content"], "cache_control": {"type": "ephemeral"}}],
            messages=messages,
            temperature=record.get("temperature"),
            top_p=record.get("top_p"),
            stream=True if "time_to_first_token_ms" in record else None,
        )
        status, response = record.get("http_status"), None
        if "error_class" not in record:
            response = _message(record, words)
        elif status is not None:
            error_type = _ERROR_TYPES.get(status, "api_error")
            response = {"type": "error", "error": {"type": error_type, "message": record["error_code"]}}
        error = {"error": {"type": "APIConnectionError", "message": record["error_code"]}} if response is None else {}
        own = {key: record[key] for key in OWN if key in record}
        provider = {"url": "https://api.anthropic.com/v1/messages"}
        body = {"status_code": status, "request": request, "response": response}
        return [given(**envelope_times(record), **provider, **own, **body, **error)], 0


def _message(record: dict[str, Any], words: Words) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": words.output}] if words.output is not None else []
    content += [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in words.tool_calls]
    five_minutes, one_hour = record.get("cache_write_5m_tokens", 0), record.get("cache_write_1h_tokens", 0)
    usage = {
        "input_tokens": record["uncached_input_tokens"],
        "cache_creation_input_tokens": five_minutes + one_hour,
        "cache_read_input_tokens": record.get("cache_read_tokens", 0),
        "cache_creation": {"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour},
        "output_tokens": record["output_tokens"],
        "service_tier": "standard",
    }
    return {
        "id": record["request_id"],
        "type": "message",
        "role": "assistant",
        "model": record["response_model"],
        "content": content,
        "stop_reason": _STOP_REASONS["tool_calls" if words.tool_calls else record.get("finish_reason", "stop")],
        "stop_sequence": None,
        "usage": usage,
    }
