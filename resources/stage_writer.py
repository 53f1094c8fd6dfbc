"""A stage's files of rows (Arrow), and the counts of what went into them.

Here belongs how typed rows, words and bad records are written. Which rows they are is staging.py's business.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.contracts import Column, contracts
from resources.excerpt import excerpt
from resources.keyring import Keyring
from resources.record_typing import KEPT, Fault
from resources.redaction import Redactor
from resources.splitter import RefusedLine
from resources.staged_file import StagedFile
from resources.table_store import arrow_schema

LANDED, TEXTS, QUARANTINE = "logs.landed", "logs.texts", "logs.quarantine"
IDS = frozenset({"request_id", "trace_id", "span_id", "parent_id", "record_id", "document_id"})
"""Fact columns that join: one that holds a secret or a person's address becomes a pseudonym, whole."""
_DRAWN_ID = r"^([A-Za-z]+[_-])*[0-9a-f-]*[a-f][0-9a-f-]*$"
"""An id that a machine drew: hexadecimal, with a letter in it, so that it is no card or telephone number."""
_DRAWN_ID_CHARACTERS = 16
_REASON = re.compile(r"[a-z][a-z_]{0,63}")
UNNAMED = "reason_is_not_a_word"
MOST_NAMES = 100_000
"""So many clean names of a file are remembered."""


