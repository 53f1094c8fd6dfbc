"""seeds/release.yml: what is left out has its default, and what is wrong is told with where it stands and what to write."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.contracts import SEEDS
from resources.release_seed import RELEASE_FILE, ReleaseSeed, ReleaseSeedError, load_release

MAIN = {"base_url": "https://api.example.com/v1", "model": "large-2026-08-06"}


def load(folder: Path, raw: Any) -> ReleaseSeed:
    path = folder / RELEASE_FILE
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw), encoding="utf-8")
    return load_release(path)


def test_the_seed_as_it_is_shipped_asks_nobody() -> None:
    assert load_release(SEEDS / RELEASE_FILE) == ReleaseSeed()


def test_what_is_left_out_has_its_default_and_a_feature_changes_only_what_it_says(tmp_path: Path) -> None:
    assert load_release(tmp_path / "nowhere.yml") == load(tmp_path, "") == ReleaseSeed()
    raw = {"rules": {"pass_rate": 0.9, "mean_cost_usd": 0.01}, "features": {"chat": {"pass_rate": 0.95}, "find": None}}
    seed = load(tmp_path, raw)
    assert seed.rules_of("chat") == {"pass_rate": 0.95, "mean_cost_usd": Decimal("0.01")}
    assert seed.rules_of("find") == seed.rules_of(None) == {"pass_rate": 0.9, "mean_cost_usd": Decimal("0.01")}
    assert load(tmp_path, {"rules": {"latency_p95_ms": None}}).rules == {"latency_p95_ms": None}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"endpoint": {}}, "unknown keys endpoint; allowed: endpoints, features, rules, runs"),
        ({"endpoints": [MAIN]}, "endpoints is a mapping, from a name to an entry"),
        ({"features": ["chat"]}, "features is a mapping"),
        ({"endpoints": {"main": {"base_url": MAIN["base_url"]}}}, "main needs the model to ask for"),
        ({"endpoints": {"main": MAIN | {"base_url": "ftp://x"}}}, "main needs an address"),
        ({"endpoints": {"main": MAIN | {"key": "x"}}}, "main has unknown keys key"),
        ({"endpoints": {"main": MAIN | {"provider": 3}}}, "provider is a name of the price book"),
        ({"endpoints": {"main": MAIN | {"response_format": "xml"}}}, "response_format is json_schema, or left out; not"),
        ({"runs": {"repeats": 0}}, "repeats is a whole number from 1 to 20; not 0"),
        ({"runs": {"at_once": 1.5}}, "at_once is a whole number from 1 to 64"),
        ({"runs": {"usd_a_run": "much"}}, "usd_a_run"),
        ({"runs": {"suites": "adversarial"}}, "suites is a list of names of files in seeds/evals; not 'adversarial'"),
        ({"rules": {"pass_rate": 92}}, "pass_rate is a number above 0 and up to 1; not 92"),
        ({"rules": {"pass_rate": None}}, "pass_rate"),
        ({"rules": {"speed": 1}}, "rules has unknown keys speed"),
        ({"features": {"chat": {"segment_cases": 0}}}, "chat: segment_cases is a whole number from 1"),
        ({"rules": {"latency_p95_ms": -1}}, "latency_p95_ms is a number of milliseconds above 0"),
        ("endpoints: {main: ", "release.yml"),
    ],
)
def test_what_is_wrong_is_told_with_where_it_stands(tmp_path: Path, raw: Any, told: str) -> None:
    with pytest.raises(ReleaseSeedError) as error:
        load(tmp_path, raw)
    assert told in str(error.value) and str(error.value).startswith(RELEASE_FILE)


def test_a_key_that_somebody_wrote_into_the_seed_is_not_repeated(tmp_path: Path) -> None:
    for entry in ({"key_env": "qzsecretzq"}, {"base_url": "https://user:qzsecretzq@api.example.com"}):
        with pytest.raises(ReleaseSeedError) as error:
            load(tmp_path, {"endpoints": {"main": MAIN | entry}})
        assert "qzsecretzq" not in str(error.value)
