"""Langfuse's export of enriched observations (observations_v2) as JSON Lines: one observation a line.

After Langfuse's field reference: times are UTC text with microseconds, payloads are JSON within text, `usage_details`
are disjoint classes whose names vary by integration, latencies are seconds. The span around a call is exported too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
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
from simulator.words import ToolCall, Words

_PROJECT = "prj-alderbrook"
_USAGE = {
    "uncached_input_tokens": "input",
    "cache_read_tokens": "input_cached_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "output_tokens": "output",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_output_tokens": "output_audio_tokens",
}
_ANTHROPIC_USAGE = {
    "uncached_input_tokens": "input",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_5m_tokens": "cache_creation_input_tokens",
    "output_tokens": "output",
}


class Langfuse(Written):
    """Observations with their trace's context. The features that log here do not search."""

    def forget(self, chunk: Chunk) -> None:
        forget_silent_errors(chunk)
        forget_usage_of_failures(chunk)
        merge(chunk, "cache_write_5m_tokens", "cache_write_1h_tokens")
        merge(chunk, "audio_input_tokens", "audio_cache_read_tokens")
        merge(chunk, "uncached_input_tokens", "image_input_tokens")
        forget_words(chunk, retrieved=True, calls="results")

    def write(self, record: dict[str, Any], words: Words) -> tuple[list[dict[str, Any]], int]:
        begin = record["ts_ms"]
        latency_ms, first_ms = record.get("latency_ms"), record.get("time_to_first_token_ms")
        failed = "error_class" in record
        root_id = blake2b(record["request_id"].encode(), digest_size=8).hexdigest()
        end = None if latency_ms is None else begin + latency_ms
        context = {
            "trace_id": record["trace_id"],
            "project_id": _PROJECT,
            "environment": record["environment"],
            "user_id": record.get("user_id", ""),
            "session_id": record.get("conversation_id", ""),
            "trace_name": record["feature"],
            "tags": [record["tenant"], record["feature"]],
            "release": record["deployment"],
            "created_at": _time(begin + 4_000),
            "updated_at": _time(begin + 9_000),
            "bookmarked": False,
            "public": False,
        }
        whose = {"tenant": record["tenant"], "feature": record["feature"], "team": record["team"]}
        root = context | _observation(root_id, "SPAN", record["feature"], "", begin, end) | {"metadata": whose}
        generation = _observation(record["request_id"], "GENERATION", "chat", root_id, begin, end)
        generation |= {
            "metadata": whose | {"api_key_id": record["api_key_id"]},
            "level": "ERROR" if failed else "DEFAULT",
            "status_message": record.get("error_code", ""),
            "input": dump(words.messages()),
            "output": dump({"role": "assistant", "content": words.output}) if words.output is not None else "",
            "provided_model_name": record["request_model"],
            "model_parameters": dump(
                given(
                    temperature=record.get("temperature"),
                    top_p=record.get("top_p"),
                    max_tokens=record.get("max_output_tokens"),
                )
            ),
            "usage_details": _usage(record),
            "cost_details": given(total=record["cost_usd"]),
            "total_cost": record["cost_usd"] or 0,
            "completion_start_time": None if first_ms is None else _time(begin + first_ms),
            "time_to_first_token": None if first_ms is None else round(first_ms / 1000, 4),
            "prompt_name": record["prompt_id"],
            "prompt_version": int(record["prompt_version"][1:]),
            "usage_pricing_tier_name": "Standard",
        }
        tools = [context | _tool(call, root_id, begin) | {"metadata": whose} for call in words.tool_calls]
        return [root, context | generation, *tools], 1


def _tool(call: ToolCall, parent: str, begin: int) -> dict[str, Any]:
    started = begin + call.after_ms
    failed = call.status != "ok"
    return _observation(call.id, "TOOL", call.name, parent, started, started + (call.latency_ms or 0.0)) | {
        "input": dump(call.arguments),
        "output": call.result or "",
        "level": "ERROR" if failed else "DEFAULT",
        "status_message": "tool_error" if failed else "",
    }


def _observation(observation: str, kind: str, name: str, parent: str, begin: int, end: float | None) -> dict[str, Any]:
    return {
        "id": observation,
        "type": kind,
        "parent_observation_id": parent,
        "start_time": _time(begin),
        "end_time": None if end is None else _time(end),
        "name": name,
        "metadata": {},
        "level": "DEFAULT",
        "status_message": "",
        "version": "",
        "input": "",
        "output": "",
        "provided_model_name": "",
        "model_parameters": "",
        "usage_details": {},
        "cost_details": {},
        "completion_start_time": None,
        "prompt_name": "",
        "prompt_version": None,
        "total_cost": 0,
        "latency": None if end is None else round((end - begin) / 1000, 4),
        "time_to_first_token": None,
        "tool_calls": [],
        "tool_call_names": [],
        "tool_definitions": {},
    }


def _usage(record: dict[str, Any]) -> dict[str, int]:
    names = _ANTHROPIC_USAGE if record["provider"] == "anthropic" else _USAGE
    counted = {key: record[column] for column, key in names.items() if column in record}
    return counted | {"total": sum(counted.values())} if counted else {}


def _time(ms: float) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S.%f}"