class StageWriter:
    """Writes one stage. `redactor` is None where whoever writes the logs has redacted them already.

    `closed` are days of tables that retention has closed: what falls on them is counted, and not written.
    """

    def __init__(
        self,
        stage: StagedFile,
        arrived_at: datetime,
        keyring: Keyring,
        redactor: Redactor | None,
        closed: Mapping[str, Collection[date]] = MappingProxyType({}),
    ):
        self.stage = stage
        self._closed = {name: pa.array(sorted(days), pa.date32()) for name, days in closed.items() if days}
        self.quarantine_rows = 0
        self.documents = 0
        self._keyring = keyring
        self._redactor = redactor
        self._clean_names = pa.array([], pa.string())
        self._files = {
            name: _file(path, arrow_schema(contracts()[name]))
            for name, path in (
                (LANDED, stage.landed_path), (TEXTS, stage.texts_path), (QUARANTINE, stage.quarantine_path),
            )
        }  # fmt: skip
        self._constants = {
            "day": arrived_at.date(), "file_id": stage.file_id, "source": stage.source, "arrived_at": arrived_at,
        }  # fmt: skip

    def __enter__(self) -> StageWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def land(self, typed: pa.Table, captured: Iterable[str]) -> None:
        """Rows for logs.landed, and their words for logs.texts: `captured` are the columns that hold words."""
        found = len(typed)
        typed = self._open(LANDED, typed)
        self.stage.records_beyond_retention += found - len(typed)
        if not len(typed):
            return
        typed = self._clean(typed)
        self._land_texts(typed, captured)
        schema = arrow_schema(contracts()[LANDED])
        self._files[LANDED].write_table(typed.select(schema.names).cast(schema))
        self.stage.records_landed += len(typed)
        by_day = Counter(self.stage.landed_by_day)
        for entry in pc.value_counts(typed["day"]).to_pylist():
            by_day[entry["values"].isoformat()] += entry["counts"]
        self.stage.landed_by_day = dict(sorted(by_day.items()))

    def words_for_people(self, texts: list[str]) -> list[str]:
        """What a format's SQL says of documents, redacted: it may quote them."""
        if self._redactor is None or not texts:
            return texts
        redacted, counts = self._redactor.redact_names(pa.array(texts, pa.string()))
        self._count(counts)
        said: list[str] = redacted.to_pylist()
        return said

    def ignore(self, reasons: list[str]) -> None:
        """Records that the format leaves out. A reason that is not one word is a value, and is not stored."""
        reasons = [reason if _REASON.fullmatch(reason) else UNNAMED for reason in reasons]
        self.stage.records_ignored += len(reasons)
        self.stage.ignored_by_reason = dict(sorted((Counter(self.stage.ignored_by_reason) + Counter(reasons)).items()))

    def refuse(self, lines: list[RefusedLine]) -> None:
        """Lines that are no record."""
        self.stage.lines_refused += len(lines)
        self._write_bad(
            {"line_number": n.line_number, "record_number": None, "reason": n.reason, "excerpt": n.excerpt} for n in lines
        )

    def quarantine(self, records: pa.Table, faults: list[Fault]) -> None:
        """Records that cannot be stored (record_number, line_number, raw), each with its fault."""
        self.stage.records_quarantined += len(records)
        self._write_bad(
            {
                "line_number": record["line_number"], "record_number": record["record_number"], "reason": fault.reason,
                "column_name": fault.column_name, "expected": fault.expected, "excerpt": excerpt(record["raw"]),
            }
            for record, fault in zip(records.to_pylist(), faults, strict=True)
        )  # fmt: skip

    def _open(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows that do not fall on a closed day of a table."""
        if name not in self._closed:
            return rows
        return rows.filter(pc.invert(pc.is_in(rows["day"], value_set=self._closed[name])))

    def _land_texts(self, typed: pa.Table, captured: Iterable[str]) -> None:
        schema = arrow_schema(contracts()[TEXTS])
        for name in captured:
            if typed[name].null_count == len(typed):
                continue
            rows = typed.select([*(n for n in schema.names if n in typed.column_names), name])
            if typed[name].null_count:
                rows = rows.filter(rows[name].is_valid())
            found = len(rows)
            rows = self._open(TEXTS, rows)
            self.stage.texts_beyond_retention += found - len(rows)
            if not len(rows):
                continue
            made = {
                "part": pa.array([name.removesuffix("_text")] * len(rows)),
                "text": rows[name],
                "redactions": pa.nulls(len(rows), pa.string()),
                "inclusion_probability": rows[KEPT],
            }
            table = pa.table([made.get(n, rows[n] if n not in made else None) for n in schema.names], names=schema.names)
            if self._redactor is not None:
                table = self._redactor.redact(table)
                for finds in table["redactions"].drop_null().to_pylist():
                    self._count(json.loads(finds))
            self._files[TEXTS].write_table(table.cast(schema))
            self.stage.texts += len(table)

    def _clean(self, typed: pa.Table) -> pa.Table:
        """The rows with what identifies people or opens doors taken out of their free facts."""
        if self._redactor is None:
            return typed
        names = [c.name for c in contracts()[LANDED].columns if _is_free_text(c)]
        columns = {name: typed[name].combine_chunks() for name in names if typed[name].null_count < len(typed)}
        for name, is_clean in self._judged(self._redactor, columns).items():
            if pc.all(is_clean).as_py():
                continue
            if name in IDS:
                values = self._clean_ids(name, columns[name], is_clean)
            else:
                values, counts = self._redactor.redact_names(columns[name])
                self._count(counts)
            typed = typed.set_column(typed.schema.get_field_index(name), name, values)
        return typed

    def _judged(self, redactor: Redactor, columns: Mapping[str, pa.Array]) -> dict[str, pa.BooleanArray]:
        """Per column, whether each of its new distinct values would stay as it is; of an id column, each value.

        One look for all columns of a batch; names that were seen before are not looked at again, nor ids that were drawn.
        """
        looked_at = {}
        for name, column in columns.items():
            if name in IDS:
                looked_at[name] = pc.if_else(_is_drawn(column), None, column)
            else:
                values = column.drop_null().unique()
                looked_at[name] = values.filter(pc.invert(pc.is_in(values, value_set=self._clean_names)))
        verdicts = redactor.is_clean(pa.concat_arrays([pa.array([], pa.string()), *looked_at.values()]))
        judged, place = {}, 0
        for name, values in looked_at.items():
            judged[name] = verdicts.slice(place, len(values))
            place += len(values)
            if name not in IDS and len(self._clean_names) < MOST_NAMES:
                self._clean_names = pa.concat_arrays([self._clean_names, values.filter(judged[name])])
        return judged

    def _clean_ids(self, name: str, ids: pa.Array, is_clean: pa.BooleanArray) -> pa.Array:
        self._count({"id": len(ids) - is_clean.true_count})
        pairs = zip(ids.to_pylist(), is_clean.to_pylist(), strict=True)
        return pa.array([v if v is None or fine else self._keyring.token(name, v) for v, fine in pairs], pa.string())

    def _count(self, finds: Mapping[str, int]) -> None:
        found = Counter(self.stage.redactions) + Counter(dict(finds))
        self.stage.redactions = dict(sorted(found.items()))

    def _write_bad(self, rows: Iterable[dict[str, Any]]) -> None:
        schema = arrow_schema(contracts()[QUARANTINE])
        table = pa.Table.from_pylist([{**self._constants, **row} for row in rows], schema=schema)
        if len(table):
            self._files[QUARANTINE].write_table(table)
            self.quarantine_rows += len(table)


def _is_drawn(ids: pa.Array) -> pa.BooleanArray:
    is_long = pc.greater_equal(pc.binary_length(ids), _DRAWN_ID_CHARACTERS)
    return pc.and_(is_long, pc.match_substring_regex(ids, _DRAWN_ID))


def _is_free_text(column: Column) -> bool:
    """Whether a source can write into a column what it likes, and it is stored as it came."""
    return column.type == "VARCHAR" and column.class_ == "fact" and not column.values and column.set_by is None


def _file(path: Path, schema: pa.Schema) -> pa.RecordBatchFileWriter:
    # A stage is read once and thrown away: as it lies in memory, it costs neither to write nor to read.
    return pa.ipc.new_file(path, schema)
