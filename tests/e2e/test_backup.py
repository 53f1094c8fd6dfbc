"""A warehouse that burned down comes back from its set: the same rows, runs, models and answers, and a quiet night.

One real night through Dagster, with its SQLite storage, words, an MLflow store and an index; the original is out of the
way while its copy is looked at.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from house import House
from killing import status_of

from pipelines.governance import backup as backup_command
from pipelines.governance.backup import main as backup
from pipelines.governance.restore import main as restore
from pipelines.nightly import main as nightly
from pipelines.planner import make_plan
from pipelines.runs import Runs
from pipelines.settings import Settings, SettingsError
from resources import audit
from resources.backup import sets
from resources.keyring import Keyring, KeyringError
from resources.process_mark import process_mark
from resources.warehouse import open_published
from resources.warehouse_resource import PROCESS_TAG

NOW, LATER, LAST = (f"2026-11-10T0{hour}:00:00" for hour in (3, 4, 5))
SET = "nocturne-20261110T030000Z"
WORD = "qzbackupwordzq"
QUESTION = """
    select day, tenant, requests, contracted_amount from cost.cost_daily
    order by all
"""


@dataclass(frozen=True)
class Place:
    """The folders of one warehouse, and the environment that names them."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NOCTURNE_HOME": str(self.home), "NOCTURNE_DATA": str(self.data), "NOCTURNE_LANDING": str(self.root / "landing"),
            "NOCTURNE_NOW": NOW, "NOCTURNE_SETTLE_SECONDS": "0", "DAGSTER_HOME": str(self.home / "dagster"),
        }  # fmt: skip

    def house(self) -> House:
        return House(self.root, NOW)

    @contextmanager
    def is_this(self, **more: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self.environment | more).items():
                patch.setenv(name, value)
            yield

    @contextmanager
    def burned_down(self) -> Iterator[None]:
        """While this lasts the original is not where its paths say."""
        ashes = self.root.with_name(f"{self.root.name}-ashes")
        self.root.rename(ashes)
        try:
            yield
        finally:
            ashes.rename(self.root)


def a_night(place: Place, *more: str) -> int:
    """A whole night through Dagster, as `make nightly` runs it; its exit status."""
    with place.is_this():
        return nightly(["--no-sample", "--no-validation", *more])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("original") / "site")
    landing = place.root / "landing" / "gateway"
    landing.mkdir(parents=True)
    base = {"tenant": "larkspur-retail", "provider": "openai", "request_model": "gpt-4o-mini", "output_tokens": 7}
    rows = [
        base | {"request_id": f"r{n}", "ts": f"2026-11-09T1{n}:00:00Z", "user_id": f"u{n}", "prompt_text": WORD,
                "uncached_input_tokens": 100 + n}
        for n in range(6)
    ]  # fmt: skip
    (landing / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "{bad\n", encoding="utf-8")
    assert a_night(place) == 0
    release = place.home / "indexes" / "handbook" / "releases" / "3"
    release.mkdir(parents=True)
    (release / "index.bin").write_bytes(os.urandom(4096))
    (place.home / "indexes" / "handbook" / "current").symlink_to("releases/3")
    log_a_model(place.home / "mlflow")
    return place


def log_a_model(folder: Path) -> None:
    import mlflow

    folder.mkdir()
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("tuning", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "weights", "model.txt")


