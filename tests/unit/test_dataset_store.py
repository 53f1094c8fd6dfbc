"""Datasets on disk: named by their content, whole or refused, for their owner's eyes."""

from __future__ import annotations

import stat
from pathlib import Path

import pyarrow as pa
import pytest

from resources.dataset_store import DatasetError, DatasetStore, content_version


def tables(word: str = "lamp") -> dict[str, pa.Table]:
    rows = pa.table({"example_id": ["a", "b"], "text": [word, "größe 🙂"]})
    return {name: rows for name in ("train", "dev", "test", "provenance")}


def test_the_same_rows_are_the_same_dataset_and_other_rows_another(tmp_path: Path) -> None:
    store = DatasetStore(tmp_path)
    said = enumerate(("lamp", "lamp", "cup"))
    first, again, other = (store.write("sft", tables(word), {"built_at": n}) for n, word in said)
    assert first.version == again.version != other.version
    assert again.manifest["built_at"] == 0, "what was written first stays"
    assert store.versions("sft") == sorted({first.version, other.version})
    assert store.open("sft", first.version).table("test")["text"].to_pylist() == ["lamp", "größe 🙂"]


def test_where_rows_are_cut_into_chunks_is_no_content() -> None:
    whole = {"train": pa.table({"n": list(range(10_000))})}
    cut = {"train": pa.concat_tables([whole["train"].slice(0, 3), whole["train"].slice(3)])}
    assert content_version("sft", whole) == content_version("sft", cut)
    assert content_version("sft", whole) != content_version("preferences", whole)


def test_words_of_users_are_their_owners_alone(tmp_path: Path) -> None:
    made = DatasetStore(tmp_path).write("sft", tables(), {})
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (made.folder, made.folder.parent, made.folder.parent.parent)}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("harm", ["changed", "missing", "renamed", "no manifest", "not json"])
def test_a_dataset_that_is_not_what_was_written_is_refused(tmp_path: Path, harm: str) -> None:
    store = DatasetStore(tmp_path)
    folder = store.write("sft", tables(), {}).folder
    version = folder.name
    if harm == "changed":
        path = folder / "train.parquet"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif harm == "missing":
        (folder / "dev.parquet").unlink()
    elif harm == "renamed":
        version = "0" * 16
        folder.rename(folder.parent / version)
    elif harm == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text("[1]")
    with pytest.raises(DatasetError, match=r"build it anew|belongs elsewhere"):
        store.open("sft", version)


def test_a_name_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    for kind, version in (("sft", "../../../etc"), ("..", "0" * 16), ("sft", "")):
        with pytest.raises(DatasetError, match="16 hex digits"):
            DatasetStore(tmp_path).folder(kind, version)


def test_what_was_removed_is_gone_and_a_half_made_one_is_none(tmp_path: Path) -> None:
    store = DatasetStore(tmp_path)
    version = store.write("sft", tables(), {}).version
    (store.root / "sft" / ".making-1234").mkdir()
    assert store.versions("sft") == [version]
    assert store.remove("sft", version) and not store.remove("sft", version)
    assert store.tidy() == 1
    assert list((store.root / "sft").iterdir()) == []
