"""Stands in for the model of the embedder, which takes the better part of a minute, where a test asks nothing of vectors."""

from __future__ import annotations

from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from resources.embedder import Embedder
from resources.store import Store
from resources.warehouse_resource import EmbedderResource


class HashedWords:
    """A vector counts words, each in a place of its own hash. What is compared besides (words, numbers, names) is what it
    is."""

    fingerprint = "hashed-words"

    def embed(self, texts: list[str], progress: Any = None) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, crc32(word.encode()) % 384] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        made: NDArray[np.float32] = (vectors / np.maximum(lengths, 1)).astype(np.float32)
        return made


class HashedWordsResource(EmbedderResource):
    """The same for a night through Dagster."""

    def open(self, store: Store) -> Embedder:
        return cast(Embedder, HashedWords())
