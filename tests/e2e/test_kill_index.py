"""Kills at every step of building and publishing an index: what is live always loads, and answers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from index_house import IndexHouse, passed
from killing import forks

NIGHT = "2026-11-11T03:00:00"
BEFORE = ("index.written", "index.signed", "index.made", "index.recorded", "index.gated", "index.linked")
AFTER = ("index.published", "index.aside")
"""Failpoints before and after the step that puts the new release before applications."""


def killed(house: IndexHouse, failpoint: str | None = None, after_seconds: float | None = None) -> bool:
    """A pass in a process of its own, killed on the way; whether it was."""
    hears, tells = forks().Pipe()
    process = forks().Process(target=passed, args=(tells, str(house.root), house.clock.fixed_now, failpoint))
    process.start()
    tells.close()
    if after_seconds is not None and not hears.poll(after_seconds):
        process.kill()
    try:
        said = hears.recv()
        assert isinstance(said, list), said
    except EOFError:
        said = None
    process.join()
    return said is None


def test_at_whatever_step_a_pass_dies_the_live_index_loads_and_answers(tmp_path: Path) -> None:
    house = IndexHouse(tmp_path)
    house.put(range(60))
    house.desk.work()
    house.at(NIGHT)
    new = 100
    for failpoint in (*BEFORE, *AFTER):
        house.put([new])
        live = house.live().version
        assert killed(house, failpoint), failpoint
        assert (house.live().version == live) == (failpoint in BEFORE), failpoint
        assert house.answers([3]) == [["d3"]], failpoint
        assert (house.answers([new]) == [[f"d{new}"]]) == (failpoint in AFTER), failpoint
        new += 1
    house.delete([3])
    [done] = house.desk.work()
    assert done.state == "live" and house.answers([3]) != [["d3"]] and house.answers([new - 1]) == [[f"d{new - 1}"]]
    states = {number: {state for n, state, _ in house.steps() if n == number} for number, *_ in house.steps()}
    live = done.release
    assert [number for number, found in states.items() if found & {"live"} and not found & {"retired"}] == [live]
    assert all(found & {"retired", "rejected"} for number, found in states.items() if number != live), "each has its end"
    folder = house.desk.indexes.folder("main")
    assert len(house.desk.indexes.numbers("main")) == 2 and {path.name for path in folder.iterdir()} == {"live", "releases"}


@pytest.mark.proof
def test_at_seeded_random_moments_it_answers_too(tmp_path: Path) -> None:
    chance, house = random.Random(20_261_122), IndexHouse(tmp_path)
    house.put(range(60))
    house.desk.work()
    house.at(NIGHT)
    kills = 0
    for number in range(100, 160):
        house.put([number])
        kills += killed(house, after_seconds=chance.uniform(0.4, 2.0))
        assert house.answers([3]) == [["d3"]]
    house.desk.work()
    assert kills > 10 and house.answers([100, 159]) == [["d100"], ["d159"]]
