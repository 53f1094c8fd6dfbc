"""A Postgres of this machine's packages, on loopback with a password; and an instance of Dagster on it as
deploy/dagster.production.yaml configures it.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from resources.contracts import REPO

PRODUCTION = REPO / "deploy" / "dagster.production.yaml"
PASSWORD = "of-this-test-alone"


def programs() -> Path:
    """The folder of Postgres' programs; skips where there is none."""
    found = shutil.which("initdb") or max(glob.glob("/usr/lib/postgresql/*/bin/initdb"), default=None)
    if found is None:
        pytest.skip("no initdb on this machine: install PostgreSQL (Debian's package `postgresql`) to run this")
    return Path(found).resolve().parent


def _user() -> str | None:
    """Postgres refuses to run as root: the user to become, or None where we are nobody special."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("Postgres does not run as root, and there is no user `postgres` on this machine")


@contextmanager
def postgres() -> Iterator[Mapping[str, str]]:
    """A running server; yields the variables that lead to it, by the names that the production instance reads."""
    bin_, user = programs(), _user()
    folder = Path(tempfile.mkdtemp(prefix="nocturne-postgres-"))
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    if user:
        for path in (folder, password):
            shutil.chown(path, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, quick = folder / "data", "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"
    initdb = [bin_ / "initdb", "-D", data, "-U", "nocturne", "-A", "scram-sha-256", "--pwfile", password, "--no-sync"]
    options = f"{quick} -c listen_addresses=127.0.0.1 -p {port} -k {folder} -c shared_buffers=16MB -c max_connections=60"
    start = [bin_ / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    try:
        for command in (initdb, start):
            done = subprocess.run([str(word) for word in command], user=user, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        yield {
            "NOCTURNE_PG_HOST": "127.0.0.1",
            "NOCTURNE_PG_PORT": str(port),
            "NOCTURNE_PG_DATABASE": "postgres",
            "NOCTURNE_PG_USER": "nocturne",
            "NOCTURNE_PG_PASSWORD": PASSWORD,
        }
    finally:
        stop = [str(bin_ / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run(stop, user=user, cwd=folder, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def production_home(folder: Path, variables: Mapping[str, str], **monitoring: int) -> dict[str, str]:
    """Make a folder a DAGSTER_HOME with production's configuration; what a process needs to find it.

    `monitoring`: seconds of run_monitoring that a test cannot wait for as long as production does.
    """
    folder.mkdir(parents=True)
    configuration = yaml.safe_load(PRODUCTION.read_text(encoding="utf-8"))
    assert monitoring.keys() <= configuration["run_monitoring"].keys()
    configuration["run_monitoring"] |= monitoring
    (folder / "dagster.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    logs = folder / "compute_logs"
    return {**variables, "DAGSTER_HOME": str(folder), "NOCTURNE_COMPUTE_LOGS": str(logs), "DAGSTER_DISABLE_TELEMETRY": "yes"}


def wait_for(what: str, is_true: Callable[[], object], seconds: float = 120.0) -> None:
    """Until it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)
