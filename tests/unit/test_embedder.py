"""The embedder: the weights that were meant, each text once, and a cache that is its owner's alone."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resources import embedder
from resources.embedder import Embedder, EmbedderError

TEXTS = ["Where is my parcel?", "My package has not arrived yet.", "Bake the cake for forty minutes.", "Where is my parcel?"]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    model = Embedder(cache=tmp_path_factory.mktemp("home") / "embeddings")
    model.embed(TEXTS)
    return model


def loaded(model: Embedder) -> bool:
    return "_loaded" in vars(model)


def test_texts_that_mean_the_same_are_nearer_than_others(cached: Embedder) -> None:
    parcel, package, cake, again = cached.embed(TEXTS)
    assert parcel.dtype == np.float32
    assert parcel.shape == (384,)
    assert parcel @ package > 0.4 > 0.2 > parcel @ cake
    assert (parcel == again).all()
    assert np.linalg.norm(package) == pytest.approx(1, abs=1e-6)


def test_who_multiplies_and_with_which_neighbours_moves_no_vector_by_more_than_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [*TEXTS, *(f"Order {n} has {'not ' * (n % 7)}arrived" for n in range(12)), "x" * 5000]
    quick = Embedder()
    found = quick.embed(texts)
    monkeypatch.setattr(embedder, "_through_onednn", lambda model: None)
    plain = Embedder()
    alone = np.concatenate([plain.embed([text]) for text in texts])
    assert np.abs(found - alone).max() < 1e-6
    import torch

    kinds = {type(module).__name__ for module in quick._loaded.modules()}
    assert ("Linear" in kinds) != torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    assert "Linear" in {type(module).__name__ for module in plain._loaded.modules()}


def test_threads_that_wait_for_each_other_do_not_spin() -> None:
    """In a process of its own: who imports torch first decides."""
    program = (
        "import os; from pipelines.build import build_resources; from pipelines.settings import Settings; "
        "from resources.embedder import Embedder; build_resources(Settings.from_environment()); "
        "Embedder().embed(['Where is my parcel?']); print(os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "TRUE"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stdout.strip() == "PASSIVE"
    if sys.platform == "linux":
        assert "OMP_WAIT_POLICY = 'PASSIVE'" in ran.stderr  # as the library itself read it


def test_a_text_that_is_in_the_cache_needs_no_model(cached: Embedder) -> None:
    other = Embedder(cache=cached.cache)
    assert (other.embed(TEXTS[::-1]) == cached.embed(TEXTS)[::-1]).all()
    assert not loaded(other)


def test_progress_counts_texts_that_were_not_there_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "_STORED_AT_ONCE", 2)
    told: list[tuple[int, int]] = []
    model = Embedder(cache=tmp_path)
    found = model.embed([*TEXTS, "", "x" * 5000], lambda done, total: told.append((done, total)))
    assert found.shape == (6, 384)
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert model.embed([]).shape == (0, 384)


def test_the_cache_is_its_owners_alone_and_holds_no_words(cached: Embedder) -> None:
    assert cached.cache is not None
    (file,) = cached.cache.iterdir()
    assert stat.S_IMODE(cached.cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"parcel" not in file.read_bytes()


def test_a_text_is_forgotten_and_its_vector_leaves_the_file(tmp_path: Path) -> None:
    model = Embedder(cache=tmp_path)
    vector = model.embed(["a secret", "another"])[0].astype("<f4").tobytes()
    (file,) = tmp_path.iterdir()
    assert vector in file.read_bytes()
    assert embedder.forget_all_but(tmp_path, ["another", "never seen"]) == 1
    assert vector not in file.read_bytes()


def test_weights_that_are_not_those_packaged_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "minilm_of_another"
    shutil.copytree(Embedder().folder, package / "model")
    (package / "__init__.py").touch()
    with (package / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedder, "PACKAGE", package.name)
    with pytest.raises(EmbedderError, match="is not the all-MiniLM-L6-v2 that was packaged"):
        Embedder().embed(["x"])


def test_another_pooling_is_another_model(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(Embedder().folder, folder)
    same = Embedder(str(folder))
    assert same.fingerprint == Embedder().fingerprint
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    assert Embedder(str(folder)).fingerprint != same.fingerprint
    assert Embedder(dtype="bfloat16").fingerprint != same.fingerprint


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("/nowhere/at/all", "there is no folder"),
        ("acme/not-on-this-machine", "neither a folder nor"),
        ("a b c", "neither a folder"),
    ],
)
def test_a_model_that_is_not_here_is_named_and_no_network_is_asked(
    model: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(EmbedderError, match=problem):
        Embedder(model).embed(["x"])


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="has no weights"):
        Embedder(str(tmp_path), cache=tmp_path).embed(["x"])


def test_weights_that_were_cut_short_are_told_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(Embedder().folder, folder)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.truncate(1_000)
    with pytest.raises(EmbedderError, match="cannot be loaded as a sentence embedder"):
        Embedder(str(folder)).embed(["Where is my parcel?"])


def test_a_damaged_cache_says_that_it_can_be_deleted(tmp_path: Path) -> None:
    model = Embedder(cache=tmp_path)
    damaged = tmp_path / f"{model.fingerprint}.sqlite"
    damaged.write_bytes(b"no database at all " * 100)
    with pytest.raises(EmbedderError, match="delete it: what it held is computed again"):
        model.embed(["Where is my parcel?"])


def test_a_cache_that_is_a_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(EmbedderError, match="is no folder"):
        Embedder(cache=tmp_path / "cache").embed(["Where is my parcel?"])


def test_bfloat16_keeps_vectors_of_length_one_near_those_of_float32(cached: Embedder) -> None:
    if not embedder._has_amx():
        with pytest.raises(EmbedderError, match="no AMX"):
            Embedder(dtype="bfloat16").embed(["x"])
        return
    found = Embedder(dtype="bfloat16").embed(TEXTS)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert ((found * cached.embed(TEXTS)).sum(axis=1) > 0.99).all()


def test_what_no_row_holds_any_more_is_forgotten_by_every_model(cached: Embedder, tmp_path: Path) -> None:
    assert cached.cache is not None
    cache = tmp_path / "embeddings"
    shutil.copytree(cached.cache, cache)
    (other,) = cache.glob("*.sqlite")
    shutil.copy(other, cache / "another_model.sqlite")
    assert embedder.forget_all_but(cache, [TEXTS[0]]) == 4
    assert embedder.forget_all_but(cache, [TEXTS[0]]) == 0
    left = Embedder(cache=cache)
    left.embed(TEXTS[:1])
    assert not loaded(left)
