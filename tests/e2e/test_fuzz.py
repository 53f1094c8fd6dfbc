"""Damaged lines and files of every format: nothing crashes, every line is accounted for, no value gets into quarantine.

Writes docs/proofs/fuzz.md (`make proof`). NOCTURNE_PROOF_LINES, NOCTURNE_PROOF_SEED: how many lines, and which.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from formats import ARRIVED, FIXTURES, quarantined_rows
from mutations import CANARY, documents, flipped

from resources.byte_source import digest_as_it_lies
from resources.capture import parse
from resources.contracts import REPO
from resources.keyring import Keyring
from resources.redaction import Redactor
from resources.sources import Source, formats
from resources.staged_file import StagedFile
from resources.staging import StagingRules, stage_file
from resources.warehouse import connect

SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261121"))
LINES = int(os.environ.get("NOCTURNE_PROOF_LINES", "100000"))
FILES = 50
LINES_OF_A_FILE = 1000
TS = "2026-10-31T10:00:00Z"
RESULT = REPO / "docs" / "proofs" / "fuzz.md"
_HEADING = """# Damaged lines and files

Documents of every format that is read are damaged at random: values swapped for those of other types, numbers beyond all
bounds, keys dropped and renamed, nesting of 3,000 levels, bytes flipped, cut off and thrown in; so are whole files in every
packing. Each file is staged as a night does it, with redaction and all words kept. It must be staged or refused with a
reason; lines and records must add up, counted by another program; no value may be shown in quarantine.
Written by `make proof` (tests/e2e/test_fuzz.py).

| date | lines | landed | quarantined | lines refused | files | files refused | seed | seconds | python | duckdb | command |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
_TRACES: dict[str, list[dict[str, Any]]] = {
    "canonical": [
        {
            "ts": TS, "request_id": "r", "tenant": "t", "user_id": "u", "provider": "openai", "request_model": "gpt-4o",
            "uncached_input_tokens": 7, "output_tokens": 3, "latency_ms": 1.5, "is_batch": False, "reported_cost_usd": 0.01,
            "attributes": {"channel": "web"}, "prompt_text": "What is it?", "output_text": "It.",
            "retrievals": [{"document_id": "d", "retrieval_score": 0.5, "document_text": "words"}],
            "tool_calls": [{"tool_name": "send", "arguments_text": "{}", "tool_decision": "approved"}],
            "feedback": [{"feedback_kind": "rating", "feedback_value": 1, "comment_text": "good"}],
        }
    ],
    "azure_llm_2023": [{"TIMESTAMP": "2026-10-31 10:00:00.1234567", "ContextTokens": 374, "GeneratedTokens": 44}],
    "mooncake": [{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 48]}],
    "llmperf_2023": [
        {
            "error_code": None, "error_msg": "", "inter_token_latency_s": 0.01, "ttft_s": 0.3, "end_to_end_latency_s": 2.2,
            "request_output_throughput_token_per_s": 68.0, "number_total_tokens": 700, "number_output_tokens": 150,
            "number_input_tokens": 550,
        }
    ],
    "arena_hard": [
        {
            "question_id": "q", "answer_id": "a", "model_id": "m", "tstamp": 1793440800.5,
            "choices": [{"index": 0, "turns": [{"content": "an answer", "token_len": 2}]}, {"turns": ["an answer"]}],
        }
    ],
    "mapped": [{"time": TS, "model": "m", "usage": {"in": 7, "out": 3}, "who": {"name": "u"}, "say": "hello"}],
}  # fmt: skip
"""Formats without fixtures of their own, in the shapes that their pages in docs/formats/ show."""
_MAP = {
    "ts": "time", "request_model": "model", "uncached_input_tokens": "/usage/in", "output_tokens": "/usage/out",
    "user_id": "/who/name", "prompt_text": "say",
}  # fmt: skip


def source_of(name: str) -> Source:
    start = datetime(2026, 10, 31, tzinfo=UTC)
    return Source(name, name, start=start, keep_attributes=("channel",), columns=_MAP if name == "mapped" else {})


def corpus() -> dict[str, list[Any]]:
    """Good documents by format: every fixture, and one or two of each format that has none."""
    found: dict[str, list[Any]] = dict(_TRACES)
    for folder in sorted(p for p in FIXTURES.iterdir() if p.is_dir()):
        good = found.setdefault(folder.name, [])
        for path in sorted(folder.iterdir()):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".jsonl":
                good += [json.loads(line) for line in text.splitlines() if line.strip()]
            elif path.suffix == ".json":
                good.append(json.loads(text))
            elif path.suffix == ".csv":
                good += list(csv.DictReader(io.StringIO(text)))
    return found


def test_every_format_is_fuzzed() -> None:
    assert set(corpus()) == {*formats(), "mapped"}
    assert all(corpus().values())


