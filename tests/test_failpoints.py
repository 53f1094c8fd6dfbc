"""Every named failpoint is killed by some test: a new one that nobody kills fails here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from core import core_contracts
from e2e import test_kill, test_kill_retention
from killing import REPO, STAGES, named_failpoints

DERIVED = [c.table for c in core_contracts().values() if c.kind == "derived"]
LEDGER = ["landed", "texts", "quarantine"]
NAMES = named_failpoints({"{contract.table}": DERIVED, "{name.split('.')[1]}": LEDGER})
BY_CONSTRUCTION = {*test_kill.NIGHTLY, *test_kill.MAINTENANCE, *test_kill_retention.NAMES}
"""Those tests list the source's names themselves, and fail where one is not passed."""
_KILLED = re.compile(r'"([a-z]+\.[a-z_]+)(?:#\d+)?"')


def killed_by_name(folder: Path) -> set[str]:
    """The failpoints that stand by name in the end-to-end tests."""
    return {name for file in folder.glob("test_*.py") for name in _KILLED.findall(file.read_text(encoding="utf-8"))}


def test_every_failpoint_is_killed_by_some_test() -> None:
    assert set(NAMES) - BY_CONSTRUCTION - killed_by_name(REPO / "tests" / "e2e") == set()


def test_a_failpoint_that_no_test_names_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text('run(failpoint="backup.written#2")\n', encoding="utf-8")
    assert {"backup.written", "backup.forgotten"} - killed_by_name(tmp_path) == {"backup.forgotten"}


@pytest.mark.parametrize("name", NAMES)
def test_a_failpoint_belongs_to_a_stage(name: str) -> None:
    assert name.split(".")[0] in STAGES


def test_the_page_of_kills_counts_the_failpoints_of_each_stage() -> None:
    counts = Counter(STAGES[name.split(".")[0]] for name in NAMES)
    page = (REPO / "docs" / "proofs" / "kill.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (\S[^|]*?) \| (\d+) \|", page, flags=re.M))
    assert {stage: int(told.get(stage, 0)) for stage in counts} == counts, "write the numbers into docs/proofs/kill.md"
