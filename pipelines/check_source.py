"""Show how a log file would land, without landing it: `make check-source FILE=my.jsonl FORMAT=otlp`.

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


def as_it_would_land(path: Path, source: Source, folder: Path, now: datetime) -> StagedFile:
    """The stage of a file, with a throw-away key and all its words, redacted."""
    con = connect(threads=1)
    try:
        everything = parse({"capture": [{"mode": "full"}]})
        rules = StagingRules(calendar().start, Keyring.open(folder / "keys"), everything, Redactor(con), folder / "spill")
        return stage_file(path, path.name, source, now, rules, folder / "stage")
    finally:
        con.close()


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


def main(arguments: list[str]) -> int:
    """Exit status 0 where something would land, 1 where nothing would, 2 where the check cannot be made."""
    parser = argparse.ArgumentParser(prog="make check-source FILE=… FORMAT=…", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", help=f"one of {', '.join(formats())}")
    parser.add_argument("--source", help="a source of sources.yml, with its format and defaults")
    options = parser.parse_args(arguments)
    try:
        if options.source:
            sources = load()
            if options.source not in sources:
                raise SourceError(f"sources.yml has no source {options.source!r}; it has {', '.join(sources)}")
            source = sources[options.source]
        else:
            if options.format not in formats():
                if options.format == "mapped":
                    raise SourceError("format mapped needs `columns`: declare the source, and give SOURCE instead of FORMAT")
                known = ", ".join(formats())
                raise SourceError(f"FORMAT is one of {known}, not {options.format!r}; a new one is a file in sql/sources/")
            source = Source("check", options.format)
        if options.file.exists() and not options.file.is_file():
            raise SourceError(f"{options.file} is no file; name one log file, not a folder, a pipe or a device")
        with tempfile.TemporaryDirectory(prefix="nocturne-check-") as folder:
            stage = as_it_would_land(options.file, source, Path(folder), datetime.now(UTC))
            print(f"{terminal.one_line(options.file.name)} as {source.format}")
            print("\n".join(map(terminal.one_line, report(stage, source))))
            return 0 if stage.records_landed else 1
    except FileNotFoundError:
        print(f"check-source: there is no file {terminal.one_line(str(options.file))}", file=sys.stderr)
    except PermissionError:
        print(f"check-source: {terminal.one_line(str(options.file))} may not be read by this user", file=sys.stderr)
    except (CalendarError, SourceError, TypingFailed, FileStillWritten, UnreadableFile) as error:
        print(f"check-source: {terminal.lines(str(error))}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
