"""The model registry on a real MLflow store: versions that stay, a champion that moves, files that are what was signed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from registry_house import EMBEDDER, files, migrated, registration, registry_at

from resources.artefact_seal import SealError, folder_digest, proven
from resources.contracts import REPO
from resources.model_copies import Followed, ModelCopies
from resources.model_version import CHALLENGER, CHAMPION, PASSED, REJECTED, WAITING, RegistryError
from resources.registry import Registry
from resources.signing_key import KEY_FILE, SigningKey
from resources.store import Store
from resources.warehouse_resource import RegistryResource

MODEL = "hallucination_detector"
PARAMETERS = json.dumps({"coefficients": [0.5, -1.25], "features": ["a", "b"], "name": "Ärger"}, ensure_ascii=False)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


@pytest.fixture
def registry(database: Path, tmp_path: Path) -> Registry:
    return registry_at(tmp_path / "home", database)


def test_nobody_has_registered_anything_yet(registry: Registry) -> None:
    assert registry.champion(MODEL) is None and registry.versions(MODEL) == [] and not registry.is_known(MODEL)
    assert registry.former_champion(MODEL) is None


def test_who_never_registered_anything_needs_no_mlflow(tmp_path: Path) -> None:
    """It takes seconds to import, and more to make its tables: a night without models spends none of them."""
    program = (
        "import sys; from pathlib import Path; from resources.registry import Registry; "
        f"print(Registry(Path({str(tmp_path)!r})).champion_folder('embedder'), 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"] and list(tmp_path.iterdir()) == []


def test_who_is_registered_serves_nobody_until_an_alias_says_so_and_reads_as_it_was_written(registry: Registry) -> None:
    first = registry.register(MODEL, "a1", PARAMETERS, {"auc": 0.8}, {"scorer": "rules-1"})
    assert registry.champion(MODEL) is None and first.parameters == PARAMETERS
    second = registry.register(MODEL, "b2", "{}", {"auc": 0.9}, {})
    assert (first.version, second.version) == ("1", "2") and registry.champion(MODEL) is None
    for version in ("1", "2"):
        registry.set_alias(MODEL, CHAMPION, version)
    assert registry.champion(MODEL) == second and registry.former_champion(MODEL) == "1"


def test_a_model_that_is_there_gets_no_second_version(registry: Registry) -> None:
    first = registry.register(MODEL, "a1", PARAMETERS, {}, {})
    registry.register(MODEL, "b2", "{}", {}, {})
    assert registry.register(MODEL, "a1", PARAMETERS, {}, {}) == first
    assert [version.version for version in registry.versions(MODEL)] == ["1", "2"]


def test_nothing_that_is_kept_can_run(registry: Registry, tmp_path: Path) -> None:
    registry.register_folder(registration(files(tmp_path / "model")))
    kept = {path.name for path in registry.folder.rglob("*") if path.is_file()}
    assert kept == {"mlflow.db", "MLmodel", "README.md", "model.safetensors", "config.json", "seal.json", "seal.sig"}
    assert registry.folder.stat().st_mode & 0o077 == 0
    folder = files(tmp_path / "pickled")
    (folder / "training_args.bin").write_bytes(b"\x80\x04")
    with pytest.raises(RegistryError, match=r"training_args.bin can run code .*save weights as safetensors"):
        registry.register_folder(registration(folder))


def test_a_process_without_a_main_file_survives_mlflow(database: Path, tmp_path: Path) -> None:
    """pyspark's client, which MLflow imports where it is installed, ends such a process."""
    registry_at(tmp_path, database)
    program = (
        "import sys; from pathlib import Path; from resources.registry import Registry; "
        f"Registry(Path({str(tmp_path)!r})).register({MODEL!r}, 'a1', '{{}}', {{}}, {{}}); "
        "print('alive', 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["alive", "False"], done.stderr


def test_a_version_tells_what_it_was_made_of_and_how_it_learned(registry: Registry, tmp_path: Path) -> None:
    made = registry.register_folder(registration(files(tmp_path / "model")))
    with registry._asking("a test looks") as client:
        run = client.get_run(made.run_id)
        version = client.get_model_version(EMBEDDER, made.version)
        losses = [(one.step, one.value) for one in client.get_metric_history(made.run_id, "curve/loss")]
        [told] = client.search_registered_models("name = 'embedder'")
    assert (run.info.status, run.data.metrics["ndcg_at_10"]) == ("FINISHED", 0.75)
    assert losses == [(1, 2.5), (10, 1.5)] and run.data.params == {"epochs": "1"}
    assert run.inputs is not None and version.description is not None
    [data] = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.tags[0].value) == ("retriever", "0123456789abcdef", "training")
    assert version.tags["code_revision"] == run.data.tags["code_revision"] == "f" * 40
    assert version.description.startswith("# A model") and told.name == EMBEDDER
    copy = registry.files(made).parent
    assert "It finds pages." in (copy / "README.md").read_text(encoding="utf-8")
    described = (copy / "MLmodel").read_text(encoding="utf-8")
    assert '"name": "text"' in described and '"tensor"' in described and "requirements" not in described


