"""Ten nights that nobody attends: daemon, code server and runs are killed at random, and end with the undisturbed warehouse.

Production's instance on a real Postgres, `pipelines.daemon`, `pipelines.code_server` and run workers are processes, as
deploy/ starts them. Writes docs/proofs/unattended.md. NOCTURNE_PROOF_NIGHTS, NOCTURNE_PROOF_REQUESTS, NOCTURNE_PROOF_SEED:
how many nights, how many requests a day, which kills; NOCTURNE_PROOF_SECONDS: no further night is begun after these.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from crash_house import leftovers, seen_by_readers
from house import House
from http_target import Target, http_target
from postgres_house import postgres, production_home
from unattended import CODE, DAEMON, RUN, Killer, Site, live_through

from assets.service.pipeline_alerts import NOT_FRESH, RUN_FAILED
from pipelines.service.alert_desk import ALERTS, LOG
from resources import audit
from resources.contracts import REPO, SEEDS
from resources.events import table_rows
from resources.keyring import Keyring
from resources.notify_seed import NOTIFY_FILE, load_notify
from simulator.incidents import Incident
from simulator.service_incidents import ErrorBurst, SafetyBypass
from simulator.traffic import simulate

pytestmark = pytest.mark.proof
FIRST_DAY = date(2026, 11, 2)
NIGHTS = int(os.environ.get("NOCTURNE_PROOF_NIGHTS", "10"))
REQUESTS = int(os.environ.get("NOCTURNE_PROOF_REQUESTS", "300"))
SECONDS = float(os.environ.get("NOCTURNE_PROOF_SECONDS", "7200"))
SEED = int(os.environ.get("NOCTURNE_PROOF_SEED", "20261122"))
MOST_KILLS_A_NIGHT, PAUSES_S = 3, (4.0, 60.0)
LONGEST_NIGHT_S = 1800.0
RESTING = ("validation", "report", "judge", "registry", "label_inbox")
"""Sensors that change no table here: they would only make the nights longer."""
ALERT_TABLES = (ALERTS, LOG, "service.alert_ledger", "service.alert_precision", "service.alerts_now")
HOW_IT_WENT = ("governance.audit", "logs.restatements", *ALERT_TABLES)
"""Tables that tell how often readers were shown something, and alerts, among which a job that fails by a kill is one. Alerts
of what was planted are compared by name."""
RESULT = REPO / "docs" / "proofs" / "unattended.md"

_HEADING = """# Nights that nobody attends

Production's instance on Postgres, with its daemon, code server and run workers as processes (`pipelines.daemon`,
`pipelines.code_server`), and a supervisor that starts again what ended, as Docker's restart policy does. Each night the files
of a day come, and one to three SIGKILLs at moments drawn from a seed: the daemon, the code server with all of its runs (a
container that dies), or one run. A night is over when nothing is left to land, compute, publish or send; then the clock, a
file, moves on by a day. Nobody else does anything.

What has to hold at the end: the rows of all tables and every row of the published file are those of the same nights by
`make nightly`, undisturbed; no day is behind or waits, no run is left in flight, the chain of the audit is whole; no alert
is there twice, and no channel was sent one twice. Left out are what tells how often
somebody published (`governance.audit`, `logs.restatements`) and the alerts that kills themselves bring (a job that failed three times). Sensors look every 15 seconds, and a run that does not start is given up after 150 seconds (production: 600).
Schedules go by the machine's clock; what they start, the landing sensor starts as well. Stopped are the sensors of validation, the
report, the judge, the registry and the label inbox, which change no table here. Written by `make proof`
(tests/e2e/test_unattended.py).

| date | nights | requests a day | daemon killed | code server killed | run killed | daemon starts | code server starts | runs | runs failed | seconds a night | alerts | messages | rows published | seed | cores | dagster | duckdb | deltalake | command |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def incidents() -> tuple[Incident, ...]:
    """What is to be alerted of: failures on the third day, a broken filter on the sixth."""
    third, sixth = (datetime(2026, 11, day, 12, tzinfo=UTC) for day in (4, 7))
    return (
        ErrorBurst("errors", third, third + timedelta(hours=6), {"provider": "openai"}, 0.6),
        SafetyBypass("bypass", sixth, sixth + timedelta(hours=6), {"feature": "support_chat"}, 0.2),
    )


