"""quality.injections and quality.abuse over the simulator's days: ordinary ones are quiet, an attacker is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.quality import abuse as abusing
from assets.quality import injections as attempts
from simulator.dirt import NO_DIRT
from simulator.incidents import Incident
from simulator.plans import calm_plan
from simulator.service_incidents import Attacker, PromptLoop, SafetyBypass
from simulator.traffic import simulate

FIRST, REQUESTS = date(2026, 11, 2), 3000
START, END = (datetime(2026, 11, 2, hour, tzinfo=UTC) for hour in (10, 18))
KEY = {"api_key_id": "key-kestrel-software-1"}
_OWN_NAMES = {"user_id": "user_token", "api_key_id": "api_key_token", "conversation_id": "conversation_token"}
_TYPES: dict[str, Any] = {"ts": pl.Datetime("us", "UTC"), "record_number": pl.Int64, "is_shadow": pl.Boolean}
Row = dict[str, Any]


def judged(folder: Path, incidents: Sequence[Incident], days: int = 1) -> tuple[list[Row], int, dict[str, Any]]:
    """(rows of quality.abuse, attempts in prompts, the truth) of simulated days with words."""
    arguments: Row = {"dirt": NO_DIRT, "plain": True, "texts": True, "incidents": tuple(incidents)}
    for _ in simulate(folder / "landing", folder / "truth", FIRST, days, REQUESTS, 3, **arguments):
        pass
    found, tried = [], 0
    for delivered in sorted((folder / "landing" / "gateway").iterdir()):
        lines = [line for path in sorted(delivered.glob("part-*")) for line in path.read_bytes().splitlines()]
        tables = frames([json.loads(line) for line in lines])
        day = date.fromisoformat(delivered.name)
        hits = attempts.injections(day, **tables)
        tried += hits.filter(pl.col("part") == "prompt").height
        needed = {name: table for name, table in tables.items() if name != "tool_calls"}
        found += abusing.abuse(day, **needed, injections=hits).to_dicts()
    truth = json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    return found, tried, truth


def frames(records: Sequence[Row]) -> dict[str, pl.DataFrame]:
    """The tables of some requests, each of which is its own pseudonym."""
    rows: dict[str, list[Row]] = {name: [] for name in ("requests", "texts", "retrievals", "tool_calls")}

    def add(table: str, record: Row, words: dict[str, str]) -> None:
        place = {"file_id": "f", "record_number": sum(map(len, rows.values())), "ts": datetime.fromisoformat(record["ts"])}
        rows[table].append({_OWN_NAMES.get(name, name): value for name, value in (record | place).items()})
        for part, field in words.items():
            if record.get(field) is not None:
                rows["texts"].append({"part": part, "text": record[field]} | {k: v for k, v in place.items() if k != "ts"})

    for record in records:
        own = {name: value for name, value in record.items() if name not in ("retrievals", "tool_calls")}
        own["prompt_fingerprint"] = own.get("prompt_text")
        add("requests", own, {"prompt": "prompt_text", "output": "output_text"})
        for found in record.get("retrievals", ()):
            add("retrievals", own | found, {"document": "document_text"})
        for called in record.get("tool_calls", ()):
            add("tool_calls", own | called, {"result": "result_text"})
    asked = [attempts.COLUMNS, abusing.COLUMNS]
    wanted = {name: {column for of in asked for column in of.get(f"logs.{name}", ())} for name in rows}
    return {
        name: pl.DataFrame(rows[name], schema={column: _TYPES.get(column, pl.String) for column in sorted(wanted[name])})
        for name in rows
    }


@pytest.mark.parametrize(
    "incidents",
    [
        calm_plan(FIRST, 2),
        (SafetyBypass("bypass", START, END, {"feature": "support_chat"}, 0.1),),
        (PromptLoop("loop", START, END, KEY, 100.0),),
    ],
    ids=["calm", "the filter fails", "a program is stuck"],
)
def test_a_day_without_an_attacker_has_no_abuse_though_attempts_are_made(tmp_path: Path, incidents: Any) -> None:
    found, tried, _ = judged(tmp_path, incidents, 2)
    assert tried > 10
    assert [row for row in found if row["severity"] == "abuse"] == []


def test_an_attacker_is_found_by_both_of_what_they_do_and_nobody_else_is(tmp_path: Path) -> None:
    attacker = Attacker("attacker", START, END, KEY | {"feature": "doc_search"}, 10.0)
    found, tried, truth = judged(tmp_path, (attacker,))
    abuse = {row["pattern"]: row for row in found if row["severity"] == "abuse"}
    assert set(abuse) == {"injection", "crawling"}
    assert len({row["subject_token"] for row in abuse.values()}) == 1
    assert abuse["injection"]["subject"] == "user" and START <= abuse["injection"]["first_seen"] < END
    assert abuse["crawling"]["different"] == 72
    attacked = truth["deliveries"][str(FIRST)]["made"]["words"]["attacked"]
    # What the input filter turned away is an attempt, too, and no attack that was drawn.
    assert 0.95 * len(attacked) <= tried <= len(attacked) + 0.01 * REQUESTS
