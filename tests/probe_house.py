"""A house that asks golden prompts of a server of the test. As a program: one pass of its desk, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from core import core_contracts
from house import House, all_contracts
from probe_target import KEY

from pipelines.clock import WallClock
from pipelines.drift.probe_desk import PROBES, ProbeDesk
from resources.contracts import Contract
from resources.events import Row, table_rows
from resources.probe_seed import PROBES_FILE

TABLES = (PROBES, "drift.provider_tests")
PROMPTS = {
    "answer": {"prompt": "6 * 7?", "expect": {"numeric": 42}},
    "brief": {"prompt": "Say yes.", "expect": {"must": "yes", "max_characters": 4}},
    "free": {"prompt": "Why is the sky blue?"},
}


def probe_contracts() -> dict[str, Contract]:
    """The core tables and those of golden prompts."""
    known = all_contracts()
    return {**core_contracts(), **{name: known[name] for name in TABLES if name in known}}


class ProbeHouse(House):
    """Three prompts, asked twice each of the endpoint `main`, without waiting between the questions."""

    def __init__(self, root: Path, now: str = "2026-11-10T03:00:00"):
        super().__init__(root, now, probe_contracts())
        self.store.threads = 1
        self.seeds = root / "seeds"
        self.environment: dict[str, str] = {"PROBE_KEY": KEY}
        self.slept: list[float] = []

    def declare(self, base_url: str, prompts: Mapping[str, Any] = PROMPTS, **endpoint: Any) -> None:
        """Write probes.yml."""
        main = {"base_url": base_url, "model": "large", "key_env": "PROBE_KEY", "repeats": 2, "timeout_s": 5}
        told = {"endpoints": {"main": {**main, "requests_per_minute": 6000, **endpoint}}, "prompts": dict(prompts)}
        self.seeds.mkdir(parents=True, exist_ok=True)
        (self.seeds / PROBES_FILE).write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")

    def desk(self) -> ProbeDesk:
        clock = WallClock(fixed_now=self.now.isoformat())
        return ProbeDesk(self.store, self.seeds, self.environment, clock, sleep=self.slept.append)

    def probes(self) -> list[Row]:
        return sorted(table_rows(self.store, PROBES), key=lambda row: (row["day"], row["repeat"], row["prompt"]))


if __name__ == "__main__":
    ProbeHouse(Path(sys.argv[1])).desk().work()
