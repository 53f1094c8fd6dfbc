"""What knowledge.yml may say, and what is said of a slip in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.retrieval.chunkers import CHUNKERS, DEFAULT
from resources.contracts import SEEDS
from resources.knowledge_seed import CorpusSeed, KnowledgeSeed, KnowledgeSeedError, load_knowledge

KINDS = {"EMAIL_ADDRESS", "PHONE_NUMBER"}


def load(folder: Path, text: str) -> KnowledgeSeed:
    (folder / "knowledge.yml").write_text(text, encoding="utf-8")
    (folder / "docs").mkdir(exist_ok=True)
    return load_knowledge(folder / "knowledge.yml", CHUNKERS, {"internal", "public"}, KINDS)


def test_the_seed_of_this_checkout_declares_nothing_and_so_does_a_missing_one(tmp_path: Path) -> None:
    for path in (SEEDS / "knowledge.yml", tmp_path / "knowledge.yml"):
        assert load_knowledge(path, CHUNKERS, (), ()) == KnowledgeSeed()
    assert CorpusSeed.chunker == DEFAULT in CHUNKERS


def test_what_is_left_out_is_the_careful_choice(tmp_path: Path) -> None:
    seed = load(tmp_path, f"corpora: {{help: {{path: '{tmp_path}/docs', owner: retrieval}}}}")
    assert seed.corpora == (CorpusSeed("help", tmp_path / "docs", "retrieval", access="internal", index="main"),)
    assert (seed.largest_bytes, seed.most_pages) == (20_000_000, 2_000)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("corpora: [docs]", "corpora is a mapping"),
        ("indexes: {}", "is a mapping with corpora, largest_mb, most_pages; not indexes"),
        ("largest_mb: 0", "largest_mb is a whole number from 1 to 1000; not 0"),
        ("most_pages: true", "most_pages is a whole number"),
        ("corpora: {Help: {path: DOCS, owner: retrieval}}", "a corpus has a name of lower-case letters"),
        ("corpora: {1: {path: DOCS, owner: retrieval}}", "knowledge.yml: 1: a corpus has a name"),
        ("corpora: {help: docs}", "help is a mapping with access, chunker"),
        ("corpora: {help: {path: DOCS, owner: retrieval, acess: public}}", "not acess"),
        ("corpora: {help: {owner: retrieval}}", "help needs `path`"),
        ("corpora: {help: {path: DOCS/none, owner: retrieval}}", "there is no .*none; to take a corpus out"),
        ("corpora: {help: {path: ~nobody-of-that-name/kb, owner: retrieval}}", "path cannot be looked at .RuntimeError"),
        (f"corpora: {{help: {{path: {'x' * 5_000}, owner: retrieval}}}}", "path cannot be looked at .OSError"),
        ("corpora: {help: {path: DOCS}}", "owner is a component of owners.yml .*; not None"),
        ("corpora: {help: {path: DOCS, owner: retrieval, access: board}}", "access is a label of access.yml"),
        ("corpora: {help: {path: DOCS, owner: retrieval, index: ../x}}", "index is a name"),
        ("corpora: {help: {path: DOCS, owner: retrieval, chunker: words-9}}", "chunker is a chunker .*sentences-1"),
        ("corpora: {help: {path: DOCS, owner: retrieval, valid_days: 0.5}}", "valid_days is a whole number"),
        ("corpora: {help: {path: DOCS, owner: retrieval, permits: [email]}}", "permits is a list of kinds .*EMAIL_ADDRESS"),
        ("corpora: {help: {path: DOCS, owner: retrieval, released: [help/a.md]}}", "with the version a person looked at"),
        ("corpora: {help: {path: DOCS, owner: retrieval}, help: {}}", "names 'help' twice"),
    ],
)
def test_a_slip_is_named_with_what_to_write(tmp_path: Path, said: str, problem: str) -> None:
    with pytest.raises(KnowledgeSeedError, match=problem):
        load(tmp_path, said.replace("DOCS", f"{tmp_path}/docs"))
