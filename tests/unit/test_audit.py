"""The chain of acts: what broken_link finds, and that racing processes write one chain."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import audit
from resources.store import Store

NOW = datetime(2026, 11, 10, 3, tzinfo=UTC)


def open_store(root: Path) -> Store:
    return Store(root / "data", root / "home", durable=False)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Five acts, read back from the table."""
    store = open_store(tmp_path_factory.mktemp("audit"))
    for number in range(5):
        assert audit.append(store, "published", f"manifest {number}", {"n": number}, NOW + timedelta(microseconds=number))
    return audit.entries(store)


def test_an_untouched_chain_is_whole(chain: list[dict[str, Any]]) -> None:
    assert [row["seq"] for row in chain] == [1, 2, 3, 4, 5]
    assert audit.broken_link(chain) is None
    assert audit.broken_link([]) is None


@given(st.integers(0, 4), st.sampled_from(["action", "subject", "actor", "details", "recorded_at", "digest", "prev_digest"]))
def test_a_changed_field_of_any_row_is_found(chain: list[dict[str, Any]], place: int, field: str) -> None:
    forged = [dict(row) for row in chain]
    old = forged[place][field]
    forged[place][field] = old + timedelta(seconds=1) if isinstance(old, datetime) else f"{old} "
    assert audit.broken_link(forged) == place + 1


def test_a_row_that_was_forged_with_a_fitting_digest_is_found_at_the_next(chain: list[dict[str, Any]]) -> None:
    forged = [dict(row) for row in chain]
    forged[1]["actor"] = "somebody else"
    forged[1]["digest"] = audit.chain_digest(forged[1]["prev_digest"], forged[1])
    assert audit.broken_link(forged) == 3


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_row_taken_out_is_found(chain: list[dict[str, Any]], place: int) -> None:
    assert audit.broken_link(chain[:place] + chain[place + 1 :]) is not None


@given(st.permutations(range(5)))
def test_rows_in_another_order_are_found(chain: list[dict[str, Any]], order: list[int]) -> None:
    assert (audit.broken_link([chain[n] for n in order]) is None) == (order == sorted(order))


def test_an_act_is_recorded_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert audit.append(store, "published", "manifest 1", {}, NOW)
    assert not audit.append(store, "published", "manifest 1", {}, NOW + timedelta(days=1))
    assert audit.append(store, "removed", "manifest 1", {}, NOW)
    assert [row["action"] for row in audit.entries(store)] == ["published", "removed"]


def test_racing_processes_write_one_unbroken_chain(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    audit.entries(store)  # the table is there before the race
    program = (
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from resources import audit\nfrom resources.store import Store\n"
        "root = Path(sys.argv[1])\nstore = Store(root / 'data', root / 'home', durable=False)\n"
        "for n in range(6):\n"
        "    audit.append(store, 'tested', f'{sys.argv[2]} {n}', {}, datetime(2026, 11, 10, tzinfo=UTC))\n"
        "    audit.append(store, 'tested', f'both {n}', {}, datetime(2026, 11, 10, tzinfo=UTC))\n"
    )
    repo = Path(audit.__file__).parents[1]
    racers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], cwd=repo) for name in ("first", "second")
    ]
    assert [racer.wait(timeout=60) for racer in racers] == [0, 0]
    chain = audit.entries(store)
    assert audit.broken_link(chain) is None
    subjects = [row["subject"] for row in chain]
    assert len(subjects) == len(set(subjects)) == 18
