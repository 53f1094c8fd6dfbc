"""Landing a file, beside what a script would do with it in bare DuckDB.

    python -m benchmarks.ingest [--lines 200000] [--packing plain gz zst] [--write]

Ours: the file through landing into an empty warehouse: every line accounted for, typed with reasons, people as pseudonyms,
words kept in full; once as they come and once redacted. Baseline: `read_json(ignore_errors = true)` into the same columns,
a window that keeps one row a request, Parquet by day. Each runs as a process of its own, on one thread, and is charged the
CPU seconds and the peak memory that the operating system saw.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.nightly import measured
from simulator.dirt import Dirt
from simulator.traffic import simulate

REPO = Path(__file__).resolve().parent.parent
DAYS = 7
FIRST_DAY = date(2026, 10, 25)
PROSE = (
    "the order that you placed last week has been shipped and should arrive within three working days please check "
    "your account page for details or ask our team about returns invoices and delivery times we are happy to help with "
    "any question on products prices warranties repairs settings passwords and payments a summary of this answer follows"
)
NAMED = (
    "write to jo{n}@example.com", "call me on +44 20 7946 0{n:03d}", "my card is 4111 1111 1111 1111",
    "from 192.0.2.{octet} today", "the IBAN is DE89 3704 0044 0532 0130 00",
)  # fmt: skip
NAMED_SHARE = 0.03
VOCABULARY = PROSE.split()


def sentence(words: random.Random, length: int, number: int) -> str:
    """Invented prose; now and then with something in it that has to be redacted."""
    text = " ".join(words.choices(VOCABULARY, k=length))
    if words.random() < NAMED_SHARE:
        text += " " + words.choice(NAMED).format(n=number % 1000, octet=number % 256)
    return text


def worded(lines: Iterator[str], seed: int) -> Iterator[str]:
    """The lines with words in them, about 2 KB each; faulty lines stay as they are."""
    words = random.Random(seed)
    for number, line in enumerate(lines):
        if line.endswith("}\n"):
            asked, said = sentence(words, 40, number), sentence(words, 110, number + 1)
            line = f'{line[:-2]},"prompt_text":"{asked}","output_text":"{said}"}}\n'
        yield line


def make_file(folder: Path, lines: int) -> Path:
    """One plain file of simulated traffic over a week, dirt included."""
    traffic = folder / "traffic"
    made = list(simulate(traffic, folder / "truth", FIRST_DAY, DAYS, lines // DAYS, seed=11, plain=True, dirt=Dirt()))
    path = folder / "all.jsonl"
    with path.open("w", encoding="utf-8", errors="surrogateescape") as target:
        for file in made:
            with (traffic / file.path).open(encoding="utf-8", errors="surrogateescape", newline="\n") as source:
                target.writelines(worded(source, seed=len(str(file.path))))
    shutil.rmtree(traffic)
    return path


def packed(path: Path, packing: str) -> Path:
    """The file in a packing, beside it."""
    if packing == "gz":
        target = path.with_suffix(".jsonl.gz")
        with path.open("rb") as source, gzip.open(target, "wb", compresslevel=6) as packed_file:
            shutil.copyfileobj(source, packed_file, 1 << 20)
        return target
    if packing == "zst":
        import zstandard

        target = path.with_suffix(".jsonl.zst")
        with path.open("rb") as source, target.open("wb") as packed_file:
            zstandard.ZstdCompressor(level=3).copy_stream(source, packed_file)
        return target
    return path


def run_ours(root: Path, file: Path, redact: bool) -> None:
    """Land one file into an empty warehouse; prints what it counted."""
    from resources.capture import parse
    from resources.landing import Landing
    from resources.sources import Source
    from resources.store import Store

    folder = root / "landing" / "gateway"
    folder.mkdir(parents=True)
    os.link(file, folder / file.name)
    policy = parse({"redact": redact, "capture": [{"mode": "full"}]})
    landing = Landing(Store(root / "data", root / "home"), root / "landing", {"gateway": Source("gateway", "canonical")},
                      date(2023, 1, 1), policy)  # fmt: skip
    report = landing.land(datetime(2026, 11, 1, 3, tzinfo=UTC), lambda path: True)
    (landed,) = report.files
    print(json.dumps({"landed": landed.records_landed, "bad": landed.records_quarantined + landed.lines_refused}))


def run_bare(root: Path, file: Path) -> None:
    """The baseline: what a script would do."""
    import duckdb

    from resources.contracts import contracts
    from resources.sources import source_columns
    from resources.warehouse import literal

    with gzip.open(file, "rt", errors="replace") if file.suffix == ".gz" else _text(file) as lines:
        names = {name for _, line in zip(range(2000), lines, strict=False) if line.endswith("}\n") for name in _keys(line)}
    columns = source_columns(contracts()["logs.landed"])
    types = {name: "VARCHAR" if name.endswith("_text") else columns[name].type for name in sorted(names) if
             name in columns or name.endswith("_text")}  # fmt: skip
    shapes = ", ".join(f"{literal(name)}: '{type_}'" for name, type_ in types.items())
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute("set threads = 1")
    con.execute("set temp_directory = $spill", {"spill": str(root / "spill")})
    con.execute(
        f"""copy (
            select *, cast(ts as date) as day
            from read_json({literal(str(file))}, format = 'newline_delimited', ignore_errors = true, columns = {{{shapes}}})
            where request_id is not null
            qualify row_number() over (partition by request_id order by ts desc) = 1
        ) to {literal(str(root / "bare"))} (format parquet, compression zstd, partition_by (day))"""
    )
    rows = con.execute(f"select count(*) from read_parquet({literal(str(root / 'bare' / '*' / '*.parquet'))})").fetchall()
    print(json.dumps({"landed": rows[0][0]}))


def _text(file: Path):  # type: ignore[no-untyped-def]
    if file.suffix == ".zst":
        import io

        import zstandard

        return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file.open("rb")), errors="replace")
    return file.open(errors="replace")


def _keys(line: str) -> list[str]:
    try:
        return list(json.loads(line))
    except ValueError:
        return []


def charged(root: Path, file: Path, what: str) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, peak MB) of one contestant in a process of its own."""
    folder = root / what
    folder.mkdir()
    try:
        return measured([sys.executable, "-m", "benchmarks.ingest", "--run", what, str(folder), str(file)], {})
    finally:
        shutil.rmtree(folder)


