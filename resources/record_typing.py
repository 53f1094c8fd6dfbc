"""Text to types: one SQL statement, built from the landed contract, that types a batch of records.

Here belongs what a value must look like to be stored, pseudonyms and fingerprints included, and the first fault of a
record that cannot be. The statement's text holds identifiers and types of the contract only; every value is bound.
No text that a fingerprint is made of leaves the statement.

What is accepted, where DuckDB's own cast would be too kind or too strict:
- whole numbers: digits with a sign, also `12.0` (many exporters write integers so); not `1.7`, `1e5`, `0x1F`, `1_000`;
- DOUBLE and DECIMAL: finite numbers; BOOLEAN: true, false, 1, 0 in any case;
- TIMESTAMPTZ: ISO 8601 with date and time; without a zone it is UTC; digits beyond microseconds are cut; 23:59:60, a leap
  second, is the second after it, as clocks have it that count since 1970; or the time since 1970 in seconds (9 to 11
  digits), milliseconds (to 14), microseconds (to 17) or nanoseconds;
- VARCHAR: at most max_length characters, no object or list, no NUL; an empty text is NULL, whatever the type.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from resources.capture import CapturePolicy
from resources.contracts import Column, Contract
from resources.file_numbers import know_files
from resources.keyring import TOKEN_HEX_CHARACTERS, Keyring
from resources.language import language_stages, prepare
from resources.sources import Format, Source, SourceError, source_columns, text_columns
from resources.warehouse import Connection, parameters_of

RECORDS_SCHEMA = pa.schema([("record_number", pa.int64()), ("line_number", pa.int64()), ("raw", pa.string())])
IGNORED, MISMATCH, PART = "ignored_reason", "mismatch", "part"
KEPT = "inclusion_probability"
MISMATCH_CHARACTERS = 200
SMALL_BATCH = 5_000
"""Up to so many documents a copy of the typed rows costs less than binding the statement once more."""
_EMPTY = "''"
_NO_NUL_TESTS = "/* no escaped NUL in this batch */"
FAULT = "fault"
_WHOLE = r"[+-]?[0-9]{1,19}(\.0*)?"
_EPOCH_TIME = r"[0-9]{9,19}(\.[0-9]+)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?"
_ISO_TIME = _DATE + r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?" + _ZONE
_YIELDED: dict[tuple[str, str], frozenset[str]] = {}
"""What a format's SELECT yields, by its text and the landed columns: DuckDB takes a tenth of a second to say so."""
_LEAP_SECOND = _DATE + r"[0-9]{2}:(14|29|44|59):60(\.[0-9]+)?" + _ZONE


class TypingFailed(RuntimeError):
    """The statement itself failed. Holds the kind of failure only: DuckDB's messages quote the record."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a record; `fault` in the typed rows is its place in `RecordTyping.faults`."""

    reason: str
    column_name: str | None = None
    expected: str | None = None


def not_this_format(expected: str) -> Fault:
    """What a format's own `mismatch` says of a document."""
    return Fault("not_this_format", None, expected[:MISMATCH_CHARACTERS])


@dataclass(frozen=True)
class FileFacts:
    """What landing knows of every record of a file, or of the files that are typed together."""

    file_ids: Sequence[str]
    source: str
    arrived_at: datetime
    calendar_start: date


