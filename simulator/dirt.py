"""What real shippers do to logs: rates of broken, repeated, late and blank lines, and the broken lines themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.chunk import BROKEN, Chunk, make_ids

FATES = (
    "on_time",
    "late_1d",
    "late_3d",
    "copied_same_file",
    "copied_next_file",
    "copied_next_day",
    "resent",
    "interim_only",
    "corrected",
)
"""What the shipper does with a request; exactly one of them. The order is the code."""
ON_TIME, LATE_1D, LATE_3D, COPIED_SAME_FILE, COPIED_NEXT_FILE, COPIED_NEXT_DAY, RESENT, INTERIM_ONLY, CORRECTED = range(
    9
)

REFUSED_KINDS = ("truncated_json", "not_json")
"""Lines that are no record at all."""
QUARANTINED_KINDS = ("wrong_type", "negative_tokens", "missing_ts", "unreadable_ts", "unknown_value", "impossible_time")
"""Records, each with exactly one column at fault."""
EXTRA_KINDS = (*REFUSED_KINDS, *QUARANTINED_KINDS, "blank")


@dataclass(frozen=True)
class Dirt:
    """Rates per request. `corrected` sends a changed complete record a day later: its winner is exact only for a
    lander that sees the files in path order, so it is off unless asked for."""

    late_1d: float = 0.004
    late_3d: float = 0.0008
    copied_same_file: float = 0.003
    copied_next_file: float = 0.002
    copied_next_day: float = 0.001
    resent: float = 0.015
    interim_only: float = 0.0004
    corrected: float = 0.0
    truncated_json: float = 0.0006
    not_json: float = 0.0003
    wrong_type: float = 0.0005
    negative_tokens: float = 0.0004
    missing_ts: float = 0.0004
    unreadable_ts: float = 0.0004
    unknown_value: float = 0.0004
    impossible_time: float = 0.0004
    blank: float = 0.001
    crlf_every_days: int = 3
    """One file of every so many days has CR-LF line ends; 0 for none."""

    def fate_weights(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        rates = [float(getattr(self, fate)) for fate in FATES[1:]]
        return np.array([1 - sum(rates), *rates])


NO_DIRT = Dirt(**dict.fromkeys((*FATES[1:], *EXTRA_KINDS), 0.0), crlf_every_days=0)

NO_WORDS = ("system_text", "history_text", "prompt_text", "output_text", "retrievals", "tool_calls")
"""Broken records lack words: what is planted in words is found in good records, or it is lost."""
_NOISE = (
    "<html><body>502 Bad Gateway</body></html>",
    "shipper: connection reset by peer, retrying",
    "Traceback (most recent call last):",
    'level=warn msg="buffer full" dropped=0',
)
_WRONG_TYPES: tuple[tuple[str, Any], ...] = (
    ("latency_ms", "slow"),
    ("output_tokens", "many"),
    ("conversation_turn", "first"),
)
_IMPOSSIBLE = ("1970-01-01T00:00:00.000Z", "2099-12-31T23:59:59.999Z")


def _truncate(record: dict[str, Any], rng: np.random.Generator) -> str:
    text = _dump(record)
    return text[: int(len(text) * rng.uniform(0.2, 0.95))]


def _change(key: str, value: Any) -> Callable[[dict[str, Any], np.random.Generator], str]:
    return lambda record, rng: _dump(record | {key: value})


def _wrong_type(record: dict[str, Any], rng: np.random.Generator) -> str:
    key, value = _WRONG_TYPES[rng.integers(len(_WRONG_TYPES))]
    return _dump(record | {key: value})


_BREAK: dict[str, Callable[[dict[str, Any], np.random.Generator], str]] = {
    "truncated_json": _truncate,
    "not_json": lambda record, rng: _NOISE[rng.integers(len(_NOISE))],
    "wrong_type": _wrong_type,
    "negative_tokens": lambda record, rng: _dump(record | {"output_tokens": -int(rng.integers(1, 500))}),
    "missing_ts": lambda record, rng: _dump({key: value for key, value in record.items() if key != "ts"}),
    "unreadable_ts": _change("ts", "yesterday at noon"),
    "unknown_value": _change("error_class", "gremlin"),
    "impossible_time": lambda record, rng: _dump(record | {"ts": _IMPOSSIBLE[rng.integers(len(_IMPOSSIBLE))]}),
    "blank": lambda record, rng: "",
}


def extra_lines(
    seed: int, chunk: Chunk, line_of: Callable[[int], str], dirt: Dirt, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """(kind, line) of the broken and blank lines among a chunk's; the requests themselves are not touched."""
    made: list[tuple[str, str]] = []
    counts = {kind: int(rng.binomial(len(chunk), getattr(dirt, kind))) for kind in EXTRA_KINDS}
    rows = rng.integers(0, max(len(chunk), 1), sum(counts.values()))
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    # A broken copy gets an id of its own; the chunk's first rows lend the numbers.
    spare = make_ids(seed, chunk.day, chunk.row[: len(kinds)], BROKEN)
    for number, (kind, row) in enumerate(zip(kinds, rows, strict=True)):
        record = json.loads(line_of(int(row))) | {"request_id": f"req_{int(spare[number % len(spare)]):016x}"}
        record = {key: value for key, value in record.items() if key not in NO_WORDS}
        made.append((kind, _BREAK[kind](record, rng)))
    return made


def _dump(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
