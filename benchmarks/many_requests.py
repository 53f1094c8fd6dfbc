"""A published file of ten million requests: one real night, and its day told again on each of the days before.

Here belongs only the making of it; `benchmarks.pages` asks it. A day of traffic is landed, computed and published as a night
does it. DuckDB then copies its tables day by day, with times moved and ids made anew, and they are published as the files of
that many days: the same views over the same layout. Words are given to few requests, as scoring them takes an hour.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.nightly import night
from benchmarks.volume import DAY
from resources.contracts import Contract
from resources.manifest import Choice, Entry
from resources.published_file import build
from resources.publishing import DOOR, PUBLISHED, Publisher
from resources.store import Store
from resources.warehouse import connect, create_database, literal

SEED = 7
WITH_WORDS = 1_500
"""Requests of the day that have words, documents, tool calls and feedback."""
IDS = ("request_id", "with_request_id", "trace_id", "span_id", "parent_id", "conversation_token")
"""What is another one on another day. People and keys come again."""
MEMORY = "4GB"
AT_ONCE = 10
"""Days that one statement writes: a partition each, which it holds in memory."""


@dataclass(frozen=True)
class PublishedFile:
    """A warehouse below `root` whose published file has `days` days up to DAY."""

    root: Path
    days: int

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def door(self) -> Path:
        return self.data / DOOR

    def publish_again(self) -> None:
        """The same rows as another file, as the next publish would put it before the readers."""
        now = self.door.resolve()
        target = now.with_name(f"warehouse-{int(now.stem.rsplit('-', 1)[1]) + 1}.duckdb")
        shutil.copyfile(now, target)
        _swing(self.door, target)


def make(root: Path, requests: int, days: int) -> PublishedFile:
    """The file with about `requests` requests over `days` days, unless it lies there already."""
    made = PublishedFile(root, days)
    if (root / "made").exists():
        return made
    shutil.rmtree(root, ignore_errors=True)
    _land_and_compute(root, requests // days)
    _repeat_the_day(made)
    (root / "made").touch()
    return made


def _land_and_compute(root: Path, requests: int) -> None:
    """One day of traffic through a whole night."""
    from simulator.traffic import simulate

    for _ in simulate(root / "landing", root / "truth", DAY, 1, requests - WITH_WORDS, SEED, incidents=()):
        pass
    told = simulate(
        root / "told", root / "told-truth", DAY, 1, WITH_WORDS, SEED + 1, incidents=(), files_per_day=1, texts=True
    )
    for file in list(told):
        shutil.copy(file.path, root / "landing" / file.path.parent.relative_to(root / "told") / f"told-{file.path.name}")
    night(root, "night")


def _repeat_the_day(made: PublishedFile) -> None:
    """Copy the day's rows to the days before, and publish them all."""
    store = Store(made.data, made.root / "home")
    publisher = Publisher(store)
    manifest = publisher.manifest()
    con = connect(made.root / "spill", MEMORY)
    for name, table in manifest["tables"].items():
        source = table["days"].get(DAY.isoformat()) if table["kind"] == "derived" else None
        if not source or not source["files"]:
            continue
        contract = store.contracts[name]
        folder = made.data / contract.question / contract.table
        for first in range(1, made.days, AT_ONCE):
            con.execute(_copy(contract, source["files"], first, min(first + AT_ONCE, made.days), folder))
        for back in range(1, made.days):
            day = (DAY - timedelta(days=back)).isoformat()
            if files := sorted(map(str, (folder / f"day={day}").glob("*.parquet"))):
                table["days"][day] = source | {"files": files}
    con.close()
    number = manifest["number"] + 1
    target = made.data / PUBLISHED / f"warehouse-{number}.duckdb"
    entries = {
        name: {DAY: Entry(of["version"], of["rows"], {}, of["content_version"])}
        for name, table in manifest["tables"].items()
        if table["kind"] == "derived" and (of := table["days"].get(DAY.isoformat()))
    }
    build(store, manifest | {"number": number}, Choice(entries, {}, {}), target)
    _tell_of_the_days(target, made.days)
    _swing(made.door, target)


def _copy(contract: Contract, files: list[str], first: int, end: int, folder: Path) -> str:
    """The statement that tells a day again, on the days from `first` to before `end` days earlier."""
    columns = ", ".join(_moved(c.name, c.type) for c in contract.columns if c.name != "day")
    stored = f"read_parquet([{', '.join(map(literal, files))}], hive_partitioning = false)"
    day = f"cast({literal(DAY.isoformat())} as date) - back as day"
    rows = f"select {columns}, {day} from {stored} cross join {_backs(first, end)}"
    options = "format parquet, compression zstd, compression_level 3, partition_by (day), overwrite_or_ignore true"
    return f"copy ({rows}) to {literal(str(folder))} ({options}, filename_pattern 'again-{{i}}')"


def _moved(name: str, type_: str) -> str:
    if type_ in ("DATE", "TIMESTAMPTZ"):
        return f"cast({name} - to_days(back) as {type_}) as {name}"
    return f"{name} || '-' || back as {name}" if name in IDS else name


def _backs(first: int, end: int) -> str:
    return f"(select cast(range as integer) as back from range({first}, {end})) as backs"


def _tell_of_the_days(path: Path, days: int) -> None:
    """Say of each day that it is fresh, as of the one that was computed."""
    path.chmod(0o644)
    con = create_database(path)
    told = f"governance.freshness as f cross join {_backs(1, days)} where f.day = {literal(DAY.isoformat())}"
    con.execute(f"insert into governance.freshness select f.* replace (f.day - back as day) from {told}")
    con.close()
    path.chmod(0o444)


def _swing(door: Path, target: Path) -> None:
    aside = door.with_name(f".{door.name}.again")
    aside.unlink(missing_ok=True)
    aside.symlink_to(Path(PUBLISHED) / target.name)
    os.replace(aside, door)


def counted(made: PublishedFile) -> dict[str, Any]:
    """What lies in it: rows of the largest tables, and bytes."""
    con = connect(None, MEMORY)
    con.execute(f"attach {literal(str(made.door))} as warehouse (read_only)")
    con.execute("use warehouse")
    rows = {
        name: con.execute(f"select count(*) from {name}").fetchall()[0][0]
        for name in ("logs.requests", "cost.charges", "service.sli_5min", "cost.cost_15min")
    }
    con.close()
    return rows | {"gb": sum(f.stat().st_size for f in made.data.rglob("*.parquet")) / 1e9}
