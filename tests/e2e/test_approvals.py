"""Decisions of people on models: written down with what exactly they are on, and asked for before a model serves."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from registry_house import EMBEDDER, SUBJECT, PromotingHouse, files, migrated, registration

from pipelines.governance import approve
from pipelines.governance.approval_desk import ApprovalError
from pipelines.settings import Settings
from pipelines.tuning.model_desk import ModelDeskError
from pipelines.tuning.tuning_ledger import PASSED as LET_THROUGH
from pipelines.tuning.tuning_ledger import REJECTED as HELD_BACK
from pipelines.tuning.tuning_ledger import TRAINED, TRAINING, TuningLedger
from resources import audit
from resources.artefact_seal import folder_digest
from resources.model_version import CHAMPION, PASSED, REJECTED, WAITING
from resources.training_spec import Done, training_folder, write_done
from resources.warehouse_resource import RegistryResource, WarehouseResource


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


@pytest.fixture
def house(tmp_path: Path, database: Path) -> PromotingHouse:
    return PromotingHouse(tmp_path, database)


def test_who_needs_an_approval_serves_nobody_before_exactly_that_content_has_one(
    house: PromotingHouse, tmp_path: Path
) -> None:
    made = house.registry.register_folder(registration(files(tmp_path / "model")))
    house.promotion("approval")
    with pytest.raises(ModelDeskError, match=rf"@1 needs an approval \(nobody has yet\). Run: make approve WHAT={SUBJECT}"):
        house.desk.promote(EMBEDDER, made.version, "ada")
    house.approvals.decide(SUBJECT, "approve", "bob", "read its figures", digest="0" * 64)
    with pytest.raises(ModelDeskError, match="needs an approval"):
        house.desk.promote(EMBEDDER, made.version, "ada")
    house.now = "2026-11-10T04:00:00"
    house.approvals.decide(SUBJECT, "approve", "bob", "read its figures")
    house.now = "2026-11-10T05:00:00"
    house.approvals.decide(SUBJECT, "refuse", "eve", "islands are not found")
    with pytest.raises(ModelDeskError, match="eve refused it: islands are not found"):
        house.desk.promote(EMBEDDER, made.version, "ada")
    house.now = "2026-11-10T06:00:00"
    assert house.approvals.decide(SUBJECT, "approve", "eve", "they are")["subject_digest"] == made.digest
    assert house.desk.promote(EMBEDDER, made.version, "ada", "it is better").aliases == (CHAMPION,)
    [*decided, promoted] = audit.entries(house.store)
    assert [(one["action"], one["actor"]) for one in decided] == [
        ("approved", "bob"), ("approved", "bob"), ("refused", "eve"), ("approved", "eve"),
    ]  # fmt: skip
    assert (promoted["action"], promoted["actor"]) == ("model_promoted", "ada")
    assert json.loads(promoted["details"])["digest"] == made.digest


def test_what_waits_is_let_through_by_an_approval_and_what_was_rejected_by_none(
    house: PromotingHouse, tmp_path: Path
) -> None:
    waits = house.registry.register_folder(registration(files(tmp_path / "model"), status=WAITING, reason="no general set"))
    with pytest.raises(ModelDeskError, match=r"needs an approval \(no general set\)"):
        house.desk.promote(EMBEDDER, waits.version, "ada")
    house.approvals.decide(SUBJECT, "approve", "bob", "looked at it")
    assert house.desk.promote(EMBEDDER, waits.version, "ada").status == PASSED
    rejected = house.registry.register_folder(
        registration(files(tmp_path / "other", "b"), status=REJECTED, reason="nDCG falls", lineage={"candidate": "d" * 16})
    )
    house.approvals.decide(f"tuning/{EMBEDDER}/{'d' * 16}", "approve", "bob", "I like it")
    with pytest.raises(ModelDeskError, match="embedder@2 was rejected: nDCG falls"):
        house.desk.promote(EMBEDDER, rejected.version, "ada")
    assert house.desk.rollback(EMBEDDER, "ada") is None and house.registry.by_alias(EMBEDDER, CHAMPION) is None
    with pytest.raises(ModelDeskError, match="nothing to go back from"):
        house.desk.rollback(EMBEDDER, "ada")


def test_a_candidate_that_is_not_registered_yet_is_approved_by_its_files(house: PromotingHouse) -> None:
    folder = training_folder(house.store.state, "e" * 16)
    files(folder / "model")
    with pytest.raises(ApprovalError, match="no candidate eeeeeeeeeeeeeeee of embedder was trained here"):
        house.approvals.digest_of(f"tuning/{EMBEDDER}/{'e' * 16}")
    done = Done("e" * 16, "retriever", "trained", "", 1, 1, 1.0, Decimal(0), "cpu", model="model")
    write_done(folder, done)
    assert house.approvals.digest_of(f"tuning/{EMBEDDER}/{'e' * 16}") == folder_digest(folder / "model")


def test_the_command_writes_a_decision_or_says_why_not(
    house: PromotingHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir="", seeds_dir=str(house.seeds)
    )
    settings = Settings(house.store.state, house.store.data, tmp_path, None, 0.0, "2GB")
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings))
    monkeypatch.setattr(WarehouseResource, "store", lambda self: house.store)
    given = {"warehouse": warehouse, "registry": RegistryResource(), "clock": house.approvals.clock}
    monkeypatch.setattr(approve, "build_resources", lambda _: given)
    house.registry.register_folder(registration(files(tmp_path / "model")))
    reason = ["--reason", "read it", "--actor", "ada"]
    assert approve.main([SUBJECT, *reason, "--refuse"]) == 0
    assert capsys.readouterr().out.startswith(f"ada refused {SUBJECT}, content ")
    [row] = house.decisions()
    assert (row["decision"], row["reason"], str(row["day"])) == ("refuse", "read it", "2026-11-10")
    for wrong, says in (
        ([SUBJECT, *reason], "something was decided at this very moment"),
        (["the model", *reason], "is nothing that can be approved; write tuning/<model>/<candidate>"),
        (["the model", *reason, "--digest", "a" * 64], "is nothing that can be approved"),
        ([f"tuning/embeder/{'c' * 16}", *reason], "there is no model embeder, but embedder, generator"),
        (["release/support@v9", *reason], "seeds/prompts has no support@v9; there are: none. Or give its --digest"),
        ([SUBJECT, *reason, "--digest", "abc"], "a digest has 64 digits"),
        ([SUBJECT, "--reason", " "], "a decision needs a person and a reason"),
        ([SUBJECT], "a decision needs a person and a reason"),
    ):
        assert approve.main(wrong) == 2
        assert says in capsys.readouterr().err
    assert len(house.decisions()) == 1
    assert approve.main([]) == 0 and capsys.readouterr().out == "No candidate waits for a person\n"


def test_no_approval_is_on_another_model_or_on_what_was_rejected_and_what_waits_is_named(house: PromotingHouse) -> None:
    ledger = TuningLedger(house.store, house.approvals.clock)
    for candidate, kind, states in (
        ("a" * 16, "retriever", (TRAINING, TRAINED, LET_THROUGH)),
        ("b" * 16, "detector", (TRAINING, TRAINED, HELD_BACK)),
    ):
        ledger.request(candidate, kind, "0" * 16, "base", {}, "asked for", "ada")
        for state in states:
            assert ledger.step(candidate, state, "nDCG falls")
        folder = training_folder(house.store.state, candidate)
        files(folder / "model")
        write_done(folder, Done(candidate, kind, "trained", "", 1, 1, 1.0, Decimal(0), "cpu", model="model"))
    waits = f"What waits: tuning/{EMBEDDER}/{'a' * 16}"
    for subject, says in (
        (f"tuning/generator/{'a' * 16}", f"is a candidate of another model: tuning/{EMBEDDER}/{'a' * 16}. {waits}"),
        (f"tuning/hallucination_detector/{'b' * 16}", rf"was rejected \(nDCG falls\), and no approval .* {waits}"),
        (f"tuning/{EMBEDDER}/{'e' * 16}", f"no candidate {'e' * 16} of embedder was trained here, or registered. {waits}"),
    ):
        with pytest.raises(ApprovalError, match=says):
            house.approvals.decide(subject, "approve", "ada", "looks fine")
    assert house.decisions() == [] and audit.entries(house.store) == []
    house.approvals.decide(f"tuning/{EMBEDDER}/{'a' * 16}", "approve", "ada", "looks fine")
    assert len(house.decisions()) == 1
