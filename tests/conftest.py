"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from house import House, price

if not hasattr(sys.modules["__main__"], "__file__"):
    # A worker of pytest-xdist is no script; Spark's client takes that for its own doctests, and ends the process.
    sys.modules["__main__"].__file__ = __file__


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty warehouse with one priced model, at 03:00 UTC of 2026-11-10."""
    made = House(tmp_path)
    made.set_prices([price("large", 2.0)])
    return made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long proofs run when they are asked for (`-m proof`), not with the other tests."""
    if "proof" in config.getoption("markexpr", ""):
        return
    for item in items:
        if item.get_closest_marker("proof"):
            item.add_marker(pytest.mark.skip(reason="a long proof: `make proof` runs it"))
