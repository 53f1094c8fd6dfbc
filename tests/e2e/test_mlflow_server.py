"""Models in a real MLflow server that asks who is there: registered, loaded, lost for a while; and no password anywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_server import ADMIN, MlflowServer
from registry_house import EMBEDDER, files, registration

from resources.model_version import CHAMPION, RegistryError, RegistryUnreachableError
from resources.registry import Registry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("server") / "mlflow")
    made.start()
    yield made
    made.stop()


def test_a_server_that_asks_who_is_there_keeps_models_and_its_absence_harms_nothing(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder, said = files(tmp_path / "model"), []
    registry = Registry.of(tmp_path / "home", server.uri)
    for name, password in ((None, None), (ADMIN, "wrong-password")):
        for variable, value in (("MLFLOW_TRACKING_USERNAME", name), ("MLFLOW_TRACKING_PASSWORD", password)):
            monkeypatch.delenv(variable, raising=False) if value is None else monkeypatch.setenv(variable, value)
        with pytest.raises(RegistryUnreachableError, match=r"does not let these .* set MLFLOW_TRACKING_USERNAME") as refused:
            registry.register_folder(registration(folder))
        said.append(str(refused.value))

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    made = registry.register_folder(registration(folder))
    assert registry.register_folder(registration(folder)) == made, "twice is once"
    registry.set_alias(EMBEDDER, CHAMPION, made.version)
    found = registry.champion_folder(EMBEDDER)
    assert found is not None and (found[1] / "model.safetensors").read_text(encoding="utf-8") == "weights"
    assert not (tmp_path / "home" / "mlflow").exists(), "all of it is the server's"
    began = time.monotonic()
    assert registry.by_alias(EMBEDDER, CHAMPION) is not None
    assert time.monotonic() - began < 20

    server.stop()
    began = time.monotonic()
    for ask in (
        lambda: registry.by_alias(EMBEDDER, CHAMPION), lambda: registry.versions(EMBEDDER),
        lambda: registry.register_folder(registration(files(tmp_path / "other", "others"))),
    ):  # fmt: skip
        with pytest.raises(RegistryUnreachableError, match=rf"{server.uri} does not answer .* start the") as down:
            ask()
        said.append(str(down.value))
    assert time.monotonic() - began < 120, "MLflow's own patience is a quarter hour"
    assert registry.files(made) == found[1], "what was verified is here"
    server.start()
    retried = registry.register_folder(registration(tmp_path / "other"))
    assert retried.version == "2" and registry.set_alias(EMBEDDER, CHAMPION, "2").aliases == (CHAMPION,)
    assert registry.former_champion(EMBEDDER) == "1"

    with pytest.raises(RegistryError, match="not signed with the key that models are trusted for"):
        Registry.of(tmp_path / "another warehouse", server.uri).champion_folder(EMBEDDER)
    told = "\n".join([*said, caplog.text])
    assert server.password not in told and "wrong-password" not in told and "Basic " not in told
