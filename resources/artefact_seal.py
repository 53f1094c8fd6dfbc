"""The seal of a model's folder: which files make it, what their digests are, and who says so. For this project, and for an
application that loads a model: import it, or copy this file. It needs cryptography, and nothing else of the project.

    <folder>/artefacts/…     what a model is loaded from
    <folder>/MLmodel, README.md, and so on: what is told of it
    <folder>/seal.json       every file with its size and SHA-256, whose it is, and the digest of the artefacts
    <folder>/seal.sig        the Ed25519 signature of seal.json

Nothing is loaded before every byte is known to be the one that was signed for, and no file lies there unsigned.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "nocturne-model-1"
ARTEFACTS, SEAL, SIGNATURE = "artefacts", "seal.json", "seal.sig"
_KEY_BYTES = 32


class SealError(RuntimeError):
    """A model's folder that is not used: not signed by whom it should be, not whole, or not this model's."""


@dataclass(frozen=True)
class Seal:
    """What was signed for. `digest`: of the artefacts alone, 64 hex digits; `facts`: what else was told of them."""

    model: str
    digest: str
    files: Mapping[str, tuple[int, str]]
    facts: Mapping[str, str]


def folder_digest(folder: Path) -> str:
    """Digest, 64 hex digits, of the names and contents of all files of a folder. Raises SealError where it holds none, or
    something else than files."""
    return _digest(files_of(folder))


def files_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Bytes and SHA-256 of every file of a folder, by its path in it. Raises SealError where it holds links, pipes or
    nothing, or is no folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise SealError(f"{path} is not a plain file: what a model is made of is copied, not linked")
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = (
                path.stat().st_size,
                hashlib.file_digest(file, "sha256").hexdigest(),
            )
    if not found:
        raise SealError(f"{folder} holds no file: there is no model in it")
    return found


def write_seal(folder: Path, model: str, facts: Mapping[str, str], sign: Callable[[bytes], bytes]) -> Seal:
    """Seal a folder as it is now. Raises SealError."""
    files = files_of(folder)
    seal = Seal(model, folder_digest(folder / ARTEFACTS), files, dict(facts))
    said = {"format": FORMAT, "model": model, "digest": seal.digest, "files": files, "facts": seal.facts}
    content = json.dumps(said, indent=1, sort_keys=True).encode()
    (folder / SEAL).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sign(content))
    return seal


def proven(folder: Path, model: str, public_key: str | bytes) -> Seal:
    """The seal of a folder, once its signature, and each file of the folder, is proven.

    `public_key`: the 32 bytes, or the hex digits of signing.pub. Raises SealError.
    """
    try:
        content, signature = (folder / SEAL).read_bytes(), (folder / SIGNATURE).read_bytes()
    except OSError as error:
        raise SealError(f"{folder} is not sealed ({error.strerror}): it was not registered by this project") from None
    try:
        Ed25519PublicKey.from_public_bytes(_key_of(public_key)).verify(signature, content)
    except InvalidSignature:
        raise SealError(
            f"{folder / SEAL} is not signed with the key that models are trusted for: another warehouse "
            "registered it, or it was changed"
        ) from None
    said: dict[str, Any] = json.loads(content)
    if said.get("format") != FORMAT:
        raise SealError(f"{folder / SEAL} is of the format {said.get('format')!r}, not {FORMAT}")
    if said["model"] != model:
        raise SealError(f"{folder} holds a version of {said['model']}, not of {model}")
    signed = {name: (size, digest) for name, (size, digest) in said["files"].items()}
    there = {name: found for name, found in files_of(folder).items() if name not in (SEAL, SIGNATURE)}
    for name in sorted(signed.keys() | there.keys()):
        if name not in there:
            raise SealError(f"{folder / name} is missing, and was signed for")
        if name not in signed:
            raise SealError(f"{folder / name} was not signed for: it was put there since")
        if there[name] != signed[name]:
            raise SealError(f"{folder / name} is not the file that was signed for: its digest is another")
    return Seal(model, said["digest"], signed, said["facts"])


def _digest(files: Mapping[str, tuple[int, str]]) -> str:
    return hashlib.sha256("".join(f"{digest} {name}\n" for name, (_, digest) in sorted(files.items())).encode()).hexdigest()


def _key_of(public_key: str | bytes) -> bytes:
    try:
        key = bytes.fromhex(public_key.strip()) if isinstance(public_key, str) else bytes(public_key)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("public_key is the 64 hex digits of signing.pub, or the 32 bytes that they stand for")
    return key
