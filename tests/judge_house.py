"""A house whose answers a server of the test judges. As a program: one pass of its desk, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from label_house import LabelHouse
from probe_target import KEY

from pipelines.quality.judge_desk import JUDGEMENTS, JudgeDesk
from resources.events import Row, table_rows
from resources.judge_seed import JUDGE_FILE


class JudgeHouse(LabelHouse):
    """All answers are in the random share, and nothing is waited for between the questions."""

    def __init__(self, root: Path, now: str = "2026-11-10T03:00:00"):
        super().__init__(root, now)
        self.environment: Mapping[str, str] = {"JUDGE_KEY": KEY}
        self.slept: list[float] = []

    def name_judge(self, base_url: str, endpoint: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Write judge.yml."""
        raw = {"base_url": base_url, "model": "small", "key_env": "JUDGE_KEY", "timeout_s": 5, "requests_per_minute": 6000}
        told = {
            "endpoint": {**raw, **(endpoint or {})}, "usd_per_million": {"input": "2", "output": "10"}, "usd_a_night": 10,
            "share": 1,
        }  # fmt: skip
        (self.seeds / JUDGE_FILE).write_text(yaml.safe_dump({**told, **changes}, sort_keys=False), encoding="utf-8")

    def judge(self) -> JudgeDesk:
        return JudgeDesk(self.store, self.seeds, self.environment, self.clock, sleep=self.slept.append)

    def judgements(self) -> list[Row]:
        return sorted(table_rows(self.store, JUDGEMENTS), key=lambda row: row["request_id"])


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """The material in a question that reached the server."""
    found: dict[str, Any] = json.loads(body["messages"][-1]["content"])
    return found


def verdict(body: Mapping[str, Any], supported: str = "yes", p: float = 0.1, unsupported: tuple[int, ...] = ()) -> str:
    """What a judge that does as it is told replies."""
    said = {"check": shown(body)["check"], "supported": supported, "p_made_up": p, "unsupported": list(unsupported)}
    return json.dumps(said)


if __name__ == "__main__":
    JudgeHouse(Path(sys.argv[1])).judge().work()
