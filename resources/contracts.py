"""Contracts: the whole promise of each table, read from warehouse/contracts/<question>/<table>.yml.

Here belongs the format of a contract and its lint. What a contract *drives* (checks, assets, views) lives
with what it drives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

REPO = Path(__file__).resolve().parent.parent
CONTRACTS = REPO / "warehouse" / "contracts"
SQL = REPO / "sql"
SEEDS = REPO / "warehouse" / "seeds"

Kind = Literal["ledger", "derived", "event", "reference", "projection", "view"]
STORED_KINDS = ("ledger", "derived", "event", "reference")
COLUMN_CLASSES = ("fact", "token", "text")
RETENTION_CLASSES = ("text", "rows", "aggregates", "forever", "source")
"""`source`: as long as what the rows were read from; whoever reads it takes them out (the knowledge base)."""
OF_A_RECORD = frozenset({"request_id", "record_number"})
"""Columns that only rows about a single record have."""
VALID = "valid"
"""How a contract names a reference in its `reads`: the rows valid on the day, not a window of days."""


class ContractError(ValueError):
    """A contract that cannot be kept as written; says the file, what is wrong and what is allowed."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `from_` is the source's text column it is typed from, where that has another name; `fingerprint_of` the text
    column that it is the keyed hash of, `length_of` the one whose characters it counts, `language_of` the one whose
    language it guesses; `set_by` = "landing" marks columns that no source may set. `required_for` are the kinds of record
    that must have a value.
    """

    name: str
    type: str
    meaning: str
    unit: str | None = None
    class_: str = "fact"
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    default: str | None = None
    from_: str | None = None
    fingerprint_of: str | None = None
    set_by: str | None = None
    required_for: tuple[str, ...] = ()
    length_of: str | None = None
    language_of: str | None = None

    @property
    def is_of_a_text(self) -> bool:
        """Landing makes it from words, which no source can do in their place."""
        return self.length_of is not None or self.language_of is not None


@dataclass(frozen=True)
class Check:
    """A rule of a table: `failing` is a SQL predicate that is true on a row that breaks it."""

    name: str
    failing: str
    meaning: str
    blocking: bool = True


@dataclass(frozen=True)
class Measures:
    """What a restatement reports: additive columns, summed by group."""

    columns: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """A table's promise. `name` is `question.table`; `reads` gives each input its window in days, or `valid`."""

    question: str
    table: str
    kind: Kind
    row: str
    owner: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    subject_key: str | None = None
    reads: dict[str, tuple[int, int] | str] = field(default_factory=dict)
    measures: Measures = Measures()
    volatile: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    max_length: int | None = None
    every_day: bool = False
    needs: str | None = None
    """The input without whose rows on a day the table has nothing to say of that day, however far back it looks."""
    embeds: bool = False
    """Computed by Python that turns texts into vectors: its function gets the embedder."""
    code_version: str = "1"
    freshness: str | None = None
    caveats: str | None = None
    retention_: str | None = None
    sql_file: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.question}.{self.table}"

    @property
    def is_partitioned(self) -> bool:
        """Stored by day; the `day` column is the partition and stands in no file."""
        return self.kind in ("ledger", "derived", "event")

    @cached_property
    def is_about_records(self) -> bool:
        """Its rows speak of single records or of people."""
        return bool(self.subject_key) or any(c.class_ == "token" or c.name in OF_A_RECORD for c in self.columns)

    @cached_property
    def has_words(self) -> bool:
        """Some column holds words, or what says much about them: for its owner alone, and not for analysts."""
        return any(c.class_ == "text" for c in self.columns)

    @cached_property
    def retention(self) -> str:
        """The class by which its days are kept (seeds/retention.yml): as the contract says, else as its columns are."""
        if not self.is_partitioned:
            return "forever"
        if self.has_words and self.retention_ != "source":
            return "text"
        return self.retention_ or ("rows" if self.is_about_records else "aggregates")

    @property
    def sql_path(self) -> Path:
        """Where its SELECT stands; `sql_file` is for tests that edit one."""
        return self.sql_file or SQL / self.question / f"{self.table}.sql"

    @property
    def sql_parts(self) -> list[Path]:
        """The files of a SELECT that is taken apart, each a SELECT: those in the folder sql/<question>/<table>/."""
        return [] if self.sql_file else sorted(self.sql_path.with_suffix("").glob("*.sql"))

    @property
    def is_sql(self) -> bool:
        """Its rows are a SELECT. A derived table whose rows are not is computed by assets/<question>/<table>.py."""
        return self.sql_path.exists() or bool(self.sql_parts)

    @property
    def sql(self) -> str:
        """Its SELECT: that of its file, or the rows of all its parts, by the names of its columns and with their types."""
        if not self.sql_parts:
            return self.sql_path.read_text(encoding="utf-8")
        names = ", ".join(c.name for c in self.columns)
        typed = ", ".join(f"cast({c.name} as {_SQL_TYPES.get(c.type, c.type)}) as {c.name}" for c in self.columns)
        texts = {path.stem: path.read_text(encoding="utf-8").rstrip().rstrip(";") for path in self.sql_parts}
        union = "\nunion all\n".join(f"select {names} from (\n{text}\n) as {part}" for part, text in texts.items())
        return f"select {typed} from (\n{union}\n) as parts"

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(f"{self.name} has no column {name!r}")


