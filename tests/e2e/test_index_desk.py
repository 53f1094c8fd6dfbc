"""Nights of one index: what is released, what is held back, and what answers in the meantime."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from house import request, selected
from index_house import IndexHouse, Words, chunk_id, text_of
from rules_house import TalkingHouse

from assets.retrieval import index_rules
from pipelines.retrieval.index_ledger import RELEASES_TABLE
from pipelines.retrieval.index_night import IndexDeskError
from pipelines.retrieval.knowledge_sweep import sweep
from resources.events import table_rows
from resources.live_index import IndexRefusedError

MANY = range(400)


@pytest.fixture
def house(tmp_path: Path) -> IndexHouse:
    house = IndexHouse(tmp_path)
    house.put(MANY)
    return house


@pytest.fixture
def coded(house: IndexHouse, monkeypatch: pytest.MonkeyPatch) -> IndexHouse:
    """Its index is of codes in lists, as those of many vectors are."""
    monkeypatch.setattr(index_rules, "FLAT_BELOW", 100)
    return house


def test_without_documents_nothing_is_done(tmp_path: Path) -> None:
    house = IndexHouse(tmp_path)
    assert house.desk.work() == [] and not (tmp_path / "home" / "indexes").exists()
    with pytest.raises(IndexDeskError, match="there are: none"):
        house.desk.rollback("main")


def test_a_first_release_goes_live_and_a_quiet_night_leaves_it(coded: IndexHouse) -> None:
    [done] = coded.desk.work()
    assert (done.state, done.release) == ("live", 1)
    assert coded.answers([3, 77]) == [["d3"], ["d77"]]
    assert coded.steps() == [(1, "built", "full"), (1, "gated", "full"), (1, "live", "full")]
    [row] = [row for row in coded.evaluations() if row["metric"] == "index_recall"]
    assert row["value"] >= 0.985 and row["queries_from"] == "chunks" and row["n"] == 200
    coded.at("2026-11-11T03:00:00")
    [again] = coded.desk.work()
    assert (again.state, again.why) == ("unchanged", "nothing changed")
    days = {str(row["day"]) for row in coded.evaluations()}
    assert days == {"2026-11-09", "2026-11-10"}, "what is live is measured nightly"


def test_what_changed_is_searched_the_same_night_and_what_was_deleted_is_gone(coded: IndexHouse) -> None:
    coded.desk.work()
    application = coded.live()
    coded.at("2026-11-11T03:00:00")
    coded.put(range(400, 420))
    coded.put([5], version=2)
    coded.delete(range(40, 60))
    coded.relabel([7], "board")
    [done] = coded.desk.work()
    assert (done.state, done.release) == ("live", 2)
    steps = [(2, state, "churn") for state in ("built", "gated", "live")]
    assert coded.steps()[3:] == [(1, "retired", "full"), *steps]
    assert application.refresh() and application.version == "main@2"
    assert coded.answers([404]) == [["d404"]]
    found = {name for names in coded.answers(range(40, 60), k=10) for name in names}
    assert found and not found & {f"d{n}" for n in range(40, 60)}
    [hit, *_] = application.search(coded.embedder.embed([text_of(5, 2)]))[0]
    assert (hit.version, hit.chunk_id) == ("v2", chunk_id(5, 2))
    assert application.search(coded.embedder.embed([text_of(7)]), labels={"board"})[0][0].document_id == "d7"
    manifest = coded.desk.indexes.manifest("main", 2)
    assert (manifest["tombstones"], manifest["ntotal"], manifest["parent"]) == (21, 400, 1)


def test_more_removed_rows_than_the_rule_allows_are_a_new_build(coded: IndexHouse) -> None:
    coded.desk.work()
    for night, gone in ((11, range(0, 35)), (12, range(35, 70)), (13, range(70, 75))):
        coded.at(f"2026-11-{night}T03:00:00")
        coded.delete(gone)
        coded.desk.work()
    live = [(number, what) for number, state, what in coded.steps() if state == "live"]
    assert live == [(1, "full"), (2, "churn"), (3, "churn"), (4, "full")]
    assert coded.desk.indexes.manifest("main", 4)["tombstones"] == 0


def test_what_is_valid_no_more_is_not_found(house: IndexHouse) -> None:
    house.put([900], until=date(2026, 11, 10))
    house.desk.work()
    assert house.answers([900]) == [["d900"]]
    house.at("2026-11-11T03:00:00")
    house.desk.work()
    assert house.answers([900]) != [["d900"]]


def test_a_failed_gate_leaves_the_old_release_less_what_was_deleted(house: IndexHouse) -> None:
    """Forty questions know their document, which comes back under the words of another topic."""
    house.golden([{"query": text_of(n), "relevant": [f"d{n}"], "topic": f"t{n % 2}"} for n in range(40)])
    house.desk.work()
    [row] = [r for r in house.evaluations() if r["metric"] == "ndcg" and r["scope"] == "all"]
    assert row["value"] == 1 and row["n"] == 40 and row["basis"] == "golden_queries"
    assert {r["scope_value"] for r in house.evaluations() if r["scope"] == "topic"} == {"t0", "t1"}
    house.at("2026-11-11T03:00:00")
    house.put(range(10), version=9)
    house.delete([100])
    house.relabel([20], "board")
    [done] = house.desk.work()
    assert done.state == "rejected" and done.is_trouble and "ndcg changes by" in done.why
    assert [(n, s, w) for n, s, w in house.steps() if n > 1] == [
        (2, "built", "full"), (2, "rejected", "full"), (3, "built", "deletions"), (3, "gated", "deletions"),
        (3, "live", "deletions"),
    ]  # fmt: skip
    assert house.answers([100]) != [["d100"]], "what was deleted is gone all the same"
    assert house.answers([30]) == [["d30"]]
    assert house.live().search(house.embedder.embed([text_of(20)]))[0][0].access_label == "board"
    house.at("2026-11-12T03:00:00")
    [accepted] = house.desk.work(accept={"main"})
    assert accepted.state == "live" and house.answers([3], version=9) == [["d3"]]


def test_a_corpus_that_shrank_by_a_third_waits_for_a_person(house: IndexHouse) -> None:
    house.desk.work()
    house.at("2026-11-11T03:00:00")
    house.delete(range(140))
    [done] = house.desk.work()
    assert done.state == "rejected" and "35% fewer chunks" in done.why
    assert house.answers([3]) == [["d3"]], "nobody said yet that this is meant"
    [accepted] = house.desk.work(accept={"main"})
    assert accepted.state == "live" and house.answers([3]) != [["d3"]]
    house.delete(range(140, 400))
    assert "it is empty" in house.desk.work()[0].why
    [emptied] = house.desk.work(accept={"main"})
    assert emptied.state == "live" and house.answers([200]) == [[]]


def test_golden_queries_of_another_corpus_fail_loudly(house: IndexHouse) -> None:
    house.golden([{"query": text_of(n), "relevant": [f"docs/{n}.md"]} for n in range(5)])
    [done] = house.desk.work()
    assert done.state == "rejected" and "none of 5 golden queries names a document that is live" in done.why
    house.golden([{"query": "x", "relevant": ["d1"]}], index="mian")
    with pytest.raises(IndexDeskError, match=r"no index 'mian'; there are: main"):
        house.desk.work()


def test_a_new_embedder_is_a_new_index_and_never_joins_the_old_one(coded: IndexHouse) -> None:
    coded.golden([{"query": text_of(n), "relevant": [f"d{n}"]} for n in range(30)])
    coded.desk.work()
    application = coded.live()
    coded.at("2026-11-11T03:00:00")
    coded.embedder = Words("b" * 32)
    [waiting] = coded.desk.work()
    assert waiting.state == "failed" and "have no vector of embedder bbbbbbbb" in waiting.why
    coded.delete([9])
    assert "have no vector" in coded.desk.work()[0].why
    assert application.refresh() and application.version == "main@2"
    assert "d9" not in {hit.document_id for hit in application.search(Words().embed([text_of(9)]))[0]}
    coded.embed(MANY)
    [done] = coded.desk.work()
    assert (done.state, done.release) == ("live", 3) and "embedder changed" in done.why
    assert coded.answers([3]) == [["d3"]]
    with pytest.raises(IndexRefusedError, match="do not compare"):
        application.refresh()
    assert application.version == "main@2", "an application with the old embedder goes on with the old index"


def test_a_rollback_is_a_new_release_without_what_was_deleted_and_holds(coded: IndexHouse) -> None:
    coded.desk.work()
    coded.at("2026-11-11T03:00:00")
    coded.put(range(400, 410))
    coded.delete([11])
    coded.desk.work()
    coded.at("2026-11-11T09:00:00")
    done = coded.desk.rollback("main")
    assert (done.state, done.release) == ("live", 3)
    assert coded.answers([404]) != [["d404"]] and coded.answers([11]) != [["d11"]] and coded.answers([12]) == [["d12"]]
    coded.at("2026-11-12T03:00:00")
    coded.delete([12])
    [night] = coded.desk.work()
    assert night.state == "unchanged" and "a rollback holds" in night.why and night.release == 4
    assert coded.answers([12]) != [["d12"]] and coded.answers([404]) != [["d404"]]
    assert coded.desk.work(accept={"main"})[0].state == "live"
    assert coded.answers([404]) == [["d404"]]
    with pytest.raises(IndexDeskError, match=r"cannot go back to release 1; on disk, and not live: 4"):
        coded.desk.rollback("main", to=1)


def test_a_live_release_that_was_tampered_with_is_built_anew(house: IndexHouse) -> None:
    house.desk.work()
    file = house.desk.indexes.folder("main") / "live" / "index-0.faiss"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(IndexRefusedError, match="cut off"):
        house.live()
    house.at("2026-11-11T03:00:00")
    [done] = house.desk.work()
    assert done.state == "live" and "the live release is refused" in done.why
    assert house.answers([3]) == [["d3"]]


def test_after_a_link_was_moved_by_hand_one_release_is_live_and_one_can_be_gone_back_to(house: IndexHouse) -> None:
    for minute in range(4):
        house.at(f"2026-11-11T03:{minute:02}:00")
        house.put([900 + minute])
        house.desk.work()
    link = house.desk.indexes.folder("main") / "live"
    link.unlink()
    link.symlink_to("releases/3")
    for minute, accepted in ((10, set()), (11, {"main"}), (12, set())):
        house.at(f"2026-11-11T03:{minute}:00")
        house.put([950 + minute])
        assert house.desk.work(accept=accepted)[0].state == "live"
    rows = sorted(table_rows(house.store, RELEASES_TABLE), key=lambda row: row["recorded_at"])
    assert [row["reason"] for row in rows if (row["release"], row["state"]) == (3, "live")] == [
        None, "the link was moved by hand",
    ]  # fmt: skip
    newest = {row["release"]: row["state"] for row in rows if row["state"] in ("live", "retired", "rejected")}
    assert [number for number, state in newest.items() if state == "live"] == [7]
    assert house.desk.indexes.numbers("main") == [6, 7] and house.desk.indexes.live("main") == 7
    house.at("2026-11-11T04:00:00")
    assert house.desk.rollback("main").why.startswith("back to main@6")


def test_a_link_to_a_release_that_is_gone_is_built_anew_and_the_one_before_stays(house: IndexHouse) -> None:
    house.desk.work()
    link = house.desk.indexes.folder("main") / "live"
    link.unlink()
    link.symlink_to("releases/99")
    house.at("2026-11-11T03:00:00")
    [done] = house.desk.work()
    assert (done.state, done.release) == ("live", 2) and house.answers([3]) == [["d3"]]
    assert house.desk.indexes.numbers("main") == [1, 2]


@pytest.mark.parametrize("how", ["elsewhere", "a folder"])
def test_a_folder_that_is_damaged_is_a_sentence_and_left_as_it_is(house: IndexHouse, how: str) -> None:
    house.desk.work()
    link = house.desk.indexes.folder("main") / "live"
    link.unlink()
    if how == "elsewhere":
        link.symlink_to("/etc")
    else:
        link.mkdir()
    [done] = house.desk.work()
    assert done.is_trouble and "main is left as it is" in str(done) and "Move it away, and run make index" in done.why
    assert house.desk.indexes.numbers("main") == [1]
    link.rename(link.with_name("aside"))
    assert house.desk.work()[0].state == "live"


def test_a_copy_of_an_index_is_neither_worked_on_nor_tidied(house: IndexHouse) -> None:
    house.desk.work()
    folder = house.desk.indexes.folder("main")
    copies = [folder.with_name(name) for name in ("main (copy)", "main.old")]
    for copy in copies:
        shutil.copytree(folder, copy, symlinks=True)
    house.at("2026-11-11T03:00:00")
    assert house.desk.names() == ["main"] and [done.index for done in house.desk.work()] == ["main"]
    assert all((copy / "releases" / "1" / "manifest.json").exists() for copy in copies)
    assert sweep(house.store, house.embedder.fingerprint, (), house.now).troubles == []


def test_a_release_before_that_was_tampered_with_keeps_words_and_says_which(house: IndexHouse) -> None:
    house.desk.work()
    house.at("2026-11-11T03:00:00")
    house.put([900])
    house.desk.work()
    path = house.desk.indexes.folder("main") / "releases" / "1" / "chunks.parquet"
    path.write_bytes(b"no table")
    [told] = sweep(house.store, house.embedder.fingerprint, (), house.now).troubles
    assert told.startswith(f"nothing is swept: {path} of main@1 cannot be read") and "remove the folder" in told
    shutil.rmtree(path.parent)
    assert sweep(house.store, house.embedder.fingerprint, (), house.now).troubles == []


def test_logged_questions_are_what_recall_is_measured_with(house: IndexHouse, tmp_path: Path) -> None:
    logs = TalkingHouse(tmp_path, contracts_=selected("logs.requests", "logs.retrievals", "logs.texts"))
    rows = []
    for number in range(60):
        asked = request(f"q{number}", "2026-11-09T10:00:00Z", tenant="acme-corp", prompt_text=text_of(number))
        found = {"record_kind": "retrieval", "document_rank": 1, "record_id": "1", "index_version": "main@1"}
        rows += [asked, {**asked, **found, "prompt_text": None, "document_id": chunk_id(number), "is_cited": number < 30}]
    other = request("other", "2026-11-09T10:00:00Z", prompt_text="topic1 of another index")
    rows += [other, {**other, "record_kind": "retrieval", "document_rank": 1, "record_id": "1", "index_version": "faq@7",
                     "prompt_text": None, "document_id": "x"}]  # fmt: skip
    logs.deliver("a.jsonl", rows)
    logs.land()
    logs.compute()
    house.desk.work()
    measures = {(row["metric"], row["basis"], row["scope"]): row for row in house.evaluations()}
    recall = measures["index_recall", "exact_search", "all"]
    assert (recall["queries_from"], recall["n"]) == ("logs", 30)
    cited = measures["ndcg", "cited", "all"]
    assert (cited["value"], cited["n"]) == (1.0, 30)
