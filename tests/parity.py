"""The same simulated calls as several formats write them: staged by the real landing code, and compared record by record.

Here belong the calls, how rows of two logs are recognised as the same record, and what kinds of difference there are. Which
differences are expected stands in tests/fixtures/formats/differences.yml, which pipelines/pages/guide.py makes a page of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from formats import ARRIVED, landed_rows, quarantined_rows

from resources import staged_file
from resources.capture import CapturePolicy, Rule
from resources.contracts import contracts
from resources.keyring import Keyring
from resources.sources import Source, text_columns
from resources.staging import StagingRules, stage_file
from simulator.catalogue import FEATURES, MODELS
from simulator.chunk import Chunk
from simulator.dirt import NO_DIRT
from simulator.files import LogFile
from simulator.formats.anthropic import Anthropic
from simulator.formats.canonical import Canonical, Flat
from simulator.formats.format import Format
from simulator.formats.langfuse import Langfuse
from simulator.formats.litellm import LiteLLM
from simulator.formats.openai import OpenAI
from simulator.formats.otlp import OTLP
from simulator.fragments import BLOCKED, FINISH_REASONS, OUTCOME_CODES
from simulator.service_incidents import ErrorBurst
from simulator.sources import GATEWAY
from simulator.traffic import World

Row = dict[str, Any]
Pair = tuple[Row | None, Row | None]
_KEPT = ("channel", "country", "app_version")
_FACTS = [c.name for c in contracts()["logs.landed"].columns if c.set_by is None and c.name != "day"]
_WORDS = text_columns()


@dataclass(frozen=True)
class Log:
    """How one format logs: who writes it, and which calls fit in it: those of a provider, or only those that search."""

    format: str
    writer: Format
    provider: str | None = None
    is_search: bool = False

    def fitting(self, chunk: Chunk) -> Chunk:
        """The calls that this log could hold."""
        models = [code for code, model in enumerate(MODELS) if self.provider in (None, model.provider)]
        features = [code for code, feature in enumerate(FEATURES) if feature.retrieved_median_tokens or not self.is_search]
        fits = np.isin(chunk.codes["model"], models) & np.isin(chunk.codes["feature"], features)
        return chunk.take(np.flatnonzero(fits))


CANONICAL = Log("canonical", Canonical())
LOGS = {
    "canonical, in Parquet": Log("canonical", Flat()),
    "otlp": Log("otlp", OTLP(), is_search=True),
    "litellm": Log("litellm", LiteLLM()),
    "langfuse": Log("langfuse", Langfuse()),
    "openai": Log("openai", OpenAI(), "openai"),
    "anthropic": Log("anthropic", Anthropic(), "anthropic"),
}


def calls(seed: int, day: date, requests: int, one_in: int) -> Chunk:
    """A day of calls with words that went to a provider one by one: none from the gateway's cache, none in a batch, none
    that the gateway's filter turned away.

    Of what was just answered one in `one_in`; all that failed or asked for tools, so that each log has some of each.
    """
    start, end = (datetime.combine(day + timedelta(days=later), time(), UTC) for later in (0, 1))
    # Of a usual day hardly anything fails: enough of each kind does here.
    bursts = tuple(ErrorBurst(code, start, end, {}, 0.006, error_code=code) for code in OUTCOME_CODES)
    world = World(seed, requests, day, 1, bursts, NO_DIRT, 1, texts=True, gateway=GATEWAY, others=())
    ((_, chunk),) = world.chunks(day, Counter())
    is_live = (chunk.codes["response_cache"] != 1) & (chunk.codes["is_batch"] != 1) & (chunk.codes["outcome"] != BLOCKED)
    is_rare = (chunk.codes["outcome"] > 0) | np.array([bool(words.tool_calls) for words in chunk.words or ()])
    live = chunk.take(np.flatnonzero(is_live & (is_rare | (chunk.row % one_in == 0))))
    # Strings that are planted in columns are no part of the call, and only our own log writes them.
    live.words = [replace(words, fields={}) for words in live.words or ()]
    # A gateway that passes an answer on says that it ended in tool calls where it has some.
    asks = np.array([bool(words.tool_calls) for words in live.words]) & (live.codes["finish"] >= 0)
    live.codes["finish"][asks] = FINISH_REASONS.index("tool_calls")
    return live


def landed(log: Log, chunk: Chunk, folder: Path) -> list[Row]:
    """What a log of these calls lands as, each row with its words. One folder has one keyring."""
    own = deepcopy(chunk)
    log.writer.forget(own)
    path = folder / "log" / f"x{log.writer.suffix}"
    file = LogFile(path, folder / "aside")
    file.write(log.writer.assemble(log.writer.spell(own).texts), Counter())
    file.close()
    source = Source("log", log.format, keep_attributes=_KEPT)
    capture = CapturePolicy((Rule("full"),), redact=False)
    rules = StagingRules(date(2023, 1, 1), Keyring.open(folder / "keys"), capture, None)
    stage = stage_file(path, f"log/{path.name}", source, ARRIVED, rules, folder / "stage")
    assert stage.reason is None and quarantined_rows(stage) == []
    rows = {row["record_number"]: row | dict.fromkeys(_WORDS) for row in landed_rows(stage)}
    for words in staged_file.rows_of(stage.texts_path).to_pylist():
        rows[words["record_number"]][f"{words['part']}_text"] = words["text"]
    return list(rows.values())


def pairs(reference: list[Row], other: list[Row]) -> Iterator[Pair]:
    """The same record in both logs; None where only one log has it.

    A record is known by its own id; one that goes by another id in the other log, by what it is in its trace, in the
    order of time.
    """
    left, right = _in_time(reference), _in_time(other)
    for name_of in (_own_id, _place):
        of_name: dict[Any, list[Row]] = defaultdict(list)
        for row in right:
            of_name[name_of(row)].append(row)
        unmatched = []
        for row in left:
            name = name_of(row)
            if name is not None and of_name.get(name):
                yield row, of_name[name].pop(0)
            else:
                unmatched.append(row)
        left, right = unmatched, _in_time([row for rows in of_name.values() for row in rows])
    yield from ((row, None) for row in left)
    yield from ((None, row) for row in right)


def _in_time(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["ts"], row["record_number"]))


def _own_id(row: Row) -> Any:
    own = row["request_id" if row["record_kind"] == "request" else "record_id"]
    return None if own is None else (row["record_kind"], own)


def _place(row: Row) -> Any:
    return row["record_kind"], row["trace_id"], row["document_id"], row["document_rank"]


def difference(column: str, both: list[tuple[Row, Row]]) -> str | None:
    """How a column of these records differs; None where it does not.

    `not said`: the log never has it. `not always said`: sometimes it lacks it. `said here only`: it has it where the
    canonical log is silent, and is else the same. `other`: at least once both say something, and not the same.
    """
    if column in _WORDS:
        # Words that may not be stored are stored by whoever does not know that they may not.
        both = [(left, right) for left, right in both if left["may_store_text"] is not False]
    differing = [(left[column], right[column]) for left, right in both if left[column] != right[column]]
    if not differing:
        return None
    if all(right is None for _, right in differing):
        is_said = any(right[column] is not None for _, right in both)
        return "not always said" if is_said else "not said"
    return "said here only" if all(left is None for left, _ in differing) else "other"


def differences(found: list[Pair]) -> dict[str, str | dict[str, str]]:
    """By kind of record: how each column differs, or `not said` where the log has no record of that kind."""
    of_kind: dict[str, list[Pair]] = defaultdict(list)
    for left, right in found:
        of_kind[(left or right or {})["record_kind"]].append((left, right))
    told: dict[str, str | dict[str, str]] = {}
    for kind, records in of_kind.items():
        if all(right is None for _, right in records):
            told[kind] = "not said"
            continue
        both = [(left, right) for left, right in records if left is not None and right is not None]
        assert len(both) == len(records), f"{len(records) - len(both)} of {len(records)} {kind}s are in one log only"
        columns = {column: difference(column, both) for column in (*_FACTS, *_WORDS)}
        told[kind] = {column: how for column, how in columns.items() if how}
    return told
