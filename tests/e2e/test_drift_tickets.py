"""From landed lines to one ticket a change: what is found, what stands in service.findings, what the asset's page shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
import pytest
from house import House, all_contracts, request, selected

from assets.tables import table_asset
from pipelines.clock import WallClock
from pipelines.service.alert_desk import AlertDesk
from resources.contracts import SEEDS, Contract
from resources.warehouse_resource import EmbedderResource, WarehouseResource
from resources.worked_questions import worked_questions

FIRST, QUIET_DAYS, CHANGED_DAYS = date(2026, 9, 1), 18, 4
LAST = FIRST + timedelta(days=QUIET_DAYS + CHANGED_DAYS - 1)
MODELS = {"chat": "small", "search": "small", "mail": "large"}
ENGLISH = "Where is the parcel that I ordered last week?"
OF_CHANGES = (
    "service.findings", "service.alerts_now", "service.alert_ledger", "service.alert_precision", "drift.alarms_now",
)  # fmt: skip
GERMAN = "Wo ist das Paket, das ich letzte Woche bestellt habe?"


def traffic(day: date, chance: random.Random) -> Iterator[dict[str, Any]]:
    """A day of three features; at last chat is asked in German, at greater length, and answers take longer."""
    is_changed = day >= FIRST + timedelta(days=QUIET_DAYS)
    for number in range(150):
        feature = ("chat", "search", "mail")[number % 3]
        is_other = is_changed and feature == "chat" and chance.random() < 0.6
        yield request(
            f"{day}-{number:03}",
            (datetime.combine(day, time(1), UTC) + timedelta(minutes=6 * number)).isoformat(),
            feature=feature,
            request_model=MODELS[feature],
            tenant=chance.choice(("north", "south")),
            uncached_input_tokens=round(chance.lognormvariate(7 if is_other else 6, 0.5)),
            latency_ms=round(chance.lognormvariate(7.5 if is_other else 7, 0.4)),
            prompt_text=GERMAN if is_other or chance.random() < 0.1 else ENGLISH,
        )


def with_quiet_rules() -> dict[str, Contract]:
    """What tickets are made from and end in; the tables of the other rules, of words and of costs are there, and empty."""
    every = all_contracts()
    findings = every["service.findings"].reads
    others = [name for name in findings if not name.startswith(("drift.", "logs.")) and every[name].is_partitioned]
    unasked = (*others, "drift.text_topics", "drift.text_profiles", "cost.request_costs")
    return selected("drift.changes", "drift.provider_tests", "drift.config_drift", *OF_CHANGES, empty=unasked)


def all_but(house: House, *names: str) -> House:
    """The same warehouse, seen without some of its tables."""
    kept = {name: contract for name, contract in house.store.contracts.items() if name not in names}
    return House(house.root, house.now, kept)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """All is computed but drift.changes and what reads it."""
    now = datetime.combine(LAST + timedelta(days=1), time(3), UTC)
    house = House(tmp_path_factory.mktemp("tickets"), now, with_quiet_rules())
    chance = random.Random(3)
    days = [FIRST + timedelta(days=offset) for offset in range(QUIET_DAYS + CHANGED_DAYS)]
    house.deliver("all.jsonl", [row for day in days for row in traffic(day, chance)])
    all_but(house, "drift.changes", *OF_CHANGES).night()
    return house


@pytest.fixture(scope="module")
def shown(house: House) -> dict[str, Any]:
    """The metadata with which Dagster materializes drift.changes on the days of the change, and publishing after it."""
    contracts_ = house.store.contracts
    asset = table_asset(contracts_["drift.changes"], contracts_)
    warehouse = WarehouseResource(
        data_dir=str(house.store.data),
        state_dir=str(house.store.state),
        landing_dir=str(house.landing),
        seeds_dir=str(SEEDS),
        durable=False,
    )
    clock = WallClock(fixed_now=house.now.replace(tzinfo=None).isoformat(), settle_seconds=0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [asset],
            resources={"warehouse": warehouse, "clock": clock, "embedder": EmbedderResource()},
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": (LAST - timedelta(days=3)).isoformat(),
                "dagster/asset_partition_range_end": LAST.isoformat(),
            },
        )
        (event, *_) = done.get_asset_materialization_events()
    House(house.root, house.now, contracts_).night()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_one_change_that_moves_many_tests_is_one_ticket_over_its_nights(house: House, shown: dict[str, Any]) -> None:
    tests = house.ask(f"select count(*) from drift.drift_verdicts where day = date '{LAST}'")[0][0]
    assert tests > 10
    assert house.ask("select count(distinct change_id) from drift.changes") == [(1,)]
    ((state, segment, counted, title),) = house.ask("select state, segment, tests, title from drift.alarms_now")
    assert (state, segment, counted) == ("found", "chat", tests)
    assert f"({tests - 1} more tests) (weak)" in title


def test_the_page_of_the_asset_shows_the_change_as_a_line_and_as_a_picture(shown: dict[str, Any]) -> None:
    line = shown[f"change 1 of 1, {LAST}"]
    assert "of feature chat` since 2026-09-" in line and "(weak)" in line and len(line) < 1000
    assert shown["picture of change 1"].startswith("![change ")
    assert "data:image/svg+xml;base64," in shown["picture of change 1"]


def test_it_is_raised_once_and_what_is_said_of_it_is_counted(house: House, shown: dict[str, Any]) -> None:
    later = House(house.root, house.now, house.store.contracts)
    desk = AlertDesk(later.publisher, SEEDS, {}, lambda: later.now)
    findings = later.ask("select day, fingerprint, rule, first_seen, evidence from service.findings order by day")
    assert len(findings) >= 2 and len({row[1] for row in findings}) == 1 and {row[2] for row in findings} == {findings[0][2]}
    assert all(len(later.ask(evidence)) > 1 for *_, evidence in findings)
    (alert,) = desk.raise_alerts()
    assert desk.raise_alerts() == []
    desk.judge(alert["alert_id"], "expected", "ada")
    later.publish()
    asked = "select rule, status, alerts, n, incidents, expected, noise, unknown, precision from service.alert_precision"
    assert later.ask(asked) == [(alert["rule"], "weak", 1, 1, 0, 1, 0, 0, 1.0)]
    assert later.ask("select alert_id, outcome from drift.alarms_now") == [(alert["alert_id"], "expected")]
    unanswered = [question for question, sql in worked_questions("drift") if not later.ask(sql.rstrip(";"))]
    assert unanswered == []
