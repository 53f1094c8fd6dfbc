"""Steps of a candidate are written once and in order; what a night rests on is read from the tables as they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from index_house import IndexHouse

from pipelines.clock import WallClock
from pipelines.retrieval.index_ledger import EVALUATIONS, RELEASES_TABLE
from pipelines.tuning.training_sweep import sweep_trainings
from pipelines.tuning.trigger_facts import INCIDENTS, facts_of, limits_of
from pipelines.tuning.tuning_ledger import (
    CANCELLED,
    CANDIDATES,
    FAILED,
    NOCTURNE,
    OPEN,
    PROMOTED,
    REGISTERED,
    REJECTED,
    REQUESTED,
    RETIRED,
    TRAINED,
    TRAINING,
    TuningLedger,
)  # fmt: skip
from pipelines.tuning.tuning_ledger import PASSED as LET_THROUGH
from resources.embedder import Embedder, cache_folder
from resources.events import append, table_rows
from resources.model_copies import Followed, ModelCopies
from resources.registry import Registry
from resources.store import Store
from resources.training_spec import training_folder
from resources.tuning_seed import GateSeed, KindSeed, LimitsSeed

NIGHT = date(2026, 11, 9)
FREE = LimitsSeed(1.0, Decimal(0), Decimal(0))
A, B = "a" * 16, "b" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data", tmp_path / "home", durable=False, threads=1)


def ledger(store: Store, now: str = "2026-11-10T03:00:00") -> TuningLedger:
    return TuningLedger(store, WallClock(fixed_now=now))


def ask(found: TuningLedger, candidate: str = A, kind: str = "retriever", why: str = "drift") -> bool:
    return found.request(candidate, kind, "d" * 16, "base", {"epochs": 1}, why, NOCTURNE)


def states(store: Store, candidate: str = A) -> list[str]:
    rows = [row for row in table_rows(store, CANDIDATES) if row["candidate"] == candidate]
    return [row["state"] for row in sorted(rows, key=lambda row: row["step"])]


def test_a_step_is_written_once_and_only_where_it_may_follow(store: Store) -> None:
    found = ledger(store)
    assert not found.step(A, TRAINING), "nobody asked for it"
    assert ask(found) and found.step(A, TRAINING) and not found.step(A, TRAINING) and not found.step(A, PROMOTED)
    assert found.step(A, TRAINED, None, training_seconds=3.0, cost_usd=Decimal(1)) and not found.step(A, TRAINING)
    assert found.step(A, REJECTED, "no gain") and found.step(A, REJECTED, "no gain", model_version="1", mlflow_run_id="r")
    assert not found.step(A, REJECTED, "no gain", model_version="2"), "it stands in the registry already"
    assert states(store) == [REQUESTED, TRAINING, TRAINED, REJECTED, REJECTED]
    newest = ledger(store).newest[A]
    assert (newest["step"], newest["model_version"], newest["cost_usd"], newest["kind"]) == (5, "1", 1, "retriever")
    assert not ask(ledger(store)), "the same data, model and recipe were rejected: they are not trained again"


def test_of_two_nights_at_once_one_asks_whatever_each_believes(store: Store) -> None:
    first, second = ledger(store), ledger(store)
    assert ask(first) and not ask(second) and not ask(second, B)
    assert ask(second, "c" * 16, "detector"), "another kind is not in its way"
    assert first.step(A, TRAINING) and not second.step(A, TRAINING)
    assert states(store) == [REQUESTED, TRAINING]


def test_what_failed_or_was_cancelled_may_be_asked_for_again(store: Store) -> None:
    found = ledger(store)
    for end in (FAILED, CANCELLED):
        assert ask(found) and found.step(A, TRAINING) and found.step(A, end, "the machine went away")
    assert ask(found) and [row["candidate"] for row in found.in_state(*OPEN)] == [A]


def test_a_champion_that_was_put_back_is_promoted_again(store: Store) -> None:
    found = ledger(store)
    for candidate, version in ((A, "1"), (B, "2")):
        ask(found, candidate)
        for state in (TRAINING, TRAINED, "passed"):
            found.step(candidate, state)
        found.step(candidate, REGISTERED, model_version=version)
    assert found.step(A, PROMOTED) and found.step(A, RETIRED) and found.step(B, PROMOTED)
    assert found.promoted("embedder")["model_version"] == "2"  # type: ignore[index]
    assert found.step(B, RETIRED) and found.step(A, PROMOTED)
    assert ledger(store).promoted("embedder")["model_version"] == "1"  # type: ignore[index]
    assert found.promoted("generator") is None


def test_a_month_pays_for_each_candidate_once_however_often_it_stopped(store: Store) -> None:
    found = ledger(store)
    ask(found)
    found.step(A, TRAINING)
    found.step(A, FAILED, "a limit", cost_usd=Decimal("1.5"))
    ask(found)
    found.step(A, TRAINING)
    found.step(A, TRAINED, cost_usd=Decimal("2.25"))
    assert found.spent_usd("retriever", date(2026, 11, 30)) == Decimal("2.25")
    assert found.spent_usd("retriever", date(2026, 12, 1)) == found.spent_usd("detector", date(2026, 11, 30)) == 0
    paid = KindSeed("retriever", {}, LimitsSeed(1, Decimal(4), Decimal(1)), budget_usd_a_month=Decimal(5))
    facts = facts_of(store, paid, found, NIGHT)
    assert (facts.spent_usd, limits_of(paid).usd_a_training, facts.trained_last) == (Decimal("2.25"), 4, date(2026, 11, 10))
    assert limits_of(KindSeed("retriever", {}, FREE)).usd_a_training is None


def test_an_attempt_is_paid_in_the_month_in_which_it_ended_also_one_that_failed(store: Store) -> None:
    for now, cost in (("2026-10-31T03:00:00", "1.5"), ("2026-11-02T03:00:00", "2"), ("2026-11-20T03:00:00", "0.25")):
        found = ledger(store, now)
        # A month later its folder is gone: what it costs is counted from nothing again.
        assert ask(found) and found.step(A, TRAINING) and found.step(A, FAILED, "it broke", cost_usd=Decimal(cost))
    assert found.spent_usd("retriever", date(2026, 10, 1)) == Decimal("1.5")
    assert found.spent_usd("retriever", date(2026, 11, 1)) == Decimal("0.75")


def evaluated(store: Store, day: date, value: float, **more: Any) -> None:
    row = {
        "day": day, "recorded_at": datetime(2026, 11, 10, tzinfo=UTC), "index_name": "main", "release": 1, "metric": "ndcg",
        "k": 10, "scope": "all", "scope_value": "", "basis": "cited", "queries_from": "logs", "value": value,
        "low": value - 0.05, "high": value + 0.05, "n": 200,
    }  # fmt: skip
    append(store, EVALUATIONS, lambda _: [row | more])


def test_nights_are_of_what_was_live_and_of_the_champion_that_serves(store: Store, tmp_path: Path) -> None:
    house = IndexHouse(tmp_path / "released")
    house.put(range(8))
    house.desk.work()
    live = table_rows(house.store, RELEASES_TABLE)
    append(store, RELEASES_TABLE, lambda _: [row | {"release": n} for n in (1, 3) for row in live])
    for ago, value in ((2, 0.5), (1, 0.6), (0, 0.7)):
        evaluated(store, NIGHT - timedelta(days=ago), value)
    evaluated(store, NIGHT, 0.9, release=2)
    evaluated(store, NIGHT, 0.75, release=3)
    evaluated(store, NIGHT, 0.2, scope="tenant", scope_value="acme")
    evaluated(store, NIGHT, 0.2, metric="recall")
    evaluated(store, NIGHT - timedelta(days=40), 0.2)
    seed = KindSeed("retriever", {}, FREE, gate=GateSeed({"ndcg": 0.4}))
    [series] = facts_of(store, seed, ledger(store), NIGHT).series
    assert (series.what, series.floor) == ("ndcg of main by cited", 0.4)
    assert {one.day: one.value for one in series.nights} == {
        NIGHT - timedelta(days=2): 0.5, NIGHT - timedelta(days=1): 0.6, NIGHT: 0.75,
    }  # fmt: skip
    assert facts_of(store, KindSeed("detector", {}, FREE), ledger(store), NIGHT).series == ()
    found = ledger(store, "2026-11-08T03:00:00")
    ask(found)
    for state in (TRAINING, TRAINED, "passed"):
        found.step(A, state)
    found.step(A, REGISTERED, model_version="1")
    found.step(A, PROMOTED)
    facts = facts_of(store, seed, found, NIGHT)
    assert facts.champion_since == date(2026, 11, 8) and not facts.is_in_training
    assert [one.day for one in facts.series[0].nights] == [NIGHT - timedelta(days=1), NIGHT]


def test_incidents_of_seven_days_and_of_its_features_count(store: Store) -> None:
    def opened(name: str, at: str, feature: str | None, act: str = "opened") -> dict[str, Any]:
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        return {
            "day": moment.date(), "incident_id": name, "change": 1 if act == "opened" else 2, "act": act, "actor": NOCTURNE,
            "happened_at": moment, "recorded_at": moment, "feature": feature, "title": "x",
        }  # fmt: skip

    rows = [
        opened("a", "2026-11-09T23:59:59", "search"), opened("a", "2026-11-09T23:59:59", "search", "resolved"),
        opened("b", "2026-11-03T00:00:00", None), opened("c", "2026-11-02T23:59:59", "search"),
        opened("d", "2026-11-10T00:00:00", "search"),
    ]  # fmt: skip
    append(store, INCIDENTS, lambda _: rows)
    every, one = (KindSeed("sft", {}, FREE, features=some) for some in (None, frozenset({"search"})))
    assert facts_of(store, every, ledger(store), NIGHT).incidents_of_a_week == 2
    assert facts_of(store, one, ledger(store), NIGHT).incidents_of_a_week == 1


def test_what_a_training_left_goes_a_month_after_its_end_unless_it_is_still_to_be_registered(store: Store) -> None:
    waiting = "c" * 16
    found = ledger(store)
    for name, steps in ((A, (TRAINING, TRAINED, REJECTED)), (B, (TRAINING,)), (waiting, (TRAINING, TRAINED, REJECTED))):
        ask(found, name, kind={A: "retriever", B: "detector", waiting: "sft"}[name])
        for state in steps:
            found.step(name, state)
        training_folder(store.state, name).mkdir(parents=True)
    found.step(A, REJECTED, model_version="1")
    registry = Registry.of(store.state)
    assert sweep_trainings(store, WallClock(fixed_now="2026-12-09T03:00:00"), registry).folders == []
    assert sweep_trainings(store, WallClock(fixed_now="2026-12-11T03:00:00"), registry).folders == [A]
    assert sorted(path.name for path in (store.state / "training").iterdir()) == [B, waiting]


def test_the_vectors_that_judged_a_rejected_embedder_go_with_its_folder_and_those_of_a_champion_stay(store: Store) -> None:
    found, cache, made = ledger(store), cache_folder(store.state), {}
    cache.mkdir(parents=True)
    for name, steps in ((A, (TRAINING, TRAINED, REJECTED)), (B, (TRAINING, TRAINED, LET_THROUGH, REGISTERED, PROMOTED))):
        ask(found, name, kind="retriever")
        for state in steps:
            found.step(name, state, model_version="1" if state in (REGISTERED, REJECTED) else None)
        model = training_folder(store.state, name) / "model"
        model.mkdir(parents=True)
        (model / "model.safetensors").write_text(f"weights of {name}")
        made[name] = Embedder(model=str(model)).fingerprint
        (cache / f"{made[name]}.sqlite").touch()
    found.step(A, REJECTED, model_version="1")
    ModelCopies(store.state).follow("embedder", Followed("2", "d", made[B]))
    swept = sweep_trainings(store, WallClock(fixed_now="2026-12-11T03:00:00"), Registry.of(store.state))
    assert sorted(swept.folders) == [A, B] and swept.trouble is None
    assert [path.stem for path in cache.iterdir()] == [made[B]]
