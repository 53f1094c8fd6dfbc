"""One warehouse as a process holds it: its folders, contracts, open tables and a DuckDB to ask them with."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from resources.contracts import Contract, contracts
from resources.days import DayLog
from resources.table_store import Table, TableStore
from resources.warehouse import Connection, connect, forget_views, load_macros, scan

T = TypeVar("T")


class Store:
    """Tables below `data`, state below `state` (keys, staging, spill), read and written by any number of processes."""

    def __init__(
        self,
        data: Path,
        state: Path,
        contracts_: Mapping[str, Contract] | None = None,
        memory_limit: str = "2GB",
        threads: int | None = None,
        durable: bool = True,
    ):
        self.data = data.resolve()
        self.state = state.resolve()
        self.contracts = dict(contracts_ if contracts_ is not None else contracts())
        self.tables = TableStore(self.data, durable=durable)
        self.memory_limit = memory_limit
        self.threads = threads
        self._logs: dict[str, DayLog] = {}
        self._newest: dict[str, Table] = {}
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._memory: dict[tuple[str, int], Any] = {}

    @cached_property
    def promises(self) -> str:
        """All that the contracts say, as one text."""
        return "\n".join(repr(contract) for contract in self.contracts.values())

    @property
    def staging(self) -> Path:
        return self.state / "staging"

    def open(self, name: str, version: int | None = None) -> Table:
        """A handle on a table; the newest version unless told otherwise."""
        return self.tables.open(self.contracts[name], version)

    def newest(self, name: str) -> Table:
        """A table as it is now, to look at and not to keep: one handle a process, which the next call moves on."""
        if self.contracts[name].is_partitioned:
            log = self.day_log(name)
            log.refresh()
            return log.table
        with self._lock:
            if name in self._newest:
                self._newest[name].refresh()
            else:
                self._newest[name] = self.open(name)
            return self._newest[name]

    def at(self, name: str, version: int) -> Table:
        """A table as it was at a version: opened once a process, to read through and never to be refreshed."""
        return self.remember((f"{name} as it was", version), lambda: self.open(name, version))

    def scan_all(self, name: str) -> str:
        """A SELECT of every stored row of a table, as it is now."""
        table = self.newest(name)
        return scan(table.contract, [f.path for f in table.files()], table.has_whole_files)

    def day_log(self, name: str) -> DayLog:
        """The table's days as this process last saw them; refresh() it to see newer commits."""
        with self._lock:
            if name not in self._logs:
                self._logs[name] = DayLog(self.open(name), self.state / "day_logs" / f"{name}.json")
            return self._logs[name]

    def remember(self, key: tuple[str, int], make: Callable[[], T]) -> T:
        """What was made of one version of one table, made once a process; only the newest is kept."""
        if key not in self._memory:
            made = make()
            self._memory = {k: v for k, v in self._memory.items() if k[0] != key[0]} | {key: made}
        found: T = self._memory[key]
        return found

    def derived(self) -> list[Contract]:
        """Derived tables, inputs first."""
        return [c for c in self.contracts.values() if c.kind == "derived"]

    @contextmanager
    def ledger_lock(self) -> Iterator[None]:
        """One process at a time that puts rows into the ledger, closes its days or changes its key; others wait."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.state / ".landing.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def by_day(self) -> list[Contract]:
        """Tables whose rows are stored by day, inputs first."""
        return [c for c in self.contracts.values() if c.is_partitioned]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A DuckDB connection of one's own. One that is given back is used again, without what was defined in it: to
        open one takes longer than most days do."""
        with self._lock:
            con = self._idle.pop() if self._idle else None
        if con is None:
            con = connect(self.state / "spill", self.memory_limit, self.threads)
            load_macros(con)
        try:
            yield con
            forget_views(con)
        except BaseException:
            con.close()
            raise
        with self._lock:
            self._idle.append(con)

    @cached_property
    def _asking(self) -> Connection:
        return connect(self.state / "spill", self.memory_limit, self.threads)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The answer to a small question, as tuples."""
        cursor = self._asking.cursor()
        cursor.execute("set timezone = 'UTC'")
        return cursor.execute(sql, dict(parameters or {})).fetchall()