def night_of(number: int) -> datetime:
    return datetime.combine(FIRST_DAY + timedelta(days=number + 1), datetime.min.time(), UTC) + timedelta(hours=3)


def make_world(folder: Path) -> None:
    for _ in simulate(
        folder / "made", folder / "truth", FIRST_DAY, NIGHTS, REQUESTS, SEED, incidents=incidents(), files_per_day=1
    ):
        pass


def deliver(made: Path, landing: Path, number: int) -> None:
    """The files of a day, each whole from its first moment."""
    day = FIRST_DAY + timedelta(days=number)
    for folder in made.glob(f"*/{day}"):
        target = landing / folder.parent.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, target / f".{day}")
        (target / f".{day}").rename(target / str(day))


def addresses() -> list[str]:
    """The variables that hold the addresses of the shipped channels."""
    return [place.env for place in load_notify(SEEDS / NOTIFY_FILE).channels.values() if place.env]


@contextmanager
def channels() -> Iterator[tuple[dict[str, str], dict[str, Target]]]:
    """The variables of every channel of the seeds, and what its far end took."""
    with ExitStack() as stack:
        targets = {variable: stack.enter_context(http_target()) for variable in addresses()}
        yield {name: target.address for name, target in targets.items()}, targets


def undisturbed_nights(root: Path, made: Path, variables: Mapping[str, str], nights: int) -> None:
    """So many of the same nights one after another by `make nightly`, each in one process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
    folders = {f"NOCTURNE_{name.upper()}": str(root / name) for name in ("home", "data", "landing")}
    for number in range(nights):
        deliver(made, root / "landing", number)
        present = {"NOCTURNE_NOW": night_of(number).isoformat(), "NOCTURNE_SETTLE_SECONDS": "0"}
        night = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-sample", "--no-validation"],
            cwd=REPO, capture_output=True, text=True, timeout=LONGEST_NIGHT_S,
            env={**kept, **folders, **variables, **present},
        )  # fmt: skip
        assert night.returncode == 0, f"{night.stdout}{night.stderr}"[-3000:]
        print(f"undisturbed night {number + 1}", flush=True)


@dataclass(frozen=True)
class Lived:
    """What became of the nights: kills by victim, seconds of each night, starts by service, runs by job and status."""

    kills: Counter[str]
    seconds: list[float]
    starts: Counter[str]
    runs: Counter[tuple[str, str]]


def killed_nights(root: Path, made: Path, variables: Mapping[str, str]) -> Lived:
    """The nights of a deployment whose processes are killed."""
    with ExitStack() as stack:
        home = production_home(
            root / "dagster", stack.enter_context(postgres()), start_timeout_seconds=150, poll_interval_seconds=10,
            free_slots_after_run_end_seconds=10,
        )  # fmt: skip
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in home.items():
            patch.setenv(name, value)
        site = Site(root, home, variables)
        stack.callback(site.close)
        killer = Killer(site, random.Random(SEED), MOST_KILLS_A_NIGHT, PAUSES_S)
        lengths = []
        begun = time.monotonic()
        for number in range(NIGHTS):
            if time.monotonic() - begun > SECONDS:
                break
            site.set_now(night_of(number))
            deliver(made, root / "landing", number)
            if number == 0:
                site.begin(without=RESTING)
            lengths.append(live_through(site, killer, LONGEST_NIGHT_S, f"night {number + 1}"))
            print(f"night {number + 1} is done after {lengths[-1]:.0f} s; {dict(killer.kills)}", flush=True)
        assert site.in_flight() == []
        runs = Counter((run.job_name, run.status.value) for run in site.instance.get_runs())
        return Lived(killer.kills, lengths, Counter({name: s.starts for name, s in site.services.items()}), runs)


def state(root: Path, nights: int) -> dict[str, Any]:
    """What the nights left behind, but for the times at which they did so and how often they published."""
    house = House(root, night_of(nights - 1))
    chain, manifest = audit.entries(house.store), house.publisher.manifest()
    shown = {name: rows for name, rows in seen_by_readers(house).items() if name not in HOW_IT_WENT}
    return {
        "quiet": house.is_quiet(),
        "incomplete": {name: manifest[name] for name in ("behind", "waiting")},
        "leftovers": leftovers(house),
        "broken_link": audit.broken_link(chain),
        "rows": {name: value for name, value in house.fingerprints().items() if name not in HOW_IT_WENT},
        "published": shown,
    }


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names of what differs; of rows and published tables, which tables."""
    names = []
    for name, value in expected.items():
        if found[name] != value and isinstance(value, dict):
            names += [f"{name}: {table}" for table in value if found[name].get(table) != value[table]]
        elif found[name] != value:
            names.append(name)
    return names


