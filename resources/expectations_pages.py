"""Pages of Data Docs, as Great Expectations renders them, made to stand alone (resources/data_docs.py).

Its site builder makes templates, lists results and reads what was just written anew for each call: here a renderer and
its compiled templates serve all tables of a validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from resources.data_docs import standing_alone


class DataDocsPages:
    """HTML of results and of suites, as bytes to be written."""

    def of_result(self, result: Any) -> bytes:
        """The page of one table's validation, an ExpectationSuiteValidationResult."""
        return self._html(self._results.render(result))

    def of_suite(self, table: str, asked: Sequence[Any]) -> bytes:
        """The page of what is expected of a table."""
        import great_expectations as gx

        return self._html(self._suites.render(gx.ExpectationSuite(table, expectations=list(asked))))

    def _html(self, content: Any) -> bytes:
        return standing_alone(self._view.render(content, show_how_to_buttons=False)).encode()

    @cached_property
    def _results(self) -> Any:
        from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

        return ValidationResultsPageRenderer()

    @cached_property
    def _suites(self) -> Any:
        from great_expectations.render.renderer.page_renderer import ExpectationSuitePageRenderer

        return ExpectationSuitePageRenderer()

    @cached_property
    def _view(self) -> Any:
        from great_expectations.render.view.view import DefaultJinjaPageView

        view = DefaultJinjaPageView()
        # Else each use of a template asks the disk whether it has changed.
        view.env.auto_reload = False
        return view
