"""What people said comes in once, whatever the file, however often it comes, and wherever a pass is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from killing import REPO
from label_house import DAY, LabelHouse, label, traffic

from pipelines.quality.label_inbox import COMMENTS
from resources.events import table_rows
from resources.retention import RetentionPolicy


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of a house in which 5 responses were asked about, r000 to r004."""
    house = LabelHouse(tmp_path_factory.mktemp("drawn") / "house")
    house.declare(look_back_days=1)
    house.take("a.jsonl", traffic(5))
    house.desk().work()
    yield house.root


@pytest.fixture
def house(drawn: Path, tmp_path: Path) -> LabelHouse:
    subprocess.run(["cp", "-a", str(drawn), str(tmp_path / "house")], check=True)
    return LabelHouse(tmp_path / "house")


def test_a_label_is_read_and_its_annotator_and_its_words_are_not_shown(house: LabelHouse) -> None:
    said = label("r001", "ana@example.com", grounded="no", toxic="cannot say", severity="major", root_cause="made_up")
    house.drop("a.jsonl", [{**said, "comment": "ask bob@example.com about it"}])
    (done,) = house.read_labels()
    assert str(done) == "a.jsonl: 1 labels" and done.is_clean
    (row,) = house.labels()
    assert (row["day"], row["request_id"], row["hallucinated"], row["grounded"], row["toxic"], row["safety_pass"]) == (
        DAY, "r001", True, False, None, None,
    )  # fmt: skip
    assert (row["severity"], row["root_cause"], row["has_comment"], row["is_revision"]) == ("major", "made_up", True, False)
    assert row["user_token"] and row["annotator"].count(".") == 1
    ((words),) = [r["text"] for r in table_rows(house.store, COMMENTS)]
    assert words == "ask <EMAIL_ADDRESS> about it"
    for path in house.store.data.rglob("*.parquet"):
        assert b"ana@example.com" not in path.read_bytes()
    (kept,) = house.inbox().done.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and "a.jsonl" not in kept.name
    assert house.inbox().pending() is None


def test_a_file_that_comes_again_changes_nothing(house: LabelHouse) -> None:
    rows = [label("r001"), label("r002", comment="odd"), label("nobody asked"), {"request_id": "r003"}]
    house.drop("a.jsonl", rows)
    house.read_labels()
    before = [house.store.open(c).version for c in house.store.contracts if c.startswith("quality.label") and "now" not in c]
    house.drop("renamed.jsonl", rows)
    (done,) = house.read_labels()
    told = "2 known before, 1 unanswered, 1 of responses nobody was asked about; line 3, request_id: unknown_id"
    assert str(done).startswith(f"renamed.jsonl: {told}")
    after = [house.store.open(c).version for c in house.store.contracts if c.startswith("quality.label") and "now" not in c]
    assert after == before
    (row,) = house.imports()
    assert (row["lines"], row["labels"], row["unknown"], row["unanswered"]) == (4, 2, 1, 1)


def test_a_second_thought_a_second_opinion_a_repetition_and_a_contradiction_are_four_things(house: LabelHouse) -> None:
    house.drop("a.jsonl", [
        label("r001"),
        label("r001", at="2026-11-10T02:30:00Z", hallucinated="no"),
        label("r001", "bea"),
        label("r001", "bea", at="2026-11-10T02:45:00Z"),
        label("r001", "bea", hallucinated="no"),
    ])  # fmt: skip
    (done,) = house.read_labels()
    assert done.counts | {"late": 0} == {
        "labels": 3, "revisions": 1, "late": 0, "duplicates": 1, "unanswered": 0, "unknown": 0, "conflicting": 1,
        "closed": 0, "faulty": 0,
    }  # fmt: skip
    assert house.refused() == [(5, "conflicting")]
    by_annotator: dict[str, list[bool]] = {}
    for row in house.labels():
        by_annotator.setdefault(row["annotator"], []).append(row["hallucinated"])
    assert sorted(by_annotator.values()) == [[True], [True, False]]


