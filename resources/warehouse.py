"""The only `import duckdb`: connections, scans of stored files, running a table's SQL, fingerprints of rows.

Here belongs how SQL meets files. When a day is computed is days.py and computing.py; what readers see is
publishing.py.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from resources import terminal
from resources.contracts import SQL, Contract
from resources.table_store import arrow_schema

Connection = duckdb.DuckDBPyConnection
SqlError = duckdb.Error
"""A statement that DuckDB could not answer, for those who have another way to ask."""
MACROS = SQL / "_macros" / "duckdb.sql"
MAX_EXAMPLES = 5
"""Failing rows that a verdict names."""

_LITERAL_OR_GAP = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?:--[^\n]*|/\*.*?\*/|\s)+""", re.S)


@dataclass(frozen=True)
class Rule:
    """One rule of a table: `failing_count` is a SQL aggregate, the number of rows that break it.

    Where `failing`, the predicate of such a row, is given, rows that break it are shown by their `key`.
    """

    name: str
    column: str | None
    failing_count: str
    blocking: bool
    failing: str | None = None
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a rule found in one day's rows. `examples` are the keys of some failing rows."""

    name: str
    column: str | None
    failing_rows: int
    blocking: bool
    examples: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return self.blocking and self.failing_rows > 0


def connect(spill: Path | None = None, memory_limit: str = "2GB", threads: int | None = None) -> Connection:
    """An in-memory DuckDB that speaks UTC, spills to `spill` and fetches no extension by itself."""
    con = duckdb.connect(":memory:")
    con.execute("set timezone = 'UTC'")
    con.execute("set memory_limit = $limit", {"limit": memory_limit})
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set preserve_insertion_order = false")
    con.execute("set enable_progress_bar = false")
    if threads:
        con.execute("set threads = $threads", {"threads": threads})
    if spill:
        spill.mkdir(parents=True, exist_ok=True, mode=0o700)
        con.execute("set temp_directory = $spill", {"spill": str(spill)})
    return con


def create_database(path: Path) -> Connection:
    """A new database file in the storage format that DuckDB 1.2 and later read."""
    con = duckdb.connect(str(path), config={"storage_compatibility_version": "v1.2.0"})
    con.execute("set timezone = 'UTC'")
    return con


def open_published(path: Path) -> Connection:
    """The published file as an analyst opens it: read-only."""
    return duckdb.connect(str(path), read_only=True)


class AnalystError(RuntimeError):
    """A question that cannot be answered; says what to do."""


def show_answer(path: Path, question: str, readable: Iterable[Path], max_rows: int = 1000) -> None:
    """Print the answer to an analyst's SELECT, all its columns. Raises AnalystError.

    It reads the published file and what lies in the folders of `readable`, and writes nowhere.
    """
    if not path.exists():
        raise AnalystError(f"{path} does not exist yet; run `make nightly` first")
    con = open_published(path)
    try:
        # Of these no later statement can rid the connection. Writing into an allowed folder they would allow.
        con.execute(f"set allowed_directories = [{', '.join(literal(str(folder)) for folder in readable)}]")
        con.execute("set enable_external_access = false")
        _check_one_select(con, question)
        relation = con.sql(question)
        if relation is not None:
            # DuckDB escapes the control characters of ASCII, and lets the others through.
            with redirect_stdout(io.StringIO()) as shown:
                relation.show(max_width=100_000, max_rows=max_rows, max_col_width=80)
            print(terminal.lines(shown.getvalue()), end="")
    except duckdb.Error as error:
        raise AnalystError(str(error)) from error
    finally:
        con.close()


