"""From answers to a published rate and the state of a promise: drawn, judged by people, imported, estimated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from label_house import DAY, LabelHouse, answered, label

from assets.service.openslo import Promised, parse, rows
from resources.contracts import SEEDS, contracts
from resources.references import replace_reference
from resources.seed_yaml import read_documents
from resources.table_store import arrow_schema

BEFORE = DAY - timedelta(days=1)
TABLES = ("quality.rates", "quality.label_power", "service.slo_status")
FEATURES = {"chat": Promised("standard", "team:support", "prod"), "search": Promised("standard", "team:search", None)}
RATE = (
    "select rate, low, high, n_responses, n_labelled, n_excluded, method from quality.rates where day = date '{day}' "
    "and verdict = '{verdict}' and window_days = {window} and scope = '{scope}' and feature is not distinct from {feature}"
)


def is_made_up(request_id: str) -> bool:
    """Every fifth answer of the chat, none of the search."""
    return request_id.startswith("chat") and int(request_id[-3:]) % 5 == 0


def answers(day: date) -> list[dict[str, Any]]:
    """150 of the chat and 50 of the search; ten that may not be labelled, and ten of the chat's staging, all made up."""
    of_day = {"day": f"{day}", "hour": 10}
    chat = [answered(f"chat-{day:%d}-{n:03}", feature="chat", environment="prod", **of_day) for n in range(150)]
    search = [answered(f"search-{day:%d}-{n:03}", feature="search", environment="prod", **of_day) for n in range(50)]
    hidden = [
        answered(f"hidden-{day:%d}-{n}", feature="search", environment="prod", may_label=False, **of_day) for n in range(10)
    ]
    staged = [answered(f"staged-{day:%d}-{n}", feature="chat", environment="staging", **of_day) for n in range(10)]
    return [*chat, *search, *hidden, *staged]


def disliked(day: date) -> list[dict[str, Any]]:
    """A thumb down for every made-up answer of the chat: these people are asked about besides."""
    return [
        {"record_kind": "feedback", "request_id": f"chat-{day:%d}-{n:03}", "ts": f"{day}T12:00:00Z", "feature": "chat",
         "feedback_kind": "rating", "feedback_name": "thumbs", "feedback_value": 0}
        for n in range(0, 150, 5)
    ]  # fmt: skip


class RatesHouse(LabelHouse):
    """A house with promises, where 60 answers a night are drawn and up to 50 targeted."""

    def __init__(self, root: Path):
        super().__init__(root, more=TABLES)
        self.declare(labels_per_night=60, look_back_days=2)
        self.set_prices([])
        feature = dict.fromkeys(c.name for c in contracts()["service.features"].columns)
        told = {
            "owner": "team:support",
            "use_case": "chat",
            "risk_class": "minimal",
            "cache_max_age_s": 1.0,
            "text_policy": "",
        }
        chat, search = (
            {**feature, **told, "feature": name, "environments": FEATURES[name].environments} for name in FEATURES
        )
        self.refer("service.features", [chat, search])
        documents = parse({"standard": read_documents(SEEDS / "slos" / "standard.yml")})
        self.refer("service.slos", rows(documents, FEATURES))

    def refer(self, name: str, told: list[dict[str, Any]]) -> None:
        replace_reference(self.store, name, pa.Table.from_pylist(told, schema=arrow_schema(contracts()[name])))

    def judged(self, day: date, *reasons: str) -> None:
        """People judge the queue of a day, truthfully, and their file is read."""
        told = [
            label(row["request_id"], hallucinated="yes" if is_made_up(row["request_id"]) else "no", day=f"{day}")
            for row in self.queue(day)
            if row["reason"] in reasons
        ]
        self.drop(f"{day}-{'-'.join(reasons)}.jsonl", told)
        (done,) = self.read_labels()
        assert done.is_clean, done
        self.night()

    def rate(
        self, day: date = DAY, window: int = 1, feature: str | None = None, verdict: str = "hallucinated"
    ) -> tuple[Any, ...]:
        scope, named = ("feature", f"'{feature}'") if feature else ("all", "null")
        (found,) = self.ask(RATE.format(day=day, verdict=verdict, window=window, scope=scope, feature=named))
        return found

    def promise(self, feature: str, slo: str = "hallucination", day: date = DAY) -> tuple[Any, ...]:
        (found,) = self.ask(
            "select state, total, good_share, low, high, burned_share from service.slo_status "
            f"where day = date '{day}' and slo = '{slo}' and feature = '{feature}'"
        )
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RatesHouse]:
    """Two days are landed and drawn; nobody has judged."""
    house = RatesHouse(tmp_path_factory.mktemp("rates") / "house")
    for day in (BEFORE, DAY):
        house.deliver(f"{day}.jsonl", [*answers(day), *disliked(day)])
    house.night()
    house.desk().work()
    house.night()
    yield house


