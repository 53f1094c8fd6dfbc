"""Release folders: sealed, signed, published in one step, read by applications that trust nothing else."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import stat
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from layers import imports
from vectors import cloud

from resources import live_index
from resources.contracts import REPO
from resources.faiss_index import FLAT, VectorIndex, build
from resources.index_store import CHUNK_COLUMNS, Draft, IndexStore, IndexStoreError, refuse_to_mix
from resources.live_index import IndexRefusedError, LiveIndex, Vectors

EMBEDDER = "e" * 32


def table(ids: Any, **more: Any) -> pa.Table:
    rows = [
        {
            "id": n, "chunk_id": f"c{n}", "document_id": f"d{n // 2}", "version": "v", "access_label": "internal",
            "valid_until": None, **{name: value(n) for name, value in more.items()},
        }
        for n in map(int, ids)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CHUNK_COLUMNS)


def draft(vectors: Vectors, kind: str = FLAT, embedder: str = EMBEDDER, **more: Any) -> Draft:
    index = build(kind, vectors.shape[1], len(vectors), lambda rows: vectors[rows], 1, shard_rows=600)
    return Draft(index, table(index.ids, **more), {"embedder": embedder, "operating_point": {"nprobe": 8, "k_factor": 8}})


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "home")


def published(store: IndexStore, number: int, made: Draft) -> None:
    store.make("main", number, made)
    store.publish("main", number)


def live(store: IndexStore, **more: Any) -> LiveIndex:
    return LiveIndex(store.folder("main"), **{"public_key": store.public_key(), "embedder": EMBEDDER, **more})


@pytest.mark.parametrize("kind", [FLAT, "IVF8,PQ8x4fs,RFlat"])
def test_an_application_finds_what_is_nearest_in_one_shard_or_several(store: IndexStore, kind: str) -> None:
    vectors = cloud(1_000)
    published(store, 1, draft(vectors, kind))
    index = live(store)
    assert index.version == "main@1"
    manifest = json.loads((store.folder("main") / "live" / "manifest.json").read_text())
    assert len(manifest["shards"]) == (1 if kind == FLAT else 2)
    found = index.search(vectors[::50], k=3)
    assert [hits[0].chunk_id for hits in found] == [f"c{n}" for n in range(0, 1_000, 50)]
    best = np.sort(vectors[::50] @ vectors.T, axis=1)[:, :-4:-1]
    assert np.allclose([[hit.score for hit in hits] for hits in found], best, atol=1e-5)
    assert found[0][0].document_id == "d0" and found[0][0].valid_until is None


@pytest.mark.parametrize("kind", [FLAT, "IVF8,PQ8x4fs,RFlat"])
def test_what_one_may_not_receive_or_is_out_of_date_is_not_found(store: IndexStore, kind: str) -> None:
    vectors, today = cloud(1_000), date(2026, 11, 9)
    labels = {"access_label": lambda n: "board" if n % 20 else "public"}
    ages = {"valid_until": lambda n: [None, today, date(2026, 11, 8)][n % 3]}
    published(store, 1, draft(vectors, kind, **labels, **ages))
    hits = live(store).search(vectors[1:40], k=10, labels={"public"}, today=today)
    assert {len(row) for row in hits} == {10}, "little is allowed, and all of it is found"
    assert {hit.access_label for row in hits for hit in row} == {"public"}
    assert {hit.valid_until for row in hits for hit in row} == {None, today}
    assert live(store).search(vectors[:1], labels=()) == [[]]


def test_the_five_lines_of_the_page_run_on_a_copy_of_the_loader(
    store: IndexStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPO / "docs" / "index-releases.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(lines.splitlines()) == 5
    published(store, 1, draft(cloud(100), access_label=lambda n: "public"))
    copied = Path(shutil.copy(Path(live_index.__file__), tmp_path))
    roots = {name.split(".")[0] for name, _ in imports(ast.parse(copied.read_text(encoding="utf-8")))}
    assert roots - sys.stdlib_module_names == {"numpy", "pyarrow", "cryptography", "faiss"}
    monkeypatch.syspath_prepend(str(tmp_path))
    model = SimpleNamespace(encode=lambda texts, normalize_embeddings: cloud(100)[7:8])
    for stands_for, real in (
        ("/srv/indexes/main", str(store.folder("main"))), ("9f3c…", store.public_key().hex()),
        ("6c4d3d87cd9776cce3208166312537d6", EMBEDDER),
    ):  # fmt: skip
        assert stands_for in lines
        lines = lines.replace(stands_for, real)
    names: dict[str, Any] = {"model": model}
    exec(lines, names)
    names["index"].close()
    first = re.match(r"main@1 \[\('d3', 'c7', ([0-9.]+)\)", capsys.readouterr().out)
    assert first and float(first[1]) == pytest.approx(1, abs=1e-6)


def test_an_application_takes_a_new_release_while_it_answers(store: IndexStore) -> None:
    published(store, 1, draft(cloud(100)))
    index = live(store)
    assert index.refresh() is False
    other = cloud(100, seed=2)
    published(store, 2, draft(other))
    assert index.version == "main@1" and index.refresh() is True and index.version == "main@2"
    assert index.search(other[:1])[0][0].score == pytest.approx(1)
    index.follow(every_seconds=0.01)
    published(store, 3, draft(other))
    for _ in range(500):
        if index.version == "main@3":
            break
        index._stop.wait(0.01)
    index.close()
    assert index.version == "main@3"


def test_a_refused_release_leaves_the_one_that_answers(store: IndexStore) -> None:
    published(store, 1, draft(cloud(100)))
    index = live(store)
    published(store, 2, draft(cloud(100), embedder="f" * 32))
    with pytest.raises(IndexRefusedError, match="vectors do not compare"):
        index.refresh()
    assert index.version == "main@1" and "do not compare" in (index.trouble or "")
    published(store, 3, draft(cloud(100)))
    assert index.refresh() and index.trouble is None


def spoilt(folder: Path, how: str) -> None:
    file = folder / "index-0.faiss"
    content = file.read_bytes()
    if how == "cut off":
        file.write_bytes(content[:-1])
    elif how == "one bit":
        file.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif how == "foreign":
        file.write_bytes(b"no index at all".ljust(len(content)))
    elif how == "chunks":
        path = folder / "chunks.parquet"
        path.write_bytes(path.read_bytes()[::-1])
    elif how == "manifest":
        path = folder / "manifest.json"
        path.write_bytes(path.read_bytes().replace(b'"next_id": 100', b'"next_id": 101'))
    elif how == "signature":
        path = folder / "manifest.sig"
        path.write_bytes(bytes(64))
    elif how == "elsewhere":
        folder.rename(folder.with_name("7"))
        (folder.parent.parent / "live").unlink()
        (folder.parent.parent / "live").symlink_to("releases/7")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut off", "cut off, or replaced"), ("one bit", "its digest is another"), ("foreign", "its digest is another"),
        ("chunks", "its digest is another"), ("manifest", "not signed"), ("signature", "not signed"),
        ("elsewhere", "cannot pass for another"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_never_reaches_faiss(
    store: IndexStore, how: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faiss

    published(store, 1, draft(cloud(100)))
    spoilt(store.folder("main") / "releases" / "1", how)
    if how != "chunks":
        monkeypatch.setattr(faiss, "read_index", lambda *_: pytest.fail("FAISS was given unproven bytes"))
    with pytest.raises(IndexRefusedError, match=words):
        live(store)


def test_a_release_signed_by_somebody_else_is_refused(store: IndexStore, tmp_path: Path) -> None:
    published(store, 1, draft(cloud(100)))
    foreign = IndexStore(tmp_path / "other").public_key()
    with pytest.raises(IndexRefusedError, match="not signed with the key"):
        live(store, public_key=foreign)
    assert live(store, public_key=(store.root / "signing.pub").read_text()).version == "main@1"


def test_a_link_that_leads_elsewhere_is_refused(store: IndexStore) -> None:
    published(store, 1, draft(cloud(100)))
    link = store.folder("main") / "live"
    link.unlink()
    link.symlink_to("../../elsewhere")
    with pytest.raises(IndexRefusedError, match="not to a release"):
        live(store)


@pytest.mark.parametrize("how", ["elsewhere", "a folder", "a file"])
def test_a_link_that_is_none_is_told_by_the_store_and_by_the_loader(store: IndexStore, how: str) -> None:
    published(store, 1, draft(cloud(100)))
    index, link = live(store), store.folder("main") / "live"
    link.unlink()
    if how == "elsewhere":
        link.symlink_to("/etc")
    elif how == "a folder":
        link.mkdir()
    else:
        link.write_text("releases/1")
    with pytest.raises(IndexStoreError, match=r"live .*to a release of this index\. Move it away, and run make index"):
        store.live("main")
    with pytest.raises(IndexRefusedError):
        index.refresh()
    assert index.version == "main@1" and "to a release of this index" in (index.trouble or "")
    if how != "a folder":
        store.publish("main", 1)
        assert index.refresh() is False and index.trouble is None


def test_what_is_no_release_counts_for_none(store: IndexStore) -> None:
    published(store, 1, draft(cloud(100)))
    for name in ("2 (copy)", "²", "007", "1.old"):
        (store.folder("main") / "releases" / name).mkdir()
    assert store.numbers("main") == [1] and store.tidy("main", keep=[]) == []
    link = store.folder("main") / "live"
    link.unlink()
    link.symlink_to("releases/99")
    assert store.live("main") is None
    with pytest.raises(FileNotFoundError):
        live(store)


def test_an_application_goes_back_to_no_older_release_that_answered(store: IndexStore) -> None:
    for number in (1, 2):
        published(store, number, draft(cloud(100)))
    index = live(store)
    store.publish("main", 1)
    with pytest.raises(IndexRefusedError, match="is older than release 2, which answers"):
        index.refresh()
    assert index.version == "main@2" and "older" in (index.trouble or "")
    published(store, 3, draft(cloud(100)))
    assert index.refresh() and index.version == "main@3" and index.trouble is None


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "index-0.faiss", "chunks.parquet"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(store: IndexStore, name: str) -> None:
    published(store, 1, draft(cloud(100)))
    path = store.folder("main") / "releases" / "1" / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(IndexRefusedError, match="is not a plain file"):
        live(store)


def test_following_outlives_whatever_goes_wrong(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    published(store, 1, draft(cloud(100)))
    index, real = live(store), live_index.load_release
    monkeypatch.setattr(live_index, "load_release", lambda *_: 1 / 0)
    published(store, 2, draft(cloud(100)))
    index.follow(every_seconds=0.01)
    for _ in range(500):
        if index.trouble == "a ZeroDivisionError, not foreseen: see the log":
            monkeypatch.setattr(live_index, "load_release", real)
        if index.version == "main@2":
            break
        index._stop.wait(0.01)
    index.close()
    assert index.version == "main@2" and "main@1 stays" in caplog.text and "ZeroDivisionError" in caplog.text


def test_what_an_application_gets_wrong_is_told_with_what_is_expected(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, 1, draft(cloud(100)))
    for key in ("zz", "ab" * 31, b"ab" * 32, ""):
        with pytest.raises(ValueError, match="64 hex digits"):
            live(store, public_key=key)
    monkeypatch.chdir(store.folder("main"))
    index = LiveIndex(".", store.public_key().hex() + "\n", EMBEDDER)
    for queries in (cloud(3)[0], cloud(3)[:, :8], cloud(3)[None]):
        with pytest.raises(ValueError, match="rows of 32 numbers, one row a query"):
            index.search(queries)
    with pytest.raises(ValueError, match="collection of access labels"):
        index.search(cloud(3), labels="public")


def test_a_release_that_is_not_whole_is_not_published(store: IndexStore) -> None:
    published(store, 1, draft(cloud(100)))
    store.make("main", 2, draft(cloud(100)))
    spoilt(store.folder("main") / "releases" / "2", "cut off")
    with pytest.raises(IndexRefusedError):
        store.publish("main", 2)
    assert store.live("main") == 1
    with pytest.raises(OSError):
        store.make("main", 1, draft(cloud(100)))


def test_everything_is_its_owners_alone(store: IndexStore) -> None:
    before = os.umask(0)
    try:
        published(store, 1, draft(cloud(100)))
    finally:
        os.umask(before)
    private = [store.root.parent / "keys", store.root, *(p for p in store.folder("main").rglob("*") if p.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o700}
    files = [path for path in (store.root.parent).rglob("*") if path.is_file() and path.name != "signing.pub"]
    assert len(files) == 5 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_key_is_made_once_and_never_again_in_silence(store: IndexStore) -> None:
    key = store.root.parent / "keys" / "index_signing.key"
    first = store.public_key()
    assert IndexStore(store.root.parent).public_key() == first
    key.chmod(0o644)
    with pytest.raises(IndexStoreError, match="chmod 600"):
        store.public_key()
    key.chmod(0o600)
    content = key.read_text()
    key.write_text("zz")
    with pytest.raises(IndexStoreError, match="damaged"):
        store.public_key()
    key.unlink()
    with pytest.raises(IndexStoreError, match=r"is missing, and .*signing\.pub"):
        store.public_key()
    key.write_text(content)
    key.chmod(0o600)
    assert store.public_key() == first
    published(store, 1, draft(cloud(100)))
    (store.root / "signing.pub").unlink()
    key.unlink()
    with pytest.raises(IndexStoreError, match=r"is missing, and .*/releases/1 says that releases are signed with it"):
        store.public_key()
    assert not key.exists()


def test_vectors_of_two_embedders_are_never_mixed(store: IndexStore) -> None:
    manifest = store.make("main", 1, draft(cloud(100)))
    refuse_to_mix(manifest, EMBEDDER, 32)
    for embedder, dimensions in (("f" * 32, 32), (EMBEDDER, 64)):
        with pytest.raises(IndexRefusedError, match="build anew"):
            refuse_to_mix(manifest, embedder, dimensions)


def test_an_index_that_finds_more_than_its_chunks_is_no_release(store: IndexStore) -> None:
    made = draft(cloud(100))
    with pytest.raises(IndexStoreError, match="finds 100 ids, the table has 99"):
        store.make("main", 1, Draft(made.index, made.chunks.slice(1), made.facts))
    for name in ("../etc", "", "Main", "a/b"):
        with pytest.raises(IndexStoreError, match="an index is named"):
            store.folder(name)


def test_a_release_is_loaded_to_be_changed_and_old_ones_are_tidied_away(store: IndexStore) -> None:
    vectors = cloud(1_000)
    for number in (1, 2, 3):
        published(store, number, draft(vectors, "IVF8,PQ8x4fs,RFlat"))
    index, release = store.load("main", 3, threads=1)
    assert isinstance(index, VectorIndex) and release.version == "main@3"
    index.remove(np.arange(10))
    assert index.add(vectors[:5]).tolist() == list(range(1_000, 1_005))
    changed = Draft(index, table(index.ids), {"embedder": EMBEDDER, "operating_point": {}})
    store.make("main", 4, changed)
    (store.folder("main") / ".making-0").mkdir()
    (store.folder("main") / ".live-0").symlink_to("releases/9")
    assert store.tidy("main", keep=[2]) == [1, 4]
    assert store.numbers("main") == [2, 3] and sorted(os.listdir(store.folder("main"))) == ["live", "releases"]
    assert store.tidy("none", keep=[]) == []
