"""judge.yml: what is kept, what is refused with which words; and that no key ever stands in a message."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from probe_target import KEY

from resources.contracts import SEEDS
from resources.judge_seed import JUDGE_FILE, JudgeSeed, JudgeSeedError, load_judge

ENDPOINT = {"base_url": "https://llm.example/v1", "model": "small-2026-08-06", "key_env": "JUDGE_KEY"}
WHOLE = {"endpoint": ENDPOINT, "usd_per_million": {"input": "0.15", "output": 0.6}, "usd_a_night": 1}


def seed(tmp_path: Path, **changes: Any) -> JudgeSeed | None:
    path = tmp_path / JUDGE_FILE
    path.write_text(yaml.safe_dump({**WHOLE, **changes}))
    return load_judge(path)


def test_what_is_shipped_asks_nobody_anything(tmp_path: Path) -> None:
    assert load_judge(SEEDS / JUDGE_FILE) is None
    assert load_judge(tmp_path / JUDGE_FILE) is None
    assert seed(tmp_path, endpoint=None) is None


def test_what_is_left_out_has_a_value_and_money_keeps_its_digits(tmp_path: Path) -> None:
    found = seed(tmp_path)
    assert found is not None and found.endpoint.model == "small-2026-08-06"
    assert (found.answers_a_night, found.drawn, found.share, found.features, found.look_back_days) == (200, True, 0, None, 3)
    assert (found.input_usd, found.output_usd, found.usd_a_night) == (Decimal("0.15"), Decimal("0.6"), Decimal(1))
    assert found.cost_usd(1_001, 7) == Decimal("0.000154350000")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endpoint": {**ENDPOINT, "key": KEY}}, "endpoint has unknown keys key; allowed: base_url, key_env"),
        ({"endpoint": {**ENDPOINT, "key_env": f"sk-{KEY}"}}, "key_env names an environment variable, in capitals"),
        ({"endpoint": {**ENDPOINT, "base_url": f"https://user:{KEY}@llm.example"}}, "needs an address such as"),
        ({"endpoint": {**ENDPOINT, "base_url": "http://llm.example"}}, "a key does not travel over http"),
        ({"endpoint": {**ENDPOINT, "model": ""}}, "needs the model to ask for"),
        ({"endpoint": "https://llm.example"}, "judge.yml: endpoint is a mapping with base_url"),
        ({"usd_per_million": None}, "needs the judge's prices, such as `usd_per_million: {input:"),
        ({"usd_per_million": {"input": 1}}, "needs the judge's prices"),
        ({"usd_per_million": {"input": "cheap", "output": 1}}, "usd_per_million: input is a number of USD from 0 on"),
        ({"usd_per_million": {"input": "0.0000001", "output": 1}}, "with six decimals at most"),
        ({"usd_a_night": None}, "usd_a_night is a number of USD from 0 on"),
        ({"usd_a_night": -1}, "usd_a_night is a number of USD"),
        ({"usd_a_night": True}, "usd_a_night is a number of USD"),
        ({"usd_a_night": float("nan")}, "usd_a_night is a number of USD"),
        ({"answers_a_night": 0}, "answers_a_night is a whole number from 1 to 100000; not 0"),
        ({"share": 1.5}, "share is a number from 0 to 1; not 1.5"),
        ({"share": None}, "share is a number from 0 to 1; not None"),
        ({"features": "chat"}, "features is a list of names"),
        ({"features": []}, "features is a list of names"),
        ({"drawn": False}, "names an endpoint and nothing to ask it"),
        ({"drawn": 1}, "drawn is true or false; not 1"),
        ({"look_back_days": 0}, "look_back_days is a whole number from 1 to 60"),
        ({"answers": 5}, "unknown keys answers"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(JudgeSeedError) as caught:
        seed(tmp_path, **change)
    assert said in str(caught.value) and KEY not in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / JUDGE_FILE
    for text, said in (("- a\n", "is a mapping with"), ("a: [", "is not YAML"), ("share: 1\nshare: 0\n", "twice")):
        path.write_text(text)
        with pytest.raises(JudgeSeedError, match=said):
            load_judge(path)
