"""The only user of Great Expectations: a table's expectations put to the published file, and Data Docs of what it found.

Here belongs how an expectation is asked and shown; what is expected of a table is assets/expectations.py. Importing
Great Expectations takes seconds, so it happens when rows are validated and not before. Data Docs hold counts, the keys
of up to MAX_IDS failing rows and values of the columns at fault; the published file has no column of class `text`.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.data_docs import make_standalone, write_index
from resources.warehouse import literal
from resources.without_spark import without_spark

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

MAX_IDS = 20
"""Failing rows that are named."""
KEPT_RESULTS = 5
"""Validations of a table that Data Docs keep; Dagster keeps the history of verdicts."""
SITE = "published"
_TOTAL = "failing_rows"
_BIND = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


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
    """Great Expectations over one published file; Data Docs below `home`/data_docs, results below `home`/validation."""

    def __init__(self, published: Path, home: Path, now: datetime, run_name: str):
        self.docs = home / "data_docs"
        self.results = home / "validation" / "results"
        self.run_name, self.now = run_name, now
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._context = self._make_context()
            self._source = self._context.data_sources.add_sql(
                SITE, connection_string=_url(published), create_temp_table=False
            )

    def validate(self, table: str, key: Sequence[str], expected: Sequence[Expectation], where: str | None) -> Validation:
        """The verdict on a table's published rows, all of them or those of a condition, and its page in Data Docs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._validate(table, key, expected, where)

    def _validate(self, table: str, key: Sequence[str], expected: Sequence[Expectation], where: str | None) -> Validation:
        import great_expectations as gx
        from great_expectations.core.run_identifier import RunIdentifier
        from great_expectations.data_context.types.resource_identifiers import (
            ExpectationSuiteIdentifier,
            ValidationResultIdentifier,
        )

        query = f"select * from {table}" + (f" where {where}" if where else "")
        batch = self._source.add_query_asset(table, query).add_batch_definition(SITE)
        suite = self._context.suites.add(gx.ExpectationSuite(table))
        # Their place in the suite ties a result to what was expected: results come back in another order.
        suite.expectations = [_asked(e, key, number) for number, e in enumerate(expected)]
        suite.save()
        definition = self._context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        run_id = RunIdentifier(run_name=self.run_name, run_time=self.now)
        shown: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": MAX_IDS}
        result = definition.run(result_format=shown, run_id=run_id)
        if not result.success:
            # Which rows they are takes a scan of the table for each column: asked where there are any.
            shown["unexpected_index_column_names"] = list(key)
            result = definition.run(result_format=shown, run_id=run_id)
        for found in result.results:
            # The pages show ids only of complete results, which hold every failing row: these are the first of them.
            found.result["unexpected_index_list"] = found.result.get("partial_unexpected_index_list")
        suite_id = ExpectationSuiteIdentifier(name=table)
        page = ValidationResultIdentifier(suite_id, run_id, result.batch_id)
        self._context.validation_results_store.set(page, result)
        parts = page.to_tuple()  # type: ignore[no-untyped-call]
        path = self.docs.joinpath("validations", *parts).with_name(f"{result.batch_id}.html")
        pages: Any = [suite_id, page]
        self._context.build_data_docs(resource_identifiers=pages, build_index=False)
        for written in (self._suite_page(table), path):
            make_standalone(written)
        findings = sorted((_finding(found, expected, key) for found in result.results), key=lambda f: f[0])
        self._forget_old(table)
        return Validation(tuple(finding for _, finding in findings), _row_count(self._source, query), path)

    def build_index(self) -> Path:
        """The first page of Data Docs, over the newest results of all tables."""
        return write_index(self.docs, self.results)

    def _suite_page(self, table: str) -> Path:
        place = Path(*table.split("."))
        return self.docs / "expectations" / place.with_name(f"{place.name}.html")

    def _make_context(self) -> AbstractDataContext:
        with without_spark():
            import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        defaults = InMemoryStoreBackendDefaults()
        defaults.stores["validation_results_store"]["store_backend"] = _folder(self.results)
        defaults.data_docs_sites = {
            SITE: {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": _folder(self.docs),
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        }
        config = DataContextConfig(
            store_backend_defaults=defaults, analytics_enabled=False, progress_bars=ProgressBarsConfig(globally=False)
        )
        return gx.get_context(project_config=config, mode="ephemeral")

    def _forget_old(self, table: str) -> None:
        place = Path(*table.split("."))
        for folder in (self.results / place, self.docs / "validations" / place):
            kept = sorted(folder.glob("*/*"), key=lambda run: run.stat().st_mtime_ns, reverse=True)
            for run in kept[KEPT_RESULTS:]:
                shutil.rmtree(run)
                if not any(run.parent.iterdir()):
                    run.parent.rmdir()


def _url(published: Path) -> str:
    from resources.expectations_dialect import url

    return url(published)


def _folder(path: Path) -> dict[str, Any]:
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(path)}


