"""What the desks that ask an endpoint share: where they work, what they read time from, how much a kill may repeat."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from resources.clock import Clock
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

ROWS_OF_A_COMMIT = 10
"""A killed pass asks as many again at most; a commit each would make as many files."""


class AskingDesk:
    """A desk of one warehouse. `environment` holds the keys that its seed names; nothing here shows one."""

    def __init__(
        self,
        store: Store,
        seeds: Path,
        environment: Mapping[str, str],
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self.store = store
        self.seeds = seeds
        self.clock = clock
        self._environment = environment
        self._sleep = sleep
        self._monotonic = monotonic

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> Self:
        """The desk of a warehouse, with this process's environment."""
        return cls(warehouse.store(), warehouse.seeds, os.environ, clock)