def read_the_model(folder: Path) -> str:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tuning")
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id])
    return Path(client.download_artifacts(run.info.run_id, "model.txt")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def kept(original: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one set of the original, with its keys in `safe` beside it."""
    folder = tmp_path_factory.mktemp("kept")
    with original.is_this():
        assert backup(["--to", str(folder / "sets"), "--keys-to", str(folder / "safe")]) == 0
    return folder


def from_set(source: Path, place: Place, *more: str) -> int:
    with place.is_this():
        return restore(["--from", str(source), *more])


def seen(place: Place) -> dict[str, Any]:
    """What makes a warehouse the one it is: every table's rows, the audit, an analyst's answer, Dagster's runs."""
    house = place.house()
    fingerprints = {name: value for name, value in house.fingerprints().items() if name != audit.AUDIT}
    chain = audit.entries(house.store)
    assert audit.broken_link(chain) is None
    runs = sqlite3.connect(place.home / "dagster" / "history" / "runs.db").execute(
        "select run_id, status from runs order by 1"
    )
    con = open_published(house.publisher.door)
    try:
        answer = con.execute(QUESTION).fetchall()
    finally:
        con.close()
    return {
        "rows": fingerprints,
        "audit": [(e["action"], e["subject"]) for e in chain if e["action"] not in ("published", "restored", "backed_up")],
        "runs": runs.fetchall(),
        "answer": answer,
    }


@pytest.fixture(scope="module")
def before(original: Place) -> dict[str, Any]:
    """What the original is, as long as no test changes it."""
    return seen(original)


def assert_quiet(place: Place) -> None:
    """Nothing is stale and nothing is to be published, by the planner over the restored instance."""
    house = place.house()
    with place.is_this(), Settings.from_environment().instance() as instance:
        assert make_plan(house.store, house.last_due_day, Runs(instance, "compute_days")).is_quiet
    assert house.is_quiet()


def assert_empty(place: Place) -> None:
    for folder in (place.home, place.data):
        assert not folder.exists() or list(folder.iterdir()) == []


def test_a_restored_warehouse_is_the_one_that_burned_down(
    original: Place, kept: Path, before: dict[str, Any], tmp_path: Path
) -> None:
    assert before["answer"] and before["runs"] and read_the_model(original.home / "mlflow") == "weights"
    place = Place(tmp_path)
    with original.burned_down():
        assert from_set(kept / "sets" / SET, place, "--keys-from", str(kept / "safe")) == 0
        assert seen(place) == before
        assert_quiet(place)
        (tmp_path / "landing").mkdir()
        assert a_night(place, "--report", str(tmp_path / "report.json")) == 0
        report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert (report["commits"], report["failures"]) == (0, [])
        assert read_the_model(place.home / "mlflow") == "weights"
    index = place.home / "indexes" / "handbook" / "current"
    assert os.readlink(index) == "releases/3"
    assert (index / "index.bin").read_bytes() == (original.home / "indexes/handbook/releases/3/index.bin").read_bytes()
    private = [place.data / "logs" / "texts", place.home / "keys"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o700, 0o700]
    assert [e["subject"] for e in audit.entries(place.house().store) if e["action"] == "restored"] == [SET]


def test_an_archive_is_as_good_as_a_folder(original: Place, before: dict[str, Any], tmp_path: Path) -> None:
    with original.is_this():
        assert backup(["--to", str(tmp_path / "all.tar.zst")]) == 0
    place = Place(tmp_path / "new")
    with original.burned_down():
        assert from_set(tmp_path / "all.tar.zst", place) == 0
        assert seen(place) == before


def test_a_set_holds_no_key_no_landing_file_and_says_where_the_key_should_be(
    original: Place, kept: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = Keyring.open(original.home / "keys").key.hex()
    names = [path for path in (kept / "sets" / SET).rglob("*") if path.is_file()]
    assert names and not any(key.encode() in path.read_bytes() or path.name == "a.jsonl" for path in names)
    with original.is_this():
        assert backup(["--to", str(tmp_path)]) == 0
    assert "the set holds no key" in capsys.readouterr().out
    place = Place(tmp_path / "new")
    assert from_set(kept / "sets" / SET, place) == 0
    assert "no key was restored" in capsys.readouterr().out
    with place.is_this(), pytest.raises(KeyringError, match="is missing, but the ledger's pseudonyms were made with key"):
        from pipelines.build import build_resources

        resources = build_resources(Settings.from_environment())
        resources["warehouse"].landing().keyring(resources["clock"].now())


def test_another_installation_s_key_is_refused_and_nothing_is_restored(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Keyring.open(tmp_path / "other")
    place = Place(tmp_path / "new")
    assert from_set(kept / "sets" / SET, place, "--keys-from", str(tmp_path / "other")) == 2
    assert "were made with key" in capsys.readouterr().err
    assert_empty(place)


def test_without_text_no_word_is_in_the_set_and_the_rest_is_as_it_was(original: Place, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    def words(folder: Path) -> int:
        found = 0
        for path in folder.rglob("*.parquet"):
            columns = pq.read_table(path).to_pydict().values()
            found += sum(WORD in str(value) for column in columns for value in column)
        return found

    assert words(original.data) > 0
    queue = original.home / "labelling" / "queue"
    queue.mkdir(parents=True, exist_ok=True)
    (queue / "first.jsonl").write_text(f"What {WORD} asked", encoding="utf-8")
    with original.is_this():
        assert backup(["--to", str(tmp_path), "--without-text"]) == 0
    (queue / "first.jsonl").unlink()
    assert words(tmp_path / SET) == 0
    assert not any(WORD.encode() in path.read_bytes() for path in (tmp_path / SET).rglob("*") if path.is_file())
    place = Place(tmp_path / "new")
    assert from_set(tmp_path / SET, place) == 0
    before, after = seen(original), seen(place)
    for name in ("logs.texts", "drift.text_sample", "drift.text_vectors"):
        assert before["rows"].pop(name) != after["rows"].pop(name), name
    assert before == after
    house = place.house()
    with place.is_this(), Settings.from_environment().instance() as instance:
        plan = make_plan(house.store, house.last_due_day, Runs(instance, "compute_days"))
    of_words = {"drift.text_sample", "drift.text_vectors", "retrieval.gap_questions", "retrieval.knowledge_gaps"}
    assert {stale.table for stale in plan.stale} == of_words, "nothing else is stale"


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_set_is_named_and_nothing_is_restored(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kept / "sets" / SET, copy, symlinks=True)
    [victim, *_] = sorted((copy / "data" / "cost" / "charges").rglob("*.parquet"))
    if damage == "flip":
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    else:
        victim.unlink()
    place = Place(tmp_path / "new")
    assert from_set(copy, place) == 2
    assert victim.relative_to(copy).as_posix() in capsys.readouterr().err
    assert_empty(place)


def test_a_warehouse_is_never_restored_over_another(original: Place, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = seen(original)
    assert from_set(kept / "sets" / SET, original) == 2
    assert "is not empty" in capsys.readouterr().err
    assert seen(original) == before


# kills, full disks


def killed(place: Place, failpoint: str, command: Callable[[list[str]], int], *arguments: str, **environment: str) -> None:
    """A command in a process of its own, which is killed at a failpoint."""
    told = place.environment | {"NOCTURNE_FAILPOINT": failpoint} | environment
    assert status_of(command, list(arguments), **told) == -signal.SIGKILL


@pytest.mark.parametrize(
    "failpoints",
    [
        ["backup.table_added#3", "backup.written"],
        pytest.param(["backup.file_added#40"], marks=pytest.mark.proof),
        pytest.param(["backup.state_added"], marks=pytest.mark.proof),
        pytest.param(["backup.written"], marks=pytest.mark.proof),
    ],
    ids=", ".join,
)
def test_a_backup_that_is_killed_again_and_again_leaves_the_earlier_sets_and_no_half_one(
    original: Place, kept: Path, tmp_path: Path, failpoints: list[str]
) -> None:
    shutil.copytree(kept / "sets" / SET, tmp_path / SET, symlinks=True)
    for failpoint in failpoints:
        killed(original, failpoint, backup, "--to", str(tmp_path), NOCTURNE_NOW=LATER)
        assert [path.name for path in sets(tmp_path)] == [SET]
    with original.is_this(NOCTURNE_NOW=LAST):
        assert backup(["--to", str(tmp_path), "--keep", "1"]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [SET.replace("T03", "T05")]


UNBEGUN = {"restore.file_extracted#50", "restore.proven"}
"""A restore that is killed there has put nothing in its place."""


@pytest.mark.parametrize(
    "failpoints",
    [
        ["restore.file_extracted#50", "restore.committed", "restore.part_moved#9", "restore.published"],
        pytest.param(["restore.file_extracted#50"], marks=pytest.mark.proof),
        pytest.param(["restore.proven"], marks=pytest.mark.proof),
        pytest.param(["restore.committed"], marks=pytest.mark.proof),
        pytest.param(["restore.part_moved#2"], marks=pytest.mark.proof),
        pytest.param(["restore.part_moved#9"], marks=pytest.mark.proof),
    ],
    ids=", ".join,
)
def test_a_restore_that_is_killed_again_and_again_leaves_nothing_or_is_finished_by_the_next(
    original: Place, kept: Path, before: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    failpoints: list[str],
) -> None:  # fmt: skip
    place = Place(tmp_path)
    (tmp_path / "landing").mkdir()
    safe = ("--keys-from", str(kept / "safe"))
    for failpoint in failpoints:
        killed(place, failpoint, restore, "--from", str(kept / "sets" / SET), *safe)
        if failpoint in UNBEGUN:
            visible = [p.name for folder in (place.home, place.data) if folder.exists() for p in folder.iterdir()]
            assert set(visible) <= {".restoring"}
        with place.is_this(), pytest.raises(SettingsError, match="a restore was interrupted"):
            Settings.from_environment().check_folders()
    assert from_set(kept / "sets" / SET, place, *safe) == 0
    assert ("finishing the restore" in capsys.readouterr().out) == (failpoints[-1] not in UNBEGUN)
    with original.burned_down():
        assert seen(place) == before
    assert_quiet(place)
    assert not [p for folder in (place.home, place.data) for p in folder.iterdir() if p.name.startswith(".restor")]
    with place.is_this():
        Settings.from_environment().check_folders()


@contextmanager
def no_file_longer_than(most_bytes: int) -> Iterator[None]:
    """While this lasts the kernel refuses to write files further than this, half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["", "all.tar.zst"])
def test_a_disk_that_is_full_leaves_no_set(
    original: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with original.is_this(), no_file_longer_than(100_000):
        assert backup(["--to", str(tmp_path / name)]) == 2
    assert "no set was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_a_disk_that_is_full_leaves_nothing_half_restored(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    with no_file_longer_than(100_000):
        assert from_set(kept / "sets" / SET, place) == 2
    assert "nothing is half restored" in capsys.readouterr().err
    assert_empty(place)


# one moment


def test_a_run_in_flight_is_waited_for_and_a_dead_one_is_buried(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Place(tmp_path / "copy")
    assert from_set(kept / "sets" / SET, copy) == 0
    run_id, status = str(uuid4()), dg.DagsterRunStatus.STARTED
    with copy.is_this(), Settings.from_environment().instance() as instance:
        run = dg.DagsterRun(job_name="compute_days", run_id=run_id, status=status, tags={PROCESS_TAG: process_mark(run_id)})
        instance.add_run(run)
        assert backup(["--to", str(tmp_path / "sets"), "--wait", "0"]) == 2
        assert f"a compute_days run is in flight ({run_id[:8]})" in capsys.readouterr().err
        assert sets(tmp_path / "sets") == []
        instance.add_run_tags(run_id, {PROCESS_TAG: process_mark(run_id).rpartition(":")[0] + ":1"})
        assert backup(["--to", str(tmp_path / "sets"), "--wait", "0"]) == 0


def test_a_commit_while_state_is_copied_begins_it_again_and_one_while_tables_are_copied_is_left_out(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Place(tmp_path / "copy")
    assert from_set(kept / "sets" / SET, copy) == 0
    house = copy.house()
    add_state, add_tables = backup_command.add_state, backup_command.add_tables
    acts = iter(["during state"])

    def disturbed_state(*arguments: Any) -> None:
        add_state(*arguments)
        for act in acts:
            audit.append(house.store, "tested", act, {}, house.now)

    def disturbed_tables(*arguments: Any) -> None:
        audit.append(house.store, "tested", "during tables", {}, house.now)
        add_tables(*arguments)

    monkeypatch.setattr(backup_command, "add_state", disturbed_state)
    monkeypatch.setattr(backup_command, "add_tables", disturbed_tables)
    with copy.is_this():
        assert backup(["--to", str(tmp_path / "sets")]) == 0
    assert "beginning again" in capsys.readouterr().out
    place = Place(tmp_path / "new")
    assert from_set(tmp_path / "sets" / SET, place) == 0
    chain = audit.entries(place.house().store)
    assert [e["subject"] for e in chain if e["action"] == "tested"] == ["during state"]
    assert audit.broken_link(chain) is None


# places


def test_a_warehouse_that_was_moved_by_hand_is_not_backed_up_without_its_snapshot(
    original: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Place(tmp_path / "moved")
    shutil.copytree(original.root, moved.root, symlinks=True)
    with moved.is_this():
        assert backup(["--to", str(tmp_path / "sets")]) == 2
    assert "the warehouse was moved" in capsys.readouterr().err
    assert sets(tmp_path / "sets") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "{home}/sets"), "which it is a backup of"),
        (("--to", "{data}"), "which it is a backup of"),
        (("--to", "{tmp}/sets", "--keys-to", "{tmp}/sets/keys"), "keys lie apart"),
        (("--to", "{tmp}/all.tar.zst", "--keys-to", "{tmp}"), "keys lie apart"),
        (("--to", "{tmp}/all.tar.zst", "--keep", "2"), "an archive is one set"),
        (("--to", "{tmp}/sets", "--keep", "0"), "from 1"),
    ],
)
def test_a_set_lies_outside_of_the_warehouse_and_apart_from_its_keys(
    original: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    places = {"home": original.home, "data": original.data, "tmp": tmp_path}
    with original.is_this():
        assert backup([argument.format(**places) for argument in arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (original.home / "keys" / SET).exists() and list(tmp_path.iterdir()) == []
