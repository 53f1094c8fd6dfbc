"""Which index a size wants, when one is built anew, and what its gates let through."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assets.retrieval.index_gate import Facts, failures
from assets.retrieval.index_rules import Standing, Wanted, due, kind_for
from assets.retrieval.ranking import Estimate

KIND = "IVF512,PQ96x4fs,RFlat"
LIVE = Standing(KIND, "e1", ("s-1",), "v1", 100_000, 0, built_recall=0.993, recall=0.992)
WANTED = Wanted(100_000, 384, "e1", ("s-1",), "v2")


def test_the_kind_goes_by_size() -> None:
    assert kind_for(49_999, 384) == "Flat"
    assert kind_for(50_000, 384) == KIND
    assert kind_for(100_000, 384) == KIND
    assert kind_for(1_000_000, 384) == "IVF2048,PQ96x4fs,RFlat"
    assert kind_for(100_000, 50) == "IVF512,PQ10x4fs,RFlat", "codes divide the dimensions"


@pytest.mark.parametrize(
    ("standing", "wanted", "what", "why"),
    [
        (None, WANTED, "full", "nothing is live"),
        (LIVE, WANTED, "churn", "corpus changed"),
        (LIVE, replace(WANTED, corpus_version="v1"), None, "nothing changed"),
        (LIVE, replace(WANTED, vectors=0), None, "no chunk"),
        (LIVE, replace(WANTED, embedder="e2", corpus_version="v1"), "full", "embedder"),
        (LIVE, replace(WANTED, chunkers=("s-1", "s-2")), "full", "s-2"),
        (replace(LIVE, tombstones=15_001), WANTED, "full", "15%"),
        (replace(LIVE, tombstones=15_000), WANTED, "churn", "corpus"),
        (replace(LIVE, recall=0.9879), replace(WANTED, corpus_version="v1"), "full", "98.8% of what is nearest"),
        (replace(LIVE, recall=0.9881), WANTED, "churn", "corpus"),
        (LIVE, replace(WANTED, vectors=1_000_000), "full", "IVF2048"),
        (LIVE, replace(WANTED, vectors=200_000), "churn", "corpus"),
        (LIVE, replace(WANTED, vectors=10_000), "full", "Flat"),
        (replace(LIVE, kind="Flat"), replace(WANTED, vectors=10_000), "full", "corpus"),
    ],
)  # fmt: skip
def test_what_is_due_tonight(standing: Standing | None, wanted: Wanted, what: str | None, why: str) -> None:
    found = due(standing, wanted)
    assert found.what == what and why in found.why


CHUNKS = frozenset(f"c{n}" for n in range(100))
GOOD = Facts(Estimate(0.993, 0.99, 0.996, 500), CHUNKS, CHUNKS, 0, 100)


def gates(**changes: object) -> list[str]:
    return [one.gate for one in failures(replace(GOOD, **changes))]  # type: ignore[arg-type]


def test_a_release_that_is_whole_and_faithful_passes() -> None:
    assert gates() == []
    assert gates(chunks_before=None) == [], "the first one has nothing to be compared with"


def test_each_gate_can_hold_a_release_back() -> None:
    assert gates(removed_and_found=1) == ["deletions"]
    assert gates(live_now=CHUNKS - {"c1"}) == ["freshness"]
    assert gates(chunks=CHUNKS - {"c1"}) == ["completeness"]
    assert gates(chunks_before=126) == ["size"] and gates(chunks_before=125) == []
    assert gates(chunks=frozenset(), live_now=frozenset()) == ["size"]
    assert gates(recall=Estimate(0.984, 0.97, 0.99, 500)) == ["recall"]
    assert gates(recall=None) == ["recall"], "what nobody measured does not pass"
    assert gates(golden=12, golden_judged=0) == ["golden_queries"], "judgments of another corpus"
    assert gates(golden=12, golden_judged=1) == []


def test_chance_is_an_excuse_only_where_there_is_evidence() -> None:
    def change(value: float, high: float, n: int) -> list[str]:
        return gates(changes={"ndcg": Estimate(value, 2 * value, high, n)})

    assert change(-0.03, -0.01, 200) == ["comparison"]
    assert change(-0.03, 0.01, 200) == []
    assert change(-0.03, 0.01, 10) == ["comparison"]
    assert change(-0.019, -0.01, 200) == []
    assert change(0.5, 0.6, 10) == []
    assert gates(changes={"index_recall": Estimate(-0.006, -0.008, -0.004, 500)}) == ["comparison"]
