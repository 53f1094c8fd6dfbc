"""`make gameday`: simulated weeks with everything that the plan plants are played night by night through the schedules and
sensors, and the alerts that they raise are held against what was planted.

It has a home and tables of its own, in a folder that it makes: no warehouse is touched, nobody is told, nobody is asked.
Exit status 1: something that a rule has to find was not alerted of, or a run failed. 2: it could not be played.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml

from pipelines.build import build_resources
from pipelines.clock import FROM_FILE
from pipelines.ending import end
from pipelines.gameday.daemon import RestlessError, TickingDaemon
from pipelines.gameday.report import GameDay, print_game_day
from pipelines.gameday.verdict import Alarm, cause, is_calm, judged
from pipelines.nightly import COULD_NOT_START
from pipelines.service.alert_desk import ALERTS
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.calendar import calendar
from resources.contracts import SEEDS
from resources.durable import write_atomically
from resources.events import Row, table_rows
from resources.notify_seed import NOTIFY_FILE, load_notify
from simulator.dirt import NO_DIRT
from simulator.incidents import Incident
from simulator.plans import PLANS, SIZES
from simulator.traffic import simulate

FIRST_DAY = date(2026, 6, 1)
"""A Monday: what a world is like depends on its days of the week, and not on today."""
DECLARED_SEEDS = ("deployments.yml", "prices.yml")
"""Seeds that the simulated shop writes, where its plan has something to declare."""
ASK_OR_TRAIN = ("judge", "registry", "probe", "index", "tuning", "sync_prompts", "train_detector")
"""Schedules and sensors that ask endpoints or train models; nothing is planted for them."""
LAST = ("validation", "report")
"""What they make of each night, the last night makes of all."""


@dataclass(frozen=True)
class World:
    """What is played: `incidents` between `first_day` and `days` later, after `history_days` that are quiet and there at
    once, as when a team begins with the logs that it has; the folder is its own."""

    folder: Path
    first_day: date
    days: int
    requests_per_day: int
    seed: int
    incidents: tuple[Incident, ...]
    texts: bool = False
    history_days: int = 0

    def night(self, number: int) -> datetime:
        """When the day of this number (from 0) is due."""
        day_after = self.first_day + timedelta(days=number + 1)
        return datetime.combine(day_after, datetime.min.time(), UTC) + timedelta(hours=calendar().nightly_hour_utc)

    def make(self) -> None:
        """Simulate all days; nothing of them has landed yet. Without dirt: a late row has days computed anew, and finds
        nothing."""
        for _ in simulate(
            self.folder / "made", self.folder / "truth", self.first_day - timedelta(days=self.history_days),
            self.history_days + self.days, self.requests_per_day, self.seed,
            incidents=self.incidents, files_per_day=1, texts=self.texts, dirt=NO_DIRT,
        ):  # fmt: skip
            pass

    def deliver(self, landing: Path, number: int) -> None:
        """Put the files of a day into the landing folder, and those of the history before the first."""
        for back in range(self.history_days + 1 if number == 0 else 1):
            self._move(landing, self.first_day + timedelta(days=number - back))

    def _move(self, landing: Path, day: date) -> None:
        for folder in sorted((self.folder / "made").glob(f"*/{day}")):
            (landing / folder.parent.name).mkdir(parents=True, exist_ok=True)
            folder.rename(landing / folder.parent.name / folder.name)

    def write_seeds(self) -> Path:
        """The shipped seeds, with what the plan declares, and with channels that lead nowhere."""
        seeds = self.folder / "seeds"
        shutil.copytree(SEEDS, seeds)
        for name in DECLARED_SEEDS:
            if (declared := self.folder / "truth" / name).exists():
                shutil.copyfile(declared, seeds / name)
        channels = load_notify(SEEDS / NOTIFY_FILE).channels
        nowhere = {"channels": {name: {"file": "no-address"} for name in channels}}
        write_atomically(seeds / NOTIFY_FILE, yaml.safe_dump(nowhere).encode())
        return seeds


def play(world: World, say: Callable[[str], None], ends_with: Collection[str] = LAST) -> GameDay:
    """The world, night by night; sensors of `ends_with`, some of LAST, work in the last one.

    Raises RestlessError, SettingsError and what a night cannot start with.
    """
    begun = time.monotonic()
    days = world.history_days + world.days
    say(f"simulating {days} days of {world.requests_per_day:,} requests in {world.folder}")
    world.make()
    now_file = world.folder / "now"
    write_atomically(now_file, world.night(0).isoformat().encode("ascii"))
    home = world.folder / "home"
    settings = replace(
        Settings.from_environment(), home=home, data=world.folder / "data", landing=home / "landing", landing_url=None,
        fixed_now=f"{FROM_FILE}{now_file}", settle_seconds=0.0, mlflow_uri="",
    )  # fmt: skip
    settings.landing.mkdir(parents=True, mode=0o700)
    settings.check_folders()
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    settings.prepare_instance()
    resources = build_resources(settings)
    resources["warehouse"] = resources["warehouse"].model_copy(
        update={"seeds_dir": str(world.write_seeds()), "owns_landing": True}
    )
    told = 0
    with settings.instance() as instance:
        daemon = TickingDaemon(instance, resources, now_file, say, resting=(*ASK_OR_TRAIN, *LAST))
        for number in range(world.days):
            world.deliver(settings.landing, number)
            if number == world.days - 1:
                daemon.resting = (*ASK_OR_TRAIN, *(name for name in LAST if name not in ends_with))
            daemon.live_until(world.night(number) + timedelta(hours=1))
            raised = table_rows(resources["warehouse"].store(), ALERTS)
            spent = time.monotonic() - begun
            left = spent / (number + 1) * (world.days - number - 1)
            say(
                f"night {number + 1} of {world.days}: {daemon.runs} runs, {len(raised) - told} alerts more; "
                f"{spent:.0f} s, about {left:.0f} s to go"
            )
            told = len(raised)
    return _judged(world, [row for row in raised if row["state"] == "open"], daemon, time.monotonic() - begun)


def _alarm(row: Row, incidents: Sequence[Incident]) -> Alarm:
    """A row of service.alerts, with what may have caused it."""
    alarm = Alarm(
        rule=row["rule"], fingerprint=row["fingerprint"], severity=row["severity"], title=row["title"],
        first_seen=row["first_seen"], last_seen=row["last_seen"], caused_by=None, raised_at=row["recorded_at"],
    )  # fmt: skip
    return replace(alarm, caused_by=cause(alarm, incidents))


def _judged(world: World, raised: Sequence[Row], daemon: TickingDaemon, seconds: float) -> GameDay:
    alarms = [_alarm(row, world.incidents) for row in raised]
    planted = [incident for incident in world.incidents if not is_calm(incident)]
    played = tuple(judged(incident, alarms) for incident in planted)
    return GameDay(world.first_day, world.days, played, tuple(alarms), tuple(daemon.failures), daemon.runs, seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of `make gameday`."""
    parser = argparse.ArgumentParser(prog="make gameday", description=__doc__)
    parser.add_argument("--weeks", type=int, default=2, help="how many are played; a plan may take more (2)")
    parser.add_argument("--history", type=int, default=2, help="quiet weeks before them, which are there at once (2)")
    parser.add_argument("--plan", choices=sorted(PLANS), default="default", help="what is planted (docs/simulator.md)")
    parser.add_argument("--size", choices=SIZES, default="large", help="how large, where the plan has sizes (large)")
    parser.add_argument("--requests", type=int, default=1000, help="a day (1000)")
    parser.add_argument("--seed", type=int, default=7, help="which world (7)")
    parser.add_argument("--texts", action="store_true", help="with words; hours of vectors where a world is long")
    parser.add_argument("--home", type=Path, help="an empty folder to play in, which is kept; left out: one that is removed")
    options = parser.parse_args(arguments)
    if options.weeks < 1 or options.history < 0:
        parser.error("--weeks takes 1 or more, --history 0 or more")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    folder = (options.home or Path(tempfile.mkdtemp(prefix="nocturne-gameday-"))).resolve()
    try:
        if folder.exists() and any(folder.iterdir()):
            raise SettingsError(f"{folder} is not empty; name a folder that is, or is not there yet")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        days = 7 * options.weeks
        incidents = PLANS[options.plan](options.size)(FIRST_DAY, days)
        world = World(
            folder, FIRST_DAY, days, options.requests, options.seed, incidents, options.texts, 7 * options.history
        )
        game = play(world, lambda text: print(terminal.one_line(text), flush=True))
    except (*COULD_NOT_START, RestlessError, ValueError) as error:
        print(f"gameday: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    finally:
        if not options.home:
            shutil.rmtree(folder, ignore_errors=True)
    print_game_day(game)
    return game.exit_status


if __name__ == "__main__":
    end(main())
