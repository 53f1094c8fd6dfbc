"""A backup set: what goes in comes out, and what is not as it was is named and never restored."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.backup import copy_keys, keys_folder, remove_old, save_keys, sets
from resources.backup_set import MANIFEST, BackupError, Manifest, SetWriter, extract
from resources.keyring import Keyring, KeyringError

NAMES = ("set", "set.tar.zst")
FILES = {"data/logs/a": b"abc" * 100_000, "home/b": b"", "home/deep/er/c": os.urandom(5_000)}


def manifest() -> Manifest:
    return Manifest("nocturne-20261110T030000Z", "2026-11-10T03:00:00+00:00", "home")


def write_set(target: Path, tree: Path) -> Manifest:
    """A set of FILES, a private folder, a link and nothing else."""
    with SetWriter(target, manifest()) as writer:
        for name, content in FILES.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o640)
            writer.add_folder(name.rpartition("/")[0], path.parent)
            writer.add(name, path)
        (tree / "private").mkdir(mode=0o700, exist_ok=True)
        writer.add_folder("private", tree / "private")
        writer.add_link("home/current", "deep/er")
        writer.finish()
    return writer.manifest


@pytest.fixture(params=NAMES)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_set(tmp_path / request.param, tmp_path / "tree")
    return tmp_path / str(request.param)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()
    }


def test_what_goes_in_comes_out_with_its_permissions_and_links(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    found = extract(made, place)
    assert {name: content for name, content in files_of(place).items() if "current" not in name} == FILES
    assert os.readlink(place / "home" / "current") == "deep/er"
    assert stat.S_IMODE((place / "home" / "b").stat().st_mode) == 0o640
    assert stat.S_IMODE((place / "private").stat().st_mode) == 0o700
    assert found.size_bytes == sum(map(len, FILES.values()))


def test_nobody_else_reads_a_set(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == (0o700 if made.is_dir() else 0o600)


def test_a_writing_that_fails_leaves_no_set_and_nothing_beside_it(tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(FileNotFoundError), SetWriter(tmp_path / name, manifest()) as writer:
            writer.add_bytes("home/a", b"a", 0o600)
            writer.add("home/b", tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_under_the_copy_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1\n")
    copy = shutil.copyfileobj

    def growing(source: io.BytesIO, out: io.BytesIO, size: int) -> None:
        with path.open("ab") as file:
            file.write(b"2\n")
        copy(source, out, size)

    monkeypatch.setattr(shutil, "copyfileobj", growing)
    with (
        pytest.raises(BackupError, match="was changed while it was copied"),
        SetWriter(tmp_path / "set", manifest()) as writer,
    ):
        writer.add("home/log", path)


def damaged(made: Path, name: str) -> None:
    if name == "flipped":
        content = bytearray((made / "data/logs/a").read_bytes())
        content[7] ^= 1
        (made / "data/logs/a").write_bytes(content)
    elif name == "missing":
        (made / "home/b").unlink()
    elif name == "longer":
        (made / "home/b").write_bytes(b"x")
    elif name == "surplus":
        (made / "home/z").write_bytes(b"")
    elif name == "manifest":
        text = (made / MANIFEST).read_text(encoding="utf-8")
        (made / MANIFEST).write_text(text.replace('"home/b"', '"home/B"'), encoding="utf-8")
    elif name == "no manifest":
        (made / MANIFEST).unlink()
    elif name == "format":
        content_ = json.loads((made / MANIFEST).read_bytes())
        (made / MANIFEST).write_text(json.dumps(content_ | {"format": 99}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("flipped", "data/logs/a is not what was backed up"),
        ("missing", "lacks home/b"),
        ("longer", "home/b is not what was backed up"),
        ("surplus", "holds home/z"),
        ("manifest", "does not match its own digest"),
        ("no manifest", "no set, or cut off"),
        ("format", "format 99; this checkout reads format 1"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: str, says: str) -> None:
    write_set(tmp_path / "set", tmp_path / "tree")
    damaged(tmp_path / "set", damage)
    (tmp_path / "place").mkdir()
    with pytest.raises(BackupError, match=says):
        extract(tmp_path / "set", tmp_path / "place")


def test_a_folder_of_sets_is_no_set_and_is_not_copied_to_find_that_out(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    write_set(tmp_path / "sets" / "set", tmp_path / "tree")
    (tmp_path / "place").mkdir()
    with pytest.raises(BackupError, match="it is no set, or cut off; name one set, such as"):
        extract(tmp_path / "sets", tmp_path / "place")
    assert not list((tmp_path / "place").iterdir())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    folder = tmp_path_factory.mktemp("archive")
    write_set(folder / "set.tar.zst", folder / "tree")
    yield (folder / "set.tar.zst").read_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_archive_that_is_cut_or_flipped_anywhere_is_never_taken(
    archive: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    position = data.draw(st.integers(0, len(archive) - 1))
    if data.draw(st.booleans()):
        content = archive[:position]
    else:
        content = (
            archive[:position] + bytes([archive[position] ^ (1 << data.draw(st.integers(0, 7)))]) + archive[position + 1 :]
        )
    (folder / "set.tar.zst").write_bytes(content)
    (folder / "place").mkdir()
    try:
        extract(folder / "set.tar.zst", folder / "place")
    except BackupError:
        return
    # A bit that says nothing (of a frame's header, of padding) may flip; then all is as it was.
    assert {name: content for name, content in files_of(folder / "place").items() if "current" not in name} == FILES


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "home/../../outside"])
def test_an_archive_cannot_write_outside(tmp_path: Path, name: str) -> None:
    with zstd.open(tmp_path / "set.tar.zst", "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    (tmp_path / "place").mkdir()
    with pytest.raises(BackupError, match="lies outside"):
        extract(tmp_path / "set.tar.zst", tmp_path / "place")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_brings_no_links_or_devices_of_its_own(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("home/a")
    member.type, member.linkname = kind, "/etc/passwd"
    with zstd.open(tmp_path / "set.tar.zst", "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        tar.addfile(member)
    (tmp_path / "place").mkdir()
    with pytest.raises(BackupError):
        extract(tmp_path / "set.tar.zst", tmp_path / "place")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_in_use_is_taken_whole_and_without_what_is_not_committed(tmp_path: Path, journal: str) -> None:
    writer = sqlite3.connect(tmp_path / "runs.db")
    writer.execute(f"pragma journal_mode = {journal}")
    writer.execute("create table t (a)")
    writer.execute("insert into t values (1)")
    writer.commit()
    if journal == "wal":
        writer.execute("insert into t values (2)")  # Not committed; and what was lies in the log beside the file.
    with SetWriter(tmp_path / "set", manifest()) as backup:
        backup.add("home/runs.db", tmp_path / "runs.db")
        backup.finish()
    writer.close()
    (tmp_path / "place").mkdir()
    extract(tmp_path / "set", tmp_path / "place")
    assert sqlite3.connect(tmp_path / "place/home/runs.db").execute("select a from t").fetchall() == [(1,)]


def test_a_damaged_database_is_named_when_it_is_backed_up_not_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as con:
        con.execute("create table t (a)")
        con.executemany("insert into t values (?)", [("x" * 1000,)] * 500)
    con.close()
    content = bytearray(path.read_bytes())
    content[8192:12288] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(BackupError, match="is damaged"), SetWriter(tmp_path / "set", manifest()) as backup:
        backup.add("home/runs.db", path)
    assert not (tmp_path / "set").exists()


def test_only_the_newest_sets_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    for hour in range(4):
        write_set(tmp_path / f"nocturne-20261110T0{hour}0000Z", tmp_path / "tree")
    (tmp_path / "nocturne-of-somebody").mkdir()
    assert [path.name[-7:-5] for path in remove_old(tmp_path, keep=2)] == ["00", "01"]
    assert [path.name[-7:-5] for path in sets(tmp_path)] == ["02", "03"]
    assert (tmp_path / "nocturne-of-somebody").is_dir()
    assert remove_old(tmp_path, keep=5) == []


def test_saved_keys_are_private_and_the_ones_in_use(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keys")
    save_keys(tmp_path / "keys", [keyring.key_id], tmp_path / "safe" / "monday")
    saved = keys_folder(tmp_path / "safe", "monday")
    assert Keyring.open(saved, keyring.key_id) == keyring
    assert [p.name for p in saved.iterdir() if p.suffix != ".lock"] == ["keyring.json"]
    assert {stat.S_IMODE(p.stat().st_mode) for p in (saved, saved / "keyring.json")} == {0o700, 0o600}
    with pytest.raises(KeyringError):
        save_keys(tmp_path / "keys", ["0badc0de", keyring.key_id], tmp_path / "safe" / "tuesday")
    with pytest.raises(BackupError, match=r"holds no keyring\.json"):
        keys_folder(tmp_path, "sunday")


def test_copied_keys_never_mix_with_others(tmp_path: Path) -> None:
    Keyring.open(tmp_path / "keys")
    copy_keys(tmp_path / "keys", tmp_path / "copy")
    with pytest.raises(FileExistsError):
        copy_keys(tmp_path / "keys", tmp_path / "copy")