def test_bad_lines_are_told_one_by_one_and_hold_nothing_else_up(house: LabelHouse) -> None:
    lines = [
        '{"request_id": "r001", "annotator": "ana", "hallucinated": "perhaps"}',
        "{not json",
        "[" * 100_000,
        '["r001"]',
        '{"request_id": "r001", "hallucinated": "yes"}',
        '{"annotator": "ana", "hallucinated": "yes"}',
        '{"request_id": "r001", "annotator": "ana", "hallucinated": true, "severity": "terrible"}',
        '{"request_id": "r001", "annotator": "ana", "hallucinated": true, "labelled_at": "2027-01-01"}',
        '{"request_id": "r001", "annotator": "ana", "hallucinated": true, "labelled_at": "2026-11-01"}',
        '{"request_id": "r001", "annotator": "ana", "hallucinated": true, "comment": "\\ud800"}',
        '{"request_id": "r001", "annotator": "ana", "hallucinated": true}',
    ]
    house.drop("a.jsonl", "\n".join(lines))
    (done,) = house.read_labels()
    assert house.refused() == [
        (1, "wrong_value"), (2, "unreadable"), (3, "unreadable"), (4, "not_an_object"), (5, "missing"), (6, "missing"),
        (7, "wrong_value"), (8, "ahead_of_time"), (9, "before_the_response"), (10, "wrong_value"),
    ]  # fmt: skip
    assert (done.counts["faulty"], done.counts["labels"], done.is_clean) == (10, 1, False)
    assert "line 1, hallucinated: wrong_value, expected yes, no" in str(done) and "perhaps" not in str(done)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"\xff\xfe not utf-8"), ("b.csv", b"id;verdict\n1;2\n"), ("c.json", b"{}"), ("d.json", b"[[["),
        ("e.csv", b'request_id,comment\nr001,"' + b"x" * 200_000),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_labels_is_told_and_put_away(house: LabelHouse, name: str, content: bytes) -> None:
    house.drop(name, content)
    (done,) = house.read_labels()
    assert done.counts["faulty"] == 1 and house.inbox().waiting() == []
    # How long a cell may be is csv's own limit, which belongs to the process: beyond it the line is too long.
    assert [reason for _, reason in house.refused()] in (["unreadable"], ["too_long"])