def _row_count(source: Any, query: str) -> int:
    with source.get_engine().connect() as connection:
        return int(connection.exec_driver_sql(f"select count(*) from ({query})").scalar_one())


def _asked(expectation: Expectation, key: Sequence[str], number: int) -> Any:
    """An expectation as Great Expectations takes it."""
    import great_expectations.expectations as gxe

    arguments = dict(expectation.arguments)
    if expectation.kind == "FailingRows":
        if "failing" in arguments:
            ids = ", ".join(key)
            failing = _as_template(arguments.pop("failing"))
            arguments["query"] = f"select {ids} from {{batch}} where {failing} order by {ids}"
        query = f"select count(*) over () as {_TOTAL}, * from ({arguments.pop('query')}) as at_fault limit {MAX_IDS}"
        arguments["unexpected_rows_query"] = query
    elif expectation.column:
        arguments["column"] = expectation.column
    made = _failing_rows() if expectation.kind == "FailingRows" else getattr(gxe, expectation.kind)
    severity = "critical" if expectation.blocking else "warning"
    if expectation.kind == "FailingRows":
        arguments["description"] = expectation.meaning
    return made(**arguments, severity=severity, meta={"number": number})


def _as_template(predicate: str) -> str:
    """A predicate with what a query template, and SQLAlchemy after it, would take for parameters escaped."""
    return _BIND.sub(r"\\:", predicate.replace("{", "{{").replace("}", "}}"))


@cache
def _failing_rows() -> Any:
    from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation
    from great_expectations.render.components import LegacyDiagnosticRendererType
    from great_expectations.render.renderer.renderer import renderer

    class FailingRows(UnexpectedRowsExpectation):
        """UnexpectedRowsExpectation that counts every failing row and names the first."""

        def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
            rows = [{name: _text(value) for name, value in row.items()} for row in metrics["unexpected_rows_query.table"]]
            count = int(rows[0][_TOTAL]) if rows else 0
            ids = [{name: value for name, value in row.items() if name != _TOTAL} for row in rows]
            shown = [", ".join(f"{name} {value}" for name, value in row.items()) for row in ids]
            result = {"observed_value": count, "unexpected_count": count, "partial_unexpected_list": shown}
            return {"success": not rows, "result": {**result, "details": {"ids": ids}}}

        @classmethod
        @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_STATEMENT)
        def _diagnostic_unexpected_statement_renderer(
            cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
        ) -> Any:
            """No share of the rows: what is at fault may be a column."""
            if result is not None and "observed_value" in result.result:
                return []
            return super()._diagnostic_unexpected_statement_renderer(configuration, result, runtime_configuration)

    return FailingRows


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
    observed = {_text(entry["value"]): int(entry["count"]) for entry in counts}
    named = tuple({name: _text(value) for name, value in row.items()} for row in ids[:MAX_IDS])
    return number, Finding(expectation, int(result["unexpected_count"]), named, observed)


def _message(info: Any) -> str:
    """The words of an exception; Great Expectations nests them by metric."""
    message = info.get("exception_message")
    if message is None:
        message = next((each["exception_message"] for each in info.values() if isinstance(each, dict)), "no result")
    return str(message).strip().splitlines()[0]


def _text(value: Any) -> str:
    return "NULL" if value is None else str(value)


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
