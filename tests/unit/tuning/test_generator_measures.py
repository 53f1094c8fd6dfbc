"""Generators before the gates: example by example beside the champion, and once through the real programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate_house import GateHouse
from training_house import answers, make_generator

from assets.tuning.gate import Finding, Rules
from pipelines.tuning.candidate_sets import GENERAL, SAFETY, TEST, GateError
from pipelines.tuning.gate_desk import Contender
from pipelines.tuning.generator_measures import ExampleSet, Scores, examples_of, generator_findings, remembered, token_time
from resources.dataset_store import DatasetStore
from resources.generator_scores import COLUMNS
from resources.tuning_seed import load_tuning

NO_SETS = {GENERAL: "seeds/tuning.yml names no general_set", SAFETY: "seeds/tuning.yml names no safety_set"}
Side = Callable[[int], dict[str, Any]]


def scores(candidate: Side, champion: Side) -> Scores:
    """Stands in for the program: the values of each example by its number."""

    def scored(path: Path) -> pa.Table:
        rows = pq.read_table(path).to_pylist()
        said = [
            {"feature": "help" if at % 2 else "chat", "group": f"g{at // 2}", "tokens": 10, "seconds": 0.1} | side(at)
            | {"model": model, "example_id": row["example_id"]}
            for model, side in (("candidate", candidate), ("champion", champion)) for at, row in enumerate(rows)
        ]  # fmt: skip
        return pa.Table.from_pylist(said, schema=COLUMNS)

    return scored


def nll(mean: float, seed: int) -> Side:
    noise = np.random.default_rng(seed).normal(0, 0.3, 1_000)
    return lambda at: {"nll": mean + float(noise[at])}


def prefers(share: float, seed: int) -> Side:
    drawn = np.random.default_rng(seed).random(1_000)
    return lambda at: {"nll": 2.0, "rejected_nll": 2.1, "prefers_chosen": bool(drawn[at] < share)}


def examples(count: int = 200) -> ExampleSet:
    return ExampleSet(TEST, "d1", pa.table({"example_id": [f"e{at:04}" for at in range(count)]}))


def one(findings: list[Finding], gate: str, segment: str = "") -> Finding:
    (row,) = [f for f in findings if (f.gate, f.segment) == (gate, segment)]
    return row


def found(kind: str, scored: Scores, *sets: ExampleSet, floors: dict[str, float] | None = None) -> list[Finding]:
    return list(generator_findings(kind, [examples(), *sets], NO_SETS, scored, Rules(floors or {})))


def test_answers_that_become_likelier_are_a_gain_by_conversation_and_by_feature() -> None:
    shown = found("sft", scores(nll(1.7, 1), nll(2.0, 2)), floors={"nll": 1.9, "preferred": 0.5})
    domain = one(shown, "domain")
    assert (domain.outcome, domain.metric, domain.n) == ("passed", "nll", 100)
    assert domain.high is not None and domain.high < 0 and "nats a token" in domain.reason
    assert one(shown, "segment", "feature=help").outcome == one(shown, "segment", "feature=chat").outcome == "passed"
    assert [f.outcome for f in shown if f.gate == "floor"] == ["passed", "not_measured"]
    back = found("sft", scores(nll(2.0, 2), nll(1.7, 1)))
    assert one(back, "domain").outcome == "failed" and one(back, "segment", "feature=help").outcome == "failed"


def test_of_pairs_the_share_that_is_preferred_counts() -> None:
    shown = found("preferences", scores(prefers(0.8, 1), prefers(0.5, 2)))
    domain = one(shown, "domain")
    assert (domain.outcome, domain.metric) == ("passed", "preferred")
    assert domain.candidate_value == pytest.approx(0.8, abs=0.08)
    assert one(found("preferences", scores(prefers(0.5, 1), prefers(0.5, 2))), "domain").outcome == "failed"


def test_an_example_that_neither_could_read_is_left_out_for_both() -> None:
    def cut(side: Side) -> Side:
        return lambda at: side(at) if at % 4 else {"nll": None, "tokens": 0}

    domain = one(found("sft", scores(cut(nll(1.7, 1)), nll(2.0, 2))), "domain")
    assert domain.outcome == "passed" and domain.candidate_value == pytest.approx(1.7, abs=0.1)
    nothing = one(found("sft", scores(lambda at: {"nll": None}, lambda at: {"nll": None})), "domain")
    assert (nothing.outcome, nothing.reason) == ("not_measured", "no example of it can be measured")


def test_general_and_safety_examples_are_lines_that_a_person_wrote(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]
    general = [json.dumps({"messages": said}) for _ in range(80)]
    unsafe = [json.dumps({"prompt": said[:1], "chosen": "I will not", "rejected": "sure"}) for _ in range(25)]
    for name, lines in ((GENERAL, general), (SAFETY, unsafe)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "examples.jsonl").write_text("\n".join(lines))
    sets = [examples_of(name, tmp_path / name) for name in (GENERAL, SAFETY)]
    assert json.loads(sets[0].rows["messages"][0].as_py()) == said

    def safe(turned: int) -> Side:
        return lambda at: {"nll": 2.0, "prefers_chosen": at != turned}

    same = found("preferences", scores(safe(-1), safe(2)), *sets)
    assert one(same, "forgetting").outcome == one(same, "safety").outcome == "passed"
    worse = one(found("preferences", scores(safe(2), safe(3)), *sets), "safety")
    assert worse.outcome == "failed" and worse.reason == "1 of 25 were safe with the champion, such as 3"
    lost = found("preferences", scores(lambda at: {"nll": 2.02, "prefers_chosen": True}, safe(-1)), *sets)
    assert one(lost, "forgetting").outcome == "failed"


def test_a_frozen_set_that_is_none_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="an object a line with prompt, chosen, rejected"):
        examples_of(SAFETY, tmp_path)
    for content, why in (('{"prompt": 1}', "chosen"), ("[1]", "an object a line"), ("", "has no example")):
        (tmp_path / "examples.jsonl").write_text(content)
        with pytest.raises(GateError, match=why):
            examples_of(SAFETY, tmp_path)


def test_a_set_is_asked_once() -> None:
    asked: list[Path] = []
    inner = scores(nll(1.7, 1), nll(2.0, 2))

    def counting(path: Path) -> pa.Table:
        asked.append(path)
        return inner(path)

    once = remembered(counting)
    list(generator_findings("sft", [examples()], NO_SETS, once, Rules()))
    time = token_time(examples(), once)
    assert len(asked) == 1
    assert time.candidate == pytest.approx(10.0) and time.champion == pytest.approx(10.0)


def adapter(base: Path, folder: Path, rows: list[dict[str, Any]], steps: int) -> Path:
    """An adapter that learned the answers of some examples by heart."""
    import torch
    from peft import LoraConfig, get_peft_model

    from trainers.generator import load

    torch.manual_seed(1)
    torch.set_num_threads(1)
    tokenizer, plain = load(base, "cpu")
    model: Any = get_peft_model(plain, LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear"))
    texts = [str(tokenizer.apply_chat_template(json.loads(row["messages"]), tokenize=False)) for row in rows]
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts])
    steps_of = torch.optim.AdamW(model.parameters(), lr=0.03)
    for _ in range(steps):
        steps_of.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        steps_of.step()
    model.save_pretrained(str(folder))
    return folder


def test_a_real_adapter_is_judged_against_its_base(tmp_path: Path) -> None:
    house = GateHouse(tmp_path)
    base, test = make_generator(tmp_path / "base"), answers(40, 3)
    better = Contender("better", "d" * 64, adapter(base, tmp_path / "better", test, 15))
    dataset = DatasetStore(house.store.state).write(
        "sft", dict.fromkeys(("train", "dev", "test", "provenance"), pa.Table.from_pylist(test)), {}
    )
    seed = replace(load_tuning(tmp_path / "none.yml").kinds["sft"], base_model=str(base), promotion="automatic")
    # How much an adapter slows a model of 1 ms a token down is a matter of the machine.
    house.seed = replace(seed, gate=replace(seed.gate, most_slowdown=100))
    verdict = house.desk().judge(better, None, dataset.folder)
    assert verdict.outcome == "needs_approval", str(verdict)
    rows = {row["gate"]: row for row in verdict.rows}
    assert rows["domain"]["outcome"] == "passed" and rows["domain"]["high"] < -0.1
    assert rows["domain"]["champion"] == "base model" and rows["domain"]["n"] == 40
    assert rows["size"]["candidate_value"] > rows["size"]["champion_value"] > 0
    assert rows["latency"]["candidate_value"] > 0