def raised_twice(root: Path) -> dict[str, int]:
    """Alerts that are there twice, and messages of one alert that a channel is said to have taken twice."""
    house = House(root)
    alerts = Counter(row["alert_id"] for row in table_rows(house.store, ALERTS))
    sent = Counter(f"{row['alert_id']} to {row['channel']}" for row in table_rows(house.store, LOG) if row["act"] == "sent")
    return {name: times for name, times in (alerts + sent).items() if times > 1}


def own_alerts(root: Path) -> set[str]:
    """The alerts of what was planted; those of the pipeline itself (a job fails) are news of the kills."""
    house = House(root)
    return {row["alert_id"] for row in table_rows(house.store, ALERTS) if row["rule"] not in (RUN_FAILED, NOT_FRESH)}


def homes(root: Path) -> tuple[Path, Path]:
    """A folder for each world. Pseudonyms are part of what is compared: both have one key."""
    undisturbed, killed = root / "undisturbed", root / "killed"
    Keyring.open(undisturbed / "home" / "keys")
    shutil.copytree(undisturbed / "home" / "keys", killed / "home" / "keys")
    for folder in (undisturbed, killed):
        (folder / "landing").mkdir()
    return undisturbed, killed


def test_ten_nights_that_nobody_attends_end_as_if_nothing_had_been_killed(tmp_path: Path) -> None:
    make_world(tmp_path)
    undisturbed, killed = homes(tmp_path)
    with channels() as (variables, taken):
        lived = killed_nights(killed, tmp_path / "made", variables)
    nights = len(lived.seconds)
    with channels() as (variables, _):
        undisturbed_nights(undisturbed, tmp_path / "made", variables, nights)
    expected, found = state(undisturbed, nights), state(killed, nights)
    assert expected["quiet"] and expected["incomplete"] == {"behind": {}, "waiting": {}}
    assert differences(expected, found) == []
    assert raised_twice(killed) == {}
    assert own_alerts(killed) == own_alerts(undisturbed) != set()
    messages = sum(len(target.got) for target in taken.values())
    write_result(lived, len(own_alerts(killed)), messages, sum(map(len, found["published"].values())))


def write_result(lived: Lived, alerts: int, messages: int, rows: int) -> None:
    """A line for the run that was proven; the page is begun if there is none."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    if not RESULT.exists():
        RESULT.write_text(_HEADING, encoding="utf-8")
    facts = [
        datetime.now(UTC).date().isoformat(), len(lived.seconds), REQUESTS,
        *(lived.kills[victim] for victim in (DAEMON, CODE, RUN)),
        *(lived.starts[service] for service in (DAEMON, CODE)),
        lived.runs.total(), sum(n for (_, status), n in lived.runs.items() if status == "FAILURE"),
        f"{min(lived.seconds):.0f} to {max(lived.seconds):.0f}", alerts, messages, f"{rows:,}", SEED, os.cpu_count(),
        *(version(name) for name in ("dagster", "duckdb", "deltalake")),
        f"`NOCTURNE_PROOF_NIGHTS={NIGHTS} NOCTURNE_PROOF_REQUESTS={REQUESTS} NOCTURNE_PROOF_SECONDS={SECONDS:g} make proof`",
    ]  # fmt: skip
    with RESULT.open("a", encoding="utf-8") as page:
        page.write(f"| {' | '.join(map(str, facts))} |\n")
