"""Sources: what each landing sub-folder holds, from warehouse/seeds/sources.yml, and the formats that can be read.

Here belongs the lint of that seed and the table of source names. Which files are taken is the landing's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from resources import column_map
from resources.contracts import SEEDS, SQL, Column, Contract, contracts
from resources.near_names import allowed_names
from resources.seed_yaml import SeedYamlError, read_seed

SOURCES_FILE = SEEDS / "sources.yml"
FORMATS = SQL / "sources"
OnSamePath = Literal["append", "replace"]
_KEYS = {"format", "columns", "on_same_path", "defaults", "keep_attributes", "start", "url", "quarantine_limit"}
QUARANTINE_LIMIT = 0.05
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\Z")
_EXPECTS = re.compile(r"^--\s*expects:\s*(.+)$", re.MULTILINE)


class SourceError(ValueError):
    """A source or format that cannot be used as written; says where, what is wrong and what is allowed."""


@dataclass(frozen=True)
class Format:
    """A shape of log: `sql` reads `records(record_number, line_number, raw)` and yields text under source names.

    `expects` are the columns that a CSV header must name: the comment line `-- expects: a, b` of the file. `parameters`
    are values that the SQL names, beside those that landing offers (docs/formats/README.md).
    """

    name: str
    sql: str
    expects: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A landing sub-folder. `defaults` are texts by source name, for records that are silent.

    `columns` is the map of format `mapped`, our column to the file's. `start` is when a log of relative times begins ($start
    of its format). `url` is where the files lie instead of in the sub-folder. `quarantine_limit` is the share of the
    records of a day's deliveries, from 0 to 1, above which their being in quarantine fails the night.
    """

    name: str
    format: str
    on_same_path: OnSamePath = "append"
    defaults: dict[str, str] = field(default_factory=dict)
    keep_attributes: tuple[str, ...] = ()
    start: datetime | None = None
    url: str | None = None
    quarantine_limit: float = QUARANTINE_LIMIT
    columns: dict[str, str] = field(default_factory=dict)


def source_columns(contract: Contract) -> dict[str, Column]:
    """The columns that a source may fill, by the name under which it does."""
    settable = (c for c in contract.columns if c.set_by is None and not c.is_of_a_text and c.name != "day")
    return {c.from_ or c.fingerprint_of or c.name: c for c in settable}


def text_columns() -> list[str]:
    """The names under which a source gives words: one a part of logs.texts."""
    return [f"{part}_text" for part in contracts()["logs.texts"].column("part").values]


def mapped_format(source: Source) -> Format:
    """The format of a source that maps our columns to its own; raises ColumnMapError."""
    allowed = [*source_columns(contracts()["logs.landed"]), *text_columns()]
    select = column_map.select_of(source.columns, allowed)
    return Format(column_map.NAME, select.sql, select.expects, select.parameters)


def format_names() -> list[str]:
    """What `format` of a source may be."""
    return sorted([*formats(), column_map.NAME])


def formats(folder: Path = FORMATS) -> dict[str, Format]:
    """All formats by name."""
    found = {}
    for path in sorted(folder.glob("*.sql")):
        sql = path.read_text(encoding="utf-8").rstrip().rstrip(";")
        expects = _EXPECTS.search(sql)
        names = tuple(n.strip() for n in expects[1].split(",")) if expects else ()
        found[path.stem] = Format(path.stem, sql, names)
    return found


def load(path: Path = SOURCES_FILE) -> dict[str, Source]:
    """All sources by sub-folder; raises SourceError with the entry, the fault and what is allowed."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise SourceError(f"{path} is missing; write one entry per landing sub-folder under `sources:`") from None
    except SeedYamlError as error:
        raise SourceError(str(error)) from error
    return parse(raw)


def parse(raw: Any) -> dict[str, Source]:
    """The sources of a seed's content; raises SourceError."""
    if not isinstance(raw, dict) or set(raw) != {"sources"} or not isinstance(raw["sources"], dict | None):
        raise SourceError("sources.yml is one mapping, `sources:`, with an entry per landing sub-folder")
    return {str(name): _source(str(name), entry) for name, entry in (raw["sources"] or {}).items()}


