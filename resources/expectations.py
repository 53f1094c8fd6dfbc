"""A table's expectations put to the published file by Great Expectations, and Data Docs of what it found.

Here belongs how a table is validated and what is kept of it; what is expected of it is assets/expectations.py. Nothing
but the modules beside this one knows Great Expectations. Importing it takes seconds, so it happens when rows are
validated and not before. Data Docs hold counts, the keys of up to MAX_IDS failing rows and values of the columns at
fault; the published file has no column of class `text`.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.data_docs import write_index
from resources.day_inputs import digest
from resources.durable import write_atomically
from resources.expectations_asked import MAX_IDS, SHOWN, as_asked, judged, shown_text
from resources.expectations_pages import DataDocsPages
from resources.expectations_scan import count_failing
from resources.warehouse import Connection, literal, open_published
from resources.without_spark import without_spark

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

KEPT_RESULTS = 5
"""Validations of a table that Data Docs keep; Dagster keeps the history of verdicts."""
SITE = "published"


@dataclass(frozen=True)
class Expectation:
    """One thing that is expected of a table.

    `kind` is the expectation's class in Great Expectations; `FailingRows`, ours, takes `failing` (a predicate that is
    true on a row that breaks it) or `query` (a SELECT of what is at fault, over `{batch}`).
    """

    name: str
    kind: str
    meaning: str
    blocking: bool
    column: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What became of one expectation. `ids`: the keys of up to MAX_IDS failing rows. `error`: it could not be asked."""

    expectation: Expectation
    failing_rows: int
    ids: tuple[dict[str, str], ...] = ()
    observed: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    @property
    def passed(self) -> bool:
        return not self.failing_rows and self.error is None


@dataclass(frozen=True)
class Validation:
    """What was found in the rows of one table, and the page that shows it."""

    findings: tuple[Finding, ...]
    rows: int
    page: Path

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)


class Validator:
    """Great Expectations over one published file; Data Docs below `home`/data_docs, results below `home`/validation.

    One scan counts what breaks a table's expectations (resources/expectations_scan.py), and they judge by its counts.
    Those that are broken, or could not be counted, are then put to the table one by one, to name the rows.
    """

    def __init__(self, published: Path, home: Path, now: datetime, run_name: str):
        with without_spark():
            from great_expectations.core.run_identifier import RunIdentifier

        self.docs = home / "data_docs"
        self.results = home / "validation" / "results"
        self._run = RunIdentifier(run_name=run_name, run_time=now)
        self._published = published
        self._pages = DataDocsPages()
        self._readers = open_published(published)
        self._readers.execute("set timezone = 'UTC'")

    def validate(self, table: str, key: Sequence[str], expected: Sequence[Expectation], where: str | None) -> Validation:
        """The verdict on a table's published rows, all of them or those of a condition, and its page in Data Docs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._validate(table, key, expected, where)

    def _validate(self, table: str, key: Sequence[str], expected: Sequence[Expectation], where: str | None) -> Validation:
        from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
        from great_expectations.validator.validation_statistics import calc_validation_statistics

        query = f"select * from {table}" + (f" where {where}" if where else "")
        # Their place in the suite ties a result to what was expected: results come back in another order.
        asked = [as_asked(e, key, number) for number, e in enumerate(expected)]
        counts = count_failing(self._readers, query, expected)
        kept = [number for number in range(len(asked)) if counts and not counts.failing[number]]
        results = [judged(asked[number], expected[number], counts) for number in kept if counts]
        doubtful = [each for number, each in enumerate(asked) if number not in set(kept)]
        if doubtful:
            results += self._asked_one_by_one(table, query, key, doubtful)
        for found in results:
            # The pages show ids only of complete results, which hold every failing row: these are the first of them.
            found.result["unexpected_index_list"] = found.result.get("partial_unexpected_index_list")
        statistics = calc_validation_statistics(results)
        result = ExpectationSuiteValidationResult(
            suite_name=table,
            success=statistics.success,
            results=results,
            statistics={name: value for name, value in statistics._asdict().items() if name != "success"},
            meta=self._meta(table, query),
            batch_id=f"{SITE}-{table}",
        )
        page = self._write(table, expected, asked, result)
        findings = sorted((_finding(found, expected, key) for found in results), key=lambda f: f[0])
        rows = counts.rows if counts else _row_count(self._readers, query)
        return Validation(tuple(finding for _, finding in findings), rows, page)

    def build_index(self) -> Path:
        """The first page of Data Docs, over the newest results of all tables."""
        return write_index(self.docs, self.results)

    def _asked_one_by_one(self, table: str, query: str, key: Sequence[str], asked: Sequence[Any]) -> list[Any]:
        """What Great Expectations finds of some expectations by its own queries, with the failing rows' keys."""
        import great_expectations as gx

        batch = self._source.add_query_asset(table, query).add_batch_definition(SITE)
        suite = self._context.suites.add(gx.ExpectationSuite(table))
        # An expectation that a suite has taken belongs to it; the page of all of them wants them free.
        suite.expectations = [copy(each) for each in asked]
        suite.save()
        definition = self._context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        shown = {**SHOWN, "unexpected_index_column_names": list(key)}
        return list(definition.run(result_format=shown, run_id=self._run).results)

    def _write(self, table: str, expected: Sequence[Expectation], asked: Sequence[Any], result: Any) -> Path:
        """Write a result, its page and the page of what is expected; forget old ones. Returns the result's page."""
        parts = self._run.to_tuple()  # type: ignore[no-untyped-call]
        place, run = Path(*table.split(".")), Path(*parts)
        page = self.docs / "validations" / place / run / f"{result.batch_id}.html"
        _put(page, self._pages.of_result(result))
        suite = self.docs / "expectations" / place.with_name(f"{place.name}.html")
        mark = f"<!-- {digest(fingerprint(expected))} -->\n".encode()
        if not (suite.exists() and suite.read_bytes().endswith(mark)):
            _put(suite, self._pages.of_suite(table, asked) + mark)
        written = json.dumps(result.to_json_dict(), indent=1, sort_keys=True)
        _put(self.results / place / run / f"{result.batch_id}.json", written.encode())
        self._forget_old(place)
        return page

    def _meta(self, table: str, query: str) -> dict[str, Any]:
        import great_expectations as gx

        return {
            "great_expectations_version": gx.__version__,
            "run_id": self._run.to_json_dict(),
            "batch_spec": {"data_asset_name": table, "query": query},
        }

    @cached_property
    def _source(self) -> Any:
        return self._context.data_sources.add_sql(SITE, connection_string=_url(self._published), create_temp_table=False)

    @cached_property
    def _context(self) -> AbstractDataContext:
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        )
        return gx.get_context(project_config=config, mode="ephemeral")

    def _forget_old(self, place: Path) -> None:
        for folder in (self.results / place, self.docs / "validations" / place):
            kept = sorted(folder.glob("*/*"), key=lambda run: run.stat().st_mtime_ns, reverse=True)
            for run in kept[KEPT_RESULTS:]:
                shutil.rmtree(run)
                if not any(run.parent.iterdir()):
                    run.parent.rmdir()


