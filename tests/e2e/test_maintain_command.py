"""`make maintain`: for whoever runs nights without the schedules, days close all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from core import priced
from retention_house import RetentionHouse, said

from pipelines.governance import maintain_now
from pipelines.jobs import LAND
from pipelines.runs import Runs
from pipelines.settings import Settings


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RetentionHouse:
    house = RetentionHouse(tmp_path)
    priced(house)
    house.deliver("1.jsonl", [said("r1", "11-01")])
    house.night()
    for name, value in {"HOME": house.store.state, "DATA": house.store.data, "LANDING": house.landing}.items():
        monkeypatch.setenv(f"NOCTURNE_{name}", str(value))
    monkeypatch.setenv("NOCTURNE_NOW", "2028-01-01T06:00:00+00:00")
    monkeypatch.setenv("DAGSTER_HOME", str(house.store.state / "dagster"))
    return house


def test_a_command_closes_what_was_kept_long_enough_and_says_so(
    house: RetentionHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert house.stored("logs.texts") == house.stored("logs.requests") == ["11-01"]
    assert maintain_now.main([]) == 0
    said_to_the_user = capsys.readouterr().out
    assert "close_days: days closed " in said_to_the_user and "days closed 0" not in said_to_the_user
    assert house.stored("logs.texts") == house.stored("logs.requests") == []
    assert list(house.landing.rglob("1.jsonl")), "a landing folder that NOCTURNE_LANDING names is somebody else's"


def test_a_command_waits_for_no_night_and_removes_nothing_beside_it(
    house: RetentionHouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runs, "is_in_flight", lambda runs: runs.job_name == LAND)
    assert maintain_now.main([]) == 2
    assert "a land run is in flight; run `make maintain` again" in capsys.readouterr().err
    assert house.stored("logs.texts") == ["11-01"]


def test_asking_for_help_removes_nothing(house: RetentionHouse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        maintain_now.main(["--help"])
    assert "usage: make maintain" in capsys.readouterr().out
    assert not (Settings.from_environment().home / "dagster").exists()