CONTESTANTS = ("bare", "plain_words", "redacted_words")


def main() -> None:
    """Make the files, run the contestants in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, nargs="+", default=[200_000])
    parser.add_argument("--packing", nargs="+", default=["plain", "gz", "zst"], choices=["plain", "gz", "zst"])
    parser.add_argument("--only", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        what, root, file = options.run[0], Path(options.run[1]), Path(options.run[2])
        run_bare(root, file) if what == "bare" else run_ours(root, file, what == "redacted_words")
        return
    rows = []
    for lines in options.lines:
        root = Path(tempfile.mkdtemp(prefix="nocturne-ingest-"))
        try:
            plain = make_file(root, lines)
            for packing in options.packing:
                file = packed(plain, packing)
                figures = {what: charged(root, file, what) for what in options.only}
                rows.append((lines, packing, plain.stat().st_size / 1e6, figures))
                print(row_of(*rows[-1]), flush=True)
        finally:
            shutil.rmtree(root)
    if options.write:
        command = "python -m benchmarks.ingest " + " ".join(sys.argv[1:]).replace(" --write", "").replace("--write", "")
        (REPO / "benchmarks" / "results" / "ingest.md").write_text(report_of(command.strip(), rows), encoding="utf-8")


def row_of(lines: int, packing: str, megabytes: float, figures: dict[str, tuple[float, float, float]]) -> str:
    """A line of the table: CPU seconds, ratio to the baseline, peak memory."""
    bare = figures["bare"][1] if "bare" in figures else float("nan")
    cells = [f"{cpu:.1f} s ({cpu / bare:.2f} ×), {peak:,.0f} MB" for _, cpu, peak in figures.values()]
    return f"| {lines:,} | {packing} | {megabytes:,.0f} | " + " | ".join(cells) + " |"


def report_of(command: str, rows: list[tuple[int, str, float, dict[str, tuple[float, float, float]]]]) -> str:
    """The result as Markdown."""
    return "\n".join(
        [
            "# Landing a file",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
            f"Python {platform.python_version()}, duckdb {version('duckdb')}, deltalake {version('deltalake')}.",
            f"Command: `{command}`. CPU seconds of a process (× those of the baseline), peak memory.",
            "",
            "| lines | packing | MB raw | bare DuckDB | words as they come | words redacted |",
            "|---:|---|---:|---|---|---|",
            *(row_of(*row) for row in rows),
            "",
        ]
    )


if __name__ == "__main__":
    main()
