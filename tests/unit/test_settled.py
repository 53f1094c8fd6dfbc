"""Days that are not looked at again: what reopens one, however long ago it was settled.

That a plan and a draft over the reopened days equal those over all days is asserted by House, in every test with core_house.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from core import core_contracts, core_house, day, priced, reopened
from house import House, price, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.day_inputs import DayInputs, take_pins
from resources.settled import Reopened

OLD, NEW = day("10-01"), day("11-03")


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days, not published yet: published files name absolute paths."""
    house = priced(core_house(tmp_path_factory.mktemp("computed") / "house"))
    house.deliver("a.jsonl", [request(f"r{d}", f"{d}T10:00:00Z") for d in (OLD, NEW)])
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    return house.root


@pytest.fixture
def house(computed: Path, tmp_path: Path) -> House:
    """Those days after the night that published them, and a quiet one."""
    shutil.copytree(computed, tmp_path / "house")
    house = core_house(tmp_path / "house")
    house.night()
    house.night()
    return house


def looked_at(house: House) -> dict[str, list[date]]:
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    for contract in house.store.by_day():
        house.store.day_log(contract.name).refresh()
    reopened_ = Reopened(house.store, inputs, house.publisher.manifest())
    return {c.name: found for c in house.store.derived() if (found := reopened_.of(c))}


def test_after_a_quiet_night_no_day_is_looked_at(house: House) -> None:
    assert looked_at(house) == {}


def test_before_anything_is_published_days_that_have_nothing_to_say_are_left_out(computed: Path) -> None:
    house = core_house(computed)
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    reopened_ = Reopened(house.store, inputs, {"tables": {}})
    assert reopened_.everything
    left_out = 0
    for contract in house.store.derived():
        for silent in set(reopened_.calendar()) - set(reopened_.of(contract)):
            assert house.store.day_log(contract.name).state(silent) is None
            assert not any("@" in name for name in inputs.of(contract, silent))
            left_out += 1
    assert left_out > len(house.store.derived())


def test_a_day_that_becomes_due_reopens_itself_and_no_old_one(house: House) -> None:
    house.now += timedelta(days=1)
    found = looked_at(house)
    assert found
    assert {d for days in found.values() for d in days} <= {house.last_due_day, house.last_due_day - timedelta(days=1)}


def test_a_late_row_on_an_old_day_reopens_it_and_its_readers_alone(house: House) -> None:
    house.deliver("late.jsonl", [request("late", f"{OLD}T11:00:00Z")])
    house.land()
    found = looked_at(house)
    assert OLD in found["logs.requests"]
    assert not any(NEW in days for days in found.values())
    assert house.night()


def test_a_price_of_one_old_day_reopens_that_day(house: House) -> None:
    start = OLD.isoformat()
    until = (OLD + timedelta(days=1)).isoformat()
    house.set_prices([price("large", 1), price("other", 9, start, until)])
    assert {OLD, NEW} <= set(looked_at(house)["cost.charges"])  # Before, `large` cost 2 USD on all days.
    house.night()
    house.set_prices([price("large", 1), price("other", 8, start, until)])
    assert looked_at(house)["cost.charges"] == [OLD]


def test_other_code_or_another_window_reopens_every_day(house: House) -> None:
    contracts = core_contracts()
    contracts["cost.charges"] = replace(contracts["cost.charges"], code_version="2")
    assert {OLD, NEW} <= set(looked_at(reopened(house, contracts))["logs.requests"])
    contracts = core_contracts()
    contracts["cost.charges"] = replace(
        contracts["cost.charges"], reads=contracts["cost.charges"].reads | {"logs.requests": (-1, 0)}
    )
    assert {OLD, NEW} <= set(looked_at(reopened(house, contracts))["logs.requests"])


def test_a_day_that_failed_is_looked_at_every_night(tmp_path: Path) -> None:
    contracts = core_contracts()
    charges = contracts["cost.charges"]
    refusing = replace(charges.checks[0], name="never", failing="true", blocking=True)
    contracts["cost.charges"] = replace(charges, checks=(refusing,))
    house = priced(core_house(tmp_path, contracts=contracts))
    house.deliver("a.jsonl", [request("r", f"{OLD}T10:00:00Z")])
    house.night()
    house.night()
    assert OLD in looked_at(house)["cost.charges"]
    assert "failed" in house.publisher.manifest()["behind"][f"cost {OLD}"]


def test_a_table_put_back_to_an_earlier_commit_reopens_every_day(house: House) -> None:
    house.store.day_log("cost.charges").table.refresh()
    manifest = house.publisher.manifest()
    version, _ = manifest["seen"]["commits"]["cost.charges"]
    inputs = DayInputs(house.store, take_pins(house.store, house.last_due_day))
    for told in ([version, "another commit's digest"], [version + 1, ""]):
        commits = manifest["seen"]["commits"] | {"cost.charges": told}
        before = manifest | {"seen": manifest["seen"] | {"commits": commits}}
        assert Reopened(house.store, inputs, before).everything


moves = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(0, 40)),
        st.tuples(st.just("replace"), st.integers(0, 40)),
        st.tuples(st.just("reprice"), st.integers(1, 5)),
        st.tuples(st.just("compute"), st.integers(0, 2)),
        st.tuples(st.just("publish"), st.just(0)),
        st.tuples(st.just("tomorrow"), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=moves)
def test_whatever_happened_the_settled_days_need_no_look(
    story: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The law itself is in House.plan and House.publish; here it meets histories that nobody thought of."""
    house = priced(core_house(tmp_path_factory.mktemp("story")))
    for number, (move, by) in enumerate(story):
        at = house.last_due_day - timedelta(days=by)
        if move == "deliver":
            house.deliver(f"{number}.jsonl", [request(f"r{number}", f"{at}T10:00:00Z")])
            house.land()
        elif move == "replace":
            house.deliver("x.jsonl", [request(f"x{number}", f"{at}T12:00:00Z")], "replacing")
            house.land()
        elif move == "reprice":
            house.set_prices([price("large", by)])
        elif move == "compute":
            plan = house.plan()
            house.compute(replace(plan, ranges=plan.ranges[:by]))
        elif move == "publish":
            house.publish()
        else:
            house.now += timedelta(days=by)
        house.plan()
    house.night()
    assert house.is_quiet()
