"""The card of a candidate on disk: real files, real headers of weights, and what is missing says where it would stand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gate_house import GateHouse

from assets.quality.detector import HEURISTIC
from assets.tuning.card import CardError
from pipelines.tuning.candidate_card import card
from pipelines.tuning.gate_desk import Contender, Verdict
from resources.base_model import base_model
from resources.dataset_store import DatasetStore
from resources.embedder import Embedder
from resources.training_spec import CURVE, Done, TrainingSpec, write_done, write_spec
from resources.tuning_seed import CardSeed, load_tuning

TODAY = date(2026, 11, 22)
SAID = CardSeed(
    "Globex Ltd", "models@globex.example", "apache-2.0", "Finds passages.", "Assistants.", "Inside the company.",
    "By the registry.", "Behind the index.", "Load it with the index.", "It learns what answers.", 65.0,
)  # fmt: skip
SUMMARY: dict[str, Any] = {
    "first_day": "2026-10-01", "last_day": "2026-11-09", "candidates_seen": 3, "train": 1, "dev": 1, "test": 1, "removed": 0,
    "removals": "{}", "sources": '{"clicked": 3}', "log_sources": "{}", "licences": "{}", "languages": "{}",
    "user_cap": 0.05, "largest_user_share": None, "annotator_cap": None, "evaluation_sets": "{}",
}  # fmt: skip


def trained(house: GateHouse, kind: str, base: str, **done: Any) -> tuple[Path, Path]:
    """A training that ended, and its dataset: their folders."""
    rows = pa.table({"query_id": ["q"]})
    dataset = DatasetStore(house.store.state).write(
        kind, dict.fromkeys(("train", "dev", "test", "provenance"), rows), {"summary": SUMMARY}
    )
    seed = load_tuning(house.root / "none.yml").kinds[kind]
    started = base_model(kind, base, house.store.state)
    named = f"datasets/{kind}/{dataset.version}"
    spec = TrainingSpec(kind, named, dataset.version, seed.recipe, seed.limits, base, started.fingerprint)
    folder = write_spec(house.store.state, spec).parent
    ended: dict[str, Any] = {"steps": 10, "planned_steps": 10, "seconds": 36.0, "device": "cpu"}
    ended |= {"cost_usd": Decimal("0.02")} | done
    write_done(folder, Done(spec.candidate, kind, "trained", "", **ended))
    (folder / CURVE).write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n" + json.dumps({"step": 10, "loss": 1.0}) + "\n")
    return folder, dataset.folder


def written(house: GateHouse, kind: str, model: Path, folders: tuple[Path, Path], said: CardSeed = SAID) -> str:
    seed = replace(load_tuning(house.root / "none.yml").kinds[kind], card=said)
    verdict = Verdict(folders[0].name, "passed", ["domain: better"], [], "tuning/m/c", "d")
    return card(Contender(folders[0].name, "d", model), *folders, verdict, seed, TODAY)


@pytest.fixture
def house(tmp_path: Path) -> GateHouse:
    return GateHouse(tmp_path)


def test_an_embedder_is_described_by_its_files(house: GateHouse) -> None:
    text = written(house, "retriever", Embedder().folder, trained(house, "retriever", "", parameters={"rows": 100}))
    assert "bert of 6 layers, 384 wide, pooled to one vector; 22,713,216 parameters" in text
    assert "a vector of 384 numbers" in text and "At most: 256 tokens" in text
    assert "all-MiniLM-L6-v2, as packaged (Apache-2.0) (fingerprint" in text
    # 6 operations, each parameter, 256 tokens of 3 texts of 100 rows.
    assert f"{6 * 22_713_216 * 256 * 300:.2g} floating-point operations" in text
    assert "0.00065 kWh" in text and "sentence-transformers " in text
    assert "| 1 | 2 |" in text and "| 10 | 1 |" in text


def test_a_detector_is_described_by_its_parameters(house: GateHouse) -> None:
    folders = trained(house, "detector", "", metrics={"labels": 400.0})
    model = folders[0] / "model"
    model.mkdir()
    (model / "parameters.json").write_text(HEURISTIC.to_json())
    text = written(house, "detector", model, folders)
    assert f"over {len(HEURISTIC.features)} features" in text and "support_mean" in text
    assert "nothing: its parameters are fitted from nothing" in text


def test_a_generator_is_described_by_adapter_and_base(house: GateHouse) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    base, adapter = house.root / "base", house.root / "adapter"
    for folder, shape in ((base, (30, 4)), (adapter, (4, 2))):
        folder.mkdir()
        save_file({"w": np.zeros(shape, np.float32)}, folder / "model.safetensors")
    config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 4, "max_position_embeddings": 128}
    (base / "config.json").write_text(json.dumps(config))
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 16, "lora_alpha": 32}))
    text = written(house, "sft", adapter, trained(house, "sft", str(base), parameters={"rows": 9, "tokens": 1000.0}))
    assert "LoRA adapter of rank 16 (alpha 32) on a causal language model: llama of 2 layers, 4 wide; 128 parameters" in text
    assert "128 tokens, what was written before and the answer together" in text
    assert f"{6 * 128 * 1000:.2g} floating-point operations" in text


def test_what_nobody_said_keeps_the_card_from_being_written(house: GateHouse) -> None:
    folders = trained(house, "retriever", "", parameters={"rows": 100})
    with pytest.raises(CardError, match=r"2 items .* are blank.*point 2\(e\) \(Energy\).*who answers for it: card: contact"):
        written(house, "retriever", Embedder().folder, folders, replace(SAID, watts=None, contact=None))
    with pytest.raises(CardError, match=r"point 2\(d\) \(Computation\): done.json"):
        written(house, "retriever", Embedder().folder, trained(house, "retriever", "", parameters={}))


def test_a_training_that_goes_on_has_no_card(house: GateHouse) -> None:
    folders = trained(house, "retriever", "")
    (folders[0] / "done.json").unlink()
    with pytest.raises(CardError, match="training has ended"):
        written(house, "retriever", Embedder().folder, folders)
