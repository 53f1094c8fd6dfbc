"""The key that says "this warehouse made it": releases of indexes and versions of models are signed with it.

    keys/index_signing.key      the private key, hex, its owner's alone
    indexes/signing.pub         the public key, hex: what applications are given

Here belongs how the key comes about, and that it is never made anew silently. What is signed is not known here.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resources.durable import sync_path, write_atomically

KEY_FILE = "index_signing.key"
PUBLIC_FILE = "signing.pub"


class SigningKeyError(RuntimeError):
    """The key is missing, damaged or open to others; says what to do."""


@dataclass(frozen=True)
class SigningKey:
    """The key of the warehouse with this state; made at first use."""

    state: Path

    def public_key(self) -> bytes:
        """What signatures are proven with, 32 bytes; written beside the indexes. Raises SigningKeyError."""
        public = self._private().public_key().public_bytes_raw()
        folder = self.state / "indexes"
        path = folder / PUBLIC_FILE
        private_folder(folder)
        if not path.exists() or path.read_text(encoding="ascii").strip() != public.hex():
            write_atomically(path, f"{public.hex()}\n".encode(), mode=0o644)
        return public

    def sign(self, content: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes. Raises SigningKeyError."""
        self.public_key()  # It bears witness that something is signed: the key is not made anew from then on.
        return self._private().sign(content)

    def _private(self) -> Ed25519PrivateKey:
        keys = self.state / "keys"
        private_folder(keys)
        path = keys / KEY_FILE
        if not path.exists():
            self._refuse_to_sign_anew(path)
            made = secrets.token_bytes(32)
            beside = keys / f".{KEY_FILE}.{secrets.token_hex(4)}"
            write_atomically(beside, made.hex().encode(), mode=0o600)
            try:
                os.link(beside, path)  # Of two that make one, the first's stays.
            except FileExistsError:
                path.stat()
            finally:
                beside.unlink()
            sync_path(keys)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SigningKeyError(f"{path} can be read by others (mode {mode:04o}). Run: chmod 600 {path}")
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii").strip()))
        except ValueError:
            raise SigningKeyError(f"{path} is damaged. Restore the keys folder from its backup") from None

    def _refuse_to_sign_anew(self, path: Path) -> None:
        """A new key is made for the first signature, and never silently for a later one: applications would refuse it."""
        indexes = self.state / "indexes"
        witnesses = (indexes / PUBLIC_FILE, *indexes.glob("*/releases/*"))
        if signed := next((witness for witness in witnesses if witness.exists()), None):
            raise SigningKeyError(
                f"{path} is missing, and {signed} says that releases are signed with it. Restore the keys "
                "folder from its backup; if the key is lost for good, remove signing.pub and the folders of the indexes, "
                "give applications the new key, and register models anew"
            )


def private_folder(folder: Path) -> None:
    """Make a folder that is its owner's alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