def test_before_anybody_judges_there_is_no_rate_and_no_promise_is_broken(house: RatesHouse) -> None:
    assert house.rate() == (None, None, None, 200, 0, 10, "no_labels")
    assert house.promise("chat") == ("not_enough_data", 0, None, None, None, None)
    assert house.promise("chat", "retrieval-recall")[0] == "not_measured"
    assert house.is_quiet()


def test_labels_of_the_drawn_make_the_rate_and_those_of_the_targeted_do_not(house: RatesHouse) -> None:
    house.judged(DAY, "drawn")
    _, low, high, responses, labelled, excluded, method = house.rate()
    assert (responses, labelled, excluded) == (200, 60, 10)
    assert low < 0.15 < high and method in ("classical", "exact")
    assert house.rate(feature="search")[0] == 0
    before = house.ask("select * from quality.rates where day = date '2026-11-09' order by all")
    assert {row["reason"] for row in house.queue()} == {"drawn", "thumbs_down"}
    house.judged(DAY, "thumbs_down")
    assert sum(row["hallucinated"] for row in house.labels()) >= 30
    assert house.ask("select * from quality.rates where day = date '2026-11-09' order by all") == before
    assert house.rate(verdict="toxic")[-1] == "no_labels", "what was not asked has no rate"


def test_the_promise_is_judged_by_the_bound_of_its_window_and_a_late_label_computes_it_anew(house: RatesHouse) -> None:
    """A fifth of the chat's answers is made up, where 5 % may be."""
    state, total, good, low, high, burned = house.promise("chat")
    assert low < 0.8 < high and good < high and state == "spent"
    assert burned == pytest.approx((1 - high) / 0.05, abs=1e-4)
    rate, its_low, its_high, _, labelled, _, _ = house.rate(window=30, feature="chat")
    assert (total, good, low, high) == (
        labelled,
        pytest.approx(1 - rate),
        pytest.approx(1 - its_high),
        pytest.approx(1 - its_low),
    )
    assert house.promise("search")[0] in ("not_enough_data", "ok")
    assert house.rate(window=7)[3:5] == (200, 60), "nobody has judged the day before"

    house.judged(BEFORE, "drawn")
    assert house.rate(window=7)[3:5] == (400, 120)
    assert house.rate(BEFORE)[4] == 60
    assert house.promise("chat")[1] > total and house.promise("chat", day=BEFORE)[0] == "spent"
    assert house.is_quiet()


def test_more_labels_would_halve_the_interval(house: RatesHouse) -> None:
    (found,) = house.ask(
        "select n_labelled, labels_needed, labels_a_day, is_raters_error from quality.label_power "
        "where day = date '2026-11-09' and verdict = 'hallucinated' and window_days = 1 and feature is null"
    )
    labelled, needed, a_day, is_raters = found
    assert labelled == 60 and 90 < needed <= 200 and a_day == needed and not is_raters
    assert house.ask("select count(*) from quality.label_power where verdict = 'toxic' and labels_needed is not null") == [
        (0,)
    ]
