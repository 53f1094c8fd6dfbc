"""Prompt manifests for tests, and a small warehouse whose seeds are a test's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from house import House, selected

from assets.release.assets import PROMPTS, prompt_rows, read_prompts
from assets.service.assets import declared_tables
from pipelines.clock import WallClock
from pipelines.release.approval_reasons import STATUS
from pipelines.release.prompt_desk import PromptDesk
from pipelines.release.release_desk import ReleaseDesk
from resources.contracts import SEEDS, contracts
from resources.prompt_registry import PromptRegistry
from resources.references import replace_reference

CASE = {"case_id": "c1", "kind": "answerable", "question": "How long may I return it?", "must": ["30 days"]}


def manifest(**changes: Any) -> dict[str, Any]:
    """The YAML of a sound manifest, with changes; a key that is changed to `...` is left out."""
    raw = {
        "prompt": "support-chat",
        "version": "v13",
        "feature": "support_chat",
        "owner": "team:support",
        "what": "shorter answers about returns",
        "template": [
            {"role": "system", "content": "Help customers of {{shop}}. Look orders up with look_up_order."},
            {"role": "user", "content": "{{ question }}"},
        ],
        "variables": {"shop": "name of the shop", "question": "what the customer asks"},
        "model": {"provider": "openai", "name": "gpt-4o-mini-2024-07-18", "settings": {"temperature": 0.2}},
        "tools": {"look_up_order": "read"},
        "evaluation_set": "support",
        "rollback_to": "v12",
    } | changes
    return {key: value for key, value in raw.items() if value is not ...}


class PromptHouse(House):
    """A warehouse with the shipped features and owners, and prompts of its own. `tables`, `empty`: see `selected`."""

    def __init__(
        self, root: Path, now: str = "2026-11-10T03:00:00", tables: tuple[str, ...] = (), empty: tuple[str, ...] = ()
    ):
        budgets = () if STATUS in tables else (STATUS,)
        super().__init__(root, now, selected(*tables, *budgets, empty=(*empty, *budgets)))
        self.seeds = root / "seeds"
        self.uri = ""

    def declare(self, manifests: Mapping[str, Mapping[str, Any]]) -> None:
        """Make these manifests, by file name, all that seeds/prompts has, and the tables of the seeds follow."""
        if not self.seeds.exists():
            for name in ("features.yml", "owners.yml", "capture.yml"):
                (self.seeds / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(SEEDS / name, self.seeds)
            shutil.copytree(SEEDS / "slos", self.seeds / "slos")
            (self.seeds / "evals").mkdir()
            (self.seeds / "evals" / "support.jsonl").write_text(json.dumps(CASE) + "\n", encoding="utf-8")
            for name, rows in declared_tables(self.seeds, contracts()).items():
                replace_reference(self.store, name, rows)
        shutil.rmtree(self.seeds / "prompts", ignore_errors=True)
        (self.seeds / "prompts").mkdir()
        for file, raw in manifests.items():
            (self.seeds / "prompts" / file).write_text(yaml.safe_dump(dict(raw), sort_keys=False), encoding="utf-8")
        found = prompt_rows(read_prompts(self.seeds, self.store), self.store.contracts[PROMPTS])
        replace_reference(self.store, PROMPTS, found)

    @property
    def registry(self) -> PromptRegistry:
        return PromptRegistry.of(self.store.state, self.uri)

    @property
    def desk(self) -> ReleaseDesk:
        """The desk as a new process would open it."""
        clock = WallClock(fixed_now=self.now.replace(tzinfo=None).isoformat())
        return ReleaseDesk(PromptDesk(self.store, self.seeds, self.registry, clock))
