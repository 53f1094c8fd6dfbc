"""`make restore`: a backup set becomes a warehouse in empty folders, and is published anew.

Exit status 0: the warehouse is as it was when the set was made, and readers have a snapshot. 2: nothing was restored, or
what was begun is finished by the same command; the message says which.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from pipelines.build import build_resources
from pipelines.clock import WallClock
from pipelines.settings import REPO, Settings, SettingsError
from resources import audit
from resources.backup import KEYS
from resources.backup_set import BackupError, Manifest
from resources.contracts import SEEDS, ContractError, contracts
from resources.failpoints import failpoint
from resources.keyring import KEY_FILE, KeyringError
from resources.restore import SEEDS_OF_THE_SET, Target, end, other_code, other_seeds, put_in_place, unpack
from resources.warehouse_resource import WarehouseResource

Say = Callable[[str], None]


def restore(source: Path, settings: Settings, keys: Path | None, say: Say) -> Manifest:
    """Restore a set into the folders of `settings`. Raises BackupError or KeyringError."""
    target = Target(settings.home.resolve(), settings.data.resolve())
    if target.is_begun:
        manifest = target.manifest()
        if source.is_dir() and source.resolve().name != manifest.name:
            raise BackupError(
                f"the restore of {manifest.name} was interrupted here; finish it, with that set, or empty {target.data}"
            )
        say(f"finishing the restore of {manifest.name}, which was interrupted")
    else:
        manifest = unpack(source, target, dict(contracts()), keys, say)
    put_in_place(target)
    resources = build_resources(settings)
    warehouse: WarehouseResource = resources["warehouse"]
    clock: WallClock = resources["clock"]
    if manifest.published:
        say("publishing anew: readers' files name absolute paths")
        publisher = warehouse.publisher()
        waiting = {date.fromisoformat(day): reason for day, reason in publisher.manifest()["waiting"].items()}
        published = publisher.publish(clock.last_due_day(), clock.now(), waiting)
        failpoint("restore.published")
        details = {"made_at": manifest.made_at, "manifest": published.number, "has_texts": manifest.has_texts}
        audit.append(warehouse.store(), "restored", manifest.name, details, clock.now())
    end(target)
    say(f"{manifest.name} is restored: {len(manifest.tables)} tables as of {manifest.made_at}")
    for hint in _hints(manifest, target):
        say(hint)
    return manifest


def _hints(manifest: Manifest, target: Target) -> list[str]:
    """What a person must still do before the next night."""
    hints = []
    if manifest.key_ids and not (target.home / KEYS / KEY_FILE).exists():
        hints.append(
            f"no key was restored: put the keys folder that holds {', '.join(manifest.key_ids)} at {target.home / KEYS} "
            "before the next night"
        )
    seeds = other_seeds(target, SEEDS)
    if seeds:
        hints.append(
            f"seeds differ from the set's ({', '.join(seeds)}): compare {target.home / SEEDS_OF_THE_SET} with {SEEDS}"
        )
    code = other_code(manifest, dict(contracts()))
    if code:
        hints.append(f"the next night computes days anew whose code is not the set's: {', '.join(code)}")
    if not manifest.has_texts:
        hints.append("the set was made without words: logs.texts begins empty")
    return hints


def main(arguments: list[str] | None = None) -> int:
    """The command line of `make restore`."""
    parser = argparse.ArgumentParser(prog="make restore", description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="a set: a folder, or a file *.tar.zst")
    parser.add_argument("--keys-from", type=Path, help="the folder that --keys-to made")
    parser.add_argument("--home", type=Path, help="the new home; NOCTURNE_HOME by default")
    parser.add_argument("--data", type=Path, help="the new data folder; NOCTURNE_DATA by default")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings = replace(
            settings,
            home=REPO / (given.home or settings.home).expanduser(),
            data=REPO / (given.data or settings.data).expanduser(),
        )
        restore(given.source, settings, given.keys_from, lambda text: print(text, flush=True))
    except (BackupError, ContractError, KeyringError, SettingsError) as error:
        print(f"restore: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = error.filename or given.source
        print(f"restore: {error.strerror}: {where}; nothing is half restored: make room, and run it again", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
