"""Chance that a secret key decides: the same ids get the same numbers on every run, and only the key foresees them.

Here belongs how an id becomes a number; what is decided by it stands in sampling.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BYTES = 6
"""48 bits: all of them are digits of a double, so that no number below 1 is rounded to 1."""


def uniform(key: bytes, purpose: str, ids: Sequence[str]) -> NDArray[np.float64]:
    """A number from [0, 1) for each id, by BLAKE2b under `key` (16 to 64 bytes); independent between `purpose`s.

    Raises ValueError where the key is too short to be secret or too long.
    """
    if not 16 <= len(key) <= 64:
        raise ValueError(f"the key of a draw has {len(key)} bytes; give 16 to 64 random ones")
    keyed = hashlib.blake2b(purpose.encode() + b"\0", digest_size=_BYTES, key=key)
    numbers = np.empty(len(ids))
    for place, name in enumerate(ids):
        digest = keyed.copy()
        digest.update(name.encode())
        numbers[place] = int.from_bytes(digest.digest(), "big")
    scaled: NDArray[np.float64] = numbers / 256**_BYTES
    return scaled
