"""`make backup`: the whole warehouse as one consistent set, and its keys apart.

Taken while no run is in flight, under the locks of landing and publishing. State is copied first; where a run or a
commit came between, it is copied again. Then tables, at the versions noted: landing may go on, and so may nights, which
wait with publishing until the set is whole. Exit status 2: no backup was made, and the message says why.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from pipelines.build import build_resources
from pipelines.jobs import COMPUTE
from pipelines.runs import IN_FLIGHT, Runs
from pipelines.settings import Settings, SettingsError
from resources import audit
from resources.backup import (
    DAGSTER,
    KEYS,
    NAME,
    NotStill,
    add_state,
    add_tables,
    held,
    key_ids,
    remove_old,
    save_keys,
    versions,
)  # fmt: skip
from resources.backup_set import ARCHIVE, BackupError, Manifest, SetWriter
from resources.contracts import ContractError
from resources.keyring import KeyringError
from resources.warehouse_resource import WarehouseResource

SECONDS_BETWEEN_LOOKS = 2.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a person asked for. `to`: a folder that gets one set each time, or the archive to write."""

    to: Path
    keys_to: Path | None = None
    with_text: bool = True
    with_fingerprints: bool = True
    keep: int | None = None
    wait_seconds: float = 600.0


def make_backup(settings: Settings, options: Options, instance: dg.DagsterInstance, say: Say) -> Path:
    """Make one set; returns where it is. Raises BackupError or KeyringError, and then leaves no set behind."""
    resources = build_resources(settings)
    warehouse: WarehouseResource = resources["warehouse"]
    store, now = warehouse.store(), resources["clock"].now()
    name = f"{NAME}{now:%Y%m%dT%H%M%SZ}"
    target = options.to if options.to.name.endswith(ARCHIVE) else options.to / name
    _check_places(settings, options, target)
    if not any(store.tables.exists(contract) for contract in store.contracts.values()):
        raise BackupError(f"there is no warehouse in {store.data}; run `make nightly` first, or set NOCTURNE_DATA")
    target.parent.mkdir(parents=True, exist_ok=True)
    home = Path(os.environ.get("DAGSTER_HOME") or settings.home / DAGSTER)
    apart = [settings.landing, settings.data, settings.home / "landing"]
    deadline = time.monotonic() + options.wait_seconds
    with held(target.parent / ".nocturne-backup.lock", lambda: say("waiting for another backup")):
        while True:
            _wait_until_quiet(instance, deadline, say)
            manifest = Manifest(name, now.isoformat(), str(store.state), options.with_text, key_ids(store))
            with ExitStack() as landing, suppress(NotStill), warehouse.publisher().lock():
                landing.enter_context(store.ledger_lock())
                with SetWriter(target, manifest) as writer:
                    before = (versions(store), _newest_run(instance))
                    _check_quiet(instance)
                    say("copying the state: runs, models, indexes, seeds")
                    add_state(writer, warehouse.publisher(), home, apart, options.with_text, warehouse.seeds)
                    _check_quiet(instance)
                    if before != (versions(store), _newest_run(instance)):
                        raise NotStill("a run came between")
                    landing.close()
                    say(f"copying {len(before[0])} tables")
                    add_tables(writer, store, before[0], options.with_text, options.with_fingerprints, say)
                    if options.keys_to is not None and manifest.key_ids:
                        save_keys(store.state / KEYS, manifest.key_ids, options.keys_to / name)
                    writer.finish()
                    break
            if time.monotonic() > deadline:
                raise BackupError("runs follow each other without a pause; make the backup when none is in flight")
            say("something was written meanwhile; beginning again")
        if options.keep:
            for old in remove_old(options.to, options.keep):
                say(f"{old.name} is removed: --keep {options.keep}")
    audit.append(store, "backed_up", name, {"files": len(manifest.files), "has_texts": manifest.has_texts}, now)
    say(f"{target}: {len(manifest.tables)} tables, {len(manifest.files):,} files, {manifest.size_bytes:,} bytes")
    say(_about_keys(manifest, options))
    return target


