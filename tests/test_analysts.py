"""docs/analysts.md: what it names is there."""

from __future__ import annotations

import re

from resources.contracts import REPO, contracts
from resources.worked_questions import worked_questions

PAGE = (REPO / "docs" / "analysts.md").read_text(encoding="utf-8")


def test_every_table_that_is_named_is_one_that_analysts_see() -> None:
    questions = {contract.question for contract in contracts().values()}
    named = {name for name in re.findall(r"\b([a-z]+\.[a-z0-9_]+)\b", PAGE) if name.split(".")[0] in questions}
    assert len(named) >= 10
    assert named <= set(contracts())


def test_there_are_as_many_worked_questions_as_it_says() -> None:
    questions = {contract.question for contract in contracts().values()}
    assert sum(len(worked_questions(question)) for question in questions) > 70
