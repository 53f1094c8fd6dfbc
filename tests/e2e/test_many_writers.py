"""Many processes write and read one warehouse: no lost update, no half day, no snapshot of two runs, no starving."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from core import core_contracts, reopened
from crash_house import crash_house, seen_by_readers
from house import House, price, request
from killing import Worker
from snapshot_laws import broken_laws

from resources.contracts import Check
from resources.warehouse import open_published

DAYS = [f"2026-11-{n:02}" for n in range(2, 6)]
FIRST_HALF, SECOND_HALF = (DAYS[0], DAYS[1]), (DAYS[2], DAYS[3])
SEED = 7


def requests_of(day: str, name: str, number: int) -> list[dict[str, Any]]:
    """Some requests of one day, in a fixed order of hours."""
    hours = random.Random(f"{SEED} {day} {name}")
    return [request(f"{name}-{day}-{n}", f"{day}T{hours.randrange(24):02}:00:00Z") for n in range(number)]


@pytest.fixture(scope="module")
def quiet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days that are computed and not yet published: published files name absolute paths, and do not move."""
    house = crash_house(tmp_path_factory.mktemp("quiet") / "house")
    house.set_prices([price("large", 2.0)])
    for day in DAYS:
        house.deliver(f"{day}.jsonl", requests_of(day, "early", 5))
    house.land()
    house.compute()
    assert house.plan().ranges == []
    return house.root


@pytest.fixture(scope="module")
def busy_house(quiet_folder: Path) -> Callable[[Path], House]:
    """Four days published; then late rows, re-deliveries and a corrected price for all of them, landed and not computed."""

    def made(root: Path) -> House:
        shutil.copytree(quiet_folder, root, dirs_exist_ok=True)
        house = crash_house(root)
        house.publish()
        for day in DAYS:
            house.deliver(f"{day}-late.jsonl", [*requests_of(day, "early", 2), *requests_of(day, "late", 3)])
        house.set_prices([price("large", 3.0)])
        house.land()
        return house

    return made


def one_more_row(house: House) -> None:
    house.deliver("straggler.jsonl", requests_of(DAYS[1], "straggler", 1))


@pytest.fixture(scope="module")
def undisturbed(busy_house: Callable[[Path], House], tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Any]:
    """What one writer alone ends with, once with one more row and once without."""

    @cache
    def alone(with_one_more_row: bool) -> dict[str, Any]:
        house = busy_house(tmp_path_factory.mktemp("alone"))
        if with_one_more_row:
            one_more_row(house)
        house.night()
        assert house.is_quiet()
        return end_of(house)

    return alone


def end_of(house: House) -> dict[str, Any]:
    """The rows of all tables; the audit and the file times tell of the way there."""
    assert broken_in(house) == []
    volatile = ("governance.audit", "logs.files")
    return {name: value for name, value in house.fingerprints().items() if name not in volatile}


def broken_in(house: House) -> list[tuple[str, ...]]:
    con = open_published(house.publisher.door)
    try:
        return broken_laws(con)
    finally:
        con.close()


def condition(house: House, question: str, day: str) -> dict[str, str]:
    """State by table of one question-day, as readers see it."""
    return dict(
        house.ask(f"select table_name, state from governance.freshness where question = '{question}' and day = date '{day}'")
    )


def count(house: House, table: str, day: str | None = None) -> int:
    where = f" where day = date '{day}'" if day else ""
    return int(house.ask(f"select count(*) from {table}{where}")[0][0])


@pytest.mark.parametrize(
    "disturbance",
    [
        "a row lands",
        # The same with less going on.
        pytest.param("none", marks=pytest.mark.proof),
        # test_kill.py has the same kills without company.
        pytest.param("a kill between two tables", marks=pytest.mark.proof),
        pytest.param("a kill before publishing", marks=pytest.mark.proof),
    ],
)
def test_four_writers_and_two_readers_end_as_one_writer_alone(
    tmp_path: Path, busy_house: Callable[[Path], House], undisturbed: Callable[[bool], Any], disturbance: str
) -> None:
    lands = disturbance == "a row lands"
    expected = undisturbed(lands)
    house = busy_house(tmp_path / "together")
    failpoint = {"a kill between two tables": "compute.requests.committed#2", "a kill before publishing": "publish.decided"}
    writers = [
        Worker(house.root, "write", "--days", *FIRST_HALF),
        Worker(house.root, "write", "--days", *SECOND_HALF),
        Worker(house.root, "write", "--days", *FIRST_HALF),
    ]
    alone = disturbance == "a kill before publishing"
    fourth = Worker(house.root, "write", *(("--days", *SECOND_HALF) if alone else ()), failpoint=failpoint.get(disturbance))
    readers = [Worker(house.root, "read") for _ in range(2)]
    processes = [*readers, fourth, *writers]
    for process in processes:
        process.wait_until_ready()
    for process in processes:
        process.go()
        if process is fourth and alone:
            # Were the others ahead, it might find nothing to publish.
            assert fourth.ended_by_kill()
    if lands:
        one_more_row(house)
        house.land()
    if disturbance == "a kill between two tables":
        fourth.ended_by_kill()
    elif disturbance not in failpoint:
        fourth.report()
    reports = [writer.report() for writer in writers]
    (house.root / "stop").touch()
    for reader in readers:
        seen = reader.report()
        assert seen["wrong"] == []
        assert seen["openings"] > 1 and seen["snapshots"] > 1
    house = crash_house(house.root)
    # The one that is killed before publishing may have computed all of its days alone.
    assert alone or sum(r["outcomes"].get("replaced", 0) for r in reports) > 0
    house.night()
    assert house.is_quiet()
    assert end_of(house) == expected


