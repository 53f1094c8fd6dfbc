"""The gateway's own log: JSON Lines whose keys are the columns of logs.landed, lists of what belongs to a request in it.

The columns come from `lines.py`; here the words are added.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from simulator.chunk import Chunk
from simulator.documents import VERSION
from simulator.formats.format import Format, Spelled, dump, forget_words, given
from simulator.fragments import fragment
from simulator.lines import iso_time, json_lines
from simulator.words import Words


class Canonical(Format):
    """The canonical record; without words it is the fast path of the benchmarks."""

    def spell(self, chunk: Chunk) -> Spelled:
        lines = json_lines(chunk)
        if chunk.words is not None:
            rows = zip(lines, chunk.words, chunk.ts_ms.tolist(), strict=True)
            lines = pl.Series("line", [_with_words(line, words, ts_ms) for line, words, ts_ms in rows], dtype=pl.String)
        return Spelled(lines, np.zeros(len(chunk), dtype=np.int64))


class Flat(Canonical):
    """The canonical record without anything nested, as a partner's export of a table has it."""

    suffix = ".parquet"

    def forget(self, chunk: Chunk) -> None:
        forget_words(chunk, retrieved=True, calls="none")
        chunk.codes["attributes"][:] = -1


def _with_words(line: str, words: Words, ts_ms: int) -> str:
    if words.fields:
        record = json.loads(line) | words.fields
        line = dump({key: value for key, value in record.items() if value is not None})
    return line[:-1] + fragment(**word_columns(words, ts_ms)) + "}"


def word_columns(words: Words, ts_ms: int) -> dict[str, Any]:
    """The columns that hold words, and the lists of what belongs to the request."""
    history = "\n".join(f"user: {asked}\nassistant: {answered}" for asked, answered in words.history)
    retrievals = [
        {
            "document_id": found.document.id,
            "document_version": VERSION,
            "document_rank": found.rank,
            "retrieval_score": found.score,
            "is_cited": found.is_cited,
            "document_text": found.document.text,
        }
        for found in words.retrieved
    ]
    calls = [
        given(
            record_id=call.id,
            ts=iso_time(ts_ms + call.after_ms),
            tool_name=call.name,
            arguments_text=dump(call.arguments),
            result_text=call.result,
            tool_decision=call.decision,
            approver_id=call.approver,
            side_effect=call.side_effect,
            tool_status=call.status,
            latency_ms=call.latency_ms,
        )
        for call in words.tool_calls
    ]
    return {
        "system_text": words.system,
        "history_text": history or None,
        "prompt_text": words.prompt,
        "output_text": words.output,
        "retrievals": retrievals or None,
        "tool_calls": calls or None,
    }
