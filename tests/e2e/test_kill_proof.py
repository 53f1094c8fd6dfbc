"""The long form of tests/e2e/test_kill.py: real nights through Dagster, killed at random moments.

Writes docs/proofs/kill.md. NOCTURNE_PROOF_KILLS and NOCTURNE_PROOF_LANES: how many nights are killed, how many at once;
NOCTURNE_PROOF_SECONDS: no further night is begun after these.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from crash_house import leftovers, state_of
from house import House
from killing import REPO

from pipelines.jobs import COMPUTE, LAND, PUBLISH
from pipelines.runs import Runs
from resources.keyring import Keyring
from simulator.traffic import simulate

SEED, NOW = 20261105, "2026-11-05T03:00:00"
FIRST_DAY, DAYS, REQUESTS = date(2026, 11, 2), 3, 200
KILLS = int(os.environ.get("NOCTURNE_PROOF_KILLS", "100"))
LANES = int(os.environ.get("NOCTURNE_PROOF_LANES", "2"))
SECONDS = float(os.environ.get("NOCTURNE_PROOF_SECONDS", "420"))
TWICE = 0.25
"""The share of nights whose repetition is killed, too."""
LIMIT_S = 600
RESULT = REPO / "docs" / "proofs" / "kill.md"
_HEADING = """# Nights killed at random moments

A whole night through Dagster (landing, prices, computing, publishing) over {days} days of {requests} simulated requests is
killed with SIGKILL at a moment drawn evenly over its length, some again while it is repeated, and then run to its end.
*Equal*: the fingerprints of all tables, every row of the published file and the chain of the audit are those of an
undisturbed night, the planner is quiet, no run is left in flight, nothing is left lying about, exit status 0. A night
that ended before its kill came is not counted.
Written by `make proof` (tests/e2e/test_kill_proof.py).

| date | kills | nights killed | equal | runs buried | seed | cores | python | duckdb | deltalake | dagster | command |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Trial:
    """One night that was killed. `difference` says what was not as after an undisturbed night."""

    kills: int
    buried: int
    difference: str | None


def start_night(root: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
    environment |= {
        "NOCTURNE_HOME": str(root / "home"),
        "NOCTURNE_DATA": str(root / "data"),
        "NOCTURNE_LANDING": str(root / "landing"),
        "NOCTURNE_NOW": NOW,
        "NOCTURNE_SETTLE_SECONDS": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-sample", "--no-validation"],
        cwd=REPO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def whole_night(root: Path) -> str:
    """A night to its end; what it said. Its exit status must be 0."""
    night = start_night(root)
    said, _ = night.communicate(timeout=LIMIT_S)
    assert night.returncode == 0, said[-3000:]
    return said


def ended_state(root: Path) -> dict[str, Any]:
    house = House(root, NOW)
    home = str(root / "home" / "dagster")
    with dg.DagsterInstance.from_config(home) as instance:
        in_flight = [job for job in (LAND, COMPUTE, PUBLISH) if Runs(instance, job).is_in_flight()]
    return {"quiet": house.is_quiet(), "in_flight": in_flight, "leftovers": leftovers(house), **state_of(house)}


def killed_night(base: Path, root: Path, lengths: list[float], undisturbed: dict[str, Any], seed: int) -> Trial:
    chance = random.Random(seed)
    shutil.copytree(base, root)
    kills = 0
    for _ in range(1 + (chance.random() < TWICE)):
        begun = time.monotonic()
        night = start_night(root)
        try:
            # The kill's own moment: nothing waits for it.
            night.communicate(timeout=chance.uniform(0.1, 1.0) * min(lengths))
            if not kills:
                # The machine has become faster: later moments are drawn over this length.
                lengths.append(time.monotonic() - begun)
        except subprocess.TimeoutExpired:
            night.send_signal(signal.SIGKILL)
            night.communicate()
            kills += 1
    try:
        said = whole_night(root)
        state = ended_state(root)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return Trial(kills, 0, str(error))
    different = differences(undisturbed, state)
    if not different:
        shutil.rmtree(root)
    return Trial(kills, said.count("was killed earlier"), f"{root.name}: {different}" if different else None)


def source_digest() -> str:
    """What the nights are made of. A night of edited source differs from one before the edit, killed or not."""
    folders = ("assets", "pipelines", "resources", "simulator", "sql", "warehouse/contracts", "warehouse/seeds")
    files = sorted(f for folder in folders for f in (REPO / folder).rglob("*") if f.suffix in (".py", ".sql", ".yml"))
    return sha256(b"\x00".join(str(file).encode() + b"\x00" + file.read_bytes() for file in files)).hexdigest()


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names of what differs; of rows and published tables, which tables."""
    names = []
    for name, value in expected.items():
        if found[name] != value and isinstance(value, dict):
            names += [f"{name}: {table}" for table in value if found[name].get(table) != value[table]]
        elif found[name] != value:
            names.append(name)
    return names


@pytest.mark.proof
def test_nights_through_dagster_killed_at_random_moments_end_as_if_undisturbed(tmp_path: Path) -> None:
    base, source = tmp_path / "base", source_digest()
    for _ in simulate(base / "landing", tmp_path / "truth", FIRST_DAY, DAYS, REQUESTS, SEED):
        pass
    # Pseudonyms are part of what is compared: all nights share one key.
    Keyring.open(base / "home" / "keys")
    lengths = []
    states = []
    for lane in range(LANES):
        shutil.copytree(base, tmp_path / f"undisturbed-{lane}")
    with ThreadPoolExecutor(LANES) as pool:
        # As many at once as are killed later: the length of a night is measured under the same load.
        def undisturbed(lane: int) -> None:
            begun = time.monotonic()
            whole_night(tmp_path / f"undisturbed-{lane}")
            lengths.append(time.monotonic() - begun)
            states.append(ended_state(tmp_path / f"undisturbed-{lane}"))

        list(pool.map(undisturbed, range(LANES)))
        assert all(state == states[0] for state in states)
        assert states[0]["quiet"] and states[0]["leftovers"] == [] and states[0]["in_flight"] == []
        begun = time.monotonic()

        def trial(number: int) -> Trial | None:
            if time.monotonic() - begun > SECONDS:
                return None
            return killed_night(base, tmp_path / f"night-{number}", lengths, states[0], SEED + number)

        trials = [trial for trial in pool.map(trial, range(KILLS)) if trial is not None]
    assert source_digest() == source, "the source was edited while the proof ran: it proves nothing; run it again"
    different = [trial.difference for trial in trials if trial.difference]
    write_result([trial for trial in trials if trial.kills])
    assert different == []
    assert sum(trial.buried for trial in trials) > 0


def write_result(trials: list[Trial]) -> None:
    """A line for the nights that were killed; the page is begun if there is none."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    if not RESULT.exists():
        RESULT.write_text(_HEADING.format(days=DAYS, requests=REQUESTS), encoding="utf-8")
    facts = [
        datetime.now(UTC).date().isoformat(),
        sum(trial.kills for trial in trials),
        len(trials),
        sum(trial.difference is None for trial in trials),
        sum(trial.buried for trial in trials),
        SEED,
        os.cpu_count(),
        sys.version.split()[0],
        *(version(name) for name in ("duckdb", "deltalake", "dagster")),
        f"`NOCTURNE_PROOF_KILLS={KILLS} NOCTURNE_PROOF_SECONDS={SECONDS:g} make proof`",
    ]
    with RESULT.open("a", encoding="utf-8") as page:
        page.write(f"| {' | '.join(map(str, facts))} |\n")