def _url(published: Path) -> str:
    from resources.expectations_dialect import url

    return url(published)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _row_count(con: Connection, query: str) -> int:
    return int(con.execute(f"select count(*) from ({query})").fetchall()[0][0])


def _finding(found: Any, expected: Sequence[Expectation], key: Sequence[str]) -> tuple[int, Finding]:
    number = int(found.expectation_config.meta["number"])
    expectation, result = expected[number], found.result
    if found.exception_info.get("raised_exception") or "unexpected_count" not in result:
        return number, Finding(expectation, 0, error=_message(found.exception_info))
    rows = result.get("partial_unexpected_index_list")
    if "details" in result:
        ids = result["details"]["ids"]
    elif rows is None:  # a key of several columns: the value at fault is the key
        ids = result.get("partial_unexpected_list", ())
    else:
        ids = [{name: row[name] for name in key} for row in rows]
    counts = result.get("partial_unexpected_counts", ()) if expectation.column else ()
    observed = {shown_text(entry["value"]): int(entry["count"]) for entry in counts}
    named = tuple({name: shown_text(value) for name, value in row.items()} for row in ids[:MAX_IDS])
    return number, Finding(expectation, int(result["unexpected_count"]), named, observed)


def _message(info: Any) -> str:
    """The words of an exception; Great Expectations nests them by metric."""
    message = info.get("exception_message")
    if message is None:
        message = next((each["exception_message"] for each in info.values() if isinstance(each, dict)), "no result")
    return str(message).strip().splitlines()[0]


def columns_query(promised: Mapping[str, str]) -> str:
    """A SELECT of the columns whose name or type is not as promised ({name: type}), for a FailingRows expectation."""
    values = ", ".join(f"({literal(name)}, {literal(type_)})" for name, type_ in promised.items())
    return (
        "select coalesce(promised.column_name, found.column_name) as column_name, "
        "promised.column_type as promised_type, found.column_type as found_type "
        f"from (values {values}) as promised(column_name, column_type) "
        "full join (select column_name, column_type from (describe select * from {batch})) as found "
        "on promised.column_name = found.column_name "
        "where promised.column_type is distinct from found.column_type order by 1"
    )


def fingerprint(expected: Sequence[Expectation]) -> str:
    """What is expected, as text: two suites are the same where it is."""
    return json.dumps([[e.name, e.kind, e.column, e.blocking, dict(e.arguments)] for e in expected], sort_keys=True)
