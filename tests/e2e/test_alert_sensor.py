"""The sensor of alerts over a Dagster instance that is killed and restarted: each channel hears of each alert once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import alert_worker
import dagster as dg
import pytest
from alert_house import AlertHouse, failed
from http_target import TOKEN, http_target

from resources.contracts import REPO


class Daemon:
    """Ticks of the sensor over the instance on disk, which each of them opens anew; and what they say."""

    def __init__(self, house: AlertHouse, patch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]):
        self.house = house
        self._patch = patch
        self._shown = shown

    def tick(self) -> dict[str, Any]:
        """One tick and its run, in this process."""
        with self._patch.context() as patch:
            for name, address in self.house.addresses.items():
                patch.setenv(name, address)
            restarted = AlertHouse(self.house.root, self.house.now.isoformat())
            with dg.DagsterInstance.local_temp(str(self._folder())) as instance:
                said = alert_worker.tick(restarted, instance)
        out, err = self._shown.readouterr()
        assert TOKEN not in out + err
        return said

    def tick_alone(self, failpoint: str | None = None) -> dict[str, Any] | None:
        """The same in a process of its own; None where it was killed."""
        environment = {**self.house.addresses, "PATH": "/usr/bin:/bin", "DAGSTER_DISABLE_TELEMETRY": "yes"}
        if failpoint:
            environment["NOCTURNE_FAILPOINT"] = failpoint
        command = [sys.executable, "-W", "ignore", str(REPO / "tests" / "alert_worker.py"), str(self.house.root)]
        done = subprocess.run(
            [*command, self.house.now.isoformat(), "tick"], env=environment, capture_output=True, text=True, check=False
        )
        assert TOKEN not in done.stdout + done.stderr
        if done.returncode == -9:
            return None
        assert done.returncode == 0, done.stderr[-3000:]
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def _folder(self) -> Path:
        folder = self.house.root / "dagster"
        folder.mkdir(exist_ok=True)
        return folder


@pytest.fixture
def house(tmp_path: Path) -> AlertHouse:
    made = AlertHouse(tmp_path)
    made.deliver("a.jsonl", [failed("r1", "11-09T10:00"), failed("r2", "11-09T10:00", feature="search")])
    made.night()
    return made


@pytest.fixture
def daemon(house: AlertHouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Daemon:
    return Daemon(house, monkeypatch, capfd)


def test_over_refusals_kills_and_restarts_each_channel_hears_of_each_alert_once(house: AlertHouse, daemon: Daemon) -> None:
    with http_target() as oncall, http_target() as lead:
        house.addresses = {"ONCALL": oncall.address, "LEAD": lead.address}
        assert daemon.tick_alone("alert.sent") is None
        assert len(oncall.got) == 1, "the first message went out, and nobody wrote it down"
        second = daemon.tick_alone()
        assert second is not None and second["success"], "the run that was killed is buried, and another one takes over"
        assert second["rows"]["service/alerts"] == 2
        assert len(oncall.got) == 2
        assert daemon.tick() == {"skipped": "nothing to raise, nothing to send"}
        house.wait(5)
        third = daemon.tick()
        assert third["success"] and third["run_key"] != second["run_key"]
        assert len(lead.got) == 1 and lead.got[0]["message"].startswith("nobody knows whether oncall was told")
        lead.answers = [500]
        house.wait(10)
        assert daemon.tick(), "the other page is not acknowledged: the backup is turned to, and refuses"
        assert len(lead.got) == 1
        house.wait(1)
        assert daemon.tick()
        assert daemon.tick() == {"skipped": "nothing to raise, nothing to send"}
        assert sorted(oncall.taken()) == sorted(lead.taken()) == [
            "[page] 1 requests of chat failed", "[page] 1 requests of search failed"
        ]  # fmt: skip
        house.deliver("b.jsonl", [failed("r3", "11-09T12:00"), failed("r4", "11-09T12:00", feature="new")])
        house.night()
        assert daemon.tick()
        assert len(oncall.got) == 3, "after the next publish the new one is raised, and the old ones are not"
    held = [path for path in (house.root / "dagster").rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert held == [], "no event, run or log of the instance shows an address"


def test_a_sensor_without_channels_waits_and_says_for_what(daemon: Daemon) -> None:
    assert daemon.tick()
    assert daemon.tick() == {"skipped": "nothing to raise, nothing to send; 2 alerts wait: oncall has no address"}
