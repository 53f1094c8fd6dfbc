"""A house of service levels alone: the core tables, those of `service` that a test names, and all that they read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from core import core_contracts
from house import House, all_contracts, emptied

from resources.contracts import Contract

FIGURES = (
    "service.sli_daily",
    "service.sli_hourly",
    "service.timing_daily",
    "service.timing_hourly",
    "service.active_users_daily",
    "service.errors_daily",
)


def service_contracts(*names: str, empty: Collection[str] = ()) -> dict[str, Contract]:
    """The core's contracts and these with their inputs, inputs first. Nothing is put into those of `empty`."""
    core, every = core_contracts(), {name: emptied(c) if name in empty else c for name, c in all_contracts().items()}
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += every[name].reads
    return {name: core.get(name, contract) for name, contract in every.items() if name in wanted or name in core}


def service_house(root: Path, now: str = "2026-11-10T03:00:00", names: tuple[str, ...] = FIGURES) -> House:
    """A house that computes these tables and what they read, and nothing else of the service."""
    return House(root, now, service_contracts(*names))
