"""The simulator keeps its word: same arguments, same bytes; the ground truth is what a recount of the files finds."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from genai_prices import Usage, calc_price

from assets.cost.price_seeds import parse_overrides
from resources.contracts import CONTRACTS
from simulator.__main__ import main
from simulator.catalogue import MODELS, TENANTS, TOKEN_COLUMNS
from simulator.dirt import NO_DIRT, Dirt
from simulator.traffic import simulate
from simulator.truth import TruthError

FIRST_DAY = date(2026, 11, 1)
SEED = 7
WORLD_REQUESTS = 5000
_START = datetime(2023, 1, 1, tzinfo=UTC)
_FRACTIONS = {"temperature", "top_p", "latency_ms", "model_ms", "retrieval_ms", "filter_ms", "queue_ms"}


def _run(folder: Path, days: int = 4, requests: int = 3000, first_day: date = FIRST_DAY, **more: Any) -> dict[str, Any]:
    for _ in simulate(folder / "landing", folder / "truth", first_day, days, requests, SEED, **more):
        pass
    truth: dict[str, Any] = json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    return truth


def _digests(folder: Path) -> dict[str, str]:
    landing = folder / "landing"
    return {
        path.relative_to(landing).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(landing.rglob("*"))
        if path.is_file()
    }


def _text(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    assert len(record) == len(pairs), f"a key stands twice: {pairs}"
    return record


def _fault(record: dict[str, Any], delivery_day: date) -> str | None:
    """What is wrong with a record, by a reading of its own."""
    if "ts" not in record:
        return "missing_ts"
    try:
        ts = datetime.fromisoformat(record["ts"])
    except ValueError:
        return "unreadable_ts"
    end = datetime.combine(delivery_day + timedelta(days=2), datetime.min.time(), tzinfo=UTC)
    if not _START <= ts < end:
        return "impossible_time"
    for key, value in record.items():
        is_number = key.endswith(("_tokens", "_ms", "_turn", "_count", "_status"))
        if is_number and (isinstance(value, str | bool) or (key not in _FRACTIONS and value != value)):
            return "wrong_type"
        if is_number and value < 0:
            return "negative_tokens"
    if record.get("error_class", "client") not in ("client", "provider", "infrastructure", "model", "schema"):
        return "unknown_value"
    return None


class Recount:
    """Reads the files as a lander would, in path order, and settles who wins."""

    def __init__(self, folder: Path, truth: dict[str, Any]) -> None:
        self.files: dict[str, Counter[str]] = {}
        self.sha256: dict[str, str] = {}
        self.versions: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = defaultdict(list)
        self.landed: Counter[str] = Counter()
        for night in truth["deliveries"].values():
            for file in night["files"]:
                self._read(folder / "landing", file["path"], file["is_crlf"])
        self.winners = {request: max(versions, key=lambda v: v[0])[1] for request, versions in self.versions.items()}

    def _read(self, landing: Path, path: str, is_crlf: bool) -> None:
        text = _text(landing / path)
        self.sha256[path] = hashlib.sha256(text).hexdigest()
        end = b"\r\n" if is_crlf else b"\n"
        assert text.endswith(end) and text.count(b"\r") == (text.count(b"\n") if is_crlf else 0)
        day = date.fromisoformat(path.split("/")[1])
        counts = self.files[path] = Counter()
        for number, line in enumerate(text.removesuffix(end).split(end), start=1):
            counts["lines"] += 1
            if not line:
                counts["blank_lines"] += 1
                continue
            try:
                record = json.loads(line, object_pairs_hook=_unique_keys)
            except json.JSONDecodeError:
                counts["truncated_json" if line.startswith(b'{"ts"') else "not_json"] += 1
                continue
            fault = _fault(record, day)
            if fault:
                counts[fault] += 1
                continue
            self._land(record, counts, day, (path, self.sha256[path], number))

    def _land(self, record: dict[str, Any], counts: Counter[str], day: date, place: tuple[str, str, int]) -> None:
        counts["records_landed"] += 1
        event_day = record["ts"][:10]
        self.landed[event_day] += 1
        counts["late_records"] += event_day < day.isoformat()
        known = [version for _, version in self.versions[record["request_id"]]]
        if record in known:
            counts["exact_duplicates"] += 1
        elif known:
            counts["redeliveries"] += 1
        self.versions[record["request_id"]].append(((record.get("is_complete", True), *place), record))

    def day(self, day: str) -> dict[str, Any]:
        rows = [row for row in self.winners.values() if row["ts"].startswith(day)]
        return {
            "requests": len(rows),
            "landed_records": self.landed[day],
            "duplicates": self.landed[day] - len(rows),
            "failed_requests": sum("error_class" in row for row in rows),
            "by_source": {"gateway": {"request": {"landed_records": self.landed[day], "records": len(rows)}}},
            "by_model": _sums(rows, "request_model"),
            "by_tenant": _sums(rows, "tenant"),
        }


def _sums(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        group = sums.setdefault(row[key], dict.fromkeys(("requests", *TOKEN_COLUMNS), 0))
        group["requests"] += 1
        for column in TOKEN_COLUMNS:
            group[column] += row.get(column, 0)
    return sums


def _assert_recount(folder: Path, truth: dict[str, Any]) -> Recount:
    recount = Recount(folder, truth)
    assert len(_digests(folder)) == truth["totals"]["files"] == len(recount.files)
    for night in truth["deliveries"].values():
        for file in night["files"]:
            counts = recount.files[file["path"]]
            assert file["sha256"] == recount.sha256[file["path"]]
            assert file["malformed"] == {kind: counts[kind] for kind in file["malformed"]}, file["path"]
            for name in ("lines", "blank_lines", "records_landed", "exact_duplicates", "redeliveries", "late_records"):
                assert file[name] == counts[name], (file["path"], name)
            assert file["lines"] == file["records_landed"] + file["blank_lines"] + sum(file["malformed"].values())
            assert sum(file["malformed"].values()) == file["lines_refused"] + file["records_quarantined"]
    for day, expected in truth["days"].items():
        # A model or tenant may have come and gone again; its zeros are no rows.
        for table in ("by_model", "by_tenant"):
            expected[table] = {name: sums for name, sums in expected[table].items() if sums["requests"]}
        assert expected == recount.day(day), day
    assert truth["totals"]["requests"] == len(recount.winners)
    return recount


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("world")
    return folder, _run(folder, requests=WORLD_REQUESTS)


def test_ground_truth_is_what_a_recount_finds(world: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = world
    recount = _assert_recount(folder, truth)
    totals = truth["totals"]
    for name in ("blank_lines", "exact_duplicates", "redeliveries", "late_records", "lines_refused"):
        assert totals[name] > 0, name
    assert all(totals["malformed"].values()), totals["malformed"]
    assert truth["records_on_their_way"] > 0
    assert any(file["is_crlf"] for night in truth["deliveries"].values() for file in night["files"])
    moved = [v for v in recount.versions.values() if len({row["ts"][:10] for _, row in v}) > 1]
    assert moved, "no re-delivery crossed midnight"
    across = [v for v in recount.versions.values() if len({order[1] for order, _ in v}) > 1]
    assert len(across) > len(moved), "no re-delivery crossed files on one day"


def test_corrected_complete_records_are_won_by_the_later_file(tmp_path: Path) -> None:
    truth = _run(tmp_path, days=3, requests=1500, dirt=Dirt(corrected=0.02))
    recount = _assert_recount(tmp_path, truth)
    assert any(len(v) > 1 and all(row.get("is_complete") for _, row in v) for v in recount.versions.values())


def test_same_arguments_same_bytes(world: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, truth = world
    assert _run(tmp_path, requests=WORLD_REQUESTS) == truth
    assert _digests(tmp_path) == _digests(folder)
    assert _run(tmp_path, requests=WORLD_REQUESTS) == truth, "writing the same world again changes nothing"
    assert not list(tmp_path.glob(".*")), "nothing is left aside"


def test_another_seed_another_world(world: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = world
    files = simulate(tmp_path / "landing", tmp_path / "truth", FIRST_DAY, 1, WORLD_REQUESTS, SEED + 1, world_days=4)
    assert not {file.path.read_bytes() for file in files} & {p.read_bytes() for p in folder.rglob("*.gz")}
    with pytest.raises(TruthError, match="seed"):
        list(simulate(tmp_path / "landing", folder / "truth", FIRST_DAY, 1, WORLD_REQUESTS, SEED + 1, world_days=4))


def test_one_more_night_is_the_night_of_one_long_run(world: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, truth = world
    _run(tmp_path, days=2, requests=WORLD_REQUESTS, world_days=4)
    whole = _digests(folder)
    first_two = {path for path in whole if path < f"gateway/{FIRST_DAY + timedelta(days=2)}"}
    assert _digests(tmp_path) == {path: whole[path] for path in first_two}
    for offset in (2, 3):
        night = FIRST_DAY + timedelta(days=offset)
        later = _run(
            tmp_path, days=1, requests=WORLD_REQUESTS, first_day=night, world_first_day=FIRST_DAY, world_days=4
        )
    assert _digests(tmp_path) == whole
    assert later == truth


def test_without_dirt_every_line_is_a_request(tmp_path: Path) -> None:
    truth = _run(tmp_path, days=2, requests=500, dirt=NO_DIRT, incidents=(), plain=True)
    _assert_recount(tmp_path, truth)
    totals = truth["totals"]
    assert totals["lines"] == totals["records_landed"] == totals["requests"]
    assert sum(totals["malformed"].values()) + totals["late_records"] + truth["records_on_their_way"] == 0
    assert all(path.endswith(".jsonl") for path in _digests(tmp_path))


def test_records_hold_what_the_contract_takes(world: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = world
    contract = yaml.safe_load((CONTRACTS / "logs" / "landed.yml").read_text(encoding="utf-8"))
    keys = {
        raw.get("from") or raw.get("fingerprint_of") or name: raw
        for name, raw in contract["columns"].items()
        if raw.get("set_by") != "landing"
    } | {"system_text": {}}
    seen: set[str] = set()
    for row in Recount(folder, truth).winners.values():
        seen |= row.keys()
        assert row.keys() <= keys.keys()
        for key, value in row.items():
            allowed = keys[key].get("values")
            assert allowed is None or value in allowed, (key, value)
            if keys[key].get("type") == "VARCHAR" and key not in ("attributes", "prompt_text", "system_text"):
                assert isinstance(value, str) and 0 < len(value) <= contract["max_length"]
        if row.get("time_to_first_token_ms") is not None:
            assert row["time_to_first_token_ms"] <= row.get("latency_ms", float("inf"))
        if row.get("response_cache_hit"):
            assert row["is_billed"] is False and not any(column in row for column in TOKEN_COLUMNS)
        if row.get("error_code") == "gateway_timeout":
            assert row["is_billed"] is True and row["uncached_input_tokens"] >= 0
    assert {"attributes", "prompt_text", "system_text", "parent_id", "reasoning_tokens", "audio_input_tokens"} <= seen
    assert {"cache_write_5m_tokens", "cache_write_1h_tokens", "is_fallback", "is_shadow", "is_batch"} <= seen
    assert set(truth["days"][str(FIRST_DAY)]["by_tenant"]) == {tenant.name for tenant in TENANTS}


def test_incidents_are_in_the_files(world: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, truth = world
    spike, price, new_model = (
        next(incident for incident in truth["incidents"] if incident["kind"] == kind)
        for kind in ("TokenSpike", "PriceChange", "NewModel")
    )
    rows = Recount(folder, truth).winners.values()

    def mean_prompt(inside: bool) -> float:
        sizes = [
            sum(row[part] for part in ("prompt_system_tokens", "prompt_history_tokens", "prompt_user_tokens"))
            for row in rows
            if row.get("api_key_id") == spike["scope"]["api_key_id"] and "prompt_user_tokens" in row
            if row["feature"] == "support_chat"
            if (spike["start"] <= row["ts"].replace("Z", "+00:00") < spike["end"]) == inside
        ]
        return float(sum(sizes) / len(sizes))

    assert 6 < mean_prompt(inside=True) / mean_prompt(inside=False) < 10
    assert spike["requests_touched"] > 0
    days_of_new = {row["ts"][:10] for row in rows if row["request_model"] == new_model["model"]}
    assert days_of_new and min(days_of_new) == new_model["first_day"]
    override = yaml.safe_load((folder / "truth" / "price_override_example.yml").read_text(encoding="utf-8"))
    (entry,) = parse_overrides(override)
    assert entry.model == price["scope"]["request_model"]
    assert str(entry.valid_from.date()) == price["first_day"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_models_are_priced_as_the_catalogue_says(model: Any) -> None:
    for name in {model.name, model.response_name}:
        usage = Usage(input_tokens=1000, output_tokens=100)
        if model.is_priced:
            price = calc_price(usage, name, provider_id=model.provider)
            assert price.provider.id == model.provider and price.total_price > 0
        else:
            for provider in (model.provider, None):
                with pytest.raises(LookupError):
                    calc_price(usage, name, provider_id=provider)


def test_weekdays_and_size_are_as_asked(tmp_path: Path) -> None:
    truth = _run(tmp_path, days=7, requests=2000, dirt=NO_DIRT, incidents=())
    requests = {day: counts["requests"] for day, counts in truth["days"].items()}
    assert sum(requests.values()) / 7 == pytest.approx(2000, rel=0.05)
    bank = [counts["by_tenant"]["brightwater-bank"]["requests"] for counts in truth["days"].values()]
    assert bank[0] < 0.4 * bank[2], "the bank rests on Sunday, 2026-11-01"


def test_memory_is_bounded_by_a_chunk(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        for number, _ in enumerate(simulate(tmp_path / "l", tmp_path / "t", FIRST_DAY, 1, 200_000, SEED)):
            if number == 0:
                first_file_peak = tracemalloc.get_traced_memory()[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 250e6
    assert peak < 1.5 * first_file_peak, "memory grows with the day"


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--out", str(tmp_path / "landing"), "--truth", str(tmp_path / "truth"), "--first-day", "2026-11-01"]
    assert main([*where, "--days", "1", "--requests-per-day", "100", "--plain"]) == 0
    assert "part-000.jsonl" in capsys.readouterr().out
    assert main([*where, "--days", "1", "--requests-per-day", "99", "--plain"]) == 2
    assert "another world" in capsys.readouterr().err
    inside = ["--out", str(tmp_path), "--truth", str(tmp_path / "truth2"), "--first-day", "2026-11-01"]
    assert main(inside) == 2


def test_dirt_rates_are_a_dataclass() -> None:
    assert replace(NO_DIRT, late_1d=0.1).fate_weights()[1] == pytest.approx(0.1)
