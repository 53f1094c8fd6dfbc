"""Drift of a night: ours beside Evidently's, on the same data, in the same run.

    make bench-drift [ARGS="--rows 1000000 --texts 5000 --repeats 3 --nights 4 --only columns --write"]

Columns: one night of 40 columns against its reference. Texts: a night of vectors. History: the same night of tests where 60
and where 400 days of profiles are stored. Beside the times stands what each side calls drift on nights without any, and
whether it finds what was put in. Evidently runs in an environment of its own (`make bench-drift` makes it), and its time
is that of frames in memory to results; ours begins at the files. Seconds are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.drift.expectation import WINDOW_NIGHTS
from assets.drift.family import REFERENCE_NIGHTS
from benchmarks.drift_nights import CATEGORIES, DRIFTING, NUMBERS, Table, Texts
from benchmarks.drift_ours import FEATURES, Meanings, profiled, read_profiles, tested, vector_rows
from benchmarks.nightly import REPO, header
from resources.warehouse import Connection, connect, load_macros

RESULT = REPO / "benchmarks" / "results" / "drift.md"
EVIDENTLY = REPO / ".venv" / "bench" / "bin" / "python"
FIRST_DAY = date(2026, 1, 5)
TONIGHT = REFERENCE_NIGHTS + WINDOW_NIGHTS - 1
SMALL = (200, 2_000)
HISTORIES = (60, 400)
METHODS = ("model", "model, bootstrap", "distance", "distance, bootstrap", "ratio", "mmd", "mmd, bootstrap")
"""Of benchmarks/drift_evidently.py; the first is what Evidently takes when none is named."""
TITLES = ("## Columns", "## Nights of fewer rows", "## Texts", "## History")
QUIET_COLUMNS = len(NUMBERS) + len(CATEGORIES)
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """Seconds of one piece of work."""

    cpu: float
    wall: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.cpu + other.cpu, self.wall + other.wall)


def timed(work: Callable[[], T]) -> tuple[T, Spent]:
    """What `work` gives, and what it took, on all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    given = work()
    return given, Spent(time.process_time() - cpu, time.perf_counter() - wall)


def middle(spent: list[Spent]) -> Spent:
    """The medians."""
    return Spent(median(s.cpu for s in spent), median(s.wall for s in spent))


def day_of(night: int) -> date:
    """Nights are counted from 0; TONIGHT is the last of the window."""
    return FIRST_DAY + timedelta(days=night)