class RecordTyping:
    """Types batches of one file, or of several small ones of a source, on one connection."""

    def __init__(
        self,
        con: Connection,
        contract: Contract,
        source: Source,
        format_: Format,
        keyring: Keyring,
        facts: FileFacts,
        capture: CapturePolicy,
    ):
        """Raises SourceError where the format's SELECT yields columns that the contract does not know."""
        self._con = con
        self._contract = contract
        self._source = source
        self._columns = source_columns(contract)
        self._lengths = {c.name: c.length_of for c in contract.columns if c.length_of}
        self._languages = {c.name: c.language_of for c in contract.columns if c.language_of}
        self.expects = format_.expects
        """Columns that a CSV header must name."""
        self.faults: list[Fault] = []
        self.failing_records = 0
        self._tests: list[str] = []
        self._texts: list[str] = []
        self._offered: dict[str, Any] = {}
        know_files(con, facts.file_ids)
        self._bind_facts(keyring, facts)
        self._offered |= format_.parameters
        yielded = self._yielded_by(format_)
        prepare(con)
        self._kept = capture.probability_sql(source.name, self._bind)
        self.captured = [name for name in text_columns() if name in yielded and self._kept is not None]
        self._sql = self._statement(format_, yielded)
        self._sql_with_nul_tests = self._sql.replace(_NO_NUL_TESTS, self._nul_tests(len(self.faults)))

    def run(self, records: pa.Table, has_nul_escape: bool) -> pa.Table:
        """Typed rows of a batch (`RECORDS_SCHEMA`): the contract's columns, `part`, `ignored_reason`, `mismatch` and
        `fault`; with `captured` words also `inclusion_probability`, and the words, NULL where they are not kept.

        `record_number` is that of the document. Rows come in any order. Raises TypingFailed.
        """
        sql = self._sql_with_nul_tests if has_nul_escape else self._sql
        self._con.register("records", records)
        try:
            return self._rows_of(sql, len(records))
        except Exception as error:
            failure = type(error).__name__
        finally:
            self._con.unregister("records")
        first = records["line_number"][0].as_py() if len(records) else 0
        raise self.failure(
            f"typing failed ({failure}) in the {len(records)} documents from line {first} on. Try it on those lines; the "
            "message is withheld because it quotes them."
        )

    def _rows_of(self, sql: str, documents: int) -> pa.Table:
        offered = parameters_of(sql, self._offered)
        if documents > SMALL_BATCH:
            return self._con.sql(sql, params=offered).to_arrow_table()
        with warnings.catch_warnings():
            # DuckDB advises against the copy; a relation would bind the statement twice, most of what a small file costs.
            warnings.simplefilter("ignore", UserWarning)
            return self._con.execute(sql, offered).to_arrow_table()

    def failure(self, problem: str) -> TypingFailed:
        """What to raise where the format's SELECT is at fault."""
        return TypingFailed(f"{self._source.name}: sql/sources/{self._source.format}.sql: {problem}")

    def _bind_facts(self, keyring: Keyring, facts: FileFacts) -> None:
        inner, outer = keyring.pads()
        self._offered = {
            "inner_pad": inner,
            "outer_pad": outer,
            "key_id": keyring.key_id,
            "source": facts.source,
            "arrived_at": facts.arrived_at,
            "earliest": datetime.combine(facts.calendar_start, time.min, UTC),
            "latest": facts.arrived_at + timedelta(days=1),
            "start": self._source.start,
            "structure": json.dumps(dict.fromkeys([*self._columns, *text_columns()], "VARCHAR")),
        }
        self._calendar_start = facts.calendar_start

    def _yielded_by(self, format_: Format) -> frozenset[str]:
        asked = (format_.sql, self._offered["structure"])
        if asked not in _YIELDED:
            _YIELDED[asked] = self._described(format_)
        return _YIELDED[asked]

    def _described(self, format_: Format) -> frozenset[str]:
        self._con.register("records", RECORDS_SCHEMA.empty_table())
        try:
            described = self._con.execute(f"describe {format_.sql}", parameters_of(format_.sql, self._offered)).fetchall()
        finally:
            self._con.unregister("records")
        names = {str(row[0]) for row in described}
        known = {"record_number", PART, IGNORED, MISMATCH, *self._columns, *text_columns()}
        unknown = sorted(names - known)
        where = f"sql/sources/{format_.name}.sql"
        if unknown:
            raise SourceError(f"{where} yields {', '.join(unknown)}; allowed: {', '.join(sorted(known))}")
        if "record_number" not in names:
            raise SourceError(f"{where} does not yield record_number; pass it through from records")
        return frozenset(names)

    def _bind(self, name: str, value: Any) -> str:
        self._offered[name] = value
        return f"${name}"

    def _statement(self, format_: Format, yielded: frozenset[str]) -> str:
        texts, typed, stored = [], [], []
        for name, column in self._columns.items():
            texts.append(f"{self._text(name, column, yielded)} as t_{name}")
            typed.append(f"{self._typed(name, column)} as v_{name}")
            stored.append(f"{self._stored(name, column)} as {column.name}")
            self._test(name, column)
        whens = "\n        ".join(f"when {test} then {number}" for number, test in enumerate(self._tests))
        part = f"coalesce(cast({PART} as bigint), 1)" if PART in yielded else "cast(1 as bigint)"
        marks = f"{part} as {PART}"
        for name, text in self._lengths.items():
            marks += f", length({f'nullif({text}, {_EMPTY})' if text in yielded else 'null'}) as {name}"
        guesses = [language_stages(name, text) for name, text in self._languages.items() if text in yielded]
        heard, ranked, guessed = ("".join(f", {guess[stage]}" for guess in guesses) for stage in range(3))
        marks += guessed + "".join(
            f", cast(null as varchar) as {name}" for name, text in self._languages.items() if text not in yielded
        )
        for name in (IGNORED, MISMATCH):
            marks += f", cast({name if name in yielded else 'null'} as varchar) as {name}"
        words = "".join(f", {name}" for name in self.captured)
        kept = f", {self._kept} as {KEPT}" if self.captured else ""
        columns = ", ".join([*(c.name for c in self._columns.values()), *self._lengths, *self._languages])
        shown = "".join(f", case when {KEPT} > 0 then nullif({name}, '') end as {name}" for name in self.captured)
        return (
            f"with formatted as (\n{format_.sql}\n),\n"
            f"heard as (select *{heard} from formatted),\n"
            f"ranked as (select *{ranked} from heard),\n"
            f"texts as (select record_number, {marks}, {', '.join(texts)}{words} from ranked),\n"
            f"typed as (select *, {', '.join(typed)} from texts),\n"
            f"judged as (select *{kept}, case when {IGNORED} is not null then null when {MISMATCH} is not null then -1\n"
            f"        {whens} {_NO_NUL_TESTS} end as {FAULT} from typed),\n"
            f"kept as (select *, {', '.join(stored)} from judged)\n"
            f"select record_number, {PART}, {IGNORED}, {MISMATCH}, {FAULT}, "
            f"file_of(record_number) as file_id, $source as source, "
            f"cast($arrived_at as timestamptz) as arrived_at, cast(v_ts at time zone 'UTC' as date) as day, "
            f"{self._digest()} as record_digest, {columns}"
            f"{f', {KEPT}' if self.captured else ''}{shown} from kept"
        )

    def _digest(self) -> str:
        """Equal for exact re-deliveries. Of texts where they are facts, of pseudonyms else: it tells nothing new."""
        parts = [
            f"coalesce({column.name if column.class_ == 'token' else f't_{name}'}, chr(0))"
            for name, column in self._columns.items()
            if name != "attributes" and column.name != "request_id"
        ]
        return f"md5(concat_ws(chr(31), {', '.join(parts)}, coalesce(attributes, chr(0))))"

    def _text(self, name: str, column: Column, yielded: frozenset[str]) -> str:
        """The source's text, else the source's default, else the contract's."""
        if name not in yielded:
            text = "cast(null as varchar)"
        elif column.fingerprint_of:
            return _spaced(name)
        else:
            text = f"nullif({name}, '')"
        for default in (self._source.defaults.get(name), column.default):
            if default is not None:
                return f"coalesce({text}, {self._bind(f'default_{name}', str(default))})"
        return text

    def _typed(self, name: str, column: Column) -> str:
        text = f"t_{name}"
        if column.type in ("BIGINT", "INTEGER"):
            number = f"try_cast({text} as {column.type})"
            # Almost every number is written as DuckDB writes it back; only the others pay for a pattern.
            return f"case when cast({number} as varchar) = {text} or regexp_full_match({text}, '{_WHOLE}') then {number} end"
        if column.type == "DOUBLE":
            number = f"try_cast({text} as double)"
            return f"case when isfinite({number}) and not contains({text}, '_') then {number} end"
        if column.type.startswith("DECIMAL"):
            return f"case when not contains({text}, '_') then try_cast({text} as {column.type}) end"
        if column.type == "BOOLEAN":
            return f"case when lower({text}) in ('true', '1') then true when lower({text}) in ('false', '0') then false end"
        if column.type == "TIMESTAMPTZ":
            after = f"try_cast(replace({text}, ':60', ':59') as timestamptz) + interval 1 second"
            leap_second = f"case when regexp_full_match({text}, '{_LEAP_SECOND}') then {after} end"
            return (
                f"case when regexp_full_match({text}, '{_ISO_TIME}') "
                f"then coalesce(try_cast({text} as timestamptz), {leap_second}) "
                f"when regexp_full_match({text}, '{_EPOCH_TIME}') then {_since_1970(text)} end"
            )
        if column.type != "VARCHAR":
            raise SourceError(f"{self._contract.name}.{column.name}: no rule turns text into {column.type}; add one here")
        if name == "attributes":
            return self._kept_attributes(text)
        if column.fingerprint_of:
            return _normalised(text)
        return text

    def _kept_attributes(self, text: str) -> str:
        if not self._source.keep_attributes:
            return "cast(null as varchar)"
        parts = []
        for number, key in enumerate(self._source.keep_attributes):
            pointer = self._bind(f"attribute_{number}", "/" + key.replace("~", "~0").replace("/", "~1"))
            label = self._bind(f"label_{number}", json.dumps(key, ensure_ascii=False) + ":")
            value = f"nullif(cast(json_extract({text}, {pointer}) as varchar), 'null')"
            parts.append(f"{label} || {value}")
        pairs = f"concat_ws(',', {', '.join(parts)})"
        return f"case when {_is_object(text)} then '{{' || nullif({pairs}, '') || '}}' end"

    def _nul_tests(self, number: int) -> str:
        """One more fault, tested only where a batch holds an escaped NUL at all: half of the statement's length."""
        self.faults.append(Fault("nul_byte", None, "texts without NUL"))
        return f"when contains(concat_ws('', {', '.join(self._texts)}), chr(0)) then {number}"

    def _stored(self, name: str, column: Column) -> str:
        if column.class_ == "token":
            kind = "text" if column.fingerprint_of else column.name.removesuffix("_token")
            message = f"encode('{kind}:' || v_{name})"
            digest = f"sha256($outer_pad || unhex(sha256($inner_pad || {message})))"
            return f"$key_id || '.' || left({digest}, {TOKEN_HEX_CHARACTERS})"
        if column.name == "request_id":
            return f"coalesce(v_{name}, case when v_record_kind = 'request' then made_id(record_number, part := {PART}) end)"
        return f"v_{name}"

    def _fault(self, test: str, reason: str, column: str, expected: str) -> None:
        self._tests.append(test)
        self.faults.append(Fault(reason, column, expected))

    def _test(self, name: str, column: Column) -> None:
        """The column's tests, in the order in which a record's first fault is found."""
        text, value = f"t_{name}", f"v_{name}"
        if column.required:
            self._fault(f"{text} is null", "missing_value", name, _expected(column))
        if column.required_for:
            kinds = self._bind(f"kinds_with_{name}", list(column.required_for))
            test = f"{text} is null and list_contains({kinds}, v_record_kind)"
            self._fault(test, "missing_value", name, _expected(column))
        if column.fingerprint_of:
            return
        if name == "attributes":
            self._fault(f"not {_is_object(text)}", "bad_type", name, "a JSON object")
        elif column.type != "VARCHAR":
            self._fault(f"{value} is null and {text} is not null", "bad_type", name, _expected(column))
        else:
            nested = f"(starts_with({text}, '{{') or starts_with({text}, '['))"
            self._fault(f"{nested} and json_valid({text})", "bad_type", name, _expected(column))
            self._texts.append(text)
        if column.type == "TIMESTAMPTZ":
            self._fault(
                f"{value} < $earliest or {value} > $latest", "impossible_time", name,
                f"a time from {self._calendar_start} to one day after the file arrived",
            )  # fmt: skip
        for bound, sign in ((column.minimum, "<"), (column.maximum, ">")):
            if bound is not None:
                limit = self._bind(f"{'minimum' if sign == '<' else 'maximum'}_{name}", bound)
                self._fault(f"{value} {sign} {limit}", "out_of_range", name, _expected(column))
        if column.values:
            allowed = self._bind(f"allowed_{name}", list(column.values))
            self._fault(f"not list_contains({allowed}, {value})", "not_allowed", name, _expected(column))
        longest = column.max_length or self._contract.max_length
        if column.type == "VARCHAR" and longest:
            limit = self._bind(f"longest_{name}", longest)
            too_long = f"strlen({value}) > {limit} and length({value}) > {limit}"
            self._fault(too_long, "too_long", name, f"at most {longest} characters")


