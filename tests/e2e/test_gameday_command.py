"""`make gameday` in short: a day through the real schedules and sensors, its alerts held against what was planted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.gameday.__main__ import FIRST_DAY, World, main, play
from pipelines.gameday.report import lines
from simulator.service_incidents import ErrorBurst, QueueBacklog


def test_a_burst_is_told_in_its_night_and_what_nobody_can_see_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody may work on the checkout meanwhile; tests/defs/test_sensor_opening.py holds what then is.
    monkeypatch.setattr("pipelines.sensor_opening.checkout_digest", lambda: "as loaded")
    monkeypatch.setenv("NOCTURNE_DATA", str(tmp_path / "of-the-user"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of-the-user"))
    noon = datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + timedelta(hours=12)
    planted = (
        ErrorBurst("burst", noon, noon + timedelta(hours=6), {"provider": "openai"}, 0.8),
        QueueBacklog("unseen", noon, noon + timedelta(hours=1), {"request_model": "heron-8b"}, 0.001),
    )
    folder = tmp_path / "played"
    folder.mkdir()
    said: list[str] = []
    game = play(World(folder, FIRST_DAY, 1, 1500, 5, planted), said.append, ends_with=())
    assert game.failures == ()
    found, missed = game.incidents
    assert found.found_by is not None and found.found_by.startswith("burn_rate")
    assert found.alarm is not None and found.alarm.raised_at == noon + timedelta(hours=15), "an hour after the night began"
    assert game.missed == [missed] and game.exit_status == 1
    shown = "\n".join(lines(game))
    assert "1 of 2 that have to be found were" in shown and "missed: unseen, which queue_backlog should find" in shown
    assert said[-1].startswith("night 1 of 1: ")
    assert not (tmp_path / "of-the-user").exists(), "a warehouse of the environment is left alone"


def test_a_folder_that_holds_something_is_not_played_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("", encoding="utf-8")
    assert main(["--home", str(tmp_path)]) == 2
    assert "is not empty; name a folder that is" in capsys.readouterr().err


def test_a_world_without_a_night_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--weeks", "0"], ["--history", "-1"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
        assert "--weeks takes 1 or more, --history 0 or more" in capsys.readouterr().err


def test_a_plan_that_needs_more_weeks_says_how_many_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan", "service", "--weeks", "1", "--home", str(tmp_path / "new")]) == 2
    assert "a service plan takes 44 days or more, not 7" in capsys.readouterr().err