def _source(name: str, raw: Any) -> Source:
    where = f"sources.yml: {name}"
    if not _NAME.match(name):
        raise SourceError(f"{where}: a sub-folder's name is lower-case letters, digits and _")
    if not isinstance(raw, dict) or "format" not in raw:
        raise SourceError(f"{where} lacks `format`; known formats: {', '.join(format_names())}")
    unknown = sorted(str(k) for k in set(raw) - _KEYS)
    if unknown:
        raise SourceError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(_KEYS))}")
    if raw["format"] not in format_names():
        raise SourceError(
            f"{where} has unknown format {raw['format']!r}; known: {', '.join(format_names())}. "
            "A new one is a file in sql/sources/"
        )
    on_same_path = raw.get("on_same_path", "append")
    if on_same_path not in ("append", "replace"):
        raise SourceError(f"{where}: on_same_path is append or replace, not {on_same_path!r}")
    kept = raw.get("keep_attributes") or []
    if not isinstance(kept, list) or not all(isinstance(k, str) and k for k in kept):
        raise SourceError(f"{where}: keep_attributes is a list of keys, such as [channel, country]")
    defaults = raw.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise SourceError(f"{where}: defaults is a mapping of column to value, such as {{provider: openai}}")
    if ("columns" in raw) != (raw["format"] == column_map.NAME):
        raise SourceError(f"{where}: `columns` goes with format {column_map.NAME}, and only with it")
    source = Source(
        name=name,
        format=raw["format"],
        columns=raw.get("columns") or {},
        on_same_path=on_same_path,
        defaults={str(column): _default(where, str(column), value) for column, value in defaults.items()},
        keep_attributes=tuple(sorted(set(kept))),
        start=_start(where, raw.get("start")),
        url=_url(where, raw.get("url")),
        quarantine_limit=_share(where, "quarantine_limit", raw.get("quarantine_limit", QUARANTINE_LIMIT)),
    )
    if source.format == column_map.NAME:
        try:
            mapped_format(source)
        except column_map.ColumnMapError as error:
            raise SourceError(f"{where}: {error}") from error
    return source


def _url(where: str, raw: Any) -> str | None:
    if raw is not None and (not isinstance(raw, str) or "://" not in raw):
        raise SourceError(f"{where}: url is where its files lie, such as s3://bucket/prefix; for a folder leave it out")
    return raw


def _share(where: str, name: str, raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= 1:
        raise SourceError(f"{where}: {name} is a share from 0 to 1, such as {QUARANTINE_LIMIT}, not {raw!r}")
    return float(raw)


def _start(where: str, raw: Any) -> datetime | None:
    if raw is None:
        return None
    try:
        start = raw if isinstance(raw, datetime) else datetime.fromisoformat(raw)
    except (TypeError, ValueError):
        raise SourceError(f"{where}: start is a time such as 2024-01-01T00:00:00Z, not {raw!r}") from None
    return start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)


def _default(where: str, name: str, value: Any) -> str:
    """A default as the text that a record would have held."""
    columns = source_columns(contracts()["logs.landed"])
    allowed = {n: c for n, c in columns.items() if not c.fingerprint_of and n not in ("ts", "request_id", "attributes")}
    if name not in allowed:
        names = allowed_names([name], allowed, "docs/formats/README.md")
        raise SourceError(f"{where}: no default can be given for {name!r}; allowed: {names}")
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float) or value == "":
        raise SourceError(f"{where}: the default of {name} is a text, a number, true or false")
    if allowed[name].values and str(value) not in allowed[name].values:
        raise SourceError(f"{where}: the default of {name} is {value!r}; allowed: {', '.join(allowed[name].values)}")
    return str(value)