def open_locked(path: Path, readable: Iterable[Path], memory_limit: str = "1GB", threads: int = 2) -> Connection:
    """The published file as pages read it: attached read-only to a database of its own, so that a file that was replaced
    is another one. Besides it, only what lies in the folders of `readable` can be read, and no later statement changes that.

    Raises AnalystError where there is no file, or none that can be opened.
    """
    if not path.exists():
        raise AnalystError(f"{path} does not exist yet; run `make nightly` first")
    con = connect(None, memory_limit, threads)
    try:
        con.execute("set temp_directory = ''")
        # For `session` as well: a connection of its own would take the time zone of the machine.
        con.execute("set global timezone = 'UTC'")
        # Published Parquet files are never changed: their footers are read once, not by each question.
        con.execute("set parquet_metadata_cache = true")
        # Writing into an allowed folder is allowed as well: what is asked has to be one SELECT (ask).
        con.execute(f"set allowed_directories = [{', '.join(literal(str(folder)) for folder in readable)}]")
        con.execute(f"attach {literal(str(path))} as warehouse (read_only)")
        con.execute("use warehouse")
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
    except duckdb.Error as error:
        con.close()
        raise AnalystError(str(error)) from error
    return con


def session(con: Connection) -> Connection:
    """One more connection to what `open_locked` opened, under the same locks, for a question that is asked beside others."""
    made = con.cursor()
    made.execute("use warehouse")
    return made


@dataclass(frozen=True)
class Answer:
    """The first rows of what a SELECT gives, with the names and DuckDB types of its columns. `is_cut`: there are more."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def ask(con: Connection, question: str, parameters: Mapping[str, Any], max_rows: int) -> Answer:
    """The answer to one SELECT; those of the parameters that it names are bound. Raises AnalystError."""
    try:
        _check_one_select(con, question)
        found = con.execute(question, parameters_of(strip_comments(question), parameters))
        described = found.description or []
        rows = found.fetchmany(max_rows + 1)
    except duckdb.Error as error:
        raise AnalystError(str(error)) from error
    except (OverflowError, ValueError) as error:
        raise AnalystError(f"a value of the answer has no counterpart here ({error}); cast it to VARCHAR") from error
    return Answer(tuple(d[0] for d in described), tuple(str(d[1]) for d in described), rows[:max_rows], len(rows) > max_rows)


def tables_read(con: Connection, question: str) -> set[str]:
    """The tables and views that a SELECT names, as question.table. Raises AnalystError."""
    try:
        parsed = json.loads(con.execute("select json_serialize_sql($question)", {"question": question}).fetchall()[0][0])
    except duckdb.Error as error:
        raise AnalystError(str(error)) from error
    if parsed["error"]:
        raise AnalystError(parsed["error_message"])
    return {f"{node['schema_name']}.{node['table_name']}" for node in _nodes(parsed) if node.get("schema_name")}


def _nodes(parsed: Any) -> Iterator[dict[str, Any]]:
    """The references to tables in a parsed statement, however deep."""
    if isinstance(parsed, dict):
        if parsed.get("type") == "BASE_TABLE":
            yield parsed
        parsed = list(parsed.values())
    if isinstance(parsed, list):
        for part in parsed:
            yield from _nodes(part)


def _check_one_select(con: Connection, question: str) -> None:
    kinds = [statement.type for statement in con.extract_statements(question)]
    if kinds != [duckdb.StatementType.SELECT]:
        given = " and ".join(kind.name for kind in kinds) or "none"
        raise AnalystError(f"the question is one SELECT (or DESCRIBE, SHOW, SUMMARIZE), not {given}")


def literal(text: str) -> str:
    """A SQL string literal, for the places where SQL takes no parameter: file lists and comments in view definitions."""
    return "'" + text.replace("'", "''") + "'"


@cache
def strip_comments(sql: str) -> str:
    """SQL without comments and surplus white space: what a query *is*, for digests and look-ups."""
    # Literals and comments are told apart left to right: an apostrophe in a comment opens no literal.
    return _LITERAL_OR_GAP.sub(lambda found: found.group(1) or " ", sql).strip()


def macros_used(sql: str) -> list[str]:
    """The definitions of the house's macros that a query calls, itself or by another macro, in file order."""
    return _macros_used(sql, MACROS.read_text(encoding="utf-8")) if MACROS.exists() else []


