"""`make audit` believes no silence: what was not looked up is never called safe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.governance.audit import (
    CONSTRAINTS,
    Answer,
    ask_advisories,
    ask_pip_audit,
    audit,
    is_affected,
    main,
    pins,
    read_answer,
)

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


ADVISORY = """
id: PYSEC-2026-1
modified: 2026-03-01T09:15:00Z
affected:
- package: {ecosystem: PyPI, name: Some_Package}
  ranges:
  - {type: GIT, events: [{introduced: "0"}]}
  - {type: ECOSYSTEM, events: [{introduced: "1.10"}, {fixed: 1.12.1}, {introduced: "2.0"}, {last_affected: 2.3.0}]}
  versions: ["1.10", 0.9.1]
"""


def advisories(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / "vulns" / name).mkdir(parents=True)
        (folder / "vulns" / name / "PYSEC-2026-1.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("version", "is_in"),
    [("0.9.1", True), ("1.9", False), ("1.10.0", True), ("1.12", True), ("1.12.1", False), ("2.3", True), ("2.3.1", False)],
)
def test_a_range_of_versions_is_no_comparison_of_words(tmp_path: Path, version: str, is_in: bool) -> None:
    answer = ask_advisories(advisories(tmp_path, some_package=ADVISORY))([f"some-package=={version}", "other==1.10"])
    assert answer.vulnerable == ({f"some-package=={version}": ["PYSEC-2026-1"]} if is_in else {})
    assert answer.source == "1 packages, newest advisory of 2026-03-01"


def test_an_advisory_without_an_end_is_about_every_later_version() -> None:
    assert is_affected("99", {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]})


def test_an_advisory_that_was_withdrawn_and_a_folder_of_none_are_no_answer(tmp_path: Path) -> None:
    withdrawn = ADVISORY + "withdrawn: 2026-04-01T00:00:00Z\n"
    folder = str(advisories(tmp_path, some_package=withdrawn, workflow="on: push\n"))
    assert main(["--advisories", folder]) == 2
