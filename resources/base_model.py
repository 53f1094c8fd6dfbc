"""Which files a base model is: its folder and the fingerprint that a candidate's id names.

Of a retriever that is the embedder's own (resources/embedder.py). Of a generator it is a folder in the layout of the Hugging
Face hub, or an id in the hub's cache here; weights are safetensors alone, since other files of weights can run code.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from resources.embedder import Embedder, EmbedderError

_DECIDES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


class BaseModelError(ValueError):
    """A base model that cannot be trained; says why, and what to do."""


@dataclass(frozen=True)
class BaseModel:
    """A model that a training starts from. `folder` None: a detector, which starts from nothing."""

    folder: Path | None
    fingerprint: str


def base_model(kind: str, named: str, home: Path) -> BaseModel:
    """What `named` is for a kind: a folder from the home on or absolute, an id of the hub, or empty for the packaged
    embedder. Raises BaseModelError."""
    if kind == "detector":
        return BaseModel(None, "")
    if named and (home / named).is_dir():
        named = str(home / named)
    try:
        if kind == "retriever":
            embedder = Embedder(model=named)
            return BaseModel(embedder.folder, embedder.fingerprint)
        if not named:
            raise BaseModelError("a generator is trained from a model that somebody named: `base_model:`, a folder or an id")
        folder = Embedder(model=named).folder
    except EmbedderError as error:
        raise BaseModelError(str(error)) from error
    if not list(folder.glob("*.safetensors")):
        raise BaseModelError(f"{folder} has no *.safetensors; other files of weights can run code, so convert them first")
    return BaseModel(folder, _fingerprint(folder))


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _DECIDES for file in folder.glob(pattern)}):
        with file.open("rb") as content:
            digest.update(f"\n{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}".encode())
    return digest.hexdigest()[:32]