def _about_keys(manifest: Manifest, options: Options) -> str:
    if not manifest.key_ids:
        return "no pseudonyms were made yet: there is no key to keep"
    if options.keys_to is not None:
        return f"key {', '.join(manifest.key_ids)} is in {options.keys_to / manifest.name}: keep it where the set is not"
    return (
        f"the set holds no key. Without key {', '.join(manifest.key_ids)} history cannot be joined to new rows: keep the "
        "keys folder apart, in a safe or a secret store (--keys-to DIR copies it)"
    )


def _check_places(settings: Settings, options: Options, target: Path) -> None:
    to = options.to.resolve()
    for folder in (settings.home.resolve(), settings.data.resolve()):
        if to.is_relative_to(folder):
            raise BackupError(f"{to} lies in {folder}, which it is a backup of; name a folder elsewhere, on another disk")
    if target.exists():
        raise BackupError(f"{target} is there already; a set is never overwritten")
    if options.keep is not None and (options.keep < 1 or target == options.to):
        raise BackupError("--keep takes a number of sets, from 1, in a folder of sets; an archive is one set")
    if options.keys_to is not None and options.keys_to.resolve().is_relative_to(to if to != target.resolve() else to.parent):
        raise BackupError(f"keys lie apart from what they open: --keys-to {options.keys_to} lies beside the set")


def _wait_until_quiet(instance: dg.DagsterInstance, deadline: float, say: Say) -> None:
    """Wait for runs to end, dead ones reported as such. Raises BackupError at the deadline."""
    Runs(instance, COMPUTE).bury_the_dead()
    said: set[str] = set()
    while runs := _in_flight(instance):
        if time.monotonic() > deadline:
            raise BackupError(
                f"a {runs[0].job_name} run is in flight ({runs[0].run_id[:8]}); make the backup when it has ended, "
                "or give it more time with --wait SECONDS"
            )
        for run in runs:
            if run.run_id not in said:
                said.add(run.run_id)
                say(f"waiting for a {run.job_name} run to end ({run.run_id[:8]})")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _check_quiet(instance: dg.DagsterInstance) -> None:
    for run in _in_flight(instance):
        raise NotStill(f"a {run.job_name} run began")


def _in_flight(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)))


def _newest_run(instance: dg.DagsterInstance) -> list[str]:
    return [run.run_id for run in instance.get_runs(limit=1)]


def main(arguments: list[str] | None = None) -> int:
    """The command line of `make backup`."""
    parser = argparse.ArgumentParser(prog="make backup", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help=f"a folder of sets, or one file *{ARCHIVE}")
    parser.add_argument("--keys-to", type=Path, help="copy the keys into this folder, which lies apart")
    parser.add_argument("--without-text", action="store_true", help="leave out tables and stages that hold words")
    parser.add_argument("--no-fingerprints", action="store_true", help="do not read all rows; digests still prove all files")
    parser.add_argument("--keep", type=int, help="remove older sets of the folder but this many")
    parser.add_argument("--wait", type=float, default=600.0, metavar="SECONDS", help="how long to wait for runs (600)")
    given = parser.parse_args(arguments)
    options = Options(
        given.to, given.keys_to, not given.without_text, not given.no_fingerprints, given.keep, given.wait
    )  # fmt: skip
    try:
        settings = Settings.from_environment()
        settings.check_warehouse()
        settings.prepare_instance()
        with settings.instance() as instance:
            make_backup(settings, options, instance, lambda text: print(text, flush=True))
    except (BackupError, ContractError, KeyringError, SettingsError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"backup: {error.strerror}: {error.filename or given.to}; no set was written, earlier ones are untouched",
              file=sys.stderr)  # fmt: skip
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
