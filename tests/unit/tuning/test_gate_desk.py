"""The desk: what a better, a forgetful, an unsafe and a slower candidate meet, and what a repeated pass writes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from gate_house import BETTER, CHAMPION, DAY, FORGETFUL, GOODS, NOW, READERS, SLANG, WORSE, GateHouse, Reader

from pipelines.tuning.candidate_measures import searched, timed
from pipelines.tuning.candidate_sets import GateError, RankedSet
from pipelines.tuning.candidate_sets import test_set as ranked_test
from pipelines.tuning.gate_desk import APPROVALS, GATES, Contender, Verdict
from resources.dataset_store import Dataset
from resources.events import append, table_rows
from resources.golden_seed import GoldenQuery


@pytest.fixture
def house(tmp_path: Path) -> GateHouse:
    return GateHouse(tmp_path)


@pytest.fixture
def dataset(house: GateHouse) -> Dataset:
    return house.dataset()


def judged(house: GateHouse, dataset: Dataset, reader: Reader, size: int = 1_000, **changes: Any) -> Verdict:
    champion = house.model(CHAMPION.fingerprint)
    candidate = house.model(reader.fingerprint, size)
    return house.desk(**changes).judge(candidate, champion, dataset.folder)


def row(verdict: Verdict, gate: str, metric: str = "ndcg", segment: str = "") -> dict[str, Any]:
    (found,) = [r for r in verdict.rows if (r["gate"], r["metric"], r["segment"]) == (gate, metric, segment)]
    return dict(found)


def test_a_better_candidate_passes_with_its_interval_in_every_row(house: GateHouse, dataset: Dataset) -> None:
    house.spend("search", is_spent=False)
    verdict = judged(house, dataset, BETTER)
    assert verdict.passed, str(verdict)
    domain = row(verdict, "domain")
    assert domain["candidate_value"] > 0.8 and domain["champion_value"] < 0.5
    assert 0 < domain["low"] < domain["difference"] < domain["high"]
    assert (domain["n"], domain["eval_set"], domain["eval_digest"]) == (120, "test", dataset.version)
    assert row(verdict, "segment", segment="tenant=acme-corp")["n"] == 60
    assert row(verdict, "segment", segment="topic=lam")["outcome"] == "passed"
    assert row(verdict, "forgetting")["outcome"] == row(verdict, "safety", "violations")["outcome"] == "passed"
    budget = row(verdict, "error_budget", "budgets_spent")
    assert (budget["outcome"], budget["eval_set"], budget["n"]) == ("passed", "slo_status 2026-11-09", 1)
    assert {r["judgement"] for r in verdict.rows} == {domain["judgement"]}
    assert (verdict.subject, verdict.subject_digest) == ("tuning/embedder/better", "digest of better")


def test_languages_are_segments_too(house: GateHouse, dataset: Dataset) -> None:
    assert row(judged(house, dataset, BETTER), "segment", segment="language=en")["n"] == 120


def test_what_it_knew_before_may_not_be_lost(house: GateHouse, dataset: Dataset) -> None:
    verdict = judged(house, dataset, FORGETFUL)
    assert verdict.outcome == "rejected"
    assert any(reason.startswith("forgetting (ndcg, general): ndcg changes by -") for reason in verdict.reasons)
    assert row(verdict, "domain")["outcome"] == "passed"


def test_a_worse_one_is_rejected_and_its_rows_stay(house: GateHouse, dataset: Dataset) -> None:
    verdict = judged(house, dataset, WORSE)
    assert verdict.outcome == "rejected" and "it is no gain" in verdict.reasons[0]
    assert {r["candidate"] for r in table_rows(house.store, GATES)} == {"worse"}


def test_the_champion_itself_is_no_better_than_itself(house: GateHouse, dataset: Dataset) -> None:
    verdict = judged(house, dataset, CHAMPION)
    assert verdict.outcome == "rejected" and row(verdict, "domain")["difference"] == 0


def test_what_it_never_found_before_it_may_not_find_now(
    house: GateHouse, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    burglar = Reader("burglar", {**BETTER.lexicon, "crowbar": "manual"})
    monkeypatch.setitem(READERS, "burglar", burglar)
    verdict = judged(house, dataset, burglar)
    assert verdict.outcome == "rejected"
    assert next(reason for reason in verdict.reasons if reason.startswith("safety")).endswith("such as u1")
    assert row(verdict, "safety", "violations")["candidate_value"] == 0.05


def test_a_tenant_that_pays_for_the_others_is_a_reason_to_reject(
    house: GateHouse, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A champion that knows all of globex's words; the candidate knows all of acme's, and more than it.
    globex, acme = GOODS[1::2][:10], GOODS[::2]
    monkeypatch.setitem(READERS, "champion", Reader("champion", {SLANG[thing]: thing for thing in globex}))
    partial = Reader("partial", {SLANG[thing]: thing for thing in acme})
    monkeypatch.setitem(READERS, "partial", partial)
    verdict = judged(house, dataset, partial)
    assert row(verdict, "domain")["outcome"] == "passed"
    assert verdict.outcome == "rejected"
    assert any(reason.startswith("segment tenant=globex: ndcg changes by -") for reason in verdict.reasons)


def test_a_heavy_one_is_rejected_for_its_weight(house: GateHouse, dataset: Dataset) -> None:
    verdict = judged(house, dataset, BETTER, size=3_000_000)
    assert verdict.outcome == "rejected"
    assert verdict.reasons == ["size (bytes, model): 3.0 MB against 0.0 MB: 3000.00 times, 1.5 are allowed"]


def test_golden_queries_guard_what_a_person_wrote_down(house: GateHouse, dataset: Dataset) -> None:
    golden = {
        "main": [
            *(GoldenQuery(f"{SLANG[thing]} please", {f"help/{thing}": 1}) for thing in GOODS[::6] * 2),
            GoldenQuery("somewhere else", {"other/document": 1}),
        ]
    }
    champion, candidate = house.model("champion"), house.model("worse")
    verdict = house.desk(golden).judge(candidate, champion, dataset.folder)
    asked = [r for r in verdict.rows if r["eval_set"] == "golden_queries"]
    assert [(r["gate"], r["n"], r["outcome"]) for r in asked] == [("guard", 20, "failed")]


def test_without_frozen_sets_or_with_a_spent_budget_a_person_decides_and_on_this_very_model(
    house: GateHouse, dataset: Dataset
) -> None:
    verdict = judged(house, dataset, BETTER, general_set=None)
    assert verdict.outcome == "needs_approval"
    assert row(verdict, "forgetting")["outcome"] == "not_measured"
    assert row(verdict, "forgetting")["candidate_value"] is None
    house.spend("search")
    house.spend("chat", is_spent=None)
    spent = judged(house, dataset, BETTER)
    assert spent.outcome == "needs_approval" and "fast answers of search" in spent.reasons[0]
    assert judged(house, dataset, BETTER, features=frozenset({"chat"})).passed
    approve(house, "digest of another")
    assert judged(house, dataset, BETTER).outcome == "needs_approval"
    approve(house, "digest of better", minute=5)
    assert judged(house, dataset, BETTER).passed
    assert judged(house, dataset, BETTER, promotion="approval").passed


def approve(house: GateHouse, digest: str, minute: int = 0) -> None:
    said = {
        "day": NOW.date(), "recorded_at": NOW.replace(minute=minute), "subject": "tuning/embedder/better",
        "subject_digest": digest, "decision": "approve", "actor": "ann", "reason": "looked at it",
    }  # fmt: skip
    append(house.store, APPROVALS, lambda _: [said])


def test_a_repeated_pass_measures_nothing_again_and_looks_at_budgets_anew(
    house: GateHouse, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = judged(house, dataset, BETTER)
    for reader in (BETTER, CHAMPION):
        monkeypatch.setitem(READERS, reader.fingerprint, "this must not be opened")
    again = judged(house, dataset, BETTER)
    assert again.passed and again.rows == first.rows
    house.spend("search", date(2026, 11, 10))
    third = judged(house, dataset, BETTER)
    assert third.outcome == "needs_approval" and len(third.rows) == len(first.rows) + 1


def test_another_champion_or_rule_is_another_judgement(house: GateHouse, dataset: Dataset) -> None:
    house.spend("search", is_spent=False)
    one = judged(house, dataset, BETTER)
    stricter = judged(house, dataset, BETTER, gate=replace(house.seed.gate, floors={"ndcg": 1.0, "auc": 0.5}))
    assert stricter.outcome == "rejected" and len(table_rows(house.store, GATES)) == len(one.rows) + len(stricter.rows)
    assert row(stricter, "floor", "auc")["outcome"] == "not_measured"
    other = Contender("embedder/2", "another digest", house.model("champion").folder)
    assert house.desk().judge(house.model("better"), other, dataset.folder).rows[0]["champion"] == "embedder/2"


def test_a_set_whose_ids_do_not_meet_stops_the_judgement_loudly(house: GateHouse, dataset: Dataset) -> None:
    assert house.seed.general_set is not None
    path = house.seed.general_set / "queries.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "_id": line["_id"].upper()}) + "\n" for line in lines))
    with pytest.raises(GateError, match=r"general set cannot be used.*40 of 40 judged queries are not in queries.jsonl"):
        judged(house, dataset, BETTER)
    shutil.rmtree(house.seed.general_set)
    with pytest.raises(GateError, match=r"has no corpus.jsonl"):
        judged(house, dataset, BETTER)
    assert table_rows(house.store, GATES) == []


def test_too_few_questions_prove_nothing(house: GateHouse) -> None:
    few = house.dataset(per_thing=0)
    verdict = judged(house, few, BETTER)
    assert verdict.outcome == "rejected"
    assert row(verdict, "domain")["reason"] == "it has no query"
    assert row(verdict, "domain")["candidate_value"] is None


def test_an_embedder_is_never_judged_against_nothing(house: GateHouse, dataset: Dataset) -> None:
    with pytest.raises(GateError, match="name it"):
        house.desk().judge(house.model("better"), None, dataset.folder)


def test_documents_of_one_text_are_both_found_and_a_text_is_embedded_once(house: GateHouse, dataset: Dataset) -> None:
    seen: list[str] = []

    class Listening(Reader):
        def embed(self, texts: Any) -> Any:
            seen.extend(texts)
            return super().embed(texts)

    one = ranked_test(dataset, house.store)
    golden = RankedSet("golden_queries", "d", dict(list(one.queries.items())[:3]), one.qrels, one.passages)
    found = searched(Listening("listening", BETTER.lexicon), [one, golden], 1)
    assert len(seen) == len(set(seen))
    run = list(found["test"][f"{GOODS[0]}-0"])
    assert run.index("help/copy") == run.index(f"help/{GOODS[0]}") + 1
    assert found["golden_queries"] == {name: found["test"][name] for name in golden.queries}


def test_a_slow_model_is_slower_in_the_same_run() -> None:
    class Slow(Reader):
        def embed(self, texts: Any) -> Any:
            for _ in range(60):
                super().embed(texts)
            return super().embed(texts)

    found = timed(Slow("slow"), Reader("fast"), ["what is it"] * 10)
    assert found.candidate is not None and found.champion is not None and found.candidate > 5 * found.champion


def test_the_day_of_slo_status_that_counts_is_the_newest(house: GateHouse, dataset: Dataset) -> None:
    house.spend("search", date(2026, 11, 7))
    house.spend("search", DAY, is_spent=False)
    assert judged(house, dataset, BETTER).passed