@dataclass
class Fuzzing:
    """Stages damaged files, and holds each against what must be true of any."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    refused_for: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rules = StagingRules(
            date(2023, 1, 1), Keyring.open(self.folder / "keys"), parse({"capture": [{"mode": "full"}]}),
            Redactor(connect(threads=1)),
        )  # fmt: skip

    def stage(self, name: str, format_name: str, content: bytes) -> StagedFile:
        path = self.folder / name
        path.write_bytes(content)
        stage = stage_file(path, f"{format_name}/{name}", source_of(format_name), ARRIVED, self.rules, self.folder / "stage")
        bad = quarantined_rows(stage)
        excerpts = "\n".join(str(row) for row in bad)
        assert CANARY not in excerpts, f"{format_name}: quarantine shows a value"
        if stage.is_refused:
            assert stage.reason is not None and CANARY not in stage.reason
            assert (stage.file_id, bad) == (digest_as_it_lies(path), [])
            self.refused_for[stage.reason.split(":")[0]] += 1
        else:
            self.counts["landed"] += stage.records_landed
            self.counts["quarantined"] += stage.records_quarantined
            self.counts["refused"] += stage.lines_refused
            self.counts["lines"] += stage.lines
            assert len(bad) == stage.records_quarantined + stage.lines_refused
            assert all(row["reason"] and row["excerpt"] is not None for row in bad)
        path.unlink()
        return stage

    def lines(self, number: int, seed: int) -> None:
        """So many damaged lines, equally of each format."""
        good = corpus()
        for format_name, seeds in good.items():
            wanted = number // len(good)
            made = documents(seeds, random.Random(f"{seed}{format_name}"))
            while wanted > 0:
                content = b"\n".join(itertools.islice(made, min(wanted, LINES_OF_A_FILE)))
                stage = self.stage("lines.jsonl", format_name, content)
                assert not stage.is_refused
                # Counted here, not by what is tested.
                assert stage.lines == content.count(b"\n") + (not content.endswith(b"\n"))
                counted = stage.lines_read + stage.lines_blank + stage.lines_refused
                assert (stage.lines_header, counted) == (0, stage.lines)
                wanted -= LINES_OF_A_FILE

    def files(self, number: int, seed: int) -> None:
        """So many damaged files, in turn of each packing."""
        good = corpus()
        chance = random.Random(seed)
        packings = itertools.cycle(["jsonl.gz", "jsonl.zst", "json", "json.gz", "csv", "csv.zst", "parquet"])
        for packing in itertools.islice(packings, number):
            format_name = chance.choice(sorted(good))
            lines = itertools.islice(documents(good[format_name], chance), 40)
            whole = [line for line in lines if _is_object(line)] or [b"{}"]
            content = packed(whole, packing)
            for _ in range(chance.choice([0, 1, 1])):
                content = flipped(content, chance)
            self.stage(f"file.{packing}", format_name, content)
            self.counts["files"] += 1


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def packed(lines: list[bytes], packing: str) -> bytes:
    kind, _, compression = packing.partition(".")
    if kind == "jsonl":
        content = b"\n".join(lines)
    elif kind == "json":
        content = b"[" + b",\n".join(lines) + b"]"
    else:
        rows = [json.loads(line) for line in lines]
        flat = [{k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows]
        columns = list(dict.fromkeys(key for row in flat for key in row)) or ["a"]
        clean = [{c: row.get(c, "").encode(errors="replace").decode() for c in columns} for row in flat]
        if kind == "parquet":
            table = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(clean, schema=pa.schema([(c, pa.string()) for c in columns])), table)
            content = table.getvalue()
        else:
            text = io.StringIO()
            writer = csv.DictWriter(text, columns)
            writer.writeheader()
            writer.writerows(clean)
            content = text.getvalue().encode()
    return {"gz": gzip.compress, "zst": zstd.compress}.get(compression, bytes)(content)


def test_damaged_lines_are_landed_quarantined_or_refused_and_never_lost_or_shown(tmp_path: Path) -> None:
    fuzzing = Fuzzing(tmp_path)
    fuzzing.lines(2_000, SEED)
    counts = fuzzing.counts
    assert min(counts["landed"], counts["quarantined"], counts["refused"]) > 100, "the damage is neither none nor all"


def test_damaged_files_are_staged_or_refused_with_a_reason(tmp_path: Path) -> None:
    fuzzing = Fuzzing(tmp_path)
    fuzzing.files(14, SEED)
    assert 0 < sum(fuzzing.refused_for.values()) < 14


@pytest.mark.proof
def test_a_hundred_thousand_damaged_lines_and_fifty_files(tmp_path: Path) -> None:
    begun = time.monotonic()
    fuzzing = Fuzzing(tmp_path)
    fuzzing.lines(LINES, SEED + 1)
    fuzzing.files(FILES, SEED + 1)
    write_result(fuzzing, time.monotonic() - begun)


def write_result(fuzzing: Fuzzing, seconds: float) -> None:
    """A line for what was damaged; the page is begun if there is none."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    if not RESULT.exists():
        RESULT.write_text(_HEADING, encoding="utf-8")
    counts = fuzzing.counts
    reasons = ", ".join(f"{n} {reason}" for reason, n in fuzzing.refused_for.most_common())
    facts = [
        datetime.now(UTC).date().isoformat(), f"{counts['lines']:,}", f"{counts['landed']:,}", f"{counts['quarantined']:,}",
        f"{counts['refused']:,}", counts["files"], f"{sum(fuzzing.refused_for.values())} ({reasons})", SEED + 1,
        f"{seconds:.0f}",
        sys.version.split()[0], version("duckdb"), f"`NOCTURNE_PROOF_LINES={LINES} NOCTURNE_PROOF_SEED={SEED} make proof`",
    ]  # fmt: skip
    with RESULT.open("a", encoding="utf-8") as page:
        page.write(f"| {' | '.join(map(str, facts))} |\n")
