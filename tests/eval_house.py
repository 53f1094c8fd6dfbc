"""A house whose versions a server of the test answers for. As a program: one run of its suite, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from house import House, all_contracts, price
from probe_target import KEY

from assets.quality.eval_case import KINDS, EvalCase
from pipelines.clock import WallClock
from pipelines.release.eval_desk import RUNS, EvalDesk, Run
from pipelines.release.eval_versions import Version, read_manifests, version_of
from resources.events import Row, table_rows
from resources.release_seed import RELEASE_FILE


class EvalHouse(House):
    """One endpoint, `main`, that declares the model `large` at 1 and 4 USD a million; nothing is waited for."""

    def __init__(self, root: Path, now: str = "2026-11-10T09:00:00"):
        super().__init__(root, now, all_contracts())
        self.store.threads = 1
        self.seeds = root / "seeds"
        self.environment: dict[str, str] = {"EVAL_KEY": KEY}
        self.slept: list[float] = []

    def declare(self, base_url: str, runs: Mapping[str, Any] | None = None, **said: Any) -> None:
        """Write release.yml; `said` are its other keys, or change the endpoint."""
        endpoint = {"base_url": base_url, "model": "large", "provider": "acme", "key_env": "EVAL_KEY", "timeout_s": 5}
        rest: dict[str, Any] = {key: said.pop(key) for key in ("rules", "features") if key in said}
        told: dict[str, Any] = {"endpoints": {"main": {**endpoint, "requests_per_minute": 6000, **said}}, **rest}
        told["runs"] = {"repeats": 1, "at_once": 3, "suites": [], **(runs or {})}
        self.seeds.mkdir(parents=True, exist_ok=True)
        (self.seeds / RELEASE_FILE).write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        self.set_prices([price("large", 1.0)])

    def write_suite(self, cases: Sequence[EvalCase], name: str = "chat") -> None:
        folder = self.seeds / "evals"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jsonl").write_text("".join(f"{case.line()}\n" for case in cases), encoding="utf-8")

    def write_prompt(self, version: str, template: str = "Be brief. {{question}}", **said: Any) -> None:
        folder = self.seeds / "prompts"
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "prompt": "chat", "version": version, "feature": "chat", "what": "shorter answers", "owner": "team:chat",
            "template": template, "variables": {"question": "what is asked"}, "evaluation_set": "chat",
            "model": {"provider": "acme", "name": "large", "settings": {"temperature": 0.0}}, **said,
        }  # fmt: skip
        (folder / f"chat-{version}.yml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")

    @property
    def clock(self) -> WallClock:
        return WallClock(fixed_now=self.now.isoformat())

    def desk(self) -> EvalDesk:
        desk = EvalDesk(self.store, self.seeds, self.environment, self.clock, sleep=self.slept.append)
        desk.embedder = self.embedder
        return desk

    def version(self, name: str = "main") -> Version:
        return version_of(name, self.desk().read_seed(), read_manifests(self.seeds))

    def run(self, name: str = "main", suites: Sequence[str] = ("chat",), is_fresh: bool = False) -> Run:
        desk = self.desk()
        return desk.ask(self.version(name), desk.suites(suites), desk.read_seed().runs, is_fresh)

    def runs(self) -> list[Row]:
        return sorted(table_rows(self.store, RUNS), key=lambda row: (row["run_id"], row["case_id"], row["repeat"]))


def suite(count: int, prefix: str = "q") -> list[EvalCase]:
    """Cases of all kinds, each of which wants its own number back."""
    return [
        EvalCase(f"{prefix}{i}", KINDS[i % len(KINDS)], f"What is number {i}?", must=(f"number {i}",), feature="chat",
                 segment="even" if i % 2 else "odd", critical=i % 10 == 3)
        for i in range(count)
    ]  # fmt: skip


def asked(body: Mapping[str, Any]) -> str:
    """The last thing that a request says."""
    return str(body["messages"][-1]["content"])


def right(body: Mapping[str, Any]) -> str:
    """The answer that a case of `suite` wants."""
    return f"It is number {number(body)}."


def number(body: Mapping[str, Any]) -> int:
    return int(asked(body).split("number ")[-1].rstrip("?"))


def words_on_disk(root: Path) -> bytes:
    """All that lies below a folder, answers that are kept for their owner left out."""
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file() and path.parent.name != "evals")


if __name__ == "__main__":
    print(json.dumps({"run": EvalHouse(Path(sys.argv[1])).run().run_id}))
