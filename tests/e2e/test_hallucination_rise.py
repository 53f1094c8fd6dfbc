"""A planted rise of hallucination, from the simulated answer to the finding that names the version which brought it: landed,
scored, drawn, exported, judged by simulated people, imported, rated, compared, found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hashed_words import HashedWords
from house import all_contracts, selected
from label_house import settle_the_draw
from retention_house import RetentionHouse

from assets.checks import rules
from assets.python_tables import python_table
from assets.service.assets import declared_tables
from assets.tables import days_between
from pipelines.clock import WallClock
from pipelines.quality.label_desk import LabelDesk
from pipelines.quality.label_export import LabelExport
from pipelines.quality.label_inbox import LabelInbox
from resources.computing import compute_day
from resources.contracts import SEEDS
from resources.day_inputs import DayInputs
from resources.embedder import Embedder
from resources.labelling_seed import LABELLING_FILE
from resources.references import replace_reference
from simulator.annotator import Annotator, annotate
from simulator.dirt import NO_DIRT
from simulator.quality_incidents import HallucinationRise
from simulator.traffic import simulate

RISE_DAY, NIGHTS_BEFORE, NIGHTS, SEED = date(2026, 10, 21), 8, 2, 5
FIRST_DAY, LAST_DAY = RISE_DAY - timedelta(days=NIGHTS_BEFORE), RISE_DAY + timedelta(days=NIGHTS - 1)
BEGIN = datetime(RISE_DAY.year, RISE_DAY.month, RISE_DAY.day, tzinfo=UTC)
RISE = HallucinationRise("made-up", BEGIN, BEGIN + timedelta(days=4), {"feature": "support_chat"}, 0.15)
REQUESTS, LABELS = 300, 200
Row = dict[str, Any]


class RiseHouse(RetentionHouse):
    """Computes what leads from words to the finding; other rules of service.findings have nothing to look at."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, all_contracts(), f"{LAST_DAY + timedelta(days=1)}T03:00:00")
        # No draw finds every rise (docs/proofs/hallucination_rise.md): this one does.
        settle_the_draw(self.store.state, SEED)
        self.seeds = root / "seeds"
        self.seeds.mkdir()
        asked = yaml.safe_load((SEEDS / LABELLING_FILE).read_text(encoding="utf-8"))
        # No complaints: they make no difference to rates, and cost time.
        told = {**asked, "labels_per_night": LABELS, "look_back_days": 30, "targeted": {**asked["targeted"], "per_day": 0}}
        (self.seeds / LABELLING_FILE).write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        for name in ("retention.yml", "capture.yml", "redaction.yml"):
            (self.seeds / name).write_bytes((SEEDS / name).read_bytes())
        replace_reference(self.store, "service.features", declared_tables(SEEDS, self.store.contracts)["service.features"])

    @property
    def clock(self) -> WallClock:
        return WallClock(fixed_now=self.now.isoformat(), settle_seconds=0.0)

    def compute_only(self, tables: Collection[str], since: date) -> None:
        """What these tables lack on the days from `since` on."""
        for days in self.plan().ranges:
            inputs = DayInputs(self.store, days.pins)
            for contract in self.store.derived():
                for day in days_between(max(days.first, since), days.last) if contract.name in tables else ():
                    python = python_table(contract, cast(Embedder, HashedWords()))
                    outcome = compute_day(self.store, contract, day, inputs, rules(contract), python)
                    assert outcome.outcome != "failed", (contract.name, day, outcome)

    def rows(self, table: str, where: str = "true") -> list[Row]:
        names = ["day", *(column.name for column in self.store.contracts[table].columns if column.name != "day")]
        select = f"select {', '.join(names)} from ({self.store.scan_all(table)}) where {where} order by all"
        return [dict(zip(names, row, strict=True)) for row in self.store.rows(select)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> RiseHouse:
    house = RiseHouse(tmp_path_factory.mktemp("rise"))
    days = NIGHTS_BEFORE + NIGHTS
    for _ in simulate(
        house.landing, house.root / "truth", FIRST_DAY, days, REQUESTS, SEED,
        incidents=[RISE], dirt=NO_DIRT, files_per_day=1, texts=True, plain=True,
    ):  # fmt: skip
        pass
    house.land()
    house.compute_only(selected("quality.scores"), FIRST_DAY)
    desk, inbox = LabelDesk(house.store, house.seeds, house.clock), LabelInbox(house.store, house.seeds, house.clock)
    desk.work()
    export = LabelExport(house.store, house.seeds, house.clock)
    export.work()
    people = Annotator("simulated-1", 0.95, 0.99), Annotator("simulated-2", 0.95, 0.99)
    judged = annotate(export.folder, house.root / "truth", inbox.folder, *people)
    assert judged > LABELS * days
    assert all(imported.is_clean for imported in inbox.work())
    house.compute_only(("quality.rates", "quality.rate_changes", "service.findings"), RISE_DAY - timedelta(days=1))
    return house


def test_the_version_is_found_by_its_second_night_and_is_named(house: RiseHouse) -> None:
    found = house.rows("service.findings", "rule in ('hallucination_rise', 'quality_fall')")
    assert found and {row["rule"] for row in found} == {"hallucination_rise"}
    assert {(row["feature"], row["prompt_version"]) for row in found} == {("support_chat", RISE.prompt_version)}
    assert {row["day"] for row in found} <= {RISE_DAY, LAST_DAY}, "nothing was found before it began"
    last = found[-1]
    assert last["day"] == LAST_DAY and last["severity"] == "ticket", "support_chat is no feature of high risk"
    assert last["runbook"] == "docs/runbooks/hallucination-surge.md" and RISE.prompt_version in last["title"]
    assert last["first_seen"] >= BEGIN - timedelta(days=2)


def test_its_evidence_shows_what_it_was_held_against(house: RiseHouse) -> None:
    where = f"state = 'worse' and scope = 'prompt_version' and day = date '{LAST_DAY}'"
    rows = house.rows("quality.rate_changes", where)
    assert rows
    for row in rows:
        assert (row["verdict"], row["prompt_version"]) == ("hallucinated", RISE.prompt_version)
        assert row["compared_with"] in ("other_versions", "earlier_nights") and row["reference_days"] >= 5
        assert row["reference_high"] < row["low"] and row["difference_low"] > 0.02


def test_the_rate_of_the_version_holds_the_truth_that_was_planted(house: RiseHouse) -> None:
    (rate,) = house.rows(
        "quality.rates",
        f"day = date '{LAST_DAY}' and verdict = 'hallucinated' and window_days = 7 and scope = 'prompt_version' "
        f"and prompt_version = '{RISE.prompt_version}'",
    )
    frame = house.rows("quality.label_frame", f"prompt_version = '{RISE.prompt_version}' and excluded is null")
    truth = Counter(_labels(house)[row["request_id"]] == "hallucinated" for row in frame)
    assert rate["n_responses"] == len(frame)
    assert rate["low"] - 0.02 <= truth[True] / len(frame) <= rate["high"] + 0.02, "people err by a little"


def test_every_simulated_label_says_that_it_is_one(house: RiseHouse) -> None:
    labels = house.rows("quality.labels")
    assert labels and all(row["has_comment"] for row in labels)
    assert {row["text"] for row in house.rows("quality.label_comments")} == {"simulated label"}


def _labels(house: RiseHouse) -> dict[str, str]:
    lines = [line for path in (house.root / "truth" / "answers").iterdir() for line in path.read_text("utf-8").splitlines()]
    return {answer["request_id"]: answer["label"] for answer in map(json.loads, lines)}
