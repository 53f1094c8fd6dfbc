"""What people ask about, and how they are answered, through whole nights: landed words, the packaged model, a verdict."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import request, selected
from retention_house import RetentionHouse

from resources.contracts import contracts
from resources.retention import RetentionPolicy

FIRST, QUIET_DAYS, DRIFT_DAYS = date(2026, 9, 1), 20, 3
DAYS = [FIRST + timedelta(days=offset) for offset in range(QUIET_DAYS + DRIFT_DAYS)]
LAST = DAYS[-1]
WITHOUT_TRAFFIC, WITHOUT_WORDS = DAYS[10], DAYS[12]
KEPT = RetentionPolicy({"text": 40, "rows": 400, "aggregates": None}, landing_files=400)
OF_TEXTS = tuple(name for name in contracts() if name.startswith("drift.text_"))
TABLES = (*OF_TEXTS, "drift.drift_tests", "drift.drift_verdicts", "drift.verdict_words")
TOPICS = {
    "parcel": ["Where is the parcel that I ordered?", "My parcel has not arrived.", "When is my parcel delivered?"],
    "login": ["I cannot log in to my account.", "My password does not work any more.", "How do I reset the password?"],
    "recipe": ["How long does the cake bake?", "Which flour is right for bread?", "Can I freeze the soup?"],
    "weather": ["Will it rain tomorrow in Oslo?", "How cold is it outside?", "Is a storm coming this weekend?"],
    "refund": ["I want my money back.", "When do I get the refund?", "How is a refund paid out?"],
}
ANSWER = "We look into it. Please see https://help.example.com for more."
REFUSAL = "I'm sorry, but I can't help with that."
FEATURES = ("chat", "search", "mail", "forms")
EACH = 45
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "drift.md").read_text(encoding="utf-8")


def traffic(day: date, chance: random.Random) -> list[dict[str, Any]]:
    """A day of four features, a tiny one, one that ends, and one that always says the same. From a day on, people ask chat
    for refunds, and mail refuses."""
    is_late = day >= DAYS[QUIET_DAYS]
    asked = [feature for feature in FEATURES for _ in range(EACH)]
    asked += ["tiny", *["echo"] * 22, *["ending"] * (0 if is_late else 22)]
    rows = []
    for number, feature in enumerate(asked if day != WITHOUT_TRAFFIC else []):
        odds = [6 if is_late and feature == "chat" and topic == "refund" else 1 for topic in TOPICS]
        (topic,) = chance.choices(list(TOPICS), odds)
        refuses = chance.random() < (0.6 if is_late and feature == "mail" else 0.1)
        words = {
            "prompt_text": f"{chance.choice(TOPICS[topic])} {chance.choice(['Thanks', 'Hi'])}!",
            "output_text": REFUSAL if refuses else ANSWER,
        }
        if feature == "echo":
            words = {"prompt_text": "ping", "output_text": "pong"}
        if day == WITHOUT_WORDS:
            words = {}
        ts = datetime.combine(day, time(1), UTC) + timedelta(minutes=number)
        rows.append(request(f"{day}-{number:03}", ts.isoformat(), feature=feature, **words))
    return rows


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RetentionHouse]:
    house = RetentionHouse(tmp_path_factory.mktemp("texts"), selected(*TABLES))
    chance = random.Random(3)
    for day in DAYS:
        house.deliver(f"{day}.jsonl", traffic(day, chance))
    house.now = datetime.combine(LAST + timedelta(days=1), time(3), UTC)
    done = house.night()
    assert not [key for key, outcome in done.items() if outcome.outcome == "failed"]
    yield house


def stored(house: RetentionHouse, columns: str, table: str, where: str) -> list[tuple[Any, ...]]:
    """Of a table as it is stored, with the columns that analysts do not see."""
    return house.store.rows(f"select {columns} from ({house.store.scan_all(table)}) where {where}")


def test_a_topic_that_grows_in_one_feature_is_named_by_requests_and_by_its_words(house: RetentionHouse) -> None:
    ((segment, metric, cluster, exemplars, since),) = house.ask(
        "select segment, metric, grown_bin, exemplar_request_ids, since_day from drift.drift_verdicts "
        f"where day = date '{LAST}' and family = 'embedding' and segment_kind = 'feature' and metric like 'prompt%'"
    )
    # A window of three nights, two of which have changed, may be enough.
    assert (segment, since in DAYS[QUIET_DAYS - 1 : QUIET_DAYS + 1]) == ("chat", True)
    named = ", ".join(f"'{name}'" for name in exemplars.split(", "))
    asked = stored(house, "text, feature", "drift.text_sample", f"part = 'prompt' and request_id in ({named})")
    assert len(asked) == 5
    assert all(feature == "chat" and ("refund" in text or "money" in text) for text, feature in asked)
    ((of_cluster, words),) = stored(
        house, "cluster, words", "drift.verdict_words",
        f"day = date '{LAST}' and segment = 'chat' and metric = '{metric}'",
    )  # fmt: skip
    assert str(of_cluster) == cluster
    assert "refund" in words or "money" in words


def test_answers_that_refuse_more_often_are_named_where_they_do(house: RetentionHouse) -> None:
    rows = house.ask(
        f"select distinct segment, grown_bin from drift.drift_verdicts where day = date '{LAST}' "
        "and metric = 'output_refuses' and segment_kind = 'feature'"
    )
    assert rows == [("mail", "yes")]


def test_quiet_days_have_no_verdict_about_texts(house: RetentionHouse) -> None:
    tested, alarms = house.ask(
        "select count_if(status <> 'not_enough_data'), count_if(is_alarm) from drift.drift_tests "
        f"where day < date '{DAYS[QUIET_DAYS]}' and (family = 'embedding' or metric like 'output_%')"
    )[0]
    assert tested > 50
    assert alarms == 0


@pytest.mark.parametrize(
    ("segment", "why"),
    [("tiny", "one request a day"), ("ending", "it vanished"), ("echo", "it never varies")],
)
def test_a_segment_that_says_too_little_is_no_alarm_and_no_crash(house: RetentionHouse, segment: str, why: str) -> None:
    rows = house.ask(
        f"select status, is_alarm from drift.drift_tests where day = date '{LAST}' and segment = '{segment}' "
        "and metric like 'prompt_embedding%'"
    )
    assert len(rows) == 1, why
    ((status, is_alarm),) = rows
    assert not is_alarm
    assert segment == "echo" or status == "not_enough_data"


def test_clusters_stand_still_through_days_without_traffic_or_words(house: RetentionHouse) -> None:
    rows = house.ask(
        "select part, reference, fitted_day, count(distinct day) from drift.text_clusters group by all order by all"
    )
    assert [(part, fitted) for part, _, fitted, _ in rows] == [("output", FIRST), ("prompt", FIRST)]
    assert {days for *_, days in rows} == {len(DAYS) - 2}
    without = f"day in (date '{WITHOUT_TRAFFIC}', date '{WITHOUT_WORDS}')"
    assert house.ask(f"select count(*) from drift.text_profiles where {without}") == [(0,)]


def test_the_query_of_the_page_names_a_text_in_the_middle_of_each_cluster(house: RetentionHouse) -> None:
    (query,) = (query for query in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL) if "text_topics" in query)
    rows = house.ask(query)
    assert {part for part, *_ in rows} == {"prompt", "output"}
    ((texts,),) = house.ask(f"select count(*) from drift.text_topics where day = date '{LAST}'")
    assert sum(row[3] for row in rows) == texts


def test_analysts_see_topics_and_profiles_but_no_words_and_no_vectors(house: RetentionHouse) -> None:
    seen = {
        table: {row[0] for row in house.ask(f"select column_name from (describe drift.{table})")}
        for table in ("text_sample", "text_vectors", "verdict_words", "text_topics")
    }
    for table, hidden in (("text_sample", "text"), ("text_vectors", "vector"), ("verdict_words", "words")):
        assert seen[table] and hidden not in seen[table]
    assert {"cluster", "similarity", "refuses"} <= seen["text_topics"]


def test_the_next_night_reads_its_own_day_alone_and_embeds_nothing_twice(house: RetentionHouse) -> None:
    day = LAST + timedelta(days=1)
    before = house.ask("select * from drift.text_profiles order by all")
    (cache,) = (house.store.state / "embeddings").glob("*.sqlite")
    assert cache.stat().st_mode & 0o777 == 0o600

    def cached() -> int:
        with sqlite3.connect(cache) as con:
            return int(con.execute("select count(*) from vectors").fetchone()[0])

    known = cached()
    house.deliver(f"{day}.jsonl", traffic(day, random.Random(9)))
    house.now += timedelta(days=1)
    done = house.night()
    replaced = {key for key, outcome in done.items() if outcome.outcome == "replaced" and key[0] in OF_TEXTS}
    assert replaced == {(name, day) for name in OF_TEXTS}
    assert house.ask(f"select * from drift.text_profiles where day < date '{day}' order by all") == before
    assert cached() == known
    assert house.is_quiet()


def test_words_and_vectors_go_when_their_days_close_and_profiles_stay(house: RetentionHouse) -> None:
    """The last of the tests: it takes away what the others look at."""
    profiles = house.ask("select count(*) from drift.text_profiles")
    (cache,) = (house.store.state / "embeddings").glob("*.sqlite")
    house.now += timedelta(days=30)
    house.retain(policy=KEPT)
    left = house.stored("drift.text_sample")
    assert left and left[0] > f"{FIRST:%m-%d}"
    assert house.stored("drift.text_vectors") == left
    house.now += timedelta(days=30)
    house.retain(policy=KEPT)
    for table in ("drift.text_sample", "drift.text_vectors", "drift.verdict_words"):
        assert house.stored(table) == []
    with sqlite3.connect(cache) as con:
        assert con.execute("select count(*) from vectors").fetchone() == (0,)
    house.publish()
    assert house.ask("select count(*) from drift.text_profiles") == profiles
