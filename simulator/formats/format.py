"""What a format is: what it cannot say, how it spells a chunk, how spelled requests become lines of a file.

Here belong the class and the losses that several formats share. `forget` runs before the ground truth is counted:
the truth is what the files hold, not what was drawn.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from simulator.chunk import ABSENT, Chunk
from simulator.fragments import OUTCOMES
from simulator.lines import json_lines
from simulator.shape import IntArray
from simulator.words import ToolCall, Words

Calls = Literal["all", "results", "asked", "none"]
"""What a format says of tool calls: all, how they ended but not who let them through, what the model asked for, nothing."""
_SILENT = np.array([outcome[1] in ("refusal", "invalid_json_output") for outcome in OUTCOMES])
_IS_ERROR = np.array([outcome[0] is not None for outcome in OUTCOMES])


@dataclass(frozen=True)
class Spelled:
    """A chunk's requests, one text each; `ignored` counts the documents in it that are no business of ours."""

    texts: pl.Series
    ignored: IntArray


class Format(ABC):
    """Base of all formats. A text of `spell` may hold several lines, without the last line end."""

    suffix = ".jsonl"

    def forget(self, chunk: Chunk) -> None:  # noqa: B027  (a format may have a place for everything)
        """Take out of a chunk, in place, what this format has no place for."""

    @abstractmethod
    def spell(self, chunk: Chunk) -> Spelled:
        """Every row as text."""

    def assemble(self, texts: pl.Series) -> bytes:
        """Texts as whole lines, each closed by a line feed."""
        return str(texts.str.join("\n").item()).encode() + b"\n"


class Written(Format):
    """A format that is spelled a request at a time, from the canonical record and the words."""

    @abstractmethod
    def write(self, record: dict[str, Any], words: Words) -> tuple[list[dict[str, Any]], int]:
        """The documents of one request, and how many of them are none of ours."""

    def spell(self, chunk: Chunk) -> Spelled:
        if chunk.words is None:
            raise ValueError(f"{type(self).__name__} needs texts; simulate with texts=True")
        texts, ignored = [], []
        for record, words in zip(records(chunk), chunk.words, strict=True):
            documents, others = self.write(record, words)
            texts.append("\n".join(dump(document) for document in documents))
            ignored.append(others)
        return Spelled(pl.Series("text", texts, dtype=pl.String), np.array(ignored, dtype=np.int64))


def records(chunk: Chunk) -> Iterable[dict[str, Any]]:
    """Canonical records without words; `cost_usd` is what a proxy would compute, `ts_ms` when the request came."""
    costs = chunk.whole["cost_nano_usd"].tolist()
    for line, ts_ms, nano_usd in zip(json_lines(chunk), chunk.ts_ms.tolist(), costs, strict=True):
        record: dict[str, Any] = json.loads(line)
        yield record | {"ts_ms": ts_ms, "cost_usd": nano_usd / 1e9 if nano_usd >= 0 else None}


def dump(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def given(**pairs: Any) -> dict[str, Any]:
    """The pairs that are not None."""
    return {key: value for key, value in pairs.items() if value is not None}


def forget_silent_errors(chunk: Chunk) -> None:
    """A refusal and broken output are answers to whoever only sees the protocol."""
    chunk.codes["outcome"] = np.where(_SILENT[chunk.codes["outcome"]], 0, chunk.codes["outcome"])
    chunk.codes["finish"] = np.where(
        (chunk.codes["outcome"] == 0) & (chunk.codes["finish"] < 0), 0, chunk.codes["finish"]
    )


def forget_usage_of_failures(chunk: Chunk) -> None:
    """No answer, no usage: what a call that timed out was billed for is not in the client's log."""
    failed = _IS_ERROR[chunk.codes["outcome"]]
    for name, values in chunk.whole.items():
        if name.endswith("_tokens") and name != "max_output_tokens":
            values[failed] = ABSENT
    chunk.whole["cost_nano_usd"][failed] = ABSENT
    chunk.codes["response_model"][failed] = ABSENT


def merge(chunk: Chunk, into: str, part: str) -> None:
    """Count one class of tokens with another, which the format cannot tell apart."""
    both = np.maximum(chunk.whole[into], 0) + np.maximum(chunk.whole[part], 0)
    chunk.whole[into] = np.where(chunk.whole[part] > 0, both, chunk.whole[into])
    chunk.whole[part] = np.full(len(chunk), ABSENT, dtype=np.int64)


def forget_words(chunk: Chunk, *, retrieved: bool = False, calls: Calls = "all") -> None:
    """Leave out what a format does not say of documents and tool calls, and what is planted there or in columns."""
    if chunk.words is None:
        return
    lost = ("arguments",) if calls == "none" else ()
    chunk.words = [
        replace(
            words,
            retrieved=() if retrieved else words.retrieved,
            tool_calls=tuple(_call(call, calls) for call in words.tool_calls if calls != "none"),
            fields={},
            planted=tuple(found for found in words.planted if found[0] not in (*words.fields, *lost)),
        )
        for words in chunk.words
    ]


def _call(call: ToolCall, calls: Calls) -> ToolCall:
    if calls == "all":
        return call
    if calls == "asked":
        return ToolCall(call.id, call.name, call.arguments, 0)
    status = call.status if call.status in ("ok", None) else "error"
    return replace(call, decision=None, approver=None, side_effect=None, status=status)
