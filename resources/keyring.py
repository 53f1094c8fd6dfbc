"""The HMAC keyring: turns people's ids into pseudonyms that only this installation can make again.

Here belong the key file, its permissions and the token formula, in Python and as pads for SQL. Which columns become
tokens is the contract's business (`resources/record_typing.py`).
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator
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
    """One key. Equal (kind, value) pairs get equal tokens under it, and nobody without it can tell whose they are."""

    key_id: str
    key: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path, expect_key_id: str | None = None) -> Keyring:
        """The keyring of `folder`; made there, once, when there is none and no pseudonyms exist yet.

        `expect_key_id` is the key that the ledger's pseudonyms were made with (None while there are none). Raises
        KeyringError where that key is not there: a new one would cut every person's history in two, silently.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        path = folder / KEY_FILE
        with _locked(folder):
            if not path.exists():
                if expect_key_id is not None:
                    raise KeyringError(
                        f"{path} is missing, but the ledger's pseudonyms were made with key {expect_key_id}. Restore the "
                        "keys folder from its backup. If the key is lost for good, old and new pseudonyms cannot be "
                        "joined: empty the warehouse and land its files again under a new key."
                    )
                _create(path)
            keyring = _read(path)
        if expect_key_id is not None and keyring.key_id != expect_key_id:
            raise KeyringError(
                f"{path} holds key {keyring.key_id}, but the ledger's pseudonyms were made with key {expect_key_id}. "
                f"Restore the keys folder that holds {expect_key_id}, or point NOCTURNE_HOME at the home it belongs to."
            )
        return keyring

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


def _create(path: Path) -> None:
    key = secrets.token_bytes(KEY_BYTES)
    content = {"key_id": secrets.token_hex(4), "key": key.hex(), "fingerprint": _fingerprint(key)}
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode(), mode=0o600)


def _read(path: Path) -> Keyring:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyringError(f"{path} can be read by others (mode {mode:04o}). Run: chmod 600 {path}")
    damaged = f"{path} is damaged. Restore the keys folder from its backup; do not delete it, pseudonyms depend on it"
    try:
        content = json.loads(path.read_bytes())
        key_id, key, fingerprint = str(content["key_id"]), bytes.fromhex(content["key"]), str(content["fingerprint"])
    except (ValueError, KeyError, TypeError):
        raise KeyringError(f"{damaged}.") from None  # the cause would quote the key
    if len(key) != KEY_BYTES or not hmac.compare_digest(_fingerprint(key), fingerprint):
        raise KeyringError(f"{damaged} (its key does not match its fingerprint).")
    return Keyring(key_id=key_id, key=key)
