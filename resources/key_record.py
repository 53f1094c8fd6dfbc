"""Which keys the ledger's pseudonyms were made with: the audit's record of the keyring, and the change to a new key.

A key that the record names and the ring lacks is an error, wherever pseudonyms are made or looked up.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow.parquet as pq

from resources import audit
from resources.failpoints import failpoint
from resources.keyring import Keyring
from resources.store import Store

CREATED, ROTATED = "key_created", "key_rotated"


def open_keyring(store: Store, now: datetime) -> Keyring:
    """The keys of this warehouse's pseudonyms; made at first use and named in the audit: a lost one is noticed.

    Raises KeyringError.
    """
    return _opened(store, now)[0]


def rotate_key(store: Store, now: datetime) -> Keyring:
    """Pseudonyms are made with a new key from now on; earlier keys stay for look-ups. Waits for a landing to end.

    A rotation that was cut short is finished, and no other begun. Raises KeyringError.
    """
    with store.ledger_lock():
        keyring, was_unfinished = _opened(store, now)
        if was_unfinished:
            return keyring
        Keyring.rotate(store.state / "keys")
        failpoint("rotate.written")
        return _opened(store, now)[0]


def recorded_keys(store: Store) -> list[str]:
    """The keys that the audit names, the oldest first, without touching anything; none where nothing has landed."""
    table = store.tables.as_it_lies(store.contracts[audit.AUDIT])
    if table is None:
        return []
    columns = ["seq", "action", "subject"]
    files = (pq.read_table(file.path, columns=columns, partitioning=None) for file in table.files())
    rows = [row for file in files for row in file.to_pylist()]
    return [row["subject"] for row in sorted(rows, key=lambda row: row["seq"]) if row["action"] in (CREATED, ROTATED)]


def _opened(store: Store, now: datetime) -> tuple[Keyring, bool]:
    """The keyring, and whether it held keys that the record did not know."""
    known = [e["subject"] for e in audit.entries(store) if e["action"] in (CREATED, ROTATED)]
    keyring = Keyring.open(store.state / "keys", known[-1] if known else None, known[:-1])
    unknown = [key_id for key_id in keyring.key_ids if key_id not in known]
    for key_id in unknown:
        before = known[-1] if known else None
        audit.append(store, ROTATED if before else CREATED, key_id, {"before": before} if before else {}, now)
        known.append(key_id)
    return keyring, bool(unknown)
