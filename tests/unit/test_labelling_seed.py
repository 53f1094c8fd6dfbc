"""labelling.yml: what is wrong in it is said in a sentence, with what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.quality.judged import VERDICTS as ASKED
from resources.contracts import SEEDS, contracts
from resources.labelling_seed import LABELLING_FILE, REASONS, VERDICTS, LabellingSeedError, load_labelling

SHIPPED = yaml.safe_load((SEEDS / LABELLING_FILE).read_text(encoding="utf-8"))


def test_what_is_shipped_asks_all_that_the_tables_can_hold() -> None:
    seed = load_labelling(SEEDS / LABELLING_FILE)
    assert (seed.labels_per_night, seed.double_share, tuple(seed.verdicts)) == (200, 0.25, VERDICTS) and ASKED == VERDICTS
    assert {c.name for c in contracts()["quality.labels"].columns} >= set(VERDICTS)
    assert {*REASONS, "drawn"} == set(contracts()["quality.label_queue"].column("reason").values)
    assert seed.risk_weights == {"minimal": 1.0, "limited": 1.5, "high": 3.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels_per_night": -1}, "labels_per_night is a whole number from 0 to 100000; not -1"),
        ({"labels_per_night": True}, "labels_per_night is a whole number"),
        ({"double_share": 2}, "double_share is a number from 0 to 1; not 2"),
        ({"doubles": 1}, "labelling.yml has unknown keys doubles"),
        ({"targeted": {"reasons": ["gossip"]}}, "reasons is a list of canary_leak, incident"),
        ({"targeted": {"reasons": ["unsafe", "unsafe"]}}, "reasons names 'unsafe' twice"),
        ({"targeted": []}, "targeted is a mapping with per_day and reasons"),
        ({"risk_weights": {"huge": 9}}, "risk_weights has unknown keys huge"),
        ({"risk_weights": {"high": 0}}, "high is a number from 0.1 to 100; not 0"),
        ({"verdicts": {"clever": "Is it clever?"}}, "verdicts can be hallucinated, grounded"),
        ({"severities": {"Bad One": "x"}}, "a name is lower-case letters"),
        ({"root_causes": {"made_up": ""}}, "made_up needs words for people"),
        ({"severities": None}, "needs severities"),
    ],
)
def test_a_fault_is_named_with_what_to_write(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / LABELLING_FILE).write_text(yaml.safe_dump({**SHIPPED, **change}))
    with pytest.raises(LabellingSeedError, match=said):
        load_labelling(tmp_path / LABELLING_FILE)


def test_a_missing_seed_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(LabellingSeedError, match="`labels_per_night: 0` where nobody labels"):
        load_labelling(tmp_path / LABELLING_FILE)
