"""Judgements on their way from the queue to the inbox: in the order of the file, by the right person, none lost."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelling_queue import DRAW, NOON, desk_of, handed_in, task, write_draw

from apps.labelling import desk as desk_module
from apps.labelling.desk import Desk, DeskError, Entry, StaleError
from apps.labelling.lists import GoneError, Queue, code_of
from apps.labelling.turns import HELD, Turn, turn
from assets.quality.label_entry import Said, read_entry
from resources.contracts import SEEDS
from resources.labelling_seed import LABELLING_FILE, load_labelling

SEED = load_labelling(SEEDS / LABELLING_FILE)
YES, NO = {"hallucinated": "yes"}, {"hallucinated": "no"}
TASKS = [task(f"r{n}") for n in range(6)]


@pytest.fixture
def labelling(tmp_path: Path) -> Path:
    write_draw(tmp_path, TASKS, TASKS[2:4])
    return tmp_path


def turn_of(desk: Desk, annotator: str, copy: str = "first") -> Turn:
    work = desk.queue.find(code_of(DRAW), copy)
    assert work is not None
    return turn(work, desk.entries(DRAW), annotator, desk.clock.now())


def judge(desk: Desk, name: str, annotator: str = "ana", copy: str = "first", said: dict[str, str] | None = None) -> Entry:
    entry = desk.open(DRAW, copy, name, annotator)
    return desk.judge(DRAW, copy, name, annotator, entry.version, said or YES)


def offered(desk: Desk, annotator: str, copy: str = "first") -> list[str]:
    return [place.request_id for place in turn_of(desk, annotator, copy).places]


def upcoming(desk: Desk, annotator: str, copy: str = "first") -> str | None:
    place = turn_of(desk, annotator, copy).next()
    return place and place.request_id


# the queue


def test_the_order_of_the_file_is_kept(labelling: Path) -> None:
    shuffled = [TASKS[n] for n in (3, 0, 5, 1)]
    write_draw(labelling, shuffled, name="2026-11-09-draw-2")
    [work] = [w for w in Queue(labelling / "queue").lists() if w.folder.endswith("draw-2")]
    assert [(place.number, place.request_id) for place in work.places] == [(1, "r3"), (2, "r0"), (3, "r5"), (4, "r1")]


def test_a_broken_line_costs_itself_and_is_counted(labelling: Path) -> None:
    path = labelling / "queue" / DRAW / "first.jsonl"
    whole = path.read_bytes().split(b"\n")
    line = json.loads(whole[0])
    strange = [
        b'{"half', b"[1]", b"\xff\xfe", json.dumps(line | {"request_id": "r0"}).encode(), b"[" * 100_000,
        json.dumps(line | {"request_id": "x", "day": "2026-11-08"}).encode(),
        json.dumps(line | {"request_id": "y", "context": "not a list"}).encode(),
        json.dumps(line | {"request_id": "\ud800"}).encode(),
    ]  # fmt: skip
    path.write_bytes(b"\n".join([whole[0], *strange, *whole[1:]]))
    queue = Queue(labelling / "queue")
    work = queue.find(code_of(DRAW), "first")
    assert work is not None and work.broken == len(strange)
    assert [queue.item(work, place).answer for place in work.places] == [t.answer for t in TASKS]


def test_words_are_shown_as_they_stand_in_the_file(labelling: Path) -> None:
    odd = task("odd", answer="<b>\u2028 \x00 \u202e", context=["", "ü" * 70_000], system=None, prompt="HALF x")
    folder = write_draw(labelling, [task("before", answer="€" * 99), odd], name="2026-11-09-draw-3")
    path = folder / "first.jsonl"
    path.write_bytes(path.read_bytes().replace(b"HALF", rb"\ud83d"))
    queue = Queue(labelling / "queue")
    [work] = [w for w in queue.lists() if w.folder.endswith("draw-3")]
    item = queue.item(work, work.places[1])
    assert (item.answer, item.context, item.system) == (odd.answer, ("", "ü" * 70_000), "")
    assert item.prompt == "\N{REPLACEMENT CHARACTER} x", "half a character cannot be sent"


def test_a_draw_s_name_does_not_tell_why_one_is_asked(labelling: Path) -> None:
    write_draw(labelling, TASKS, name="2026-11-09-targeted-2026-11-10")
    codes = {work.code for work in Queue(labelling / "queue").lists()}
    assert len(codes) == 2 and not any("draw" in code or "targeted" in code for code in codes)


def test_an_export_that_is_being_written_is_no_list(labelling: Path) -> None:
    os.rename(labelling / "queue" / DRAW, labelling / "queue" / f".{DRAW}")
    (labelling / "queue" / "2026-13-40-draw-1").mkdir()
    (labelling / "queue" / "notes.txt").write_text("mine")
    assert Queue(labelling / "queue").lists() == []


# whose turn it is


def test_one_goes_on_where_one_stopped(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0")
    judge(desk, "r2")
    assert upcoming(desk_of(labelling), "ana") == "r1"


def test_what_is_skipped_comes_again_at_the_end(labelling: Path) -> None:
    desk = desk_of(labelling)
    entry = desk.open(DRAW, "first", "r0", "ana")
    desk.skip(DRAW, "first", "r0", "ana", entry.version, {"comment": "look it up"})
    assert upcoming(desk, "ana") == "r1"
    for name in ("r1", "r2", "r3", "r4", "r5"):
        judge(desk, name)
    left = turn_of(desk, "ana")
    assert left.next() is None and [place.request_id for place in left.skipped] == ["r0"]
    assert desk.entries(DRAW)["ana"]["r0"].draft == {"comment": "look it up"}
    judge(desk, "r0")
    assert turn_of(desk, "ana").skipped == []


def test_the_same_person_does_not_judge_both_times(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r2")
    assert offered(desk, "ana", "second") == ["r3"]
    judge(desk, "r3", copy="second")
    assert "r3" not in offered(desk, "ana", "first")
    assert offered(desk, "bo", "second") == ["r2"], "r3 has its second opinion"
    with pytest.raises(StaleError):
        desk.judge(DRAW, "second", "r2", "ana", 1, NO)


def test_two_people_share_a_list_and_do_not_meet(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0", "ana")
    desk.open(DRAW, "first", "r1", "ana")
    assert offered(desk, "bo") == ["r2", "r3", "r4", "r5"]
    assert (turn_of(desk, "bo").judged, turn_of(desk, "bo").judged_by_me, turn_of(desk, "bo").by_others) == (1, 0, 2)


def test_who_leaves_an_answer_open_holds_it_for_a_while_only(labelling: Path) -> None:
    desk_of(labelling).open(DRAW, "first", "r0", "ana")
    later = datetime.fromisoformat(NOON) + HELD
    assert upcoming(desk_of(labelling), "bo") == "r1"
    assert upcoming(desk_of(labelling, later.isoformat()), "bo") == "r0"


# what is said


def test_a_half_made_judgement_is_there_after_a_restart_and_is_not_handed_in(labelling: Path) -> None:
    desk = desk_of(labelling)
    entry = desk.open(DRAW, "first", "r0", "ana")
    desk.keep(DRAW, "first", "r0", "ana", entry.version, {"hallucinated": "yes", "comment": "a\u2028b"})
    again = desk_of(labelling)
    assert again.entries(DRAW)["ana"]["r0"].draft == {"hallucinated": "yes", "comment": "a\u2028b"}
    assert again.hand_in() == 0 and handed_in(labelling) == []


def test_a_second_tab_does_not_overwrite_what_the_first_has_judged(labelling: Path) -> None:
    desk = desk_of(labelling)
    old = desk.open(DRAW, "first", "r0", "ana")
    judge(desk, "r0", said=NO)
    for act in (desk.judge, desk.keep, desk.skip):
        with pytest.raises(StaleError):
            act(DRAW, "first", "r0", "ana", old.version, YES)
    assert desk.entries(DRAW)["ana"]["r0"].said == NO


def test_the_same_judgement_twice_is_one(labelling: Path) -> None:
    desk = desk_of(labelling)
    first = desk.judge(DRAW, "first", "r0", "ana", 0, YES)
    assert desk.judge(DRAW, "first", "r0", "ana", 0, YES) == first


def test_a_correction_is_later_though_the_clock_stands_still_or_goes_back(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0", said=YES)
    desk.hand_in()
    judge(desk_of(labelling, "2026-11-10T11:59:00"), "r0", said=NO)
    desk.hand_in()
    lines = sorted(handed_in(labelling), key=lambda line: str(line["labelled_at"]))
    assert [line["hallucinated"] for line in lines] == ["yes", "no"]
    assert lines[0]["labelled_at"] < lines[1]["labelled_at"]


def test_a_slip_put_right_before_it_is_handed_in_leaves_no_trace(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0", said=YES)
    judge(desk, "r0", said=NO)
    assert desk.hand_in() == 1
    assert [line["hallucinated"] for line in handed_in(labelling)] == ["no"]


def test_a_label_file_is_its_owner_s_alone_and_is_what_the_import_takes(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r1", said={"hallucinated": "yes", "severity": "major", "comment": "zwei\nZeilen \u2028 — ça"})
    judge(desk, "r0", said={"toxic": "cannot say"})
    desk.hand_in()
    [path] = (labelling / "inbox").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    taken = [read_entry(line, SEED.severities, SEED.root_causes, desk.clock.now()) for line in handed_in(labelling)]
    assert all(isinstance(entry, Said) for entry in taken)
    assert {(e.request_id, str(e.day), e.annotator, e.severity, e.comment) for e in taken if isinstance(e, Said)} == {
        ("r1", "2026-11-09", "ana", "major", "zwei\nZeilen \u2028 — ça"), ("r0", "2026-11-09", "ana", None, None),
    }  # fmt: skip
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (labelling / "desk").rglob("*.jsonl")}
    assert set(modes.values()) == {0o600}


def test_nothing_is_handed_in_while_somebody_is_at_it(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0")
    assert desk.hand_in(rested=timedelta(minutes=2)) == 0
    assert desk_of(labelling, "2026-11-10T12:02:00").hand_in(rested=timedelta(minutes=2)) == 1


def test_one_hands_in_one_s_own(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0", "ana")
    judge(desk, "r1", "bo")
    assert (desk.waiting("ana"), desk.hand_in("ana"), desk.waiting("ana"), desk.waiting("bo")) == (1, 1, 0, 1)


def test_the_importer_takes_files_away_and_progress_stays(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0")
    desk.hand_in()
    for path in (labelling / "inbox").iterdir():
        path.unlink()
    judge(desk, "r1")
    assert desk.hand_in() == 1 and [line["request_id"] for line in handed_in(labelling)] == ["r1"]
    assert upcoming(desk, "ana") == "r2"


def test_killed_after_the_file_was_written_the_same_file_is_written_again(
    labelling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(desk_module, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.hand_in()
    before = {path.name: path.read_bytes() for path in (labelling / "inbox").iterdir()}
    assert desk_of(labelling).hand_in() == 1
    assert {path.name: path.read_bytes() for path in (labelling / "inbox").iterdir()} == before


def test_a_draw_whose_words_are_gone_takes_no_more(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0")
    os.rename(labelling / "queue" / DRAW, labelling / "elsewhere")
    for act in (desk.judge, desk.keep, desk.skip):
        with pytest.raises(GoneError):
            act(DRAW, "first", "r1", "ana", 0, YES)
    assert desk.queue.find(code_of(DRAW), "first") is None
    assert desk.hand_in() == 1, "what was judged in time counts"


def test_a_file_of_the_desk_that_cannot_be_read_is_named(labelling: Path) -> None:
    judge(desk_of(labelling), "r0")
    [path] = (labelling / "desk").rglob("*.jsonl")
    path.write_text('{"half')
    with pytest.raises(DeskError, match=f"{DRAW}/{path.name} cannot be read; move it away"):
        desk_of(labelling).entries(DRAW)


def test_a_file_of_the_desk_that_cannot_be_read_holds_nobody_else_up(labelling: Path) -> None:
    desk = desk_of(labelling)
    judge(desk, "r0", "ana")
    [path] = (labelling / "desk").rglob("*.jsonl")
    judge(desk, "r1", "bo")
    path.write_text("{")
    with pytest.raises(DeskError):
        desk.hand_in()
    assert [line["annotator"] for line in handed_in(labelling)] == ["bo"]


def test_the_key_is_made_once_for_its_owner_alone(labelling: Path) -> None:
    assert desk_of(labelling).key() == desk_of(labelling).key() and len(desk_of(labelling).key()) >= 32
    assert stat.S_IMODE((labelling / "desk" / ".key").stat().st_mode) == 0o600


ACTS = st.tuples(
    st.sampled_from(["judge", "keep", "skip", "hand in", "hand in, killed", "import"]),
    st.sampled_from([t.request_id for t in TASKS]), st.sampled_from(["ana", "bo"]), st.sampled_from([YES, NO]),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_whatever_happens_the_newest_label_is_what_was_judged_last(acts: list[tuple[str, str, str, dict[str, str]]]) -> None:
    with TemporaryDirectory() as folder:
        labelling = Path(folder)
        write_draw(labelling, TASKS)
        imported: list[dict[str, str]] = []
        wanted: dict[tuple[str, str], str] = {}
        for at, (act, name, annotator, said) in enumerate(acts):
            desk = desk_of(labelling, f"2026-11-10T12:00:{at % 7:02}")
            if act == "import":
                imported += handed_in(labelling)
                for path in (labelling / "inbox").glob("*"):
                    path.unlink()
            elif act == "hand in":
                desk.hand_in(annotator)
            elif act == "hand in, killed":
                _killed(desk.hand_in)
            else:
                version = desk.open(DRAW, "first", name, annotator).version
                getattr(desk, act)(DRAW, "first", name, annotator, version, said)
                if act == "judge":
                    wanted[name, annotator] = said["hallucinated"]
        desk_of(labelling).hand_in()
        newest: dict[tuple[str, str], dict[str, str]] = {}
        for line in imported + handed_in(labelling):
            key = line["request_id"], line["annotator"]
            same = newest.get(key)
            if same is not None and same["labelled_at"] == line["labelled_at"]:
                assert same == line, "two answers at one moment"
            if same is None or same["labelled_at"] < line["labelled_at"]:
                newest[key] = line
        assert {key: line["hallucinated"] for key, line in newest.items()} == wanted


def _killed(act: Callable[[], int]) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(desk_module, "_write", killed)
        try:
            act()
        except KeyboardInterrupt:
            return


def test_times_are_utc(labelling: Path) -> None:
    at = judge(desk_of(labelling), "r0").labelled_at
    assert at == datetime(2026, 11, 10, 12, tzinfo=UTC)
