"""An expectation of a contract as Great Expectations takes it, and what it says of rows that were counted.

Here belong the expectations that it brings, the one of our own, and the form of a result; whom they are put to is
resources/expectations.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from resources.expectations_scan import Counts

if TYPE_CHECKING:
    from resources.expectations import Expectation

MAX_IDS = 20
"""Failing rows that are named."""
SHOWN: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": MAX_IDS}
_TOTAL = "failing_rows"
_BIND = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")
_NO_EXCEPTION = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


def as_asked(expectation: Expectation, key: Sequence[str], number: int) -> Any:
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


def judged(asked: Any, expectation: Expectation, counts: Counts) -> Any:
    """What Great Expectations makes of an expectation that no row breaks: its own result, from counts of one scan."""
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    measured: dict[str, Any] = {"unexpected_rows_query.table": []}
    if expectation.kind != "FailingRows":
        missing = counts.missing.get(expectation.column or "", 0)
        measured = {
            "table.row_count": counts.rows,
            "column_values.nonnull.unexpected_count": missing,
            f"{asked.map_metric}.unexpected_count": 0,
            f"{asked.map_metric}.unexpected_values": [],
        }
    verdict = asked._validate(metrics=measured, runtime_configuration={"result_format": dict(SHOWN)})
    return ExpectationValidationResult(
        **verdict, expectation_config=asked.configuration, exception_info=dict(_NO_EXCEPTION), meta={}
    )


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
            found = metrics["unexpected_rows_query.table"]
            rows = [{name: shown_text(value) for name, value in row.items()} for row in found]
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


def shown_text(value: Any) -> str:
    return "NULL" if value is None else str(value)