def test_what_comes_back_is_what_was_registered_and_is_downloaded_once(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files(tmp_path / "model")
    made = registry.register_folder(registration(folder))
    registry.set_alias(EMBEDDER, CHAMPION, made.version)
    found = registry.champion_folder(EMBEDDER)
    assert found is not None and found[0].aliases == (CHAMPION,)
    assert found[1] == registry.state / "models" / EMBEDDER / "1" / "artefacts"
    assert folder_digest(found[1]) == folder_digest(folder) == made.digest
    assert registry.state.joinpath("models").stat().st_mode & 0o077 == 0
    shutil.rmtree(registry.folder / "artifacts")
    assert registry.files(made) == found[1], "a copy that is proven needs no registry"


def test_one_byte_one_file_less_or_more_or_another_signer_is_refused(registry: Registry, tmp_path: Path) -> None:
    made = registry.register_folder(registration(files(tmp_path / "model")))
    copy = registry.files(made).parent
    weights, spare = copy / "artefacts" / "model.safetensors", tmp_path / "spare"
    shutil.copytree(copy, spare)
    weights.write_bytes(b"Weights")
    with pytest.raises(RegistryError, match=r"embedder@1 is refused: .*is not the file .* Remove .*embedder/1"):
        registry.files(made)
    weights.unlink()
    with pytest.raises(RegistryError, match=r"model.safetensors is missing"):
        registry.files(made)
    weights.write_bytes(b"weights")
    (copy / "artefacts" / "modules.json").write_text("[]", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"modules.json was not signed for"):
        registry.files(made)
    (copy / "artefacts" / "modules.json").unlink()
    (copy / "artefacts" / "more.json").symlink_to(weights)
    with pytest.raises(RegistryError, match=r"more.json is not a plain file"):
        registry.files(made)
    (copy / "artefacts" / "more.json").unlink()
    assert registry.files(made) == copy / "artefacts", "as it was, it is loaded"
    seal = (copy / "seal.json").read_text(encoding="utf-8")
    (copy / "seal.json").write_text(seal.replace(made.digest, "0" * 64), encoding="utf-8")
    with pytest.raises(RegistryError, match=r"not signed with the key"):
        registry.files(made)
    (copy / "seal.json").unlink()
    with pytest.raises(RegistryError, match=r"is not sealed"):
        registry.files(made)
    with pytest.raises(SealError, match=r"another warehouse registered it"):
        proven(spare, EMBEDDER, SigningKey(tmp_path / "other").public_key())
    with pytest.raises(SealError, match=r"holds a version of embedder, not of generator"):
        proven(spare, "generator", SigningKey(registry.state).public_key().hex())


def test_what_somebody_changed_in_the_registry_is_not_downloaded(registry: Registry, tmp_path: Path) -> None:
    first = registry.register_folder(registration(files(tmp_path / "model")))
    second = registry.register_folder(registration(files(tmp_path / "other", "others")))
    [one, two] = [next(registry.folder.rglob(f"{made.run_id}/artifacts/model")) for made in (first, second)]
    shutil.rmtree(two)
    shutil.copytree(one, two)
    with pytest.raises(RegistryError, match=rf"embedder@2 is refused: its files are those of {first.digest[:12]}"):
        registry.files(second)
    (one / "artefacts" / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(RegistryError, match=r"embedder@1 is refused"):
        registry.set_alias(EMBEDDER, CHAMPION, "1")
    assert registry.champion_folder(EMBEDDER) is None
    left = {path.name for path in (registry.state / "models").iterdir()}
    assert left == {".lock"}, "nothing of what is refused stays"


def test_the_same_number_of_another_registry_is_another_model(registry: Registry, database: Path, tmp_path: Path) -> None:
    made = registry.register_folder(registration(files(tmp_path / "model")))
    registry.files(made)
    other = registry_at(tmp_path / "other", database)
    for name in ("keys", "models"):
        shutil.copytree(registry.state / name, other.state / name)
    theirs = other.register_folder(registration(files(tmp_path / "model2", "others")))
    assert theirs.version == made.version == "1"
    assert (other.files(theirs) / "model.safetensors").read_text(encoding="utf-8") == "others"


def test_a_lost_key_is_not_made_anew(registry: Registry, tmp_path: Path) -> None:
    made = registry.register_folder(registration(files(tmp_path / "model")))
    (registry.state / "keys" / KEY_FILE).unlink()
    with pytest.raises(RegistryError, match=r"embedder@1 cannot be verified: .* is missing"):
        registry.files(made)
    with pytest.raises(RegistryError, match=r"cannot be registered: .* is missing"):
        registry.register_folder(registration(files(tmp_path / "other", "others")))


def test_the_rejected_are_kept_as_rejected_and_serve_nobody(registry: Registry, tmp_path: Path) -> None:
    folder = files(tmp_path / "model")
    made = registry.register_folder(registration(folder, status=REJECTED, reason="ndcg falls by 3 points"))
    assert (made.status, made.reason, made.aliases) == (REJECTED, "ndcg falls by 3 points", ())
    with pytest.raises(RegistryError, match=r"embedder@1 cannot become champion: it is rejected: ndcg falls by 3 points"):
        registry.set_alias(EMBEDDER, CHAMPION, made.version)
    assert registry.champion_folder(EMBEDDER) is None
    waits = registry.register_folder(registration(files(tmp_path / "b", "b"), status=WAITING, reason="no general set"))
    assert registry.set_alias(EMBEDDER, CHALLENGER, waits.version).aliases == (CHALLENGER,)
    with pytest.raises(RegistryError, match="it is waiting"):
        registry.set_alias(EMBEDDER, CHAMPION, waits.version)
    assert registry.set_status(EMBEDDER, waits.version, PASSED).reason == ""
    assert registry.set_alias(EMBEDDER, CHAMPION, waits.version).aliases == (CHALLENGER, CHAMPION)
    again = registry.register_folder(registration(folder))
    assert (again.version, again.status, again.reason) == ("1", PASSED, ""), "the same files, judged anew"
    assert [(one.version, one.status) for one in registry.versions(EMBEDDER)] == [("1", PASSED), ("2", PASSED)]


def test_of_a_rejected_version_the_files_can_go_and_its_card_and_numbers_stay(registry: Registry, tmp_path: Path) -> None:
    folder = files(tmp_path / "model")
    made = registry.register_folder(registration(folder, status=REJECTED, reason="ndcg falls"))
    lives = registry.register_folder(registration(files(tmp_path / "b", "b")))
    with pytest.raises(RegistryError, match="embedder@2 is passed: its files are kept"):
        registry.forget_files(lives)
    assert registry.forget_files(made)
    again = registry.version(EMBEDDER, made.version)
    assert not registry.forget_files(again) and (again.status, again.reason) == (REJECTED, "ndcg falls")
    left = next(registry.folder.rglob(f"{made.run_id}/artifacts/model"))
    assert sorted(path.name for path in left.iterdir()) == ["MLmodel", "README.md", "seal.json", "seal.sig"]
    with pytest.raises(RegistryError, match="embedder@1 was rejected long ago"):
        registry.files(again)
    assert registry.files(lives).is_dir()
    assert registry.register_folder(registration(folder)).version == "3", "the same files are there again by another version"


def test_the_champion_before_is_kept_in_mind(registry: Registry, tmp_path: Path) -> None:
    for name in "abc":
        registry.register_folder(registration(files(tmp_path / name, name)))
    for version in ("1", "3", "3", "2"):
        registry.set_alias(EMBEDDER, CHAMPION, version)
    assert registry.former_champion(EMBEDDER) == "3"
    registry.drop_alias(EMBEDDER, CHAMPION)
    assert registry.by_alias(EMBEDDER, CHAMPION) is None


def test_a_store_that_is_damaged_or_asked_for_what_is_not_there_says_so(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"embedder@9 cannot become champion: .*RESOURCE_DOES_NOT_EXIST"):
        registry.set_alias(EMBEDDER, CHAMPION, "9")
    with pytest.raises(RegistryError, match="no name of a model"):
        registry.versions("x' or name != '")
    with pytest.raises(RegistryError, match="there is no model in it"):
        (tmp_path / "empty").mkdir()
        registry.register_folder(registration(tmp_path / "empty"))
    (tmp_path / "damaged" / "mlflow").mkdir(parents=True)
    (tmp_path / "damaged" / "mlflow" / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RegistryError, match=r"the champion of embedder cannot be looked up: .*damaged/mlflow refuses it"):
        Registry.of(tmp_path / "damaged").champion_folder(EMBEDDER)


def test_copies_stay_of_the_champion_that_is_followed_and_of_the_one_before(tmp_path: Path) -> None:
    copies = ModelCopies(tmp_path)
    for version in ("1", "2", "3"):
        copies.follow("embedder", Followed(version, "d" * 64, "f" * 32))
        (copies.root / "embedder" / version).mkdir()
    copies.keep_followed("embedder")
    assert sorted(path.name for path in (copies.root / "embedder").iterdir() if path.is_dir()) == ["2", "3"]


def test_the_page_of_the_models_is_the_server_s_and_else_a_command_and_shows_no_password(tmp_path: Path) -> None:
    store = Store(tmp_path / "data", tmp_path / "home")
    server = RegistryResource(uri="https://someone:secret@mlflow.example:5000/team").page(store)
    assert server.value == "https://mlflow.example:5000/team/#/models"
    local = RegistryResource().page(store).value
    assert local is not None and f"sqlite:///{store.state / 'mlflow' / 'mlflow.db'}" in local and "--host 127.0.0.1" in local