def test_a_run_with_older_pins_gives_up_the_days_that_a_newer_one_has_written(
    tmp_path: Path, busy_house: Callable[[Path], House]
) -> None:
    older = busy_house(tmp_path)
    old_plan = older.plan()
    one_more_row(older)
    newer = crash_house(tmp_path)
    newer.land()
    done = newer.compute(newer.plan())
    assert {outcome.outcome for outcome in done.values()} <= {"replaced", "unchanged"}
    left = newer.fingerprints()
    for key, outcome in older.compute(old_plan).items():
        # Days that the straggler cannot have touched were written under newer pins, too.
        assert outcome.outcome == "given_up", key
    assert newer.fingerprints() == left
    newer.night()
    assert newer.is_quiet()


def test_a_run_with_older_pins_that_comes_first_is_corrected_by_the_newer_one(
    tmp_path: Path, busy_house: Callable[[Path], House], undisturbed: Callable[[bool], Any]
) -> None:
    expected = undisturbed(True)
    older = busy_house(tmp_path / "together")
    old_plan = older.plan()
    one_more_row(older)
    newer = crash_house(older.root)
    newer.land()
    newer_plan = newer.plan()
    halves = [replace(old_plan, ranges=[replace(r, last=date.fromisoformat(DAYS[1]))]) for r in old_plan.ranges]
    assert "replaced" in {o.outcome for o in older.compute(halves[0]).values()}
    older.publish()
    assert broken_in(older) == []
    newer.compute(newer_plan)
    assert {o.outcome for o in older.compute(old_plan).values()} <= {"given_up"}
    newer.night()
    assert newer.is_quiet()
    assert end_of(newer) == expected


def test_two_runs_that_commit_one_day_at_once_do_not_both_get_through(
    tmp_path: Path, busy_house: Callable[[Path], House]
) -> None:
    house = busy_house(tmp_path)
    first, second = crash_house(tmp_path), crash_house(tmp_path)
    plans = [first.plan(), second.plan()]
    requests = core_contracts()["logs.requests"]
    for one in (first, second):
        one.store.day_log(requests.name).refresh()
    done = [first.compute(plans[0]), second.compute(plans[1])]
    assert {o.outcome for o in done[0].values()} <= {"replaced", "unchanged"}
    assert done[1] == {}, "the second run sees that the first has done it all"
    numbers = [c.metadata["sequence"] for c in house.store.open(requests.name).commits() if c.metadata.get("day") == DAYS[0]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_failed_check_holds_back_its_own_day_alone_until_it_is_repaired(
    tmp_path: Path, busy_house: Callable[[Path], House]
) -> None:
    good = core_contracts()
    charges = good["cost.charges"]
    strict = replace(charges, checks=(*charges.checks, Check("no_stragglers", "request_id like 'straggler%'", "None came")))
    house = busy_house(tmp_path)
    house.night()
    before = seen_by_readers(house)
    held, other = DAYS[0], DAYS[3]
    house.deliver("late-1.jsonl", requests_of(held, "straggler", 1))
    house.deliver("late-2.jsonl", requests_of(other, "welcome", 1))
    watched = reopened(house, good | {charges.name: strict})
    done = watched.night()
    assert [key for key, o in done.items() if o.outcome == "failed"] == [("cost.charges", date.fromisoformat(held))]
    assert watched.is_quiet(), "a day that failed is not tried again with equal inputs"
    assert broken_in(watched) == []
    assert condition(watched, "cost", held)["charges"] == "failed"
    assert {"failed", "behind"} >= set(condition(watched, "cost", held).values()), "its question keeps the earlier rows"
    for table in ("cost.charges", "cost.request_costs", "cost.cost_15min"):
        of_day = [row for row in seen_by_readers(watched)[table] if f"datetime.date(2026, 11, {int(held[-2:])})" in row]
        assert of_day == [row for row in before[table] if f"datetime.date(2026, 11, {int(held[-2:])})" in row]
    assert count(watched, "cost.request_costs", other) == count(watched, "logs.requests", other) == 9
    assert set(condition(watched, "cost", other).values()) == {"fresh"}
    repaired = reopened(house, good)
    repaired.night()
    assert set(condition(repaired, "cost", held).values()) == {"fresh"}
    assert count(repaired, "cost.request_costs", held) == count(repaired, "logs.requests", held) == 9
    assert repaired.is_quiet() and broken_in(repaired) == []


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.proof)])
def test_a_late_row_in_every_round_does_not_starve_the_readers(tmp_path: Path, rounds: int) -> None:
    house = crash_house(tmp_path)
    house.set_prices([price("large", 2.0)])
    day = DAYS[0]
    house.deliver("first.jsonl", [request("first", f"{day}T00:00:00Z")])
    house.night()
    numbers = [house.publisher.current_number()]
    for round_ in range(1, rounds + 1):
        house.deliver(f"late-{round_}.jsonl", [request(f"late-{round_}", f"{day}T01:00:00Z")])
        house.land()
        plan = house.plan()
        # While the run that saw this row computes, the next one lands: no round ever sees all of them.
        house.deliver(f"later-{round_}.jsonl", [request(f"later-{round_}", f"{day}T02:00:00Z")])
        house.land()
        house.compute(plan)
        numbers.append(house.publish().number)
        assert count(house, "logs.requests", day) == count(house, "cost.request_costs", day) == 2 * round_
        assert set(condition(house, "logs", day).values()) == {"late_rows"}
        assert broken_in(house) == []
    assert numbers == list(range(1, rounds + 2))
    house.night()
    assert count(house, "logs.requests", day) == 2 * rounds + 1
    assert set(condition(house, "logs", day).values()) == {"fresh"}
    assert house.is_quiet()