def evidently(folder: Path, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Evidently's answers (benchmarks/drift_evidently.py)."""
    asked = folder / "jobs.json"
    asked.write_text(json.dumps(jobs, default=str), encoding="utf-8")
    command = [str(EVIDENTLY), "-W", "ignore", str(Path(__file__).with_name("drift_evidently.py")), str(asked)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ | {"DO_NOT_TRACK": "1"})
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@dataclass(frozen=True)
class World:
    """The files of one table: its nights, the window's nights once more with a drift in them, and the reference in one."""

    folder: Path
    seed: int
    rows: int
    reference_rows: int

    def make(self) -> World:
        """Write the files; `rows` are in tonight, `reference_rows` in all nights of the reference together."""
        self.folder.mkdir(parents=True)
        table, whole = Table(self.seed), []
        for night in range(TONIGHT + 1):
            rows = self.rows if night == TONIGHT else self.reference_rows // REFERENCE_NIGHTS
            made = table.night(night, day_of(night), rows)
            pq.write_table(made, self.path(night))
            if night < REFERENCE_NIGHTS:
                whole.append(made)
            else:
                pq.write_table(table.night(night, day_of(night), rows, drifts=True), self.path(night, drifts=True))
        pq.write_table(pa.concat_tables(whole), self.reference)
        return self

    def path(self, night: int, drifts: bool = False) -> Path:
        return self.folder / f"{night}{'-drift' if drifts else ''}.parquet"

    @property
    def reference(self) -> Path:
        return self.folder / "reference.parquet"


@dataclass(frozen=True)
class Ours:
    """A night of columns: what profiling the night, testing it (with reading the stored profiles), and profiling all nights
    before it took; what drifted."""

    night: Spent
    test: Spent
    before: Spent
    quiet: list[str]
    drift: list[str]


def our_night(con: Connection, world: World) -> Ours:
    """Tonight without and with drift."""
    stored = world.folder / "profiles"
    stored.mkdir()
    before, of_before = timed(lambda: [profiled(con, world.path(n), day_of(n)) for n in range(TONIGHT)])
    for number, profile in enumerate(before):
        profile.write_parquet(stored / f"{number}.parquet")
    night, of_night = timed(lambda: profiled(con, world.path(TONIGHT), day_of(TONIGHT)))
    night.write_parquet(stored / f"{TONIGHT}.parquet")
    tests, of_tests = timed(lambda: tested(day_of(TONIGHT), read_profiles(con, stored)))
    window = range(REFERENCE_NIGHTS, TONIGHT + 1)
    drifted = [*before[:REFERENCE_NIGHTS], *(profiled(con, world.path(n, drifts=True), day_of(n)) for n in window)]
    return Ours(of_night, of_tests, of_before, _alarms(tests), _alarms(tested(day_of(TONIGHT), pl.concat(drifted))))


def _alarms(tests: pl.DataFrame) -> list[str]:
    if set(tests["status"]) != {"full"}:
        raise SystemExit(f"tests had not enough to go by: {tests['status'].value_counts().to_dicts()}")
    return tests.filter(pl.col("is_alarm"))["metric"].to_list()


def share(found: list[list[str]], wanted: tuple[str, ...]) -> str:
    """How many of the columns that drifted were found, over all nights."""
    return f"{sum(len(set(some) & set(wanted)) for some in found)} of {len(found) * len(wanted)}"


def false_alarms(found: list[list[str]], columns: int) -> str:
    """How many columns were called drifted on nights without drift, and on how many of the nights any was."""
    count, nights = sum(map(len, found)), sum(map(bool, found))
    return f"{count} of {len(found) * columns} ({count / (len(found) * columns):.1%}), {nights} of {len(found)} nights"


def columns_part(con: Connection, root: Path, rows: int, repeats: int) -> list[str]:
    """The large night, and both ways of counting our work."""
    ours: list[Ours] = []
    answers: list[list[dict[str, Any]]] = []
    for seed in range(repeats):
        world = World(root / f"large-{seed}", seed, rows, rows).make()
        ours.append(our_night(con, world))
        asked = (False, True) if seed == 0 else (False,)
        answers.append(evidently(root, [{"reference": world.reference, "current": world.path(TONIGHT, d)} for d in asked]))
        shutil.rmtree(world.folder)
        print(f"columns, seed {seed}: {ours[-1]} {answers[-1]}", file=sys.stderr)
    stored = middle([o.night + o.test for o in ours])
    whole = middle([o.before + o.night + o.test for o in ours])
    theirs = middle([Spent(answer["cpu"], answer["wall"]) for some in answers for answer in some])
    read = median(some[0]["read_cpu"] for some in answers)
    quiet, drift = [o.quiet for o in ours], [o.drift for o in ours]
    their_quiet, their_drift = [some[0]["drifted"] for some in answers], [answers[0][1]["drifted"]]

    def row(name: str, spent: Spent, quiet: list[list[str]], drift: list[list[str]]) -> str:
        ratio = f"**{theirs.cpu / spent.cpu:.0f} x**" if spent is not theirs else ""
        return (
            f"| {name} | {spent.cpu:.1f} | {spent.wall:.1f} | {ratio} | {false_alarms(quiet, QUIET_COLUMNS)} "
            f"| {share(drift, DRIFTING)} |"
        )

    return [
        TITLES[0],
        "",
        f"One night of {rows:,} rows and 40 columns (20 numbers, 20 categories of 2 to 30 values) against a reference of",
        f"{rows:,} rows in {REFERENCE_NIGHTS} nights, all from one distribution. In a night of drift ten columns change:",
        "numbers by .3 σ of their logarithms, a category's smallest share by 10 points. The nights without drift are",
        f"{repeats}, each of another seed; Evidently was asked about one of drift.",
        "",
        "| | CPU s | wall s | Evidently / ours, CPU | called drift where there is none | drifts found |",
        "|---|---:|---:|---:|---|---:|",
        row("ours: the night's file, earlier profiles are stored", stored, quiet, drift),
        row("ours: the night's file and all of the reference", whole, quiet, drift),
        row("Evidently, from frames in memory", theirs, their_quiet, their_drift),
        "",
        f"Evidently's {read:.1f} CPU seconds of reading Parquet into frames are not counted; ours are. Of our night, "
        f"{median(o.test.cpu for o in ours):.2f} CPU seconds are reading {TONIGHT} stored profiles and testing.",
        "",
    ]


def small_part(con: Connection, root: Path, nights: int) -> list[str]:
    """What is called drift on nights of few rows."""
    lines = [
        TITLES[1],
        "",
        f"As above, every night of the same size, {nights} nights of another seed each. Evidently with the night before as",
        "its reference, and with all 56. Up to 1,000 rows of reference its default is p < .05, above a threshold.",
        "",
        "| rows a night | | called drift where there is none | drifts found |",
        "|---:|---|---|---:|",
    ]
    for rows in SMALL:
        ours, jobs = [], []
        for seed in range(nights):
            world = World(root / f"small-{rows}-{seed}", 100 + seed, rows, rows * REFERENCE_NIGHTS).make()
            ours.append(our_night(con, world))
            jobs += [
                {"reference": reference, "current": world.path(TONIGHT, drifts)}
                for reference in (world.path(REFERENCE_NIGHTS - 1), world.reference)
                for drifts in (False, True)
            ]
        found = [answer["drifted"] for answer in evidently(root, jobs)]
        for name, quiet, drift in (
            ("ours", [o.quiet for o in ours], [o.drift for o in ours]),
            ("Evidently, one night", found[0::4], found[1::4]),
            ("Evidently, 56 nights", found[2::4], found[3::4]),
        ):
            lines.append(f"| {rows:,} | {name} | {false_alarms(quiet, QUIET_COLUMNS)} | {share(drift, DRIFTING)} |")
        print("\n".join(lines[-3:]), file=sys.stderr)
    return [*lines, ""]


def texts_part(root: Path, texts: int, repeats: int) -> list[str]:
    """Nights of vectors, one after the other; in the last ones of another history a tenth is of one topic more."""
    made = Texts(1)
    last = TONIGHT + repeats - 1

    def night(number: int, drifts: bool = False) -> pl.DataFrame:
        return vector_rows(day_of(number), made.night(number, texts, drifts))

    meanings = Meanings(day_of(0), made.night(0, texts))
    profiles = [meanings.profiled(day_of(number), night(number)) for number in range(TONIGHT)]
    spent, quiet = [], []
    for number in range(TONIGHT, last + 1):
        vectors = night(number)
        profile, of_profile = timed(lambda number=number, vectors=vectors: meanings.profiled(day_of(number), vectors))  # type: ignore[misc]
        profiles.append(profile)
        nights = pl.concat(profiles)
        tests, of_tests = timed(lambda number=number, nights=nights: tested(day_of(number), nights))  # type: ignore[misc]
        spent.append(of_profile + of_tests)
        quiet.append(_of_vectors(tests))
    window = range(last - WINDOW_NIGHTS + 1, last + 1)
    surged = [*profiles[: -WINDOW_NIGHTS], *(meanings.profiled(day_of(n), night(n, drifts=True)) for n in window)]
    drift = [_of_vectors(tested(day_of(last), pl.concat(surged)))]

    jobs = []
    for number in range(TONIGHT - 1, last + 1):
        np.save(root / f"{number}.npy", made.night(number, texts))
    np.save(root / "surge.npy", made.night(last, texts, drifts=True))
    pairs = [(f"{number - 1}.npy", f"{number}.npy") for number in range(TONIGHT, last + 1)]
    pairs.append((f"{last - 1}.npy", "surge.npy"))
    for method in METHODS:
        jobs += [{"reference": root / before, "current": root / now, "method": method} for before, now in pairs]
    answers = evidently(root, jobs)
    mine = middle(spent)
    lines = [
        TITLES[2],
        "",
        f"Nights of {texts:,} vectors of 384 dimensions on 40 topics, made on the spot: no words, and no embedder is timed.",
        f"Ours: clusters, random features, profiles and tests of a night, of all texts and of {FEATURES} features apart;",
        f"the profiles of {TONIGHT} nights are stored, and a surge is found over three nights. Evidently: its methods",
        "called directly on all texts, the night before as reference.",
        f"{repeats} nights without drift; one in which 10 % of the texts are of one topic more.",
        "",
        "| | CPU s | wall s | method / ours, CPU | called drift where there is none | surge found |",
        "|---|---:|---:|---:|---:|---|",
        f"| ours | {mine.cpu:.2f} | {mine.wall:.2f} | | {sum(map(bool, quiet))} of {repeats} | {_found(drift[0])} |",
    ]
    for place, method in enumerate(METHODS):
        of_method = answers[place * len(pairs) : (place + 1) * len(pairs)]
        theirs = middle([Spent(answer["cpu"], answer["wall"]) for answer in of_method])
        lines.append(
            f"| Evidently, {method}{' (its default)' if place == 0 else ''} | {theirs.cpu:.2f} | {theirs.wall:.2f} "
            f"| {theirs.cpu / mine.cpu:.1f} x | {sum(bool(a['drifted']) for a in of_method[:-1])} of {repeats} "
            f"| {_found(of_method[-1]['drifted'])} |"
        )
    return [*lines, ""]


def _of_vectors(tests: pl.DataFrame) -> list[str]:
    return _alarms(tests.filter(pl.col("family") == "embedding"))


def _found(alarms: list[str]) -> str:
    return "yes" if alarms else "no"


def history_part(root: Path, repeats: int) -> list[str]:
    """The tests of one night in real tables of few and of many days, in turn."""
    ourselves = [sys.executable, "-W", "ignore", "-m", "benchmarks.drift_history"]
    spent: dict[int, list[Spent]] = {days: [] for days in HISTORIES}
    for days in HISTORIES:
        subprocess.run([*ourselves, str(root / f"history-{days}"), str(days)], cwd=REPO, check=True)
    for _ in range(repeats):
        for days in HISTORIES:
            # Manifests and logs may hold absolute paths: the history is put aside, and the night is where it grew.
            home, aside = root / f"history-{days}", root / f"aside-{days}"
            shutil.copytree(home, aside)
            done = subprocess.run([*ourselves, str(home)], cwd=REPO, check=True, stdout=subprocess.PIPE)
            answer = json.loads(done.stdout)
            spent[days].append(Spent(answer["cpu"], answer["wall"]))
            shutil.rmtree(home)
            aside.rename(home)
    few, many = (middle(spent[days]) for days in HISTORIES)
    return [
        TITLES[3],
        "",
        "`drift.drift_tests` of one night (400 tests: 20 segments, 20 metrics) in real Delta tables, from opening the store",
        f"to the commit, each night a process on a fresh copy, {repeats} in turn. It reads 59 days of profiles.",
        "",
        "| days stored | CPU s | wall s |",
        "|---:|---:|---:|",
        *(f"| {days} | {s.cpu:.2f} | {s.wall:.2f} |" for days, s in zip(HISTORIES, (few, many), strict=True)),
        "",
        f"**{HISTORIES[1]} days / {HISTORIES[0]} days: {many.cpu / few.cpu:.2f} x CPU.**",
        "",
    ]


def merged(earlier: str, made: list[str]) -> str:
    """The parts of `made` in the place of those of the same title of an `earlier` result; all that `made` has not, stays."""
    parts = {part.split("\n", 1)[0]: part for part in re.split(r"(?m)^(?=## )", earlier)[1:]}
    parts |= {part.split("\n", 1)[0]: part for part in made}
    return "\n".join(parts[title].strip() + "\n" for title in TITLES if title in parts)


def heading() -> str:
    """When, where and with what was measured."""
    asked = [str(EVIDENTLY), "-c", "from importlib.metadata import version as v; print(v('evidently'), v('pandas'))"]
    theirs, pandas = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return f"""# Drift beside Evidently

{header()[:-1]}, polars {version("polars")}; Evidently {theirs} with pandas {pandas}.
Medians; others used the machine as well, so that CPU seconds are the better measure. Both sides of a part are of one run.
Command: `make bench-drift`; one part: `make bench-drift ARGS="--only columns"`.
"""


def main() -> None:
    """Run the parts and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--nights", type=int, default=4, help="nights of each small size")
    parser.add_argument("--only", choices=("columns", "fewer", "texts", "history"), help="one part")
    parser.add_argument("--write", action="store_true", help=f"put what was measured into {RESULT.relative_to(REPO)}")
    options = parser.parse_args()
    if not EVIDENTLY.exists():
        raise SystemExit(f"{EVIDENTLY} is missing: Evidently has an environment of its own; run make bench-drift")
    con = connect(threads=2)
    load_macros(con)
    root = Path(tempfile.mkdtemp(prefix="nocturne-bench-"))
    parts: dict[str, Callable[[], list[str]]] = {
        "columns": lambda: columns_part(con, root, options.rows, options.repeats),
        "fewer": lambda: small_part(con, root, options.nights),
        "texts": lambda: texts_part(root, options.texts, options.repeats),
        "history": lambda: history_part(root, options.repeats),
    }
    try:
        made = ["\n".join(part()) for name, part in parts.items() if options.only in (None, name)]
    finally:
        shutil.rmtree(root)
    print("\n".join([heading(), *made]))
    if options.write:
        earlier = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(f"{heading()}\n{merged(earlier, made)}", encoding="utf-8")


if __name__ == "__main__":
    main()
