"""docs/configuration.md says what the code reads: every variable, command and key of a seed, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.cost import price_seeds
from assets.release import deployments
from pipelines.governance import review_seed
from pipelines.pages.configuration_page import PAGE, commands, configuration, seed_comment
from pipelines.settings import SETTINGS
from resources import (
    access_seed,
    capture,
    chat_endpoint,
    dataset_seed,
    golden_seed,
    judge_seed,
    knowledge_seed,
    labelling_seed,
    notify_seed,
    probe_seed,
    redaction_seed,
    release_seed,
    retention,
    service_seeds,
    service_seeds_owners,
    sources,
)
from resources.contracts import REPO, SEEDS

KEYS = {
    "access.yml": {*access_seed.CONDITIONS, "all"},
    "calendar.yml": {"start", "nightly_hour_utc"},
    "capture.yml": {*capture._TOP_KEYS, *capture._RULE_KEYS},
    "datasets.yml": dataset_seed._KEYS,
    "deployments.yml": deployments._KEYS,
    "features.yml": {*service_seeds._KEYS, *service_seeds.DECLARED_KINDS},
    "golden_queries.yml": golden_seed._KEYS,
    "judge.yml": {*judge_seed._KEYS, *chat_endpoint.ENDPOINT_KEYS},
    "knowledge.yml": {*knowledge_seed._KEYS, *knowledge_seed._CORPUS_KEYS},
    "labelling.yml": labelling_seed._KEYS,
    "legal_holds.yml": retention._HOLD_KEYS,
    "notify.yml": notify_seed._KEYS,
    "owners.yml": service_seeds_owners._KEYS,
    "prices.yml": price_seeds._KEYS - {"currency"},
    "probes.yml": {*probe_seed._ENDPOINT_KEYS, *probe_seed._PROMPT_KEYS},
    "redaction.yml": redaction_seed._KEYS,
    "release.yml": {*release_seed._KEYS, *release_seed._RUNS},
    "retention.yml": {"keep_days", "landing_files", *retention.CLASSES},
    "reviews.yml": review_seed._KEYS,
    "sources.yml": sources._KEYS,
    "tenants.yml": {"tenants", "pseudonymous"},
}
"""The keys that the loader of each seed takes. tuning.yml has a test of its own: its keys are fields of data classes."""
NOT_OURS_TO_SET = re.compile(r"NOCTURNE_(FAILPOINT|PROOF_[A-Z]+|GPU_LAYERS|TEST_TOKEN)")
"""Variables of tests and proofs."""
_NAME = re.compile(r"NOCTURNE_[A-Z_]+")


def read_by_the_code() -> Iterator[str]:
    """Names of environment variables that stand whole in a text of the code's own, docstrings apart."""
    for folder in ("apps", "assets", "benchmarks", "pipelines", "resources", "simulator", "trainers"):
        for path in (REPO / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
                    yield node.value


def section(page: str, seed: str) -> str:
    return page.split(f"\n### {seed}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


def test_the_page_is_made_from_the_code_as_it_is_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration(), "run `make docs` and commit docs/configuration.md"


def test_every_variable_that_is_read_is_described_and_every_described_one_is_read() -> None:
    read = {name for name in read_by_the_code() if not NOT_OURS_TO_SET.fullmatch(name)}
    assert read == set(SETTINGS)


def test_every_command_that_the_makefile_has_is_described() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert {name for name, _, _ in commands(makefile)} == named
    variables = {name: found for name, found, _ in commands(makefile)}
    assert variables["check-source"] == ["FILE", "SOURCE", "FORMAT"]
    assert variables["backup"] == ["TO", "KEYS_TO", "ARGS"]


def test_every_seed_is_on_the_page() -> None:
    page = configuration()
    for path in SEEDS.glob("*.yml"):
        assert seed_comment(path.read_text(encoding="utf-8")) in section(page, path.name)
    assert {path.name for path in SEEDS.glob("*.yml")} == {*KEYS, "tuning.yml"}


@pytest.mark.parametrize("seed", sorted(KEYS))
def test_every_key_that_a_loader_takes_is_described(seed: str) -> None:
    told = section(configuration(), seed)
    assert [key for key in sorted(KEYS[seed]) if not re.search(rf"\b{key}\b", told)] == []


def test_every_key_of_tuning_is_described() -> None:
    """Its loader names its keys as texts."""
    told, code = section(configuration(), "tuning.yml"), (REPO / "resources" / "tuning_seed.py").read_text(encoding="utf-8")
    keys = {"enabled", "base_model", "recipe", "limits", "cool_down_days", "min_new_pairs", "promotion", "launcher", "gate"}
    assert [key for key in sorted(keys) if key not in told or key not in code] == []


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yml")), ids=lambda path: path.name)
def test_a_seed_describes_no_key_that_nobody_reads(path: Path) -> None:
    comment = seed_comment(path.read_text(encoding="utf-8"))
    lines = re.findall(r"^ +([a-z_]+(?:, [a-z_]+)*)  +\S", comment, flags=re.MULTILINE)
    described = {key for line in lines for key in line.split(", ")}
    loaders = [*REPO.glob("resources/*.py"), *REPO.glob("assets/*/*.py"), *REPO.glob("pipelines/**/*seed*.py")]
    code = "\n".join(loader.read_text(encoding="utf-8") for loader in loaders)
    assert [key for key in sorted(described) if not re.search(rf"\b{key}\b", code)] == []
