"""LiteLLM's StandardLoggingPayload, one a line, as its file and bucket callbacks write it.

After LiteLLM's logging specification: times in seconds since 1970, costs in USD as floating point, usage in OpenAI's
convention for all providers, what the caller sent along in metadata.requester_metadata.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from simulator.chunk import Chunk
from simulator.formats.format import (
    Written,
    forget_silent_errors,
    forget_usage_of_failures,
    forget_words,
    given,
    merge,
)  # fmt: skip
from simulator.formats.openai import chat_completion, usage
from simulator.words import Words

_PROVIDERS = {"google": "gemini", "vllm": "hosted_vllm"}
_API_BASES = {
    "openai": "https://api.openai.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "mistral": "https://api.mistral.ai/v1",
    "hosted_vllm": "http://heron.internal:8000/v1",
}
_ERRORS = {
    400: "BadRequestError", 429: "RateLimitError", 500: "InternalServerError", 504: "Timeout", 529: "ServiceUnavailableError"
}  # fmt: skip
_ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class LiteLLM(Written):
    """LiteLLM's own record of a call. It sees tool calls as the model asked for them, not what became of them."""

    def forget(self, chunk: Chunk) -> None:
        forget_silent_errors(chunk)
        forget_usage_of_failures(chunk)
        merge(chunk, "audio_input_tokens", "audio_cache_read_tokens")
        merge(chunk, "cache_write_5m_tokens", "cache_write_1h_tokens")
        forget_words(chunk, retrieved=True, calls="asked")

    def write(self, record: dict[str, Any], words: Words) -> tuple[list[dict[str, Any]], int]:
        failed = "error_class" in record
        begin = record["ts_ms"] / 1000
        end = begin + record.get("latency_ms", 0.0) / 1000
        counted = usage(record)
        totals = {key: counted[key] for key in _ZEROS} if counted else _ZEROS
        if counted and "cache_write_5m_tokens" in record:
            written = record["cache_write_5m_tokens"]
            counted["prompt_tokens_details"]["cache_creation_tokens"] = written
            counted["cache_creation_input_tokens"] = written
            for key in ("prompt_tokens", "total_tokens"):
                counted[key] += written
                totals = totals | {key: counted[key]}
        provider = _PROVIDERS.get(record["provider"], record["provider"])
        status = record.get("http_status", 500)
        error = {
            "error_code": str(status),
            "error_class": _ERRORS.get(status, "APIError") if "http_status" in record else "APIConnectionError",
            "llm_provider": provider,
            "error_message": f"litellm: {record.get('error_code')}",
        }
        response = None if failed else chat_completion(record, words) | {"usage": counted}
        payload = {
            "id": record["request_id"],
            "trace_id": record["trace_id"],
            "call_type": "acompletion",
            "stream": "time_to_first_token_ms" in record,
            "response_cost": record["cost_usd"] or 0.0,
            "status": "failure" if failed else "success",
            "custom_llm_provider": provider,
            **totals,
            "startTime": begin,
            "endTime": end,
            "completionStartTime": begin + record.get("time_to_first_token_ms", (end - begin) * 1000) / 1000,
            "response_time": end - begin,
            "model": record["request_model"],
            "model_id": sha256(f"{provider}/{record['request_model']}".encode()).hexdigest(),
            "model_group": record["request_model"],
            "api_base": _API_BASES.get(provider, ""),
            "metadata": _metadata(record, counted),
            "cache_hit": None,
            "cache_key": None,
            "saved_cache_cost": 0.0,
            "request_tags": [f"prompt:{record['prompt_id']}", record["prompt_version"]],
            "end_user": record.get("user_id", ""),
            "requester_ip_address": None,
            "messages": words.messages(),
            "response": response,
            "error_str": error["error_message"] if failed else None,
            "error_information": error if failed else None,
            "model_parameters": given(
                temperature=record.get("temperature"),
                top_p=record.get("top_p"),
                max_tokens=record.get("max_output_tokens"),
                stream="time_to_first_token_ms" in record,
            ),
            "hidden_params": {"litellm_model_name": f"{provider}/{record['request_model']}", "response_cost": None},
        }
        return [payload], 0


def _metadata(record: dict[str, Any], counted: dict[str, Any] | None) -> dict[str, Any]:
    key = record["api_key_id"]
    return {
        "user_api_key_hash": sha256(key.encode()).hexdigest(),
        "user_api_key_alias": key,
        "user_api_key_org_id": record["tenant"],
        "user_api_key_team_id": record["team"],
        "user_api_key_team_alias": record["team"],
        "user_api_key_user_id": None,
        "spend_logs_metadata": None,
        "requester_ip_address": None,
        "requester_metadata": given(
            feature=record["feature"],
            environment=record["environment"],
            session_id=record.get("conversation_id"),
            tags=None,
        ),
        "prompt_management_metadata": {
            "prompt_id": record["prompt_id"],
            "prompt_version": record["prompt_version"],
            "prompt_integration": "langfuse",
        },
        "usage_object": counted,
    }
