"""The prompt registry on a real MLflow store: each version once, whoever asks and whoever is killed; aliases that move."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from resources.mlflow_store import MlflowStore
from resources.model_version import RegistryError
from resources.prompt_registry import PromptEntry, PromptRegistry

MESSAGES = [{"role": "system", "content": "Help the customers of {{shop}}."}, {"role": "user", "content": "{{question}}"}]
MODEL = {"provider": "openai", "model_name": "m-2026"}
ENTRY = PromptEntry("support-chat", "v12", "a" * 64, MESSAGES, "shorter answers", MODEL)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow has migrated: it takes seconds, once."""
    folder = tmp_path_factory.mktemp("template") / "mlflow"
    with MlflowStore(folder).asking("it cannot be made") as client:
        client.search_prompts()
    return folder / "mlflow.db"


@pytest.fixture
def registry(migrated: Path, tmp_path: Path) -> PromptRegistry:
    folder = tmp_path / "mlflow"
    folder.mkdir(mode=0o700)
    shutil.copy(migrated, folder)
    return PromptRegistry(MlflowStore(folder))


def test_a_registry_that_was_never_used_is_not_made_by_a_look_at_it(tmp_path: Path) -> None:
    assert PromptRegistry(MlflowStore(tmp_path / "mlflow")).versions("support-chat") == []
    assert not (tmp_path / "mlflow").exists()


def test_a_version_is_there_once_however_often_it_is_registered(registry: PromptRegistry) -> None:
    first = registry.register(ENTRY)
    second = registry.register(replace(ENTRY, version="v13", digest="b" * 64))
    assert (first.number, second.number) == (1, 2)
    assert [registry.register(ENTRY) for _ in range(3)] == [first] * 3
    assert [one.version for one in registry.versions("support-chat")] == ["v12", "v13"]


def test_it_reads_as_it_was_written(registry: PromptRegistry) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    registry.register(replace(ENTRY, output_schema=schema))
    with registry.mlflow.asking("it cannot be read") as client:
        read = client.load_prompt("prompts:/support-chat/1")
    assert read.template == MESSAGES and set(read.variables) == {"shop", "question"}
    assert read.response_format == schema and read.model_config["model_name"] == "m-2026"
    assert read.format(shop="Lark", question="Where is it?")[1]["content"] == "Where is it?"


def test_a_version_with_other_content_is_refused(registry: PromptRegistry) -> None:
    registry.register(ENTRY)
    with pytest.raises(RegistryError, match="a version does not change"):
        registry.register(replace(ENTRY, digest="c" * 64))
    assert len(registry.versions("support-chat")) == 1


def test_an_alias_points_to_one_version_and_moves(registry: PromptRegistry) -> None:
    first = registry.register(ENTRY)
    second = registry.register(replace(ENTRY, version="v13", digest="b" * 64))
    for number in (first.number, second.number, first.number):
        registry.point("support-chat", "live", number)
        assert registry.pointed("support-chat", {"live", "candidate"}) == {"live": number}
    registry.drop("support-chat", "live")
    assert registry.pointed("support-chat", {"live"}) == {}
    assert registry.pointed("nobody", {"live"}) == {}


def test_versions_of_another_hand_are_seen_and_not_taken_for_ours(registry: PromptRegistry) -> None:
    with registry.mlflow.asking("it cannot be written") as client:
        client.register_prompt("support-chat", "Hello {{name}}")
    assert [(one.number, one.version) for one in registry.versions("support-chat")] == [(1, None)]
    assert registry.register(ENTRY).number == 2
