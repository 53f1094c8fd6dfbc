"""The desk where indexes are released: built or changed as is due, measured, gated, published, rolled back.

What Dagster's run and `make index` share. Here belongs which indexes there are and who may work on them at a time; what
becomes of one is index_night.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pipelines.retrieval.index_ledger import index_names
from pipelines.retrieval.index_night import FAILED, Done, IndexDeskError, IndexNight
from pipelines.retrieval.index_queries import Embeds
from resources.clock import Clock
from resources.events import alone
from resources.golden_seed import GOLDEN_FILE, GoldenQuery, load_golden
from resources.index_store import IndexStore, IndexStoreError
from resources.live_index import IndexRefusedError
from resources.store import Store

_LOCK = ".index_releases.lock"


class IndexDesk:
    """The indexes of one warehouse. `threads`: what building, measuring and searching may use."""

    def __init__(self, store: Store, seeds: Path, embedder: Embeds, clock: Clock, threads: int = 2):
        self.store = store
        self.seeds = seeds
        self.embedder = embedder
        self.clock = clock
        self.threads = threads
        self.indexes = IndexStore(store.state)

    def names(self) -> list[str]:
        """The indexes that documents belong to, and those that had a release."""
        return index_names(self.store)

    def work(self, say: Callable[[str], Any] = lambda text: None, accept: Collection[str] = ()) -> list[Done]:
        """Release what is due, index by index. Twice is once. `accept`: indexes whose gates a person overrules this time,
        but for those of integrity, and whose rollback holds no longer.

        Raises GoldenSeedError, IndexDeskError; what goes wrong with one index is told in what it returns.
        """
        golden, names = load_golden(self.seeds / GOLDEN_FILE), self.names()
        for name in (*accept, *(golden if names else ())):
            self._check(name, names)
        found = []
        with alone(self.store, _LOCK):
            for name in names:
                try:
                    done = self._night(name, golden).work(name in accept)
                except (IndexRefusedError, IndexStoreError, OSError) as error:
                    done = Done(name, FAILED, None, str(error))
                found.append(done)
                say(str(found[-1]))
        return found

    def rollback(self, index: str, to: int | None = None) -> Done:
        """Publish an earlier release (`to`; else the one that was live before) as a new one, less what is not live any more.

        It holds: nights only take out of it what is deleted, until `accept` names the index. Raises IndexDeskError, and
        IndexRefusedError where the earlier release is not what was signed.
        """
        self._check(index, self.names())
        with alone(self.store, _LOCK):
            return self._night(index, load_golden(self.seeds / GOLDEN_FILE)).rolled_back(to)

    def _night(self, index: str, golden: dict[str, list[GoldenQuery]]) -> IndexNight:
        mine = golden.get(index, [])
        return IndexNight(self.store, self.indexes, index, mine, self.embedder, self.clock, self.threads)

    def _check(self, index: str, names: list[str]) -> None:
        if index not in names:
            raise IndexDeskError(f"there is no index {index!r}; there are: {', '.join(names) or 'none'}")