_TYPES = "VARCHAR, BIGINT, INTEGER, DOUBLE, BOOLEAN, DATE, TIMESTAMPTZ (TIMESTAMP in views), FLOAT[]"
_TYPE = re.compile(r"VARCHAR|BIGINT|INTEGER|DOUBLE|BOOLEAN|DATE|TIMESTAMPTZ|TIMESTAMP|FLOAT\[\]|DECIMAL\(\d+, ?\d+\)")
_SQL_TYPES = {"VARCHAR": "string", "TIMESTAMPTZ": "timestamp with time zone"}
"""How SQL that several engines read calls a type, where a contract calls it otherwise."""
_DAY = {"type": "DATE", "required": True, "meaning": "UTC day; the partition"}
_COLUMN_KEYS = {
    "type", "meaning", "unit", "class", "required", "values", "minimum", "maximum", "max_length", "default",
    "from", "fingerprint_of", "set_by", "required_for", "length_of",
    "language_of",
}  # fmt: skip
_CONTRACT_KEYS = {
    "row", "kind", "owner", "key", "subject_key", "reads", "measures", "volatile", "sort", "checks", "max_length",
    "every_day", "needs", "embeds", "code_version", "freshness", "caveats", "retention", "columns", "extends", "without",
}  # fmt: skip


