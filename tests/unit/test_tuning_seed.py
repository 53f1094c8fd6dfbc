"""tuning.yml: what is kept, and what is refused with which words."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.tuning.card import is_blank
from resources.contracts import REPO, SEEDS
from resources.tuning_seed import KINDS, TUNING_FILE, CardSeed, TuningSeed, TuningSeedError, load_tuning

CARD = {name: "said" for name in CardSeed.__dataclass_fields__} | {"watts": 60}


def seed(tmp_path: Path, retriever: dict[str, Any] | None = None, **rest: Any) -> TuningSeed:
    path = tmp_path / TUNING_FILE
    path.write_text(yaml.safe_dump({"kinds": {"retriever": retriever or {}, **rest.pop("kinds", {})}, **rest}))
    return load_tuning(path)


def test_what_is_shipped_trains_nothing_and_an_absent_file_likewise(tmp_path: Path) -> None:
    for path in (SEEDS / TUNING_FILE, tmp_path / TUNING_FILE):
        found = load_tuning(path)
        assert found.enabled == [] and list(found.kinds) == list(KINDS)


def test_what_is_left_out_has_a_value_and_preferences_need_fewer_pairs(tmp_path: Path) -> None:
    found = seed(tmp_path, {"enabled": True, "recipe": {"epochs": 2}, "general_set": "sets/general", "card": CARD})
    [one] = found.enabled
    assert (one.kind, one.model, one.min_new_pairs, one.cool_down_days, one.promotion) == (
        "retriever", "embedder", 1_000, 7, "approval",
    )  # fmt: skip
    assert one.recipe["epochs"] == 2 and one.recipe["learning_rate"] == 2e-5
    assert one.general_set == REPO / "sets/general"
    assert found.kinds["preferences"].min_new_pairs == 500
    assert one.limits.usd == 0 and one.gate.most_forgetting == 0.01


def test_money_keeps_its_digits(tmp_path: Path) -> None:
    limits = seed(tmp_path, {"limits": {"usd": "5.10", "usd_per_hour": "1.200001"}, "budget_usd_a_month": "20"}).kinds[
        "retriever"
    ]
    assert limits.limits.usd_per_hour == Decimal("1.200001") and limits.budget_usd_a_month == 20


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"enable": True}, "tuning.yml: retriever has unknown keys enable; allowed: base_model"),
        ({"enabled": "yes"}, "enabled is true or false; not 'yes'"),
        ({"base_model": ""}, "base_model is some words, or null"),
        ({"recipe": {"lr": 1}}, "recipe has unknown keys lr; allowed: batch_size"),
        ({"recipe": {"epochs": 0}}, "epochs is a number above 0, up to 100; not 0"),
        ({"recipe": {"matryoshka": [0]}}, "matryoshka is a list of sizes"),
        ({"limits": {"usd_per_hour": 1}}, "an hour costs 1 USD; say what a training may cost"),
        ({"limits": {"usd": 5, "usd_per_hour": 1}}, "say what a month may cost"),
        ({"limits": {"hours": 0}}, "hours is a number above 0"),
        ({"budget_usd_a_month": -1}, "budget_usd_a_month is a number of USD from 0 on"),
        ({"cool_down_days": 1.5}, "cool_down_days is a whole number from 0 to 365; not 1.5"),
        ({"min_new_pairs": None}, "min_new_pairs is a whole number"),
        ({"smallest_drop": 0}, "smallest_drop is a number above 0"),
        ({"promotion": "yes"}, "promotion is one of approval, automatic; not 'yes'"),
        ({"launcher": "slurm"}, "launcher is one of subprocess, kubernetes"),
        ({"features": "chat"}, "features is a list of names"),
        ({"gate": {"floors": [0.4]}}, "floors is a mapping"),
        ({"gate": {"floors": {"ndcg": 40}}}, "floors: ndcg is a number from 0 to 1; not 40"),
        ({"gate": {"most_slowdown": 0.5}}, "most_slowdown is a number from 1 to 100"),
        ({"card": {"licence": 2}}, "licence is some words, or null; quote what looks like a number"),
        ({"enabled": True, "card": CARD | {"licence": None, "watts": None}}, "its card does not say licence, watts"),
        (
            {"enabled": True, "launcher": "kubernetes", "card": CARD},
            "retriever is launched on kubernetes, of which nothing is said",
        ),
    ],
)
def test_a_slip_is_told_with_where_it_stands(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(TuningSeedError, match=r"tuning\.yml") as told:
        seed(tmp_path, entry)
    assert said in str(told.value)


def test_a_generator_needs_a_model_to_start_from_and_kubernetes_an_image(tmp_path: Path) -> None:
    with pytest.raises(TuningSeedError, match="needs a model to start from"):
        seed(tmp_path, kinds={"sft": {"enabled": True}})
    with pytest.raises(TuningSeedError, match="needs the image"):
        seed(tmp_path, kubernetes={"namespace": "ml"})
    found = seed(tmp_path, kubernetes={"image": "nocturne:1.0", "gpus": 1, "node_selector": {"pool": "gpu"}}).kubernetes
    assert found is not None and (found.gpus, found.namespace, found.node_selector) == (1, "default", {"pool": "gpu"})


def test_a_kind_that_does_not_exist_and_a_file_that_is_no_mapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TuningSeedError, match="kinds has unknown keys ranker"):
        seed(tmp_path, kinds={"ranker": {}})
    (tmp_path / TUNING_FILE).write_text("- retriever\n")
    with pytest.raises(TuningSeedError, match="is a mapping"):
        load_tuning(tmp_path / TUNING_FILE)


def test_the_seed_that_the_guide_shows_is_one(tmp_path: Path) -> None:
    _, after = (REPO / "docs" / "tuning.md").read_text(encoding="utf-8").split("```yaml\n", 1)
    (tmp_path / TUNING_FILE).write_text(after.split("```", 1)[0], encoding="utf-8")
    [retriever] = load_tuning(tmp_path / TUNING_FILE).enabled
    assert (retriever.kind, retriever.promotion, retriever.general_set) == ("retriever", "approval", None)
    assert not [name for name, said in asdict(retriever.card).items() if is_blank(str(said))]
