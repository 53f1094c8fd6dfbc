"""The HMAC keyring: turns people's ids into pseudonyms that only this installation can make again.

Here belong the key file, its permissions and the token formula, in Python and as pads for SQL. Which columns become
tokens is the contract's business (`resources/record_typing.py`); which keys the ledger knows, key_record.py's.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resources.durable import write_atomically

KEY_FILE = "keyring.json"
LOCK_FILE = "keyring.lock"
KEY_BYTES = 32
BLOCK_BYTES = 64
TOKEN_HEX_CHARACTERS = 32
FINGERPRINTED = b"nocturne keyring check value"


class KeyringError(RuntimeError):
    """The keyring is missing, damaged, open to others or not the one in use; the message says what to do."""


def _fingerprint(key: bytes) -> str:
    return hmac.new(key, FINGERPRINTED, hashlib.sha256).hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Keyring:
    """The current key. Equal (kind, value) pairs get equal tokens under it; nobody without it can tell whose they are.

    `retired` are the keys that it replaced, newest first: they make no pseudonyms any more, but find those they made.
    """

    key_id: str
    key: bytes = field(repr=False)
    retired: tuple[Keyring, ...] = ()

    @classmethod
    def open(cls, folder: Path, expect_key_id: str | None = None, earlier: Sequence[str] = ()) -> Keyring:
        """The keyring of `folder`; made there, once, when there is none and no pseudonyms exist yet.

        `expect_key_id` is the newest key that the ledger's pseudonyms were made with (None while there are none),
        `earlier` those before it. Raises KeyringError where one of them is not there: a new one would cut every
        person's history in two, silently. A newer key than the ledger knows is one whose rotation was cut short.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        with _locked(folder):
            if not (folder / KEY_FILE).exists() and expect_key_id is None:
                write_ring(folder / KEY_FILE, [_new_key()])
            return cls.look(folder, expect_key_id, earlier)

    @classmethod
    def look(cls, folder: Path, expect_key_id: str | None = None, earlier: Sequence[str] = ()) -> Keyring:
        """The keyring of `folder` as it lies there: nothing is made. Raises KeyringError as open() does, and where there is
        none."""
        path = folder / KEY_FILE
        if not path.exists():
            if expect_key_id is None:
                raise KeyringError(f"{path} is missing")
            raise KeyringError(
                f"{path} is missing, but the ledger's pseudonyms were made with key {expect_key_id}. Restore the "
                "keys folder from its backup. If the key is lost for good, old and new pseudonyms cannot be "
                "joined: empty the warehouse and land its files again under a new key."
            )
        keyring = _read(path)
        for wanted in (expect_key_id, *earlier):
            if wanted is not None and wanted not in keyring.key_ids:
                held = ", ".join(keyring.key_ids)
                raise KeyringError(
                    f"{path} holds key {held}, but the ledger's pseudonyms were made with key {wanted}. "
                    f"Restore the keys folder that holds {wanted}, or point NOCTURNE_HOME at the home it belongs to."
                )
        return keyring

    @classmethod
    def rotate(cls, folder: Path) -> Keyring:
        """A new key takes the place of the current one, which stays in the ring. Raises KeyringError as open() does."""
        path = folder / KEY_FILE
        with _locked(folder):
            keyring = _read(path)
            write_ring(path, [*((k.key_id, k.key) for k in reversed((keyring, *keyring.retired))), _new_key()])
            return _read(path)

    @property
    def key_ids(self) -> list[str]:
        """All keys of the ring, the oldest first."""
        return [key.key_id for key in reversed((self, *self.retired))]

    def tokens(self, kind: str, value: str) -> list[str]:
        """The pseudonyms of a value under every key, the current one first: under which it may stand in the ledger."""
        return [key.token(kind, value) for key in (self, *self.retired)]

    def token(self, kind: str, value: str) -> str:
        """The pseudonym of a value: `<key_id>.<32 hex characters>`. `kind` keeps equal ids of two kinds apart."""
        digest = hmac.new(self.key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
        return f"{self.key_id}.{digest[:TOKEN_HEX_CHARACTERS]}"

    def pads(self) -> tuple[bytes, bytes]:
        """HMAC's inner and outer pad: `sha256(outer || sha256(inner || message))` equals the HMAC.

        Secret like the key. Bind them as BLOB parameters; never write them into SQL text, which is logged.
        """
        block = self.key.ljust(BLOCK_BYTES, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def _new_key() -> tuple[str, bytes]:
    return secrets.token_hex(4), secrets.token_bytes(KEY_BYTES)


def write_ring(path: Path, keys: Sequence[tuple[str, bytes]]) -> None:
    """Write the ring, oldest key first."""
    entries = [{"key_id": key_id, "key": key.hex(), "fingerprint": _fingerprint(key)} for key_id, key in keys]
    write_atomically(path, (json.dumps({"keys": entries}, indent=2) + "\n").encode(), mode=0o600)


def _read(path: Path) -> Keyring:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyringError(f"{path} can be read by others (mode {mode:04o}). Run: chmod 600 {path}")
    damaged = f"{path} is damaged. Restore the keys folder from its backup; do not delete it, pseudonyms depend on it"
    try:
        content = json.loads(path.read_bytes())
        # A file with one key and no list was written before keys could be rotated.
        entries = content.get("keys", [content])
        keys = [(str(e["key_id"]), bytes.fromhex(e["key"]), str(e["fingerprint"])) for e in entries]
    except (AttributeError, ValueError, KeyError, TypeError):
        raise KeyringError(f"{damaged}.") from None  # the cause would quote the key
    if not keys:
        raise KeyringError(f"{damaged}.")
    retired: tuple[Keyring, ...] = ()
    for key_id, key, fingerprint in keys:
        if len(key) != KEY_BYTES or not hmac.compare_digest(_fingerprint(key), fingerprint):
            raise KeyringError(f"{damaged} (its key does not match its fingerprint).")
        retired = (Keyring(key_id, key), *retired)
    return Keyring(retired[0].key_id, retired[0].key, retired[1:])
