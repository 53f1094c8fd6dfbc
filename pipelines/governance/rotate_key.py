"""`make rotate-key`: pseudonyms are made with a new key from now on. Earlier keys stay in the ring, for look-ups.

Exit status 2: nothing was changed, and the message says why. docs/keys.md says what it does to joins of people.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.clock import WallClock
from pipelines.settings import Settings, SettingsError
from resources.key_record import rotate_key
from resources.keyring import KeyringError
from resources.warehouse_resource import WarehouseResource


def main(arguments: list[str] | None = None) -> int:
    """The command line. It takes no arguments: whoever asks for help must not have changed the key."""
    argparse.ArgumentParser(prog="make rotate-key", description=__doc__).parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        warehouse: WarehouseResource = resources["warehouse"]
        clock: WallClock = resources["clock"]
        keyring = rotate_key(warehouse.store(), clock.now())
    except (SettingsError, KeyringError) as error:
        print(f"rotate-key: {error}", file=sys.stderr)
        return 2
    print(f"new files get pseudonyms of key {keyring.key_id}; keys kept for look-ups: {len(keyring.retired)}")
    print(f"back up {settings.home / 'keys'} now: without it nobody can be found again in what is stored")
    return 0


if __name__ == "__main__":
    sys.exit(main())
