"""Files as documents: what each kind says, and what is refused with a reason and never with a crash."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pdf_files import pdf

from resources import document_reader, document_text, html_text
from resources.document_reader import Corpus, Found, Unread
from resources.document_text import Document, DocumentFault, PassingFault, of_html, of_markdown, of_pdf, of_text
from resources.knowledge_seed import CorpusSeed, KnowledgeSeed


def corpus(path: Path, **limits: int) -> Corpus:
    return Corpus(CorpusSeed("help", path, "retrieval"), KnowledgeSeed(**limits))


def said(found: Corpus) -> dict[str, str]:
    """By name: the words of a document, or why there are none."""
    told = {}
    for item in found.documents():
        try:
            told[item.document_id] = item.reason if isinstance(item, Unread) else item.read().text
        except DocumentFault as fault:
            told[item.document_id] = str(fault)
    return told


def test_markdown_says_what_its_front_matter_says() -> None:
    front = "---\ntitle: Sending  back\naccess: public\nvalid_until: 2027-01-31\ntags: [a]\n---\n"
    content = f"{front}# Returns\n\nText.\n".replace("\n", "\r\n")
    assert of_markdown(content.encode()) == Document("# Returns\n\nText.\n", "Sending back", "public", date(2027, 1, 31))
    assert of_markdown(b"\xef\xbb\xbf# Returns #\nText.\n---\nnot front matter\n---\n").title == "Returns"
    assert of_text("Grüße".encode("utf-16")).text == "Grüße"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"---\ntitle: [\n---\nText", "its front matter is not YAML"),
        (b"---\n- a\n---\nText", "its front matter is no mapping"),
        (b"---\nvalid_until: soon\n---\nText", "its valid_until is no date such as"),
        (b"---\nvalid_until: 2026-13-45\n---\nText", "its valid_until is no date such as"),
        (b"---\naccess: [a, b]\n---\nText", "its access is no text"),
        (b"---\ntitle: x\n---\n \n", "it has no words"),
        (b"caf\xe9", "its bytes are not UTF-8"),
        (b"a\x00b", "it holds signs that are no text"),
    ],
)
def test_what_cannot_be_read_says_why_and_holds_no_word_of_it(content: bytes, problem: str) -> None:
    with pytest.raises(DocumentFault, match=problem):
        of_markdown(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"---\naccess: [board\n\nText", "does not end within"),
        (b"---\naccess: board\n" + b"x: y\n" * 20_000 + b"---\nText", "does not end within"),
        (b"---\na: " + b"[" * 60_000 + b"\n---\nText", "nested too deeply|not YAML"),
        (b'---\nx: !!bool "abc"\n---\nText', "has tags or anchors"),
        (b'---\nx: !!timestamp "abc"\n---\nText', "has tags or anchors"),
        (b"---\na: &a [x]\nb: [*a]\n---\nText", "has tags or anchors"),
        (b"---\n<<: {access: board}\n---\nText", "has tags or anchors"),
        (b"---\naccess: public\nAccess: board\n---\nText", "more than one `access`"),
        (b"---\nupdated_at: 0001-01-01T00:00:00+05:00\n---\nText", "beyond the calendar"),
    ],
)
def test_front_matter_that_is_not_plainly_understood_refuses_its_page(content: bytes, problem: str) -> None:
    started = time.process_time()
    with pytest.raises(DocumentFault, match=problem):
        of_markdown(content)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "front",
    [
        "---\raccess: board\r---\rText",
        "\n \n---\naccess: board \n---\nText",
        "\ufeff\ufeff---\r\n Access : ' board '\r\n---\r\nText",
    ],
)
def test_a_label_holds_however_it_is_written(front: str) -> None:
    assert of_markdown(front.encode()).access == "board"
    assert of_html(b"<meta name=' ACCESS' content=' board '>Text").access == "board"
    with pytest.raises(DocumentFault, match="more than one `access`"):
        of_html(b"<meta name=access content=public><meta name=Access content=board>Text")


def test_a_title_may_be_a_number_or_a_date_and_nothing_takes_long_to_find_it() -> None:
    assert of_markdown(b"---\ntitle: 2026\n---\nText").title == "2026"
    assert of_markdown(b"---\ntitle: 2026-11-02\n---\nText").title == "2026-11-02"
    started = time.process_time()
    assert len(of_markdown(b"# a" + b"# " * 200_000 + b"b\n").title or "") == 300
    with pytest.raises(DocumentFault, match="it ends in tags that do not"):
        of_html(b"<a " * 16_000)
    assert time.process_time() - started < 1


def test_a_page_that_could_take_long_is_read_by_a_process_that_can_be_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<title>T</title><meta name=access content=board>" + b"<p>word</p>" * 5_000
    assert html_text.steps(page.decode()) > 50_000_000
    found = of_html(page)
    assert (found.title, found.access, found.text.count("word")) == ("T", "board", 5_000)
    monkeypatch.setattr(document_text, "CHILD_SECONDS", 0.01)
    with pytest.raises(PassingFault, match="takes longer than"):
        of_html(page)


def test_a_page_is_what_its_reader_sees() -> None:
    page = """<!doctype html><html><head><title>Sending
      back</title><meta name="access" content="public"><meta name="valid_until" content="2027-01-31">
      <style>p { color: red }</style></head><body><nav>Home</nav><script>alert("x")</script>
      <h1>Returns</h1><p>Send it back<br>within <b>30</b> days.</p><p style="display: none">Hidden words.</p>
      <ul><li>One</li><li>Two</li></ul><table><tr><td>a</td><td>b</td></tr></table><div hidden>More</div></body>"""
    found = of_html(page.encode())
    assert (found.title, found.access, found.valid_until) == ("Sending back", "public", date(2027, 1, 31))
    assert found.text == "Returns\n\nSend it back\nwithin 30 days.\n\nOne\nTwo\n\na b"
    latin = '<meta charset="iso-8859-1"><p>café</p>'.encode("latin-1")
    assert of_html(latin).text == "café"
    with pytest.raises(DocumentFault, match="not UTF-8"):
        of_html("<p>café</p>".encode("latin-1"))
    with pytest.raises(DocumentFault, match="no words"):
        of_html(b"<p hidden>secret</p>")
    assert of_html(b"<div>" * 20_000 + b"deep").text == "deep"


def test_a_pdf_is_read_by_a_process_that_can_be_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of_pdf(pdf("Send it back.", "Within 30 days.", title="Returns"), 5)
    assert (found.text, found.title) == ("Send it back.\n\nWithin 30 days.", "Returns")
    for content, problem in [
        (pdf("One", "Two"), "more than 1 pages"), (pdf(""), "without words, as of scanned"),
        (b"%PDF-1.4 broken", "cannot be read"),
    ]:  # fmt: skip
        with pytest.raises(DocumentFault, match=problem):
            of_pdf(content, 1)
    monkeypatch.setattr(document_text, "CHILD_SECONDS", 0.01)
    with pytest.raises(DocumentFault, match="takes longer than"):
        of_pdf(pdf("One"), 1)


def test_no_link_is_followed_and_nothing_hidden_or_strange_is_read(tmp_path: Path) -> None:
    folder, outside = tmp_path / "docs", tmp_path / "secret.md"
    outside.write_text("Not for anybody.", encoding="utf-8")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.md").write_text("Words.", encoding="utf-8")
    (folder / "out.md").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "in.md").symlink_to(folder / "deep" / "a.md")
    (folder / "lost.md").symlink_to(folder / "nowhere.md")
    (folder / ".hidden.md").write_text("Hidden.", encoding="utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.txt").write_text("Hidden.", encoding="utf-8")
    (folder / "photo.png").write_bytes(b"\x89PNG")
    os.mkfifo(folder / "pipe.txt")
    (folder / "large.txt").write_bytes(b"x" * 1_000_001)
    (Path(os.fsdecode(bytes(folder) + b"/caf\xe9.md"))).write_bytes(b"Words.")
    found = corpus(folder, largest_bytes=1_000_000)
    told = said(found)
    (odd,) = [name for name, reason in told.items() if "not UTF-8" in reason or "no text in UTF-8" in reason]
    assert odd.startswith("help/") and odd.isascii()
    assert told == {
        "help/deep/a.md": "Words.",
        "help/out.md": "a link that leaves the folder", "help/up": "a link that leaves the folder",
        "help/lost.md": "a link that leads nowhere", "help/pipe.txt": "no regular file",
        "help/large.txt": "larger than 1 MB",
        odd: "a file whose name is no text in UTF-8, or too long",
    }  # fmt: skip
    assert found.passed_over == 1
    assert said(corpus(outside)) == {"help/secret.md": "Not for anybody."}, "a file can be a corpus of its own"


def test_a_folder_that_cannot_be_listed_keeps_its_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (item,) = corpus(tmp_path).documents()
    assert isinstance(item, Unread)
    assert (item.reason, item.keeps) == ("a folder that cannot be listed (PermissionError)", "help/closed/")


def test_folders_in_folders_are_walked_however_deep(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(1_200):
        path = path / "d"
        path.mkdir()
    (path / "a.md").write_text("Deep.", encoding="utf-8")
    assert list(said(corpus(tmp_path)).values()) == ["a file whose name is no text in UTF-8, or too long"]
    (path / "a.md").unlink()
    while path != tmp_path:  # Python's own removal of a tree is a recursion.
        path.rmdir()
        path = path.parent


def test_each_row_of_a_table_is_a_document_and_a_bad_one_is_refused_alone(tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "First.", "title": "A", "access": "public", "valid_until": "2027-01-31", "score": 3}',
        b'{"id": 7, "text": "Second."}', b"", b'{"text": "Third."}', b"{", b"[1]", b'{"id": "b", "text": 5}',
        b'{"id": ["x"], "text": "Sixth."}', b'{"id": "c", "text": "\\ud800"}', b'{"id": "d", "text": "\xff"}',
        b'{"id": "e", "text": "' + b"x" * 100_000 + b'"}', b'{"id": "f", "text": "Last.", "valid_until": "2026-02-30"}',
    ]  # fmt: skip
    (tmp_path / "faq.jsonl").write_bytes(b"\n".join(lines))
    assert said(corpus(tmp_path, largest_bytes=50_000)) == {
        "a": "First.", "7": "Second.", "help/faq.jsonl#4": "Third.", "help/faq.jsonl#5": "a line that is no JSON in UTF-8",
        "help/faq.jsonl#6": "a line that is no JSON object", "b": "its text is no text",
        "help/faq.jsonl#8": "its id is neither a text nor a whole number",
        "c": "it holds signs that are no text, as binary files do",
        "help/faq.jsonl#10": "a line that is no JSON in UTF-8", "help/faq.jsonl#11": "larger than 0 MB",
        "f": "its valid_until is no date such as 2026-11-02",
    }  # fmt: skip


def test_tables_of_other_kinds_say_the_same(tmp_path: Path) -> None:
    row = {"id": "a", "text": "First.", "title": "A", "access": "public", "valid_until": date(2027, 1, 31)}
    pq.write_table(pa.Table.from_pylist([row | {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)}]), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text('id,text,valid_until\nb,"Second,\nwhole.",2027-01-31\nc,,\n', encoding="utf-8")
    (tmp_path / "c.csv").write_text("id,words\nc,Third.\n", encoding="utf-8")
    (tmp_path / "d.parquet").write_bytes(b"PAR1 not really")
    assert said(corpus(tmp_path)) == {
        "a": "First.", "b": "Second,\nwhole.", "c": "it has no words",
        "help/c.csv": "a table without a column `text`", "help/d.parquet": "a table that cannot be read (ArrowInvalid)",
    }  # fmt: skip
    (found,) = [item for item in corpus(tmp_path / "a.parquet").documents() if isinstance(item, Found)]
    document = found.read()
    assert (document.title, document.access, document.valid_until) == ("A", "public", date(2027, 1, 31))
    assert document.updated_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b'{"text": "First."}\n{"text": "Sec', "ends within a line"),
        ("a.jsonl", b"\n", "a table without rows"),
        ("a.csv", b"id,text\n", "a table without rows"),
        ("a.csv", b"id,text,Access,ACCESS \n1,a,public,board\n", "more than one `access`"),
        ("a.csv", b"id,text\n1," + b"x" * 1_001 + b"\n", r"a table that cannot be read \(Error\)"),
    ],
)
def test_a_table_that_is_cut_empty_or_of_two_minds_keeps_what_it_had(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    *_, last = corpus(tmp_path, largest_bytes=1_000).documents()
    assert isinstance(last, Unread) and last.keeps == f"help/{name}#"
    assert re.search(problem, last.reason)


def test_columns_and_keys_are_read_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"ID": "a", "Text": "First.", " Access": " board "}\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text("ID,TEXT,Access\nb,Second., board\n", encoding="utf-8")
    pq.write_table(pa.table({"Id": ["c"], "Text": ["Third."], "ACCESS": ["board"]}), tmp_path / "c.parquet")
    (tmp_path / "d.jsonl").write_text('{"text": "x", "access": "board", "access": "public"}\n', encoding="utf-8")
    *found, refused = corpus(tmp_path).documents()
    assert [(one.document_id, one.read().access) for one in found if isinstance(one, Found)] == [
        ("a", "board"), ("b", "board"), ("c", "board"),
    ]  # fmt: skip
    assert isinstance(refused, Unread) and refused.reason == "it has more than one `access`"


def test_a_row_cannot_take_the_name_of_a_file_or_of_another_row(tmp_path: Path) -> None:
    ids = ["help/keep.md", "help/a.jsonl#2", "help/a.jsonl#1", "other"]
    (tmp_path / "a.jsonl").write_text("".join(f'{{"id": "{id_}", "text": "x"}}\n' for id_ in ids), encoding="utf-8")
    refused = "its id is of the form that names another file or row"
    assert said(corpus(tmp_path)) == {
        "help/a.jsonl#1": refused, "help/a.jsonl#2": "x", "help/a.jsonl#3": refused, "other": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "page", [b"text &#" + b"9" * 5_000 + b"; x", b"text <![foo bar", b"<meta charset=undefined>\xff", b"a <!-- b <" * 9]
)
def test_no_page_ends_a_pass_or_quotes_itself(tmp_path: Path, page: bytes) -> None:
    (tmp_path / "a.html").write_bytes(page)
    (told,) = said(corpus(tmp_path)).values()
    assert "foo" not in told and "999" not in told


def test_values_that_no_calendar_has_refuse_their_row_alone(tmp_path: Path) -> None:
    dates = pa.array([2**30, None], pa.date32())
    pq.write_table(pa.table({"text": ["First.", "Second."], "updated_at": dates}), tmp_path / "a.parquet")
    stamps = pa.array([1], pa.timestamp("us", "Mars/Base"))
    pq.write_table(pa.table({"text": ["Third."], "updated_at": stamps}), tmp_path / "b.parquet")
    (tmp_path / "c.md").write_text("Fourth.", encoding="utf-8")
    os.utime(tmp_path / "c.md", (10**12, 10**12))
    told = said(corpus(tmp_path))
    assert [told.pop(name) for name in ("help/a.parquet#2", "help/c.md")] == ["Second.", "Fourth."]
    assert set(told) == {"help/a.parquet#1", next(name for name in told if name.startswith("help/b.parquet"))}
    assert all("cannot be read (" in reason for reason in told.values())


def test_a_value_that_many_rows_share_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["x" * 8_000_000] * 16}), tmp_path / "a.parquet", compression="zstd")
    before = pa.default_memory_pool().bytes_allocated()
    items = corpus(tmp_path).documents()
    assert isinstance(next(items), Found)
    assert pa.default_memory_pool().bytes_allocated() - before < 50_000_000
    items.close()  # type: ignore[attr-defined]
    monkeypatch.setattr(document_reader, "_LARGEST_GROUP_BYTES", 1_000)
    (item,) = corpus(tmp_path).documents()
    assert isinstance(item, Unread) and "a group of rows of more than" in item.reason


def test_a_row_is_known_by_what_it_says_and_not_by_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "faq.jsonl"
    path.write_text('{"id": "a", "text": "First.", "score": 1}\n', encoding="utf-8")
    (before,) = corpus(tmp_path).documents()
    path.write_text('{"id": "z", "text": "New."}\n{"score": 2, "text": "First.", "id": "a"}\n', encoding="utf-8")
    _, after = corpus(tmp_path).documents()
    assert before.digest == after.digest


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text(alphabet="-\n:{}[]\"'<>a1 /#", max_size=200).map(str.encode),
    ),
    suffix=st.sampled_from([".md", ".html", ".txt", ".jsonl", ".csv", ".parquet"]),
)  # fmt: skip
def test_whatever_a_file_holds_it_is_a_document_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / f"any{suffix}").write_bytes(content)
    for words in said(corpus(tmp_path)).values():
        words.encode()