def _is_object(text: str) -> str:
    """SQL: whether a text is a JSON object; NULL for NULL. CASE, because json_type raises on text that is no JSON."""
    return f"(case when {text} is null then null when json_valid({text}) then json_type({text}) = 'OBJECT' else false end)"


def _since_1970(text: str) -> str:
    """SQL: the time that a number stands for, by its digits. Exact: a DOUBLE would lose microseconds."""
    whole = f"split_part({text}, '.', 1)"
    exact, digits = f"try_cast({text} as decimal(28,9))", f"strlen({whole})"
    return (
        f"make_timestamptz(case when {digits} <= 11 then cast(trunc({exact} * 1000000) as bigint) "
        f"when {digits} <= 14 then cast(trunc({exact} * 1000) as bigint) "
        f"when {digits} <= 17 then try_cast({whole} as bigint) else try_cast({whole} as bigint) // 1000 end)"
    )


def _spaced(text: str) -> str:
    """SQL: lower case, ASCII white space as spaces, most runs as one. Plain replacements cost a sixth of a pattern."""
    spaced = f"lower({text})"
    for code in (9, 10, 11, 12, 13):
        spaced = f"replace({spaced}, chr({code}), ' ')"
    return f"replace(replace({spaced}, '    ', ' '), '  ', ' ')"


def _normalised(spaced: str) -> str:
    """SQL: what is fingerprinted, from a text that `_spaced` went over: every run of spaces as one, trimmed."""
    single = f"case when contains({spaced}, '  ') then regexp_replace({spaced}, ' +', ' ', 'g') else {spaced} end"
    # trim() looks at every character; few texts begin or end with a space.
    at_an_end = f"(starts_with({spaced}, ' ') or ends_with({spaced}, ' '))"
    return f"case when {spaced} = '' then null when {at_an_end} then nullif(trim({single}), '') else {single} end"


def _expected(column: Column) -> str:
    """What a column takes, for a person who has to mend the source."""
    if column.values:
        return f"one of {', '.join(column.values)}"
    kind = {
        "BIGINT": "a whole number", "INTEGER": "a whole number", "DOUBLE": "a number", "BOOLEAN": "true or false",
        "TIMESTAMPTZ": "an ISO 8601 date and time, or the time since 1970", "VARCHAR": "a text",
    }.get(column.type, "a number")  # fmt: skip
    lower = f", at least {column.minimum}" if column.minimum is not None else ""
    return kind + lower + (f", at most {column.maximum}" if column.maximum is not None else "")
