"""Chance that a secret key decides: the same ids get the same numbers on every run, and only the key foresees them.

Here belongs how an id becomes a number; what is decided by it stands in sampling.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def uniform(key: bytes, purpose: str, ids: Sequence[str]) -> NDArray[np.float64]:
    """A number from [0, 1) for each id, by BLAKE2b under `key` (16 to 64 bytes); independent between `purpose`s.

    Raises ValueError where the key is too short to be secret or too long.
    """
    if not 16 <= len(key) <= 64:
        raise ValueError(f"the key of a draw has {len(key)} bytes; give 16 to 64 random ones")
    keyed = hashlib.blake2b(purpose.encode() + b"\0", digest_size=8, key=key)

    def digest(name: str) -> bytes:
        of_name = keyed.copy()
        of_name.update(name.encode())
        return of_name.digest()

    numbers = np.frombuffer(b"".join(map(digest, ids)), dtype=">u8")
    # The digits of a double, and no more: none is rounded up to 1.
    return (numbers >> np.uint64(11)).astype(np.float64) / 2.0**53
