"""Detectors before the gates: paired by conversation, against the champion and the one that is made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from gate_house import GateHouse

from assets.quality.detector import FEATURES, HEURISTIC, Detector
from assets.quality.detector_training import auc
from assets.tuning.gate import Finding, Rules
from pipelines.tuning.candidate_sets import GENERAL, SAFETY, TEST, GateError
from pipelines.tuning.detector_measures import LabelledSet, detector_findings, detector_of, labelled_folder
from pipelines.tuning.gate_desk import Contender, Verdict
from resources.dataset_store import DatasetStore

NO_SETS = {GENERAL: "seeds/tuning.yml names no general_set", SAFETY: "seeds/tuning.yml names no safety_set"}
COUNTS = ("numbers", "dates", "names", "unsupported_numbers", "unsupported_dates", "unsupported_names", "sentences")
ONE = Detector("one", ("support_mean",), (0.5,), (1.0,), (-4.0,), -0.5)
"""Looks at how far the context supports an answer."""
BLIND = Detector("blind", ("coherence",), (0.5,), (1.0,), (0.1,), -0.5)
"""Looks at what says nothing."""


def rows(conversations: int = 150, seed: int = 1, tenants: int = 2) -> pl.DataFrame:
    """Judged answers, two a conversation; the less the context supports one, the likelier it is made up."""
    rng = np.random.default_rng(seed)
    n = 2 * conversations
    support = rng.random(n)
    made: dict[str, Any] = {
        name: np.zeros(n, np.int64) if name in (*COUNTS, "answer_characters") else rng.random(n) for name in FEATURES
    }
    for name in ("has_context", "refuses", "hedges"):
        made[name] = np.zeros(n, bool)
    return pl.DataFrame(made | {
        "support_mean": support, "label": rng.random(n) < 1 / (1 + np.exp(8 * (support - 0.4))),
        "inclusion": rng.choice([0.2, 1.0], n), "group": [f"c{place // 2}" for place in range(n)],
        "tenant": [f"tenant{place % tenants}" for place in range(n)],
    })  # fmt: skip


def found(candidate: Detector, champion: Detector, *sets: LabelledSet, rules: Rules | None = None) -> list[Finding]:
    given = list(sets) or [LabelledSet(TEST, "d1", rows())]
    return list(detector_findings(candidate, champion, given, NO_SETS, rules or Rules()))


def one(findings: list[Finding], gate: str, metric: str = "auc", segment: str = "") -> Finding:
    (row,) = [f for f in findings if (f.gate, f.metric, f.segment) == (gate, metric, segment)]
    return row


def test_a_better_detector_shows_its_area_and_its_probabilities_with_intervals() -> None:
    shown = found(ONE, BLIND)
    domain = one(shown, "domain")
    test = rows()
    weights = 1 / test["inclusion"].to_numpy()
    assert domain.outcome == "passed" and domain.n == 150
    assert domain.candidate_value == pytest.approx(auc(test["label"].to_numpy(), ONE.scores(test), weights))
    assert domain.low is not None and domain.difference is not None and 0 < domain.low < domain.difference
    brier = one(shown, "guard", "brier")
    assert brier.outcome == "passed" and brier.difference is not None and brier.difference < 0


def test_one_that_sees_nothing_is_rejected_beside_the_champion_and_beside_the_one_made_by_hand() -> None:
    shown = found(BLIND, ONE)
    assert one(shown, "domain").outcome == "failed"
    assert one(shown, "guard", segment="heuristic-1").outcome == "failed"
    assert not [f for f in found(ONE, HEURISTIC) if f.segment == "heuristic-1"]


def test_labels_of_one_kind_say_nothing_of_ranking() -> None:
    true = LabelledSet(TEST, "d1", rows().filter(pl.col("label")))
    domain = one(found(ONE, BLIND, true), "domain")
    assert (domain.outcome, domain.reason) == ("not_measured", "it has labels of one kind alone")
    nothing = one(found(ONE, BLIND, LabelledSet(TEST, "d1", rows().clear())), "domain")
    assert nothing.outcome == "not_measured" and nothing.candidate_value is None


def test_a_tenant_whose_probabilities_become_worse_is_a_segment_that_fails() -> None:
    turned = pl.when(pl.col("tenant") == "tenant0").then(1 - pl.col("support_mean")).otherwise("support_mean")
    test = rows(tenants=3).with_columns(turned.alias("support_mean"))
    shown = found(ONE, BLIND, LabelledSet(TEST, "d1", test))
    assert one(shown, "segment", "brier", "tenant=tenant0").outcome == "failed"
    assert one(shown, "segment", "brier", "tenant=tenant1").outcome == "passed"


def test_general_and_safety_sets_are_read_from_lines(tmp_path: Path) -> None:
    general, unsafe = tmp_path / "general", tmp_path / "safety"
    plain = rows(seed=4).filter(pl.col("label") == (pl.col("support_mean") < 0.4))
    for folder, kept in ((general, rows(seed=3)), (unsafe, plain)):
        folder.mkdir()
        kept.write_ndjson(folder / "rows.jsonl")
    sets = [LabelledSet(TEST, "d1", rows()), labelled_folder(GENERAL, general), labelled_folder(SAFETY, unsafe)]
    shown = found(ONE, BLIND, *sets)
    assert one(shown, "forgetting").outcome == "passed" and one(shown, "forgetting").eval_digest == sets[1].digest
    assert one(shown, "safety", "violations").outcome == "passed"
    back = found(BLIND, ONE, *sets)
    assert one(back, "forgetting").outcome == "failed"
    unsafe_now = one(back, "safety", "violations")
    assert unsafe_now.outcome == "failed" and "such as row" in unsafe_now.reason


def test_a_frozen_set_that_is_none_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="the general set needs"):
        labelled_folder(GENERAL, tmp_path)
    rows().drop("support_mean", "label").write_ndjson(tmp_path / "rows.jsonl")
    with pytest.raises(GateError, match="lacks label, support_mean"):
        labelled_folder(GENERAL, tmp_path)


def test_a_floor_is_asked_of_what_is_measured_and_of_nothing_else() -> None:
    shown = found(ONE, BLIND, rules=Rules(floors={"auc": 0.99, "brier": 0.5, "ndcg": 0.4}))
    outcomes = {f.metric: f.outcome for f in shown if f.gate == "floor"}
    assert outcomes == {"auc": "failed", "brier": "passed", "ndcg": "not_measured"}


def judged(house: GateHouse, candidate: Detector, champion: Detector | None) -> Verdict:
    tables = dict.fromkeys(("train", "dev", "test", "provenance"), rows().to_arrow())
    dataset = DatasetStore(house.store.state).write("detector", tables, {})
    contenders = [contender(house, detector) for detector in (candidate, champion) if detector]
    desk = house.desk()
    desk.seed = replace(desk.seed, kind="detector", general_set=None, safety_set=None)
    return desk.judge(contenders[0], contenders[1] if champion else None, dataset.folder)


def contender(house: GateHouse, detector: Detector) -> Contender:
    folder = house.root / detector.name
    folder.mkdir(exist_ok=True)
    (folder / "parameters.json").write_text(detector.to_json())
    return Contender(detector.name, f"digest of {detector.name}", folder)


def test_the_desk_judges_detectors_against_the_one_made_by_hand_where_none_serves(tmp_path: Path) -> None:
    house = GateHouse(tmp_path)
    verdict = judged(house, ONE, None)
    assert verdict.outcome == "needs_approval", str(verdict)
    assert verdict.subject == "tuning/hallucination_detector/one"
    assert {row["champion"] for row in verdict.rows} == {"heuristic-1"}
    assert {row["outcome"] for row in verdict.rows if row["gate"] in ("domain", "latency", "size")} == {"passed"}
    assert judged(house, BLIND, ONE).outcome == "rejected"


def test_a_file_that_is_no_detector_is_no_candidate(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text("{}")
    with pytest.raises(GateError, match="is no detector"):
        detector_of("x", tmp_path)
