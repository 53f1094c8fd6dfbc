"""docs/troubleshooting.md quotes sentences that the code can really say."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from resources.contracts import REPO

PAGE = (REPO / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FOREIGN = "DuckDB's words:"
"""Marks a row whose words are another program's."""


def quoted() -> list[str]:
    """The words in the first column of the tables, but those of other programs; `...` divides what stands apart."""
    found = []
    for line in PAGE.splitlines():
        if line.startswith("| ") and FOREIGN not in line and not line.startswith("|---"):
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return found


@cache
def said_by_the_code() -> str:
    """All texts that stand in the code and the Makefile, one a line; of a formatted text the parts between values."""
    texts = [(REPO / "Makefile").read_text(encoding="utf-8")]
    for folder in ("assets", "pipelines", "resources"):
        for path in (REPO / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    texts += [path.read_text(encoding="utf-8") for path in (REPO / "sql" / "sources").glob("*.sql")]
    return "\n".join(texts)


def test_the_page_quotes_a_good_number_of_sentences() -> None:
    assert len(quoted()) >= 30


@pytest.mark.parametrize("words", quoted())
def test_what_is_quoted_is_what_the_code_says(words: str) -> None:
    code = said_by_the_code()
    assert [part.strip() for part in words.split("...") if part.strip() not in code] == []
