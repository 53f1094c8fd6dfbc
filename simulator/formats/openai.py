"""Raw bodies of OpenAI's chat completions, as a proxy keeps them: one line a call, in an envelope.

After the API reference of chat completions: cached and audio tokens stand within prompt_tokens, reasoning and audio
within completion_tokens. The envelope says when, and, under the canonical names, whose call it was.
"""

from __future__ import annotations

from typing import Any

from simulator.chunk import Chunk
from simulator.formats.format import (
    Written,
    dump,
    forget_silent_errors,
    forget_usage_of_failures,
    forget_words,
    given,
    merge,
)  # fmt: skip
from simulator.lines import iso_time
from simulator.words import Words

OWN = (
    "request_id", "trace_id", "parent_id", "tenant", "team", "feature", "environment", "user_id", "conversation_id",
    "conversation_turn", "api_key_id", "endpoint", "deployment", "prompt_id", "prompt_version",
)  # fmt: skip
"""What the proxy knows of a call without reading its body."""


class OpenAI(Written):
    """Chat completions. Which cached tokens are audio, they do not say; a refusal of the model they do."""

    def forget(self, chunk: Chunk) -> None:
        forget_silent_errors(chunk)
        forget_usage_of_failures(chunk)
        merge(chunk, "audio_input_tokens", "audio_cache_read_tokens")
        forget_words(chunk, retrieved=True, calls="asked")

    def write(self, record: dict[str, Any], words: Words) -> tuple[list[dict[str, Any]], int]:
        times = envelope_times(record)
        request = given(
            model=record["request_model"],
            messages=words.messages(),
            temperature=record.get("temperature"),
            top_p=record.get("top_p"),
            max_completion_tokens=record.get("max_output_tokens"),
            service_tier={"priority": "priority"}.get(record.get("service_tier", ""), "auto"),
            stream=True if "time_to_first_token_ms" in record else None,
        )
        status, response = record.get("http_status"), None
        if "error_class" not in record:
            response = chat_completion(record, words)
        elif status is not None:
            kind = "invalid_request_error" if status < 500 else "server_error"
            message = f"The call failed: {record['error_code']}."
            response = {"error": {"message": message, "type": kind, "param": None, "code": record["error_code"]}}
        error = {"error": {"type": "APIConnectionError", "message": record["error_code"]}} if response is None else {}
        own = {key: record[key] for key in OWN if key in record}
        provider = {"url": "https://api.openai.com/v1/chat/completions"}
        body = {"status_code": status, "request": request, "response": response}
        return [given(**times, **provider, **own, **body, **error)], 0


def envelope_times(record: dict[str, Any]) -> dict[str, str]:
    """When a call began, ended and showed its first token."""
    begin = record["ts_ms"]
    return given(
        started_at=iso_time(begin),
        ended_at=iso_time(begin + round(record["latency_ms"])) if "latency_ms" in record else None,
        first_token_at=iso_time(begin + round(record["time_to_first_token_ms"]))
        if "time_to_first_token_ms" in record
        else None,
    )


def chat_completion(record: dict[str, Any], words: Words) -> dict[str, Any]:
    """The body of an answer."""
    message: dict[str, Any] = {"role": "assistant", "content": words.output, "refusal": None, "annotations": []}
    if words.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": dump(call.arguments)}}
            for call in words.tool_calls
        ]
    finish = "tool_calls" if words.tool_calls else record.get("finish_reason", "stop")
    return given(
        id=record["request_id"],
        object="chat.completion",
        created=record["ts_ms"] // 1000,
        model=record.get("response_model", record["request_model"]),
        choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        usage=usage(record),
        service_tier=record.get("service_tier"),
    )


def usage(record: dict[str, Any]) -> dict[str, Any] | None:
    """Token counts as chat completions report them; None where nothing was counted."""
    if "uncached_input_tokens" not in record:
        return None
    read, audio = record.get("cache_read_tokens", 0), record.get("audio_input_tokens", 0)
    prompt = record["uncached_input_tokens"] + read + audio
    reasoning, spoken = record.get("reasoning_tokens", 0), record.get("audio_output_tokens", 0)
    completion = record["output_tokens"] + reasoning + spoken
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": audio},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": spoken,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
