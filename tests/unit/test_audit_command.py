"""`make audit` believes no silence: what was not looked up is never called safe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.audit import CONSTRAINTS, Answer, ask_pip_audit, audit, pins, read_answer

REPORT = {
    "dependencies": [
        {"name": "safe", "version": "1.0", "vulns": []},
        {"name": "old", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}]},
        {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (1.0)"},
    ],
    "fixes": [],
}  # fmt: skip


def asking(*answers: Answer) -> tuple[list[list[str]], list[str], int]:
    """(what was asked, what was said, the status) of an audit of two pins that is answered like this."""
    asked: list[list[str]] = []
    said: list[str] = []
    left = iter(answers)

    def ask(wanted: Sequence[str]) -> Answer:
        asked.append(list(wanted))
        return next(left)

    status = audit(["a==1", "b==2"], ask, said.append)
    return asked, said, status


def test_an_index_without_advisories_is_a_skip_that_says_so() -> None:
    asked, said, status = asking(Answer(1, unanswered={"a": "not found on PyPI"}))
    assert (asked, status) == ([["a==1"]], 0)
    assert said == ["audit: skipped, nothing was looked up: the index gives no advisories here (not found on PyPI)"]


def test_a_vulnerable_pin_and_one_that_was_not_looked_up_fail() -> None:
    assert asking(Answer(1), Answer(2))[2] == 0
    assert asking(Answer(1), Answer(2, vulnerable={"b==2": ["PYSEC-1 (fixed in 3)"]}))[1:] == (
        ["audit: b==2: PYSEC-1 (fixed in 3)", "audit: 2 pins, 1 vulnerable, 0 not looked up"], 1,
    )  # fmt: skip
    assert asking(Answer(1), Answer(2, unanswered={"b": "timeout"}))[2] == 1


def test_the_report_is_read_with_what_it_left_out() -> None:
    answer = read_answer(REPORT)
    assert answer.vulnerable == {"old==2.0": ["PYSEC-1 (fixed in 2.1)"]}
    assert (answer.asked, list(answer.unanswered)) == (3, ["unknown"])


@pytest.mark.parametrize("says", ["print('{}')", "raise SystemExit('no connection')", "print('no JSON')"])
def test_a_scanner_that_fails_answers_for_nothing(tmp_path: Path, says: str) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\n{says}\n", encoding="utf-8")
    program.chmod(0o755)
    assert list(ask_pip_audit(str(program))(["a==1"]).unanswered) == ["a==1"]


def test_every_pin_of_the_project_is_asked_for() -> None:
    text = CONSTRAINTS.read_text(encoding="utf-8")
    assert len(pins(text)) == sum("==" in line for line in text.splitlines() if not line.startswith("#")) > 100
