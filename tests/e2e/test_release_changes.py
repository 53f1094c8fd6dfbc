"""A change that is no new prompt version, such as another embedder, goes before the gate as one does: asked and compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eval_house import EvalHouse, asked, number, right, suite
from probe_target import Provider, provider

from assets.release.release_gate import BLOCKED, PASSED
from assets.release.releases import (
    LIVE,
    PROMOTE,
    Evidence,
    ReleaseError,
    Said,
    check_gate,
    live_index,
    release_row,
    verdict_on,
    wanted_of,
)
from pipelines.release.eval_desk import EvalError
from pipelines.release.release_gate_desk import GATES, INDEXES, MANIFESTS, Asked, ReleaseGateDesk
from resources.contracts import SEEDS
from resources.events import append, table_rows

BEGAN = datetime(2026, 11, 10, 3, tzinfo=UTC)


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = right
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> EvalHouse:
    """An application that searches by itself answers; its prompt v2 is live, judged with an index of the embedder `old`."""
    made = EvalHouse(tmp_path / "house")
    made.declare(at.base_url, runs={"at_once": 8})
    made.write_suite(suite(60))
    for version, more in (("v1", {}), ("v2", {"rollback_to": "v1"})):
        made.write_prompt(version, f"{version}. {{{{question}}}}", retrieval={"index": "handbook", "k": 5}, **more)
    (made.seeds / "features.yml").write_text("features: {}\n", encoding="utf-8")
    shutil.copy(SEEDS / "owners.yml", made.seeds)
    (made.seeds / "slos").mkdir()
    index(made, 1, "old")
    assert desk(made).judge(Asked("chat@v2"), "ana").verdict.outcome == PASSED
    manifest = made.version("chat@v2").manifest
    assert manifest is not None
    live = live_index(manifest, table_rows(made.store, INDEXES))
    evidence = Evidence(index=live, verdict=verdict_on(manifest, table_rows(made.store, GATES)))
    said = Said(PROMOTE, BEGAN, "ana", "shorter")
    append(made.store, MANIFESTS, lambda there: [release_row(manifest, "prod", there, said, evidence)])
    return made


def desk(house: EvalHouse) -> ReleaseGateDesk:
    return ReleaseGateDesk(house.desk())


def index(house: EvalHouse, release: int, embedder: str) -> None:
    row: dict[str, Any] = {column.name: None for column in house.store.contracts[INDEXES].columns}
    row |= {
        "day": BEGAN.date(), "recorded_at": BEGAN.replace(minute=release), "index_name": "handbook", "release": release,
        "state": "live", "embedder": embedder, "chunker": "sentences", "corpus_version": "c", "kind": "Flat",
        "operating_point": "{}", "ntotal": 1, "tombstones": 0, "bytes": 1, "digest": "d", "build_seconds": 0.1,
        "what": "full", "device": "cpu",
    }  # fmt: skip
    append(house.store, INDEXES, lambda _: [row])


def may_go_live(house: EvalHouse) -> bool:
    manifest = house.version("chat@v2").manifest
    assert manifest is not None
    wanted = wanted_of(manifest, "prod", LIVE, house.desk().read_seed().runs.suites, table_rows(house.store, MANIFESTS))
    index = live_index(manifest, table_rows(house.store, INDEXES))
    try:
        check_gate(manifest, index, table_rows(house.store, GATES), None, wanted)
    except ReleaseError:
        return False
    return True


def test_another_embedder_is_asked_anew_and_held_against_the_release_as_it_was(house: EvalHouse, at: Provider) -> None:
    index(house, 2, "old")
    assert may_go_live(house), "new documents alone are no change of the release"
    index(house, 3, "new")
    assert not may_go_live(house)
    before = len(at.got)
    report = desk(house).judge(Asked("chat@v2"), "ana")
    assert (report.live, report.verdict.outcome, len(at.got) - before) == ("chat-prod-1", PASSED, 60)
    assert report.facts["changes"] == "embedder" and any("judged by its own gates" in told for told in report.warnings)
    assert may_go_live(house)
    [row] = [row for row in table_rows(house.store, GATES) if row["gate_id"] == report.gate_id and row["gate"] == "verdict"]
    assert (row["changes"], row["live"]) == ("embedder", "chat-prod-1")


def test_an_application_that_finds_less_with_the_new_embedder_is_blocked(house: EvalHouse, at: Provider) -> None:
    index(house, 2, "new")
    at.say = lambda body: "I found nothing." if number(body) % 4 == 0 else right(body)
    report = desk(house).judge(Asked("chat@v2"), "ana")
    assert report.verdict.outcome == BLOCKED and report.live == "chat-prod-1" and not may_go_live(house)


def test_a_release_that_was_judged_by_other_cases_is_no_yardstick(house: EvalHouse, at: Provider) -> None:
    index(house, 2, "new")
    house.write_suite(suite(61))
    with pytest.raises(EvalError, match="was of other cases; compare with --live"):
        desk(house).judge(Asked("chat@v2"), "ana")
    report = desk(house).judge(Asked("chat@v2", live="chat@v1"), "ana")
    assert may_go_live(house), "the version that it would go back to is a yardstick"
    assert report.live == "chat@v1" and asked(at.got[-1]).startswith(("v1.", "v2."))