@cache
def _macros_used(sql: str, macros: str) -> list[str]:
    definitions = [strip_comments(d) for d in strip_comments(macros).split(";") if d.strip()]
    used: list[str] = []
    # A macro calls only those above it.
    for definition in reversed(definitions):
        name = re.search(r"macro (\w+)\s*\(", definition, flags=re.I)
        if name and re.search(rf"\b{name.group(1)}\s*\(", "\n".join((sql, *used)), flags=re.I):
            used.append(definition)
    return used[::-1]


def load_macros(con: Connection) -> None:
    """Define the house's macros in a connection."""
    if MACROS.exists():
        con.execute(MACROS.read_text(encoding="utf-8"))


def empty_rows(contract: Contract) -> str:
    """A SELECT of no rows with the contract's columns and types."""
    return "select " + ", ".join(f"cast(null as {c.type}) as {c.name}" for c in contract.columns) + " where false"


def scan(contract: Contract, paths: Sequence[str], are_whole: bool = False) -> str:
    """A SELECT of the contract's columns over stored files; a column that a file lacks is NULL, no files are no rows.

    `are_whole`: no file lacks one (Table.has_whole_files), which is planned in a third of the time.
    """
    columns = ", ".join(c.name for c in contract.columns)
    if not paths:
        return empty_rows(contract)
    partition = ", hive_types = {'day': DATE}" if contract.is_partitioned else ""
    files = ", ".join(literal(p) for p in paths)
    if are_whole:
        options = f"hive_partitioning = {'true' if contract.is_partitioned else 'false'}{partition}"
        return f"select {columns} from read_parquet([{files}], {options})"
    return (
        f"select {columns} from ({empty_rows(contract)} union all by name select * from read_parquet([{files}], "
        f"union_by_name = true, hive_partitioning = {'true' if contract.is_partitioned else 'false'}{partition}))"
    )


def define_inputs(con: Connection, views: Mapping[str, str]) -> None:
    """Make `question.table` readable in a connection: one view a table, as given by `scan`."""
    for name, select in views.items():
        question, table = name.split(".")
        con.execute(f"create schema if not exists {question}")
        con.execute(f"create or replace view {question}.{table} as {select}")


def forget_views(con: Connection) -> None:
    """Take out of a connection what define_inputs and `register` put into it."""
    views = "select database_name, schema_name, view_name from duckdb_views() where not internal"
    for database, schema, view in con.execute(views).fetchall():
        con.execute(f'drop view if exists "{database}"."{schema}"."{view}"')


