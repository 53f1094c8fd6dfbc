"""What people are given to judge: all that the model had, no hint of what is expected, and no longer than words are kept."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from killing import REPO
from label_house import LabelHouse, answered, traffic

from assets.quality.label_export import CHOICES
from resources.labelling_seed import VERDICTS
from resources.retention import RetentionPolicy

FORMULA = '=HYPERLINK("http://x.example","go")'


@pytest.fixture
def house(tmp_path: Path) -> LabelHouse:
    made = LabelHouse(tmp_path / "house")
    made.declare(look_back_days=1)
    return made


def folder(house: LabelHouse, name: str = "2026-11-09-draw-1") -> Path:
    return house.export().folder / name


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_people_see_what_the_model_was_given_in_its_order_and_not_why_they_are_asked(house: LabelHouse) -> None:
    found = {"record_kind": "retrieval", "request_id": "r1", "ts": "2026-11-09T10:00:00Z"}
    called = {**found, "record_kind": "tool_call", "record_id": "t1", "tool_name": "look", "arguments_text": "x"}
    house.take("a.jsonl", [
        answered("r1", system_text="Be brief.", output_text="Mail bob@example.com", feature="chat"),
        {**found, "record_id": "b", "document_id": "b", "document_rank": 2, "document_text": "second"},
        {**found, "record_id": "a", "document_id": "a", "document_rank": 1, "document_text": "first"},
        {**called, "result_text": "from the tool"},
    ])  # fmt: skip
    house.desk().work()
    assert str(house.export().work()) == "1 responses exported to 1 folders"
    (task,) = lines(folder(house) / "first.jsonl")
    assert (task["system"], task["prompt"], task["answer"]) == ("Be brief.", "question of r1", "Mail <EMAIL_ADDRESS>")
    assert task["context"] == ["first", "second", "from the tool"]
    assert {name: task[name] for name in VERDICTS} == dict.fromkeys(VERDICTS)
    told = "".join(path.read_text(encoding="utf-8") for path in folder(house).iterdir())
    assert not any(hint in told for hint in ("inclusion_probability", "thumbs", "large", "score", "user-"))


def test_the_files_are_their_owners_alone_and_the_second_copy_has_the_doubled_ones(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(40))
    house.desk().work()
    house.export().work()
    paths = [house.export().folder.parent, house.export().folder, folder(house), *folder(house).iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}
    queue = house.queue()
    assert [task["request_id"] for task in lines(folder(house) / "first.jsonl")] == [row["request_id"] for row in queue]
    doubled = [row["request_id"] for row in queue if row["needs_second_label"]]
    assert [task["request_id"] for task in lines(folder(house) / "second.jsonl")] == doubled and len(doubled) == 5
    before = {path.name: path.read_bytes() for path in folder(house).iterdir()}
    assert house.export().pending() == [] and str(house.export().work()) == "0 responses exported to 0 folders"
    for path in folder(house).iterdir():
        path.unlink()
    folder(house).rmdir()
    house.export().work()
    assert {path.name: path.read_bytes() for path in folder(house).iterdir()} == before, "in the same order, to the byte"


def test_a_filled_in_spreadsheet_comes_back_and_no_cell_of_it_is_a_formula(house: LabelHouse) -> None:
    house.take("a.jsonl", [answered("=1+1", output_text=FORMULA), answered("'=2", output_text="+1\n" + "x" * 40_000)])
    house.desk().work()
    house.export().work()
    content = (folder(house) / "first.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert {len(row["answer"]) for row in rows} == {len(FORMULA) + 1, 30_001}
    filled = [{**row, "annotator": "ana", "hallucinated": "yes"} for row in rows]
    house.drop("back.csv", filled)
    (done,) = house.read_labels()
    assert done.is_clean and {row["request_id"] for row in house.labels()} == {"=1+1", "'=2"}


def test_what_label_studio_imports_fits_its_interface_and_comes_back(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(2))
    house.desk().work()
    house.export().work()
    tasks = json.loads((folder(house) / "first.label_studio.json").read_text(encoding="utf-8"))
    view = ElementTree.parse(folder(house) / "label_studio_config.xml").getroot()
    shown = {str(node.get("value")).removeprefix("$") for node in view.iter("Text")}
    assert shown <= set(tasks[0]["data"]) and "answer" in shown
    asked = {str(node.get("name")): tuple(str(c.get("value")) for c in node) for node in view.iter("Choices")}
    assert {name: asked[name] for name in VERDICTS} == dict.fromkeys(VERDICTS, CHOICES)
    said = [
        {"from_name": name, "to_name": "answer", "type": "choices", "value": {"choices": [values[0]]}}
        for name, values in asked.items()
    ]
    by = {"completed_by": 1, "updated_at": "2026-11-10T02:00:00Z", "result": said}
    house.drop("back.json", [{**task, "annotations": [by]} for task in tasks])
    (done,) = house.read_labels()
    assert done.is_clean and done.counts["labels"] == 2
    assert {(row["severity"], row["hallucinated"]) for row in house.labels()} == {("minor", True)}


def test_what_argilla_imports_comes_back(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(2))
    house.desk().work()
    house.export().work()
    records = json.loads((folder(house) / "first.argilla.json").read_text(encoding="utf-8"))
    assert all(words for record in records for words in record["fields"].values()), "an empty field is refused"
    answers = {"grounded": [{"value": "cannot say", "user_id": "u"}], "hallucinated": [{"value": "no", "user_id": "u"}]}
    house.drop("back.json", [{**record, "responses": answers} for record in records])
    (done,) = house.read_labels()
    assert done.is_clean and [(row["hallucinated"], row["grounded"]) for row in house.labels()] == [(False, None)] * 2


def test_a_response_whose_flag_has_changed_is_not_shown_and_late_ones_have_a_folder_of_their_own(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(3))
    house.desk().work()
    house.take("b.jsonl", [traffic(1, may_label=False)[0] | {"is_complete": True}, answered("late", feature="chat")])
    house.desk().work()
    done = house.export().work()
    assert (done.forbidden, dict(done.tasks)) == (1, {"2026-11-09-draw-1": 2, "2026-11-09-draw-2": 1})


def test_exported_words_leave_when_retention_takes_them(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(3))
    house.desk().work()
    house.export().work()
    house.drop("old.jsonl", "{}")
    house.read_labels()
    assert folder(house).exists() and list(house.inbox().done.iterdir())
    house.pass_days(31)
    house.retain(policy=RetentionPolicy({"text": 30, "rows": 400, "aggregates": None}, None))
    assert house.export().pending() == [], "words that are gone are not exported"
    assert str(house.export().work()).endswith("2 old folders and files removed")
    assert not folder(house).exists() and not list(house.inbox().done.iterdir())


def test_an_export_that_is_killed_leaves_no_half_folder(house: LabelHouse) -> None:
    house.take("a.jsonl", traffic(3))
    house.desk().work()
    environment = {
        **os.environ, "NOCTURNE_FAILPOINT": "label.exported", "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}",
    }  # fmt: skip
    worker = [sys.executable, "-W", "ignore", str(REPO / "tests" / "label_house.py"), str(house.root), "export"]
    done = subprocess.run(worker, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert not folder(house).exists()
    house.export().work()
    assert [path.name for path in house.export().folder.iterdir()] == ["2026-11-09-draw-1"]
    assert len(lines(folder(house) / "first.jsonl")) == 3