def test_a_link_and_a_hidden_file_are_left_alone(house: LabelHouse, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text("{}")
    house.drop(".part.jsonl", "{}")
    (house.inbox().folder / "link.jsonl").symlink_to(secret)
    assert house.read_labels() == [] and secret.exists()


def test_what_people_fill_in_with_a_spreadsheet_is_read_with_semicolons_and_without_times(house: LabelHouse) -> None:
    filled = ["\ufeffrequest_id;annotator;hallucinated;grounded", "r001;ana;YES;no", "r002;;;", "", "r003;ana;no;", ""]
    house.drop("a.csv", "\r\n".join(filled))
    (done,) = house.read_labels()
    assert (done.counts["labels"], done.counts["unanswered"], done.is_clean) == (2, 1, True)
    house.drop("again.csv", "request_id,annotator,grounded,hallucinated\nr001,ana,no,1\n")
    (done,) = house.read_labels()
    assert (done.counts["duplicates"], done.counts["labels"]) == (1, 0), "the same answer at another time says nothing new"


def test_a_quote_that_is_not_closed_and_a_cell_that_is_too_long_swallow_no_line_unseen(house: LabelHouse) -> None:
    head = "request_id,annotator,hallucinated,comment"
    house.drop("long.csv", f"{head}\nr001,ana,yes,{'x' * 200_000}\nr002,ana,no,\n")
    (done,) = house.read_labels()
    assert (done.counts["faulty"], done.counts["labels"]) == (1, 1)
    house.drop("open.csv", f'{head}\nr003,ana,yes,"a made-up price\nr004,ana,no,\nr001,ana,no,\n')
    (done,) = house.read_labels()
    assert (done.counts["faulty"], done.counts["labels"]) == (1, 0), "the rest of the file is nobody's comment"
    assert [line for line, _ in house.refused()] == [2, 2]
    house.drop("closed.csv", f'{head}\nr003,ana,yes,"two\nlines"\nr004,ana,no,')
    (done,) = house.read_labels()
    assert (done.counts["labels"], done.is_clean) == (2, True)
    house.drop("old.csv", f"{head}\rr000,ana,no,\r")
    (done,) = house.read_labels()
    assert (done.counts["labels"], done.is_clean) == (1, True), "old Macintoshes end lines so"


def test_label_studio_and_argilla_are_read_as_they_export(house: LabelHouse) -> None:
    def chosen(name: str, value: str) -> dict[str, object]:
        return {"from_name": name, "to_name": "answer", "type": "choices", "value": {"choices": [value]}}

    words = {"from_name": "comment", "to_name": "answer", "type": "textarea", "value": {"text": ["made up"]}}
    task = {"data": {"request_id": "r001", "day": "2026-11-09"}, "annotations": [
        {"completed_by": 7, "updated_at": "2026-11-10T02:00:00.5Z", "result": [chosen("hallucinated", "yes"), words]},
        {"completed_by": {"id": 8, "email": "b@example.com"}, "created_at": "2026-11-10T02:01:00Z",
         "result": [chosen("hallucinated", "no"), chosen("severity", "minor")]},
        {"completed_by": 9, "was_cancelled": True, "result": []},
    ]}  # fmt: skip
    record = {
        "id": "2026-11-09 r002", "fields": {"output": "x"}, "metadata": {"request_id": "r002", "day": "2026-11-09"},
        "suggestions": {}, "vectors": {}, "_server_id": "s",
        "responses": {"hallucinated": [{"value": "no", "user_id": "u1"}, {"value": "yes", "user_id": "u2"}]},
    }  # fmt: skip
    broken = {"data": {"request_id": "r003"}, "annotations": [{"result": 3}]}
    house.drop("ls.json", [task, {"data": {"request_id": "r004"}, "annotations": []}, broken])
    house.drop("zz.json", [record])
    studio, argilla = house.read_labels()
    assert (studio.counts["labels"], studio.counts["unanswered"], studio.counts["faulty"]) == (2, 2, 1)
    assert argilla.counts["labels"] == 2
    said = [(row["request_id"], row["hallucinated"], row["has_comment"]) for row in house.labels()]
    assert sorted(said) == [("r001", False, False), ("r001", True, True), ("r002", False, False), ("r002", True, False)]
    assert {row["format"] for row in house.imports()} == {"label_studio", "argilla"}


def test_a_label_of_a_closed_day_is_refused_and_a_late_one_counts(house: LabelHouse) -> None:
    house.pass_days(20)
    house.drop("a.jsonl", [label("r001", comment="late")])
    (done,) = house.read_labels()
    assert (done.counts["labels"], done.counts["late"]) == (1, 1)
    house.retain(policy=RetentionPolicy({"text": 15, "rows": 15, "aggregates": None}, None))
    house.drop("b.jsonl", [label("r002", day="2026-11-09"), label("r003")])
    (done,) = house.read_labels()
    assert (done.counts["labels"], done.counts["closed"], done.counts["unknown"]) == (0, 1, 1)
    assert house.refused() == [(1, "closed_day"), (2, "unknown_id")], "the queue of a closed day is gone, too"
    assert house.labels() == []


def test_a_key_that_is_rotated_makes_no_old_label_new(house: LabelHouse) -> None:
    from resources.key_record import rotate_key

    house.drop("a.jsonl", [label("r001")])
    house.read_labels()
    rotate_key(house.store, house.now)
    house.drop("b.jsonl", [label("r001"), label("r001", at="2026-11-10T02:10:00Z", hallucinated="no")])
    (done,) = house.read_labels()
    assert (done.counts["duplicates"], done.counts["labels"], done.counts["revisions"]) == (1, 1, 1)


def test_agreement_is_computed_anew_for_the_days_that_labels_speak_of(house: LabelHouse) -> None:
    def stored() -> list[tuple[object, ...]]:
        columns = "day, verdict, annotators, n_labelled, n_doubled, warning"
        rows = house.store.scan_all("quality.agreement")
        return house.store.rows(f"select {columns} from ({rows}) where day = $day", {"day": DAY})

    house.drop("a.jsonl", [label("r001"), label("r002")])
    house.read_labels()
    assert house.compute()
    assert stored() == [(DAY, "hallucinated", 1, 2, 0, "few_doubled")]
    house.drop("b.jsonl", [label("r001", "bea")])
    house.read_labels()
    assert house.compute()
    assert stored() == [(DAY, "hallucinated", 2, 2, 1, "few_doubled")]
    assert not house.plan().ranges


@pytest.mark.parametrize("place", ["label.imported", "label.told"])
def test_a_pass_that_is_killed_counts_what_it_had_read_as_its_own(house: LabelHouse, place: str) -> None:
    house.drop("a.jsonl", [label("r001", comment="odd"), label("r002"), label("nobody")])
    environment = {
        **os.environ, "NOCTURNE_FAILPOINT": place, "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}",
    }  # fmt: skip
    worker = [sys.executable, "-W", "ignore", str(REPO / "tests" / "label_house.py"), str(house.root), "import"]
    done = subprocess.run(worker, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert len(house.labels()) == 2 and house.inbox().pending()
    house.read_labels()
    (told,) = house.imports()
    assert (told["day"], told["labels"], told["duplicates"], told["unknown"]) == (date(2026, 11, 10), 2, 0, 1)
    assert (len(house.labels()), len(table_rows(house.store, COMMENTS)), house.refused()) == (2, 1, [(3, "unknown_id")])
    assert house.inbox().pending() is None
