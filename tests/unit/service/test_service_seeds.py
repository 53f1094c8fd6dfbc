"""features.yml and owners.yml: what is kept, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.service.assets import DECLARED, declared_asset
from resources import capture
from resources.contracts import SEEDS, contracts
from resources.service_seeds import ServiceSeedError, canary_rows, declared_rows, load_features, text_policy, tool_rows
from resources.service_seeds_owners import cause_classes, components, load_owners, owner_rows
from resources.warehouse_resource import WarehouseResource

CHAT = {"owner": "team:support", "use_case": "Answers customers", "risk_class": "limited"}
ONCALL = {"channel": "oncall", "backup_channel": "lead", "escalate_after_min": 15}


def features(tmp_path: Path, **entries: Any) -> Any:
    path = tmp_path / "features.yml"
    path.write_text(yaml.safe_dump({"features": entries}))
    return load_features(path, {"gold"})


def owners(tmp_path: Path, **entries: Any) -> Any:
    path = tmp_path / "owners.yml"
    path.write_text(yaml.safe_dump({"owners": entries}))
    return load_owners(path)


def test_what_is_left_out_of_a_feature_is_the_safe_choice(tmp_path: Path) -> None:
    tools = {"refund": {"side_effect": "irreversible"}, "look": {"side_effect": "read"}}
    found = features(tmp_path, chat=CHAT | {"tools": tools})["chat"]
    assert (found.slo_set, found.environment_list, found.cache_max_age_s, found.canaries) == (None, None, 3600.0, ())
    rows = tool_rows([found]).to_pylist()
    assert {row["tool_name"]: row["needs_approval"] for row in rows} == {"refund": True, "look": False}


def test_what_a_feature_runs_on_is_a_row_a_version(tmp_path: Path) -> None:
    runs_on = {"models": ["large", "small"], "prompt_versions": ["v12"], "tokenizers": ["t1"]}
    found = features(tmp_path, chat=CHAT | {"declared": runs_on}, silent=CHAT)
    assert [tuple(row.values()) for row in declared_rows(list(found.values())).to_pylist()] == [
        ("chat", "model", "large"), ("chat", "model", "small"), ("chat", "prompt_version", "v12"),
        ("chat", "tokenizer_version", "t1"),
    ]  # fmt: skip


def test_a_mark_says_where_it_stands_by_right(tmp_path: Path) -> None:
    marked = CHAT | {"canaries": ["prompt-mark-1"], "document_canaries": ["document-mark-1"]}
    found = canary_rows(list(features(tmp_path, chat=marked, silent=CHAT).values())).to_pylist()
    assert {row["canary"]: row["stands_in"] for row in found} == {
        "prompt-mark-1": "system_prompt",
        "document-mark-1": "document",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"owner": None}, "features.yml: chat needs an owner such as `owner: team:support`, not None"),
        ({"owner": "support"}, "needs an owner"),
        ({"use_case": " "}, "needs a use_case"),
        ({"risk_class": "huge"}, "needs a risk_class: minimal, limited, high; not 'huge'"),
        ({"slo_set": "silver"}, "slo_set 'silver', which is no file in seeds/slos; there are: gold"),
        ({"slos": "gold"}, "unknown keys slos; allowed: cache_max_age_s, canaries"),
        ({"cache_max_age_s": 0}, "a number of seconds above 0, not 0"),
        ({"cache_max_age_s": True}, "a number of seconds above 0, not True"),
        ({"environments": "prod"}, "environments is a list of texts"),
        ({"environments": ["prod,production"]}, "environments is a list, an entry each"),
        ({"environments": ["prod", "prod"]}, "environments names 'prod' twice"),
        ({"declared": ["large"]}, "declared is a mapping of models, prompt_versions, embedders, indexes, tokenizers"),
        ({"declared": {"model": ["large"]}}, "chat: declared has unknown keys model; allowed: embedders, indexes, models"),
        ({"declared": {"models": "large"}}, "declared models is a list of texts"),
        ({"declared": {"prompt_versions": [1.0]}}, "declared prompt_versions is a list of texts; quote what YAML"),
        ({"declared": {"indexes": ["a", "a"]}}, "declared indexes names 'a' twice"),
        ({"canaries": ["ref"]}, "canary 'ref' is too short to be a mark; give it 8 characters"),
        ({"document_canaries": ["ref"]}, "canary 'ref' is too short to be a mark; give it 8 characters"),
        (
            {"canaries": ["reference-1"], "document_canaries": ["reference-1"]},
            "'reference-1' is in canaries and document_canaries; a mark stands in one place",
        ),
        ({"tools": ["refund"]}, "tools is a mapping"),
        ({"tools": {"refund": {}}}, "tool refund needs a side_effect: none, read, write, irreversible"),
        ({"tools": {"refund": {"side_effect": "read", "approval": True}}}, "unknown keys approval; allowed: needs_approval"),
        (
            {"tools": {"refund": {"side_effect": "read", "needs_approval": "yes"}}},
            "needs_approval is true or false, not 'yes'",
        ),
    ],
)
def test_a_wrong_feature_is_told_with_what_to_write(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceSeedError) as raised:
        features(tmp_path, chat=CHAT | change)
    assert said in str(raised.value)


def test_a_file_of_another_shape_a_missing_one_and_a_key_that_stands_twice_are_told(tmp_path: Path) -> None:
    path = tmp_path / "features.yml"
    with pytest.raises(ServiceSeedError, match=r"features.yml is missing; write `features: \{\}`"):
        load_features(path, ())
    for text, said in (
        ("chat: {}", "is one mapping, `features:`"),
        ("features: {chat: 3}", "chat is a mapping with owner"),
        ("features:\n  chat: {}\n  chat: {}\n", "names 'chat' twice, in line 3"),
        ("features: [", "is not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ServiceSeedError, match=r"features\.yml") as raised:
            load_features(path, ())
        assert said in str(raised.value)
    path.write_text("features:\n")
    assert load_features(path, ()) == {}


def test_the_most_exact_entry_is_called_and_everybody_is_called_by_somebody(tmp_path: Path) -> None:
    found = owners(
        tmp_path,
        any={"any": ONCALL, "safety": ONCALL | {"channel": "safety"}},
        gateway={"any": ONCALL | {"channel": "platform"}, "cost": ONCALL | {"channel": "finops"}},
    )
    called = {(owner.component, owner.cause_class): owner.channel for owner in found}
    assert len(found) == len(called) == len(components()) * len(cause_classes())
    assert called["gateway", "cost"] == "finops"
    assert called["gateway", "safety"] == "platform", "the component's any goes before the cause under any"
    assert called["tools", "safety"] == "safety"
    assert called["tools", "cost"] == "oncall"
    assert owner_rows(found).num_rows == len(found)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            {"gateway": {"any": ONCALL}},
            "nobody is called for provider, infrastructure; add it, or an entry `any: {any: ...}`",
        ),
        ({"gatway": {"any": ONCALL}}, "owners.yml: gatway: unknown component; there are: gateway"),
        ({"any": {"fire": ONCALL}}, "unknown class of cause; there are: infrastructure"),
        ({"any": {"any": ONCALL | {"backup_channel": "oncall"}}}, "the backup is somebody else"),
        ({"any": {"any": ONCALL | {"channel": "On call"}}}, "needs `channel`, the name of a channel in lower-case letters"),
        ({"any": {"any": ONCALL | {"escalate_after_min": 0}}}, "whole minutes from 1 to 1440; not 0"),
        ({"any": {"any": ONCALL | {"escalate": 5}}}, "unknown keys escalate"),
        ({"any": {"any": "oncall"}}, "is a mapping with backup_channel, channel, escalate_after_min"),
        ({"any": "oncall"}, "is a mapping from class of cause"),
    ],
)
def test_a_wrong_owner_is_told_with_what_to_write(tmp_path: Path, entries: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceSeedError) as raised:
        owners(tmp_path, **entries)
    assert said in str(raised.value)


def test_the_text_policy_shows_the_rules_that_can_fit_a_feature_and_no_other() -> None:
    rules = [
        {"feature": "chat", "tenant": ["a", "b"], "mode": "full"},
        {"feature": "search", "mode": "full"},
        {"mode": "sampled", "share": 0.1, "full_for": ["errors"]},
        {"environment": "dev", "mode": "full"},
    ]
    policy = capture.parse({"capture": rules})
    assert text_policy("chat", policy) == "full for tenant a, b; sampled 0.1 (full for errors)"
    assert text_policy("search", policy) == "full"
    assert text_policy("chat", capture.parse({"capture": rules[:2]})) == "full for tenant a, b; else off"
    assert text_policy("chat", capture.parse(None)) == "off"


def test_the_seeds_become_tables_that_keep_their_contracts_and_stay_where_nothing_changed(tmp_path: Path) -> None:
    warehouse = WarehouseResource(
        data_dir=str(tmp_path / "data"), state_dir=str(tmp_path / "home"), landing_dir=str(tmp_path / "l"), durable=False
    )
    asset = declared_asset(contracts())
    counts = []
    for _ in range(2):
        result = dg.materialize([asset], resources={"warehouse": warehouse}, instance=dg.DagsterInstance.ephemeral())
        assert result.success
        store = warehouse.store()
        counts.append({name: store.rows(f"select count(*) from ({store.scan_all(name)})")[0][0] for name in DECLARED})
    assert counts[0] == counts[1] and all(counts[0].values())
    assert all(len(store.open(name).commits()) == 1 for name in DECLARED)
    names = set(yaml.safe_load((SEEDS / "features.yml").read_text())["features"])
    assert {name for (name,) in store.rows(f"select feature from ({store.scan_all('service.features')})")} == names