def parameters_of(sql: str, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered parameters that a query names."""
    return {name: value for name, value in offered.items() if re.search(rf"\${name}\b", sql)}


def stage_query(con: Connection, contract: Contract, sql: str, parameters: Mapping[str, Any], target: Path) -> None:
    """Run a table's SELECT and write its rows to one Parquet file, in contract order, sorted as the contract says.

    Raises duckdb.Error where the query does not yield the contract's columns.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f"cast({c.name} as {c.type}) as {c.name}" for c in contract.columns)
    order = ", ".join(f"{c} nulls last" for c in contract.sort)
    body = sql.rstrip().rstrip(";")
    query = f"select {columns} from (\n{body}\n) as computed" + (f" order by {order}" if order else "")
    # One statement: a relation is planned once to know its columns, and once more to be written.
    copy = f"copy ({query}) to {literal(str(target))} (format parquet, compression zstd)"
    con.execute(copy, parameters_of(sql, parameters))


def staged_rows(contract: Contract, path: Path) -> pa.RecordBatchReader:
    """A staged file as a stream of Arrow batches with the contract's schema."""
    schema = arrow_schema(contract)
    file = pq.ParquetFile(path)
    return pa.RecordBatchReader.from_batches(
        schema, (batch.select(schema.names).cast(schema) for batch in file.iter_batches(batch_size=65_536))
    )


def _text_of(column_type: str, name: str) -> str:
    if column_type == "DOUBLE":
        # Sums of doubles differ in the last digits from run to run (threads); ten digits do not.
        return f"coalesce(format('{{:.9e}}', {name}), '\\N')"
    if column_type == "VARCHAR":
        return f"coalesce(replace(replace({name}, '\\', '\\\\'), '|', '\\|'), '\\N')"
    return f"coalesce(cast({name} as varchar), '\\N')"


def row_text(contract: Contract) -> str:
    """A SQL expression: a row's stable text, volatile columns left out, NULL and separators unmistakable."""
    parts = [_text_of(c.type, c.name) for c in contract.columns if c.name not in contract.volatile]
    return f"concat_ws('|', {', '.join(parts)})"


def fingerprint(con: Connection, contract: Contract, select: str) -> tuple[str, int]:
    """(fingerprint, number) of rows: equal whatever their order. Not hash(), which collides; not xor, which cancels."""
    _, version, rows = check_and_fingerprint(con, contract, select, [])
    return version, rows


def check_rows(con: Connection, select: str, rules: Iterable[Rule]) -> list[Verdict]:
    """All rules of a table in one scan of its rows, and another for each one that is broken, to say by which rows."""
    rules = list(rules)
    if not rules:
        return []
    counts = con.execute(f"select {', '.join(r.failing_count for r in rules)} from ({select})").fetchall()[0]
    return _verdicts(con, select, rules, counts)


def check_and_fingerprint(
    con: Connection, contract: Contract, select: str, rules: Iterable[Rule]
) -> tuple[list[Verdict], str, int]:
    """What check_rows and fingerprint say of rows, from one scan: a day's rows are few, and a statement has its price."""
    rules = list(rules)
    counted = "".join(f", {rule.failing_count}" for rule in rules)
    count, low, high, *counts = con.execute(
        f"select count(*), sum(md5_number_lower(row_text)), sum(md5_number_upper(row_text)){counted} "
        f"from (select *, {row_text(contract)} as row_text from ({select}))"
    ).fetchall()[0]
    shape = ",".join(f"{c.name} {c.type}" for c in contract.columns if c.name not in contract.volatile)
    version = md5(f"{shape};{count};{low};{high}".encode()).hexdigest()
    return _verdicts(con, select, rules, counts), version, int(count)


def _verdicts(con: Connection, select: str, rules: Sequence[Rule], counts: Sequence[Any]) -> list[Verdict]:
    return [
        Verdict(rule.name, rule.column, int(count or 0), rule.blocking, _examples(con, select, rule) if count else ())
        for rule, count in zip(rules, counts, strict=True)
    ]


def _examples(con: Connection, select: str, rule: Rule) -> tuple[str, ...]:
    if rule.failing is None or not rule.key:
        return ()
    key = "concat_ws(' ', " + ", ".join(f"coalesce(cast({name} as varchar), '-')" for name in rule.key) + ")"
    found = con.execute(f"select {key} from ({select}) where {rule.failing} order by 1 limit {MAX_EXAMPLES}").fetchall()
    return tuple(str(row[0]) for row in found)


def measure(con: Connection, contract: Contract, select: str) -> dict[str, dict[str, str]]:
    """The contract's measures of some rows: {group: {column: total as text}}; NULL groups show as an empty string."""
    columns, by = contract.measures.columns, contract.measures.by
    if not columns:
        return {}
    group = "concat_ws('|', " + ", ".join(f"coalesce(cast({c} as varchar), '')" for c in by) + ")" if by else "''"
    sums = ", ".join(f"cast(sum({c}) as varchar)" for c in columns)
    rows = con.execute(f"select {group} as g, count(*), {sums} from ({select}) group by 1 order by 1").fetchall()
    return {
        row[0]: {"rows": str(row[1]), **{c: v for c, v in zip(columns, row[2:], strict=True) if v is not None}}
        for row in rows
    }
