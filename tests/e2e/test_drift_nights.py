"""Drift through whole nights: from landed lines to a verdict that names what grew and which requests show it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import House, request, selected

FIRST, QUIET_DAYS, DRIFT_DAYS = date(2026, 9, 1), 30, 4
"""So many that verdicts are no weak ones; those of fewer nights are test_drift_tickets.py's."""
FEATURES = ("chat", "search", "summary", "mail", "forms")
A_DAY = 200
LAST = FIRST + timedelta(days=QUIET_DAYS + DRIFT_DAYS - 1)
ENGLISH = "Where is the parcel that I ordered last week?"
GERMAN = "Wo ist das Paket, das ich letzte Woche bestellt habe?"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "drift.md"
QUERIES = [
    query
    for query in re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    if "text_topics" not in query
]
OF_DRIFT = ("drift.profiles", "drift.drift_tests", "drift.drift_verdicts")
OF_WORDS = ("drift.text_topics", "drift.text_profiles", "cost.request_costs")
"""Nothing is kept of words here, and nothing is paid."""


def traffic(day: date, chance: random.Random) -> list[dict[str, Any]]:
    """A day of five features; from a day on, chat is asked in German by half of its users instead of a tenth."""
    german = 0.5 if day >= FIRST + timedelta(days=QUIET_DAYS) else 0.1
    start = datetime.combine(day, time(1), UTC)
    rows = []
    for number in range(A_DAY):
        feature = FEATURES[number % len(FEATURES)]
        is_german = chance.random() < (german if feature == "chat" else 0.1)
        rows.append(
            request(
                f"{day}-{number:03}",
                (start + timedelta(minutes=5 * number)).isoformat(),
                feature=feature,
                uncached_input_tokens=round(chance.lognormvariate(6, 0.5)),
                latency_ms=round(chance.lognormvariate(7, 0.4)),
                prompt_text=GERMAN if is_german else ENGLISH,
            )
        )
    return rows


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("drift"), contracts_=selected(*OF_DRIFT, empty=OF_WORDS))
    chance = random.Random(3)
    days = [FIRST + timedelta(days=offset) for offset in range(QUIET_DAYS + DRIFT_DAYS)]
    house.deliver("all.jsonl", [row for day in days for row in traffic(day, chance)])
    house.now = datetime.combine(LAST + timedelta(days=1), time(3), UTC)
    house.night()
    yield house


def test_a_language_that_grows_in_one_feature_is_named_with_requests_that_show_it(house: House) -> None:
    rows = house.ask(
        "select segment_kind, segment, metric, since_day, grew, exemplar_request_ids, title from drift.drift_verdicts "
        f"where day = date '{LAST}' order by segment_kind, segment, metric"
    )
    chat = next(row for row in rows if row[:3] == ("feature", "chat", "prompt_language"))
    since, grew, exemplars, title = chat[3:]
    assert FIRST + timedelta(days=QUIET_DAYS - 2) <= since <= FIRST + timedelta(days=QUIET_DAYS + 1)
    assert grew.startswith("de: ")
    named = exemplars.split(", ")
    listed = ", ".join(f"'{name}'" for name in named)
    found = house.ask(f"select feature, prompt_language from logs.requests where request_id in ({listed})")
    assert found == [("chat", "de")] * 5
    assert "prompt_language of feature chat" in title
    assert not {row[1] for row in rows if row[0] == "feature"} - {"chat"}


def test_the_queries_of_the_page_answer(house: House) -> None:
    assert len(QUERIES) == 2
    for query in QUERIES:
        assert house.ask(query)


def test_quiet_days_have_no_verdict(house: House) -> None:
    before = FIRST + timedelta(days=QUIET_DAYS)
    assert house.ask(
        f"select count(*) from drift.drift_tests where day < date '{before}' and status <> 'not_enough_data'"
    ) > [(0,)]
    assert house.ask(f"select count(*) from drift.drift_verdicts where day < date '{before}'") == [(0,)]


def test_the_next_night_tests_its_own_day_alone(house: House) -> None:
    """The window of 58 days is read, not computed again; and what stood before keeps standing."""
    day = LAST + timedelta(days=1)
    before = house.ask("select * from drift.drift_tests order by all")
    house.deliver(f"{day}.jsonl", traffic(day, random.Random(9)))
    house.now += timedelta(days=1)
    done = house.night()
    # A day is judged anew when its neighbour arrives (a re-delivery may lie on either side of midnight): nothing changes.
    computed = {name: {d for (table, d), outcome in done.items() if table == name and outcome.outcome == "replaced"}
                for name in OF_DRIFT}  # fmt: skip
    assert computed == {"drift.profiles": {day}, "drift.drift_tests": {day}, "drift.drift_verdicts": {day}}
    assert house.ask(f"select * from drift.drift_tests where day < date '{day}' order by all") == before
    assert house.is_quiet()
