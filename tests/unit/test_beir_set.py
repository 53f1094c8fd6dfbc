"""Frozen sets in the layout of BEIR: what does not belong together is refused, not measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resources.beir_set import BeirSetError, read_beir


def a_set(folder: Path, queries: dict[str, str], documents: dict[str, str], qrels: list[tuple[str, str, int]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (("queries", queries), ("corpus", documents)):
        lines = [json.dumps({"_id": one, "text": text}) for one, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    judged = ["query-id\tcorpus-id\tscore", *(f"{q}\t{d}\t{grade}" for q, d, grade in qrels)]
    (folder / "qrels.tsv").write_text("\n".join(judged) + "\n")
    return folder


QUERIES, DOCUMENTS = {"q1": "How long is a parcel kept?", "q2": "Who pays?"}, {"d1": "Two weeks.", "d2": "The sender."}


def test_a_set_is_read_whole_with_its_grades(tmp_path: Path) -> None:
    found = read_beir(a_set(tmp_path, QUERIES, DOCUMENTS, [("q1", "d1", 2), ("q2", "d2", 1), ("q2", "d1", 0)]))
    assert found.queries == QUERIES and found.documents == DOCUMENTS
    assert found.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}
    assert len(found.digest) == 16


def test_judgments_may_lie_where_beir_has_them_and_titles_count(tmp_path: Path) -> None:
    folder = a_set(tmp_path, QUERIES, DOCUMENTS, [("q1", "d1", 1), ("q2", "d2", 1)])
    (folder / "qrels").mkdir()
    (folder / "qrels.tsv").rename(folder / "qrels" / "test.tsv")
    titled = '{"_id": "d1", "title": "Keeping", "text": "Two weeks."}\n{"_id": "d2", "text": "x"}'
    (folder / "corpus.jsonl").write_text(titled)
    assert read_beir(folder).documents["d1"] == "Keeping Two weeks."


def test_another_judgment_is_another_set(tmp_path: Path) -> None:
    one = read_beir(a_set(tmp_path / "1", QUERIES, DOCUMENTS, [("q1", "d1", 1), ("q2", "d2", 1)]))
    two = read_beir(a_set(tmp_path / "2", QUERIES, DOCUMENTS, [("q1", "d1", 1), ("q2", "d2", 2)]))
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ([("1", "d1", 1), ("2", "d2", 1)], r"2 of 2 judged queries are not in queries.jsonl, such as '1'.*ids alike"),
        ([("q1", "d1", 1)], "1 of 2 queries have no judgment, such as 'q2'"),
        ([("q1", "d1", 1), ("q2", "d2", 0)], "1 of 2 queries have no judgment"),
        ([("q1", "d1", 1), ("q2", "D2", 1)], "1 of 2 judged documents are not in corpus.jsonl, such as 'D2'"),
    ],
)
def test_ids_that_do_not_meet_are_no_set(tmp_path: Path, qrels: list[tuple[str, str, int]], said: str) -> None:
    with pytest.raises(BeirSetError, match=said):
        read_beir(a_set(tmp_path, QUERIES, DOCUMENTS, qrels))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "a"}\n{"_id": "d1", "text": "b"}', "line 2: 'd1' stands there twice"),
        ("corpus.jsonl", '{"_id": "d1", "text": ""}', "'d1' has no words"),
        ("queries.jsonl", "[1]", 'is an object with "_id" and "text"'),
        ("qrels.tsv", "q1\td1\t1", "begins with the line query-id corpus-id score"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1 d1 1", "line 2 is a query, a document and a whole grade"),
    ],
)
def test_a_file_that_is_none_says_what_to_write(tmp_path: Path, name: str, content: str, said: str) -> None:
    folder = a_set(tmp_path, QUERIES, DOCUMENTS, [("q1", "d1", 1), ("q2", "d2", 1)])
    (folder / name).write_text(content)
    with pytest.raises(BeirSetError, match=said):
        read_beir(folder)


def test_a_folder_without_its_files_says_which(tmp_path: Path) -> None:
    with pytest.raises(BeirSetError, match=r"has no corpus.jsonl, queries.jsonl, qrels.tsv"):
        read_beir(tmp_path)
