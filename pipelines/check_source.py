"""Show how a log file would land, without landing it: `make check-source FILE=my.jsonl`, with FORMAT=otlp where known.

For whoever writes a format or declares a source: the first rows, the reasons of the rest, the columns that stay empty and
the tables that are poorer for it. Nothing is stored, and no pseudonym made here is one of the warehouse's.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources import terminal
from resources.byte_source import UnreadableFile
from resources.calendar import CalendarError, calendar
from resources.capture import parse
from resources.contracts import Contract, contracts
from resources.keyring import Keyring
from resources.record_typing import TypingFailed
from resources.redaction import Redactor
from resources.sources import Source, SourceError, formats, load
from resources.staged_file import StagedFile, rows_of
from resources.staging import FileStillWritten, StagingRules, stage_file
from resources.warehouse import connect, strip_comments

FIRST_ROWS = 3
MOST_FAULTS = 12
MOST_NEEDS = 4
LARGEST_GUESSED_BYTES = 32_000_000
"""A larger file is not read once for each format: whoever has it cuts it short, or names its format."""
_CELL = 100
_MADE_INTO = {"tenant_token": "tenant", "request_model": "model", "response_model": "model"}
"""What logs.requests makes of a landed column, where that is what later SQL speaks of."""
_ADMINISTRATION = ("day", "file_id", "record_number", "record_digest", "source", "arrived_at")


def users_of(column: str, promised: dict[str, Contract]) -> list[str]:
    """The tables and views that make something of a column of logs.landed: their SQL speaks of it."""
    found = []
    names = "|".join(dict.fromkeys([column, _MADE_INTO.get(column, column)]))
    for contract in promised.values():
        # The tables of logs hand every column on; what is made of them lies elsewhere.
        is_figure = contract.kind in ("derived", "view") and contract.question not in ("logs", "governance")
        if (
            is_figure
            and contract.is_sql
            and re.search(rf"\b({names})\b", strip_comments(contract.sql))
        ):
            found.append(contract.name)
    return found


def as_it_would_land(path: Path, source: Source, folder: Path, now: datetime, with_words: bool = True) -> StagedFile:
    """The stage of a file, with a throw-away key and all its words, redacted, or none of them."""
    con = connect(threads=1)
    try:
        kept = parse({"capture": [{"mode": "full" if with_words else "off"}]})
        rules = StagingRules(calendar().start, Keyring.open(folder / "keys"), kept, Redactor(con), folder / "spill")
        return stage_file(path, path.name, source, now, rules, folder / "stage")
    finally:
        con.close()


def fitting(path: Path, folder: Path, now: datetime, but: str = "") -> list[tuple[str, int]]:
    """The formats that read something of a file, with the records that would land; the one that reads most comes first.

    Raises SourceError for a file too large to be read so often.
    """
    if path.stat().st_size > LARGEST_GUESSED_BYTES:
        limit = f"{LARGEST_GUESSED_BYTES // 1_000_000} MB"
        raise SourceError(f"{path.name} is larger than {limit}; give FORMAT={'|'.join(formats())}, or a shorter piece of it")
    read = {}
    for name in formats():
        if name == but:
            continue
        try:
            stage = as_it_would_land(path, Source("check", name), folder / name, now, with_words=False)
        except TypingFailed:
            continue
        if not stage.is_refused and stage.records_landed:
            landed = rows_of(stage.landed_path)
            values = sum(landed.num_rows - column.null_count for column in landed.columns)
            read[name] = (values, stage.records_landed)
    return [(name, read[name][1]) for name in sorted(read, key=lambda name: read[name], reverse=True)]


def report(stage: StagedFile, source: Source) -> list[str]:
    """What there is to say about a staged file, line by line."""
    if stage.is_refused:
        return [f"refused whole: {stage.reason}"]
    landed = rows_of(stage.landed_path).to_pylist()
    words = Counter(rows_of(stage.texts_path)["part"].to_pylist())
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in stage.ignored_by_reason.items())
    said = [
        f"lines    {stage.lines:,} = {stage.lines_read:,} read + {stage.lines_blank:,} blank "
        f"+ {stage.lines_header:,} header + {stage.lines_refused:,} refused",
        f"records  {stage.records:,} = {stage.records_landed:,} landed + {stage.records_ignored:,} ignored "
        f"+ {stage.records_quarantined:,} quarantined",
        *([f"ignored  {by_reason}"] if by_reason else []),
        *([f"words    {', '.join(f'{n:,} {part}' for part, n in words.most_common())}"] if words else []),
        *_faults(rows_of(stage.quarantine_path).to_pylist()),
    ]
    kinds = Counter(row["record_kind"] for row in landed)
    for kind, number in kinds.most_common():
        rows = [row for row in landed if row["record_kind"] == kind]
        said += ["", f"{number:,} {kind} records; the first:"]
        for row in rows[:FIRST_ROWS]:
            said += [f"  record {row['record_number']}", *_row(row)]
    if kinds["request"]:
        said += _fill([row for row in landed if row["record_kind"] == "request"])
    elif not stage.records and not stage.lines_refused:
        said += ["", "The file holds no record."]
    elif not landed:
        said += ["", f"No record fits format {source.format}: see the reasons above, and docs/formats/."]
    return said


def _faults(bad: list[dict[str, Any]]) -> list[str]:
    if not bad:
        return []
    faults: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in bad:
        faults.setdefault((row["reason"], row["column_name"] or "", row["expected"] or ""), []).append(row)
    ranked = sorted(faults.items(), key=lambda item: -len(item[1]))
    said = ["", "refused and quarantined, by reason:"]
    for (reason, column, expected), rows in ranked[:MOST_FAULTS]:
        takes = f", expected {expected}" if expected else ""
        said += [f"  {len(rows):,} x {reason}{f' in {column}' if column else ''}{takes}"]
        said += [f"      line {rows[0]['line_number']:,}: {rows[0]['excerpt']}"]
    if len(ranked) > MOST_FAULTS:
        said += [f"  and {len(ranked) - MOST_FAULTS} more reasons"]
    return said


def _row(row: dict[str, Any]) -> list[str]:
    shown = {name: value for name, value in row.items() if value is not None and name not in _ADMINISTRATION}
    return [f"    {name:<26}{str(value)[:_CELL]}" for name, value in shown.items()]


def _fill(requests: list[dict[str, Any]]) -> list[str]:
    promised = contracts()
    shown = {*(c.name for c in promised["logs.requests"].columns), *_MADE_INTO} - {*_ADMINISTRATION}
    columns = [name for name in requests[0] if name in shown]
    filled = {name: sum(row[name] is not None for row in requests) for name in columns}
    said = ["", "partly filled columns of requests:"]
    partly = [name for name, number in filled.items() if 0 < number < len(requests)]
    said += [f"  {name:<26}{filled[name] / len(requests):7.1%}" for name in partly] or ["  none"]
    said += ["", "empty columns of requests, and what is made of them:"]
    idle = []
    for name in (name for name, number in filled.items() if not number):
        users = users_of(name, promised)
        if users:
            more = f" and {len(users) - MOST_NEEDS} more" if len(users) > MOST_NEEDS else ""
            said.append(f"  {name:<26}{', '.join(users[:MOST_NEEDS])}{more}")
        else:
            idle.append(name)
    return [*said, f"  and {len(idle)} of which only logs.requests speaks: {', '.join(idle)}"] if idle else said


def _source(format_: str | None, name: str | None) -> Source | None:
    """The source that the options name; None where they name none. Raises SourceError."""
    if name:
        sources = load()
        if name not in sources:
            raise SourceError(f"sources.yml has no source {name!r}; it has {', '.join(sources)}")
        return sources[name]
    if format_ is None:
        return None
    if format_ == "mapped":
        raise SourceError("format mapped needs `columns`: declare the source, and give SOURCE instead of FORMAT")
    if format_ not in formats():
        known = ", ".join(formats())
        raise SourceError(f"FORMAT is one of {known}, not {format_!r}; a new one is a file in sql/sources/")
    return Source("check", format_)


def _guessed(path: Path, folder: Path, now: datetime) -> Source | None:
    """The source of the format that reads most of a file; says which do. None: none does."""
    found = fitting(path, folder, now)
    if not found:
        print(
            f"no format reads {terminal.one_line(path.name)}; map its columns (docs/formats/mapped.md), or "
            "write a SELECT (docs/formats/README.md)"
        )
        return None
    print(f"no FORMAT was given; these read it: {', '.join(f'{name} ({landed:,} records)' for name, landed in found)}\n")
    return Source("check", found[0][0])


def main(arguments: list[str]) -> int:
    """Exit status 0 where something would land, 1 where nothing would, 2 where the check cannot be made."""
    parser = argparse.ArgumentParser(prog="make check-source FILE=… FORMAT=…", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", help=f"one of {', '.join(formats())}; left out: the one that reads most")
    parser.add_argument("--source", help="a source of sources.yml, with its format and defaults")
    options = parser.parse_args(arguments)
    # make hands a ~ on as it stands.
    path, now = options.file.expanduser(), datetime.now(UTC)
    try:
        source = _source(options.format, options.source)
        if path.exists() and not path.is_file():
            raise SourceError(f"{path} is no file; name one log file, not a folder, a pipe or a device")
        with tempfile.TemporaryDirectory(prefix="nocturne-check-") as folder:
            source = source or _guessed(path, Path(folder), now)
            if source is None:
                return 1
            stage = as_it_would_land(path, source, Path(folder), now)
            print(f"{terminal.one_line(path.name)} as {source.format}")
            print("\n".join(map(terminal.one_line, report(stage, source))))
            if not stage.records_landed and path.stat().st_size <= LARGEST_GUESSED_BYTES:
                others = fitting(path, Path(folder), now, but=source.format)
                print("\n".join(f"{landed:,} records land with FORMAT={name}" for name, landed in others))
            return 0 if stage.records_landed else 1
    except FileNotFoundError:
        print(f"check-source: there is no file {terminal.one_line(str(path))}", file=sys.stderr)
    except PermissionError:
        print(f"check-source: {terminal.one_line(str(path))} may not be read by this user", file=sys.stderr)
    except (CalendarError, SourceError, TypingFailed, FileStillWritten, UnreadableFile) as error:
        print(f"check-source: {terminal.lines(str(error))}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
