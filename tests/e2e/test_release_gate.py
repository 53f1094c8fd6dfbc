"""The release gate over a real server: a good change passes, a worse one is blocked, a small suite cannot tell."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eval_house import EvalHouse, asked, number, right, suite, words_on_disk
from probe_target import Provider, provider

from assets.release.gate_report import EXIT_STATUS, junit, markdown
from assets.release.release_gate import BLOCKED, NEEDED, NOT_ENOUGH, NOT_MEASURED, PASSED
from pipelines.release import gate
from pipelines.release.eval_desk import EvalError
from pipelines.release.eval_given import GivenError
from pipelines.release.release_gate_desk import APPROVALS, GATES, Asked, ReleaseGateDesk
from resources.contracts import SEEDS
from resources.events import append, table_rows


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = lambda body: "I do not know." if "[bad]" in asked(body) and number(body) % 4 == 0 else right(body)
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> EvalHouse:
    made = EvalHouse(tmp_path / "house")
    made.declare(at.base_url, runs={"at_once": 8})
    made.write_suite(suite(60))
    made.write_prompt("v1")
    made.write_prompt("v2", "Be very brief. {{question}}", rollback_to="v1")
    made.write_prompt("v3", "[bad] {{question}}", rollback_to="v1")
    (made.seeds / "features.yml").write_text("features: {}\n", encoding="utf-8")
    shutil.copy(SEEDS / "owners.yml", made.seeds)
    (made.seeds / "slos").mkdir()
    return made


def desk(house: EvalHouse) -> ReleaseGateDesk:
    return ReleaseGateDesk(house.desk())


def test_a_good_change_passes_a_worse_one_is_blocked_and_both_stand_in_the_table(house: EvalHouse, at: Provider) -> None:
    good = desk(house).judge(Asked("chat@v2"), "ana")
    assert (good.verdict.outcome, good.live) == (PASSED, "chat@v1")
    worse = desk(house).judge(Asked("chat@v3"), "ana")
    assert worse.verdict.outcome == BLOCKED and len(at.got) == 180, "the live version is asked once"
    rows = table_rows(house.store, GATES)
    verdicts = {row["candidate"]: row for row in rows if row["gate"] == "verdict"}
    assert {name: row["outcome"] for name, row in verdicts.items()} == {"chat@v2": PASSED, "chat@v3": BLOCKED}
    [compared] = [row for row in rows if (row["candidate"], row["gate"], row["segment"]) == ("chat@v3", "comparison", "all")]
    assert (compared["difference"], compared["n"]) == (-0.25, 60) and compared["p_value"] < 0.001 and compared["high"] < 0
    digests = {house.version(f"{name}/main").manifest.digest for name in ("chat@v2", "chat@v3")}  # type: ignore[union-attr]
    assert {row["candidate_digest"] for row in rows} == digests


def test_the_same_evidence_is_decided_on_once(house: EvalHouse, at: Provider) -> None:
    first = desk(house).judge(Asked("chat@v2"), "ana")
    count = len(table_rows(house.store, GATES))
    again = desk(house).judge(Asked("chat@v2"), "bo")
    assert again.gate_id == first.gate_id and len(table_rows(house.store, GATES)) == count and len(at.got) == 120


def test_a_small_suite_says_that_it_cannot_tell(house: EvalHouse) -> None:
    house.write_suite(suite(24))
    report = desk(house).judge(Asked("chat@v2"), "ana")
    assert report.verdict.outcome == NOT_ENOUGH and "not enough cases" in report.verdict.reason
    assert any("from 52 cases on" in warning for warning in report.warnings)


def test_an_endpoint_that_is_down_decides_nothing(house: EvalHouse, at: Provider) -> None:
    at.always = 400
    assert desk(house).judge(Asked("chat@v2"), "ana").verdict.outcome == NOT_MEASURED
    at.always = None
    assert desk(house).judge(Asked("chat@v2"), "ana").verdict.outcome == PASSED


def decide(house: EvalHouse, subject: str, digest: str, decision: str = "approve") -> None:
    row: dict[str, Any] = {"day": house.now.date(), "recorded_at": house.clock.now(), "subject": subject}
    row |= {"subject_digest": digest, "decision": decision, "actor": "cleo", "reason": "read it"}
    append(house.store, APPROVALS, lambda _: [row])


def test_a_refusal_blocks_a_version_of_which_nobody_wants_an_approval(house: EvalHouse) -> None:
    assert desk(house).judge(Asked("chat@v2"), "ana").verdict.outcome == PASSED
    decide(house, *house.version("chat@v2").approved_as, "refuse")
    report = desk(house).judge(Asked("chat@v2"), "ana")
    assert report.verdict.outcome == BLOCKED and "cleo refused exactly this content" in report.verdict.reason


def test_a_high_risk_feature_waits_for_an_approval_of_exactly_this_content(house: EvalHouse) -> None:
    entry = "{owner: 'team:chat', use_case: Chats, risk_class: high}"
    (house.seeds / "features.yml").write_text(f"features: {{chat: {entry}}}\n", encoding="utf-8")
    waiting = desk(house).judge(Asked("chat@v2"), "ana")
    assert waiting.verdict.outcome == NEEDED and "the risk class of chat is high" in waiting.verdict.reason
    subject, digest = house.version("chat@v2").approved_as

    approve = partial(decide, house, subject)
    approve("0" * 64)
    assert desk(house).judge(Asked("chat@v2"), "ana").verdict.outcome == NEEDED
    house.now = house.now.replace(hour=10)
    approve(digest)
    passed = desk(house).judge(Asked("chat@v2"), "ana")
    assert passed.verdict.outcome == PASSED and passed.gate_id != waiting.gate_id


def test_answers_of_a_file_are_judged_without_asking(house: EvalHouse, at: Provider, tmp_path: Path) -> None:
    def write(name: str, wrong: int) -> str:
        lines = [
            {"case_id": f"q{i}", "answer": "?" if i < wrong else f"number {i}", "cost_usd": "0.001", "latency_ms": 50}
            for i in range(60)
        ]
        (tmp_path / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return f"file:{tmp_path / name}"

    live, good, bad = write("live.jsonl", 0), write("good.jsonl", 1), write("bad.jsonl", 20)
    given = {"live": live, "suites": ("chat",), "repeats": 1}
    assert desk(house).judge(Asked(good, **given), "ana").verdict.outcome in (PASSED, NOT_ENOUGH)  # type: ignore[arg-type]
    blocked = desk(house).judge(Asked(bad, **given), "ana")  # type: ignore[arg-type]
    assert blocked.verdict.outcome == BLOCKED and at.got == []
    (tmp_path / "torn.jsonl").write_text('{"case_id": "q1"}\n', encoding="utf-8")
    with pytest.raises(GivenError, match=r"torn\.jsonl, line 1: give answer, or error"):
        desk(house).judge(Asked(f"file:{tmp_path / 'torn.jsonl'}", **given), "ana")  # type: ignore[arg-type]


def test_the_page_and_the_xml_say_what_failed_and_hold_no_words(house: EvalHouse, at: Provider) -> None:
    report = desk(house).judge(Asked("chat@v3"), "ana")
    page, xml = markdown(report), junit(report)
    assert page.startswith("# chat@v3 must not be released\n") and "| comparison: pass_rate | all | **failed** |" in page
    root = ET.fromstring(xml)
    suites = {one.get("name"): one for one in root.findall("testsuite")}
    assert int(suites["gates"].get("failures", 0)) >= 2 and suites["cases"].get("tests") == "60"
    critical = suites["cases"].findall("testcase/failure")
    # Cases 3, 13, 23 ... are critical, those that 4 divides fail: none of either kind is both.
    assert len(critical) == 0 and suites["cases"].get("skipped") == "15"
    assert "What is" not in page + xml and "do not know" not in page + xml
    assert b"What is number" not in words_on_disk(house.root / "data")


def test_names_that_somebody_chose_break_neither_the_page_nor_the_xml(house: EvalHouse) -> None:
    house.write_prompt("v4", "Be kind. {{question}}", rollback_to="v1")
    report = desk(house).judge(Asked("chat@v4"), "ana")
    hostile = type(report)(report.gate_id, "a|b<script>\x07", None, ["x"], report.findings, report.cases)
    assert "<script>" not in markdown(hostile).replace("\\<", "")
    ET.fromstring(junit(hostile))


def test_the_command_says_what_it_would_ask_and_asks_nothing(
    house: EvalHouse, at: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    status = gate.run(desk(house), gate._parser().parse_args(["chat@v2", "--check"]))
    assert status == 0 and at.got == []
    told = "chat@v2 against chat@v1: 60 cases of chat, 1 repeats, at most 120 questions and 10 USD"
    assert told in capsys.readouterr().out


def test_the_command_exits_as_it_decides_and_writes_both_files(house: EvalHouse, tmp_path: Path) -> None:
    files = ["--markdown", str(tmp_path / "gate.md"), "--junit", str(tmp_path / "gate.xml")]
    assert gate.run(desk(house), gate._parser().parse_args(["chat@v3", *files])) == 1 == EXIT_STATUS[BLOCKED]
    assert gate.run(desk(house), gate._parser().parse_args(["chat@v2", *files])) == 0
    assert (tmp_path / "gate.md").read_text(encoding="utf-8").startswith("# chat@v2 may be released")
    assert ET.parse(tmp_path / "gate.xml").getroot().get("name") == "release gate of chat@v2"


def test_a_report_that_cannot_be_written_is_told_before_anybody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "nope" / "gate.xml", tmp_path):
        with pytest.raises(SystemExit, match="2"):
            gate.main(["chat@v3", "--junit", str(path)])
        assert "cannot be written: name a file in a folder that is there" in capsys.readouterr().err


def test_what_nobody_expected_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def burst() -> None:
        raise RuntimeError("a disk\nis gone")

    monkeypatch.setattr(gate.Settings, "from_environment", burst)
    assert gate.main(["chat@v3"]) == gate.CANNOT_STATUS == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("gate: unexpected RuntimeError: a disk")


def test_without_a_manifest_it_must_be_said_what_is_live(house: EvalHouse) -> None:
    with pytest.raises(EvalError, match="--live"):
        desk(house).plan(Asked("main", suites=("chat",)))
    assert desk(house).plan(Asked("main", suites=("chat",), has_no_live=True)).live is None
