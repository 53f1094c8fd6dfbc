"""The simulator's other formats and its words: another reading of the files finds what the ground truth says.

Each reader below knows one tool's format from that tool's own documentation, and nothing of the project's SQL.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from simulator.__main__ import main
from simulator.catalogue import MODELS, TOKEN_COLUMNS
from simulator.dirt import NO_DIRT
from simulator.documents import HandbookError, handbook, parse
from simulator.phrases import canary
from simulator.planted import KINDS, SECRETS
from simulator.sources import OTHER_NAMES
from simulator.traffic import simulate

FIRST_DAY, DAYS, REQUESTS, SEED = date(2026, 11, 1), 4, 1500, 11
Record = dict[str, Any]


def _run(folder: Path, days: int = DAYS, first_day: date = FIRST_DAY, requests: int = REQUESTS, **more: Any) -> Record:
    arguments: Record = {"texts": True, "others": OTHER_NAMES} | more
    for _ in simulate(folder / "landing", folder / "truth", first_day, days, requests, SEED, **arguments):
        pass
    truth: Record = json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    return truth


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _documents(path: Path) -> Iterator[Record]:
    """The JSON documents of a file; lines that are none are left out."""
    packed = path.read_bytes()
    if path.suffix == ".parquet":
        yield from ({k: v for k, v in row.items() if v is not None} for row in pq.read_table(io.BytesIO(packed)).to_pylist())
        return
    if path.suffix == ".zst":
        packed = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read()
    text = gzip.decompress(packed) if path.suffix == ".gz" else packed
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield document


def _day(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).date().isoformat()


def _iso_ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


def _canonical(document: Record, delivery: date) -> Iterator[Record]:
    try:
        ms = _iso_ms(document["ts"])
        assert ms < _iso_ms(f"{delivery}T00:00:00+00:00") + 2 * 86_400_000 and ms > 1_600_000_000_000
        numbers = [v for k, v in document.items() if k.endswith(("_tokens", "latency_ms", "_turn")) and k != "model_load_ms"]
        assert all(isinstance(n, int | float) and n >= 0 for n in numbers)
        assert document.get("error_class") != "gremlin"
    except (AssertionError, ValueError, KeyError):
        return  # one of the planted broken records
    kind = document.get("record_kind", "request")
    if kind == "feedback":
        yield {"kind": kind, "id": document["record_id"], "ms": ms, "words": json.dumps(document, ensure_ascii=False)}
        return
    yield {
        "kind": "request", "id": document["request_id"], "ms": ms, "is_complete": document.get("is_complete", True),
        "model": document["request_model"], "tenant": document["tenant"], "failed": "error_class" in document,
        "tokens": {c: document[c] for c in TOKEN_COLUMNS if c in document}, "output": document.get("output_text"),
        "prompt": document.get("prompt_text", ""), "system": document.get("system_text", ""),
    }  # fmt: skip
    for place, found in enumerate(document.get("retrievals", [])):
        yield {"kind": "retrieval", "id": (document["request_id"], place), "ms": ms, "document": found["document_id"]}
    for call in document.get("tool_calls", []):
        json.loads(call["arguments_text"])
        yield {"kind": "tool_call", "id": call["record_id"], "ms": _iso_ms(call["ts"]), "name": call["tool_name"]}


def _attributes(span: Record) -> Record:
    def plain(value: Record) -> Any:
        ((kind, content),) = value.items()
        if kind == "arrayValue":
            return [plain(item) for item in content["values"]]
        return int(content) if kind == "intValue" else content

    return {entry["key"]: plain(entry["value"]) for entry in span["attributes"]}


def _otlp(document: Record, delivery: date) -> Iterator[Record]:
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield from _span(span)


def _span(span: Record) -> Iterator[Record]:
    said, ms = _attributes(span), int(span["startTimeUnixNano"]) / 1e6
    operation = said.get("gen_ai.operation.name")
    if operation == "retrieval":
        documents = json.loads(said["gen_ai.retrieval.documents"])
        if not documents:
            yield {"kind": "ignored", "id": None, "ms": ms}
        for place, found in enumerate(documents):
            yield {"kind": "retrieval", "id": (span["spanId"], place), "ms": ms, "document": found["id"]}
    elif operation == "execute_tool":
        yield {"kind": "tool_call", "id": said["gen_ai.tool.call.id"], "ms": ms, "name": said["gen_ai.tool.name"]}
    elif operation == "chat":
        usage = {k.removeprefix("gen_ai.usage."): v for k, v in said.items() if k.startswith("gen_ai.usage.")}
        read, reasoning = usage.get("cache_read.input_tokens", 0), usage.get("reasoning.output_tokens", 0)
        output = json.loads(said["gen_ai.output.messages"])[0]["parts"] if "gen_ai.output.messages" in said else []
        yield {
            "kind": "request", "id": said.get("gen_ai.response.id", f"req_{span['spanId']}"), "ms": ms,
            "model": said["gen_ai.request.model"], "tenant": said["tenant.id"], "failed": span["status"]["code"] == 2,
            "tokens": {
                "uncached_input_tokens": usage.get("input_tokens", 0) - read, "cache_read_tokens": read,
                "output_tokens": usage.get("output_tokens", 0) - reasoning, "reasoning_tokens": reasoning,
            },
            "output": "".join(part["content"] for part in output) or None,
            "prompt": json.loads(said["gen_ai.input.messages"])[-1]["parts"][0]["content"],
            "system": json.loads(said["gen_ai.system_instructions"])[0]["content"],
        }  # fmt: skip
    else:
        yield {"kind": "ignored", "id": None, "ms": ms}


def _openai_tokens(usage: Record | None) -> dict[str, int]:
    if not usage:
        return {}
    inside, out = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    cached, audio = inside["cached_tokens"], inside["audio_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    return {
        "uncached_input_tokens": usage["prompt_tokens"] - cached - audio,
        "cache_read_tokens": cached,
        "audio_input_tokens": audio,
        "output_tokens": usage["completion_tokens"] - out["reasoning_tokens"] - out["audio_tokens"],
        "reasoning_tokens": out["reasoning_tokens"],
        "audio_output_tokens": out["audio_tokens"],
    }


def _litellm(document: Record, delivery: date) -> Iterator[Record]:
    answer = document["response"]
    usage = document["metadata"]["usage_object"]
    assert (document["status"] == "failure") == (answer is None) == (document["error_information"] is not None)
    assert document["prompt_tokens"] + document["completion_tokens"] == document["total_tokens"]
    yield {
        "kind": "request", "id": document["id"], "ms": document["startTime"] * 1000, "model": document["model"],
        "tenant": document["metadata"]["user_api_key_org_id"], "failed": document["status"] == "failure",
        "tokens": _openai_tokens(usage), "prompt": document["messages"][-1]["content"],
        "system": document["messages"][0]["content"],
        "output": answer["choices"][0]["message"]["content"] if answer else None,
    }  # fmt: skip


def _langfuse(document: Record, delivery: date) -> Iterator[Record]:
    ms = _iso_ms(document["start_time"] + "+00:00")
    if document["type"] == "TOOL":
        json.loads(document["input"])
        yield {"kind": "tool_call", "id": document["id"], "ms": ms, "name": document["name"]}
        return
    if document["type"] != "GENERATION":
        yield {"kind": "ignored", "id": None, "ms": ms}
        return
    usage = document["usage_details"]
    assert sum(count for key, count in usage.items() if key != "total") == usage.get("total", 0)
    messages = json.loads(document["input"])
    yield {
        "kind": "request", "id": document["id"], "ms": ms, "model": document["provided_model_name"],
        "tenant": document["metadata"]["tenant"], "failed": document["level"] == "ERROR",
        "tokens": {
            "uncached_input_tokens": usage.get("input", 0),
            "cache_read_tokens": usage.get("input_cached_tokens", usage.get("cache_read_input_tokens", 0)),
            "cache_write_5m_tokens": usage.get("cache_creation_input_tokens", 0),
            "output_tokens": usage.get("output", 0), "reasoning_tokens": usage.get("output_reasoning_tokens", 0),
        },
        "prompt": messages[-1]["content"], "system": messages[0]["content"],
        "output": json.loads(document["output"])["content"] if document["output"] else None,
    }  # fmt: skip


def _openai(document: Record, delivery: date) -> Iterator[Record]:
    answer, ms = document.get("response") or {}, _iso_ms(document["started_at"])
    failed = "choices" not in answer
    assert failed == (document.get("status_code") != 200)
    message = {} if failed else answer["choices"][0]["message"]
    yield {
        "kind": "request", "id": document["request_id"], "ms": ms, "model": document["request"]["model"],
        "tenant": document["tenant"], "failed": failed, "tokens": _openai_tokens(answer.get("usage")),
        "prompt": document["request"]["messages"][-1]["content"], "output": message.get("content"),
        "system": document["request"]["messages"][0]["content"],
    }  # fmt: skip
    for call in message.get("tool_calls", []):
        json.loads(call["function"]["arguments"])
        yield {"kind": "tool_call", "id": call["id"], "ms": ms, "name": call["function"]["name"]}


def _anthropic(document: Record, delivery: date) -> Iterator[Record]:
    answer, ms = document.get("response") or {}, _iso_ms(document["started_at"])
    usage = answer.get("usage", {})
    writes = usage.get("cache_creation", {})
    assert sum(writes.values()) == usage.get("cache_creation_input_tokens", 0)
    yield {
        "kind": "request", "id": document["request_id"], "ms": ms, "model": document["request"]["model"],
        "tenant": document["tenant"], "failed": answer.get("type") != "message",
        "tokens": {
            "uncached_input_tokens": usage.get("input_tokens", 0), "output_tokens": usage.get("output_tokens", 0),
            "cache_read_tokens": usage.get("cache_read_input_tokens", 0),
            "cache_write_5m_tokens": writes.get("ephemeral_5m_input_tokens", 0),
            "cache_write_1h_tokens": writes.get("ephemeral_1h_input_tokens", 0),
        },
        "prompt": document["request"]["messages"][-1]["content"], "output": None,
        "system": document["request"]["system"][0]["text"],
    }  # fmt: skip
    for block in answer.get("content", []):
        if block["type"] == "tool_use":
            yield {"kind": "tool_call", "id": block["id"], "ms": ms, "name": block["name"]}


READERS = {
    "gateway": _canonical, "partner": _canonical, "otel": _otlp, "litellm": _litellm, "langfuse": _langfuse,
    "openai_raw": _openai, "anthropic_raw": _anthropic,
}  # fmt: skip


class Reading:
    """All files, read tool by tool; requests settled as the documentation says: complete first, then the later file."""

    def __init__(self, folder: Path, truth: Record) -> None:
        self.landed: Counter[tuple[str, str, str]] = Counter()
        self.records: dict[tuple[str, str, Any], tuple[tuple[Any, ...], Record]] = {}
        self.by_file: dict[str, Counter[str]] = {}
        for path in sorted((folder / "landing").rglob("*.*")):
            name = path.relative_to(folder / "landing").as_posix()
            source, delivery, _ = name.split("/")
            self.by_file[name] = Counter()
            for number, document in enumerate(_documents(path)):
                for record in READERS[source](document, date.fromisoformat(delivery)):
                    self._take(source, name, number, record)

    def _take(self, source: str, name: str, number: int, record: Record) -> None:
        self.by_file[name][record["kind"]] += 1
        if record["kind"] == "ignored":
            return
        record["day"] = _day(record["ms"])
        self.landed[source, record["kind"], record["day"]] += 1
        key, order = (source, record["kind"], record["id"]), (record.get("is_complete", True), name, number)
        if key not in self.records or self.records[key][0] < order:
            self.records[key] = (order, record)

    def by_source(self, day: str) -> Record:
        found: Record = defaultdict(lambda: defaultdict(dict))
        records = Counter((source, kind) for (source, kind, _), (_, r) in self.records.items() if r["day"] == day)
        for (source, kind, on), count in self.landed.items():
            if on == day:
                found[source][kind] = {"landed_records": count, "records": records[source, kind]}
        return {source: dict(kinds) for source, kinds in found.items()}

    def requests(self) -> dict[str, Record]:
        """Each request once, whatever logged it."""
        return {record_id: r for (_, kind, record_id), (_, r) in self.records.items() if kind == "request"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, Reading]:
    folder = tmp_path_factory.mktemp("formats")
    truth = _run(folder)
    return folder, truth, Reading(folder, truth)


def _words(truth: Record) -> list[Record]:
    return [night["made"]["words"] for night in truth["deliveries"].values()]


def _answers(folder: Path) -> dict[str, Record]:
    lines = (line for p in (folder / "truth" / "answers").iterdir() for line in p.read_text(encoding="utf-8").splitlines())
    return {answer["request_id"]: answer for answer in map(json.loads, lines)}


def test_every_source_holds_as_many_records_of_each_kind_as_the_truth_says(world: tuple[Path, Record, Reading]) -> None:
    _, truth, reading = world
    for day, expected in truth["days"].items():
        counts = {
            source: {kind: c for kind, c in kinds.items() if c["landed_records"]}
            for source, kinds in expected["by_source"].items()
        }
        assert {source: kinds for source, kinds in counts.items() if kinds} == reading.by_source(day), day
    kinds = {kind for _, kind, _ in reading.landed}
    assert kinds == {"request", "retrieval", "tool_call", "feedback"}
    assert {source for source, _, _ in reading.landed} == {"gateway", *OTHER_NAMES}


def test_each_file_holds_what_its_entry_says(world: tuple[Path, Record, Reading]) -> None:
    _, truth, reading = world
    files = [file for night in truth["deliveries"].values() for file in night["files"]]
    assert {file["path"] for file in files} == set(reading.by_file)
    for file in files:
        counts = reading.by_file[file["path"]]
        assert file["landed_by_kind"] == {kind: counts[kind] for kind in file["landed_by_kind"]}, file["path"]
        assert file["records_ignored"] == counts["ignored"], file["path"]
    assert sum(file["records_ignored"] for file in files) > 0


def test_models_tenants_and_tokens_are_the_same_in_whatever_format(world: tuple[Path, Record, Reading]) -> None:
    _, truth, reading = world
    requests = reading.requests()
    assert len(requests) == truth["totals"]["requests"]
    for day, expected in truth["days"].items():
        rows = [r for r in requests.values() if r["day"] == day]
        assert sum(r["failed"] for r in rows) == expected["failed_requests"]
        for table, key in (("by_model", "model"), ("by_tenant", "tenant")):
            sums: dict[str, Counter[str]] = defaultdict(Counter)
            for row in rows:
                sums[row[key]].update({"requests": 1} | row["tokens"])
            planted = {name: {k: n for k, n in v.items() if n} for name, v in expected[table].items() if v["requests"]}
            assert planted == {name: {k: n for k, n in found.items() if n} for name, found in sums.items()}, (day, table)


def test_a_request_that_two_tools_log_is_the_same_in_both_and_counted_once(world: tuple[Path, Record, Reading]) -> None:
    _, truth, reading = world
    twice = [pair for words in _words(truth) for pair in words["logged_twice"]]
    assert len(twice) > 10
    for pair in twice:
        first, second = (reading.records[pair[place], "request", pair["request_id"]][1] for place in ("first", "second"))
        for name in ("model", "tenant", "ms", "prompt", "output"):
            assert first[name] == second[name], (pair, name)
        assert {k: n for k, n in first["tokens"].items() if n} == {k: n for k, n in second["tokens"].items() if n}
    ids = Counter(record_id for (_, kind, record_id) in reading.records if kind == "request")
    assert {record_id for record_id, count in ids.items() if count > 1} == {pair["request_id"] for pair in twice}


def test_spans_are_what_the_protocol_takes(world: tuple[Path, Record, Reading]) -> None:
    folder, _, _ = world
    spans = 0
    for path in (folder / "landing" / "otel").rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            # Raises for a field that the protocol does not know. Its ids are bytes, which OTLP/JSON spells in hexadecimal.
            parsed = json_format.Parse(line, TracesData())
            for resource in parsed.resource_spans:
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    assert span.start_time_unix_nano <= span.end_time_unix_nano
                    spans += 1
            for raw in re.findall(r'"(?:traceId|spanId)":"([^"]*)"', line):
                assert re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", raw)
    assert spans > 500


def test_planted_strings_are_in_the_files_where_the_truth_says(world: tuple[Path, Record, Reading]) -> None:
    folder, truth, _ = world
    planted = [string for words in _words(truth) for string in words["planted"]]
    documents: dict[str, list[str]] = defaultdict(list)
    for path in (folder / "landing").rglob("*.*"):
        for document in _documents(path):
            text = json.dumps(document, ensure_ascii=False)
            for request_id in set(re.findall(r"req_[0-9a-f]{16}", text)):
                documents[request_id].append(text)
    for string in planted:
        assert any(string["text"] in text for text in documents[string["request_id"]]), string
    assert {string["kind"] for string in planted} == set(KINDS)
    assert {"prompt", "output", "comment", "attributes", "deployment"} <= {string["part"] for string in planted}


def test_planted_numbers_pass_their_check_digits() -> None:
    rng = random.Random(5)
    for _ in range(200):
        digits = [int(c) for c in KINDS["card"](rng) if c.isdigit()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
        iban = KINDS["iban"](rng).replace(" ", "")
        moved = iban[4:] + iban[:4]
        assert int("".join(str(int(c, 36)) for c in moved)) % 97 == 1
        assert len(iban) == {"DE": 22, "AT": 20, "FR": 27, "NL": 18}[iban[:2]]
    assert all(KINDS[kind](rng) != KINDS[kind](rng) for kind in SECRETS)


def test_an_answer_is_right_or_wrong_as_its_label_says(world: tuple[Path, Record, Reading]) -> None:
    folder, truth, reading = world
    answers, requests = _answers(folder), reading.requests()
    known = {request_id: kind for words in _words(truth) for request_id, kind in words["hallucinated"].items()}
    assert known == {i: a["kind"] for i, a in answers.items() if a["label"] == "hallucinated"}
    seen: Counter[str] = Counter()
    for request_id, answer in answers.items():
        row = requests.get(request_id)
        if row is None or row["output"] is None or answer["answer"] is None or answer["attack"]:
            continue
        says_it = answer["answer"] in row["output"]
        kind = answer["kind"] or answer["label"]
        assert says_it == (kind in ("grounded", "unsupported_claim")), (answer, row["output"])
        seen[kind] += 1
    assert {"grounded", "refused", "changed_number", "changed_name", "unsupported_claim", "wrong_topic"} <= set(seen)


def test_the_rate_of_wrong_answers_is_the_one_that_was_drawn(world: tuple[Path, Record, Reading]) -> None:
    _, truth, _ = world
    sums: Counter[str] = Counter()
    rates = {}
    for words in _words(truth):
        for row in words["answers"]:
            sums.update({name: row.get(name, 0) for name in ("answers", "hallucinated", "expected_hallucinated_ppm")})
            rates[row["model"]] = row["expected_hallucinated_ppm"] / row["answers"]
    expected = sums["expected_hallucinated_ppm"] / 1e6
    assert abs(sums["hallucinated"] - expected) < 4 * expected**0.5
    assert rates["mistral-small-latest"] > rates["claude-haiku-4-5"]


def test_retrieval_finds_the_true_document_where_the_truth_says(world: tuple[Path, Record, Reading]) -> None:
    folder, _, reading = world
    answers = {i: a for i, a in _answers(folder).items() if a["feature"] == "doc_search"}
    documents = {document.id for document in handbook().documents}
    missed = asked = 0
    for answer in answers.values():
        assert set(answer["retrieved"]) <= documents
        if answer["document_id"] is not None:
            rank = answer["document_rank"]
            assert rank is None or answer["retrieved"][rank - 1] == answer["document_id"]
            asked, missed = asked + 1, missed + (rank is None)
    assert 0.04 < missed / asked < 0.2
    in_gateway = [a for a in answers.values() if a["source"] == "gateway" and a["retrieved"]]
    for answer in in_gateway:
        found = [reading.records.get(("gateway", "retrieval", (answer["request_id"], place))) for place in range(5)]
        assert all(f is None for f in found) or [f[1]["document"] for f in found if f] == answer["retrieved"]
    written = [json.loads(line) for line in (folder / "truth" / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["document_id"] for row in written} == documents and len(documents) >= 70


def test_a_leaked_prompt_shows_its_canary_and_nothing_else_does(tmp_path: Path) -> None:
    truth = _run(tmp_path, days=3, requests=4000, others=(), dirt=NO_DIRT)
    answers, requests = _answers(tmp_path), Reading(tmp_path, truth).requests()
    canaries = {mark for words in _words(truth) for mark in words["canaries"].values()}
    leaking = {i for i, r in requests.items() if r["output"] and any(mark in r["output"] for mark in canaries)}
    unsafe = {request_id: kind for words in _words(truth) for request_id, kind in words["unsafe"].items()}
    assert leaking and leaking == {request_id for request_id, kind in unsafe.items() if kind == "leaked_prompt"}
    assert unsafe == {i: a["kind"] for i, a in answers.items() if a["label"] == "unsafe"}
    assert all(any(mark in r["system"] for mark in canaries) for r in requests.values())
    assert canary("doc_search", "v1") != canary("doc_search", "v2")


def test_feedback_comes_late_twice_and_about_nobody_in_known_numbers(world: tuple[Path, Record, Reading]) -> None:
    folder, truth, reading = world
    requests = {record_id for (_, kind, record_id) in reading.records if kind == "request"}
    lines = [
        (date.fromisoformat(path.parent.name), document)
        for path in (folder / "landing" / "gateway").rglob("feedback.*")
        for document in _documents(path)
    ]
    assert all(document["ts"].startswith(day.isoformat()) for day, document in lines)
    orphans = {orphan for words in _words(truth) for orphan in words["feedback"]["orphans"]}
    assert orphans and not orphans & requests
    copies = Counter(document["record_id"] for _, document in lines)
    assert 0 < sum(count - 1 for count in copies.values()) <= sum(w["feedback"]["repeated"] for w in _words(truth))
    assert all(words["feedback"]["after_3_days"] > 0 for words in _words(truth))
    assert {d["feedback_kind"] for _, d in lines} == {"rating", "correction", "escalation", "outcome"}
    assert {d["feedback_name"] for _, d in lines} >= {"accepted", "deflected", "minutes_saved", "converted", "thumbs"}
    labels = {i: a["label"] for i, a in _answers(folder).items()}
    down = Counter(labels.get(d["request_id"]) for _, d in lines if d.get("feedback_label") == "down")
    up = Counter(labels.get(d["request_id"]) for _, d in lines if d.get("feedback_label") == "up")
    assert down["hallucinated"] > up["hallucinated"] and up["grounded"] > down["grounded"]


def test_a_later_turn_repeats_what_was_said_before(world: tuple[Path, Record, Reading]) -> None:
    folder, _, _ = world
    turns = [d for path in (folder / "landing" / "gateway").rglob("part-*") for d in _documents(path) if "history_text" in d]
    assert max(document["history_text"].count("user: ") for document in turns) >= 4
    spoken = {d.get("prompt_text") for path in (folder / "landing" / "gateway").rglob("part-*") for d in _documents(path)}
    earlier = [re.findall(r"^user: (.*)$", document["history_text"], re.M)[0] for document in turns]
    assert sum(question in spoken for question in earlier) > 0.8 * len(earlier)


def test_the_gateways_own_price_is_its_rates_times_the_tokens(world: tuple[Path, Record, Reading]) -> None:
    folder, _, _ = world
    rates = {model.name: model.usd_per_million for model in MODELS}
    priced = 0
    for path in (folder / "landing" / "gateway").rglob("part-*"):
        for d in _documents(path):
            if "reported_cost_usd" not in d or d["provider"] == "anthropic" or "latency_ms" not in d:
                continue
            fresh, cached, output = (Decimal(str(rate)) for rate in rates[d["request_model"]] or ())
            sums = {c: d.get(c, 0) for c in TOKEN_COLUMNS}
            if any(not isinstance(n, int) or n < 0 for n in sums.values()) or d.get("error_class") == "gremlin":
                continue
            cost = (sums["uncached_input_tokens"] + sums["audio_input_tokens"] + sums["image_input_tokens"]) * fresh
            cost += (sums["cache_read_tokens"] + sums["audio_cache_read_tokens"]) * cached
            cost += (sums["output_tokens"] + sums["reasoning_tokens"] + sums["audio_output_tokens"]) * output
            assert Decimal(str(d["reported_cost_usd"])) == cost / 1_000_000
            priced += 1
    assert priced > 100


def test_same_arguments_same_bytes_with_words_too(world: tuple[Path, Record, Reading], tmp_path: Path) -> None:
    folder, _, _ = world
    _run(tmp_path)
    assert _bytes(tmp_path) == _bytes(folder)


def test_one_more_night_is_the_night_of_one_long_run_with_words_too(
    world: tuple[Path, Record, Reading], tmp_path: Path
) -> None:
    folder, _, _ = world
    _run(tmp_path, days=2, world_days=DAYS)
    for offset in (2, 3):
        _run(tmp_path, days=1, first_day=FIRST_DAY + timedelta(days=offset), world_first_day=FIRST_DAY, world_days=DAYS)
    assert _bytes(tmp_path) == _bytes(folder)


def test_words_change_nothing_but_words(tmp_path: Path) -> None:
    with_words = _run(tmp_path / "with", days=2, requests=600, others=())
    without = _run(tmp_path / "without", days=2, requests=600, texts=False, others=())
    for day, facts in without["days"].items():
        for name in ("requests", "by_model", "by_tenant", "failed_requests"):
            assert with_words["days"][day][name] == facts[name]


def test_only_the_rare_models_columns_are_filled_for_self_hosted_ones(world: tuple[Path, Record, Reading]) -> None:
    folder, _, _ = world
    rows = [d for path in (folder / "landing" / "gateway").rglob("part-*") for d in _documents(path) if "batch_size" in d]
    assert rows and {d["request_model"] for d in rows} == {"heron-8b"}
    assert all(d["batch_size"] >= 1 and "reported_cost_usd" not in d for d in rows)


def test_other_sources_without_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="texts=True"):
        list(simulate(tmp_path / "l", tmp_path / "t", FIRST_DAY, 1, 100, SEED, others=["otel"]))
    with pytest.raises(ValueError, match="unknown sources syslog"):
        list(simulate(tmp_path / "l", tmp_path / "t", FIRST_DAY, 1, 100, SEED, texts=True, others=["syslog"]))


def test_command_line_writes_the_sources_that_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--out", str(tmp_path / "l"), "--truth", str(tmp_path / "t"), "--first-day", "2026-11-03", "--days", "1"]
    assert main([*where, "--requests-per-day", "300", "--texts", "--plain", "--others", "litellm", "otel"]) == 0
    assert {path.name for path in (tmp_path / "l").iterdir()} == {"gateway", "litellm", "otel"}
    assert "feedback.jsonl" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["# a\n## b\n- no value | what?", "# a\n## b\n- a {value} | no question", "- {a} | b?", "# a\nwords"],
)
def test_a_line_of_the_handbook_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(HandbookError, match="line"):
        parse(text)