def _column(where: str, name: str, raw: dict[str, Any]) -> Column:
    unknown = set(raw) - _COLUMN_KEYS
    if unknown:
        raise ContractError(f"{where}: column {name} has unknown keys {sorted(unknown)}; allowed: {sorted(_COLUMN_KEYS)}")
    for needed in ("type", "meaning"):
        if needed not in raw:
            raise ContractError(f"{where}: column {name} lacks {needed!r}")
    if not _TYPE.fullmatch(raw["type"]):
        raise ContractError(f"{where}: column {name} has type {raw['type']!r}; allowed: {_TYPES}, DECIMAL(p,s)")
    if raw.get("class", "fact") not in COLUMN_CLASSES:
        raise ContractError(f"{where}: column {name} has class {raw['class']!r}; allowed: {', '.join(COLUMN_CLASSES)}")
    return Column(
        name=name,
        class_=raw.get("class", "fact"),
        from_=raw.get("from"),
        values=tuple(str(v) for v in raw.get("values", ())),
        required_for=tuple(raw.get("required_for", ())),
        **{k: v for k, v in raw.items() if k not in ("class", "from", "values", "required_for")},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)  # safe, and in C
    except yaml.YAMLError as error:
        raise ContractError(f"{path.name} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ContractError(f"{path.name}: a contract is a mapping with row, kind, owner and columns")
    return raw


def parse(question: str, table: str, raw: dict[str, Any], root: Path = CONTRACTS) -> Contract:
    """One contract from its YAML mapping; raises ContractError with the file and the fault."""
    where = f"{question}/{table}.yml"
    unknown = set(raw) - _CONTRACT_KEYS
    if unknown:
        raise ContractError(f"{where}: unknown keys {sorted(unknown)}; allowed: {sorted(_CONTRACT_KEYS)}")
    for needed in ("row", "kind", "owner"):
        if needed not in raw:
            raise ContractError(f"{where} lacks {needed!r}")
    kinds = (*STORED_KINDS, "projection", "view")
    if raw["kind"] not in kinds:
        raise ContractError(f"{where}: kind {raw['kind']!r}; allowed: {', '.join(kinds)}")
    columns: dict[str, Column] = {}
    if raw["kind"] in ("ledger", "derived", "event"):
        columns["day"] = _column(where, "day", _DAY)
    if "extends" in raw:
        parent_question, parent_table = raw["extends"].split(".")
        parent_path = root / parent_question / f"{parent_table}.yml"
        parent = parse(parent_question, parent_table, _read(parent_path), root)
        columns.update({c.name: c for c in parent.columns if c.name not in raw.get("without", ())})
    for name, column in (raw.get("columns") or {}).items():
        columns[name] = _column(where, name, column)
    reads: dict[str, tuple[int, int] | str] = {}
    for source, window in (raw.get("reads") or {}).items():
        if window != VALID and not (isinstance(window, list) and len(window) == 2 and window[0] <= window[1]):
            raise ContractError(f"{where}: reads {source}: {window!r}; write [first, last] in days, or `valid`")
        if source == f"{question}.{table}" and (window == VALID or window[1] >= 0):
            raise ContractError(f"{where}: a table may read its own earlier days alone; write a window that ends at -1")
        reads[source] = VALID if window == VALID else (int(window[0]), int(window[1]))
    measures = raw.get("measures") or {}
    contract = Contract(
        question=question,
        table=table,
        kind=raw["kind"],
        row=raw["row"],
        owner=raw["owner"],
        columns=tuple(columns.values()),
        key=tuple(raw.get("key", ())),
        subject_key=raw.get("subject_key"),
        reads=reads,
        measures=Measures(tuple(measures.get("columns", ())), tuple(measures.get("by", ()))),
        volatile=tuple(raw.get("volatile", ())),
        sort=tuple(raw.get("sort", ())),
        checks=tuple(Check(**c) for c in raw.get("checks", ())),
        max_length=raw.get("max_length"),
        every_day=raw.get("every_day", False),
        needs=raw.get("needs"),
        embeds=raw.get("embeds", False),
        code_version=str(raw.get("code_version", "1")),
        freshness=raw.get("freshness"),
        caveats=raw.get("caveats"),
        retention_=raw.get("retention"),
    )
    _check_retention(where, contract)
    if contract.needs is not None and contract.needs not in reads:
        raise ContractError(f"{where}: needs {contract.needs}, which it does not read")
    for used in (*contract.key, *contract.volatile, *contract.sort, *contract.measures.columns, *contract.measures.by):
        if used not in columns:
            raise ContractError(f"{where} names column {used!r} in key, volatile, sort or measures, but does not declare it")
    return contract


def _check_retention(where: str, contract: Contract) -> None:
    said = contract.retention_
    if said is None:
        return
    if said not in RETENTION_CLASSES:
        raise ContractError(f"{where}: retention {said!r}; allowed: {', '.join(RETENTION_CLASSES)}")
    if not contract.is_partitioned:
        raise ContractError(f"{where}: a {contract.kind} is not stored by day, and kept for ever; leave out retention")
    if contract.retention == "text" and said != "text":
        raise ContractError(
            f"{where}: a table with a column of class text is kept as text, or as its source; leave out retention: {said}"
        )
    if contract.subject_key and said not in ("text", "rows"):
        raise ContractError(f"{where}: rows about a person (subject_key) expire; retention is rows or text, not {said}")


def load(root: Path = CONTRACTS) -> dict[str, Contract]:
    """All contracts by `question.table`, in dependency order (inputs first)."""
    found = {}
    for path in sorted(root.glob("*/*.yml")):
        contract = parse(path.parent.name, path.stem, _read(path), root)
        found[contract.name] = contract
    ordered: dict[str, Contract] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in ordered:
            return
        if name in trail:
            raise ContractError(f"contracts read each other in a circle: {' -> '.join((*trail, name))}")
        if name not in found:
            raise ContractError(f"{trail[-1]} reads {name}, which has no contract")
        needs = found[name].needs
        if needs is not None and found[needs].kind != "derived":
            raise ContractError(f"{name} needs {needs}, a {found[needs].kind}; a derived table is what it may need")
        for source in found[name].reads:
            if source != name:
                visit(source, (*trail, name))
        ordered[name] = found[name]

    for name in found:
        visit(name, ())
    return ordered


@cache
def contracts() -> dict[str, Contract]:
    """The checkout's own contracts, read once a process."""
    return load()
