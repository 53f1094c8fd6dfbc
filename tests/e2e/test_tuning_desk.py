"""What becomes of a candidate where things go wrong: kills, two nights at once, a registry that is down, a person who waits
or cancels. The detector is what is trained: a second, by the program that trains it in a night."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from registry_house import Killer, migrated
from tuning_desk_house import DeskHouse, decided, train, worked

from pipelines.clock import WallClock
from pipelines.governance.approval_desk import ApprovalDesk
from pipelines.quality.detector_desk import DETECTORS
from pipelines.tuning.gate_desk import GateDesk, JudgementOverdueError, Verdict
from pipelines.tuning.tuning_desk import TRIGGERS, Pass, TuningDeskError
from pipelines.tuning.tuning_steps import TuningSteps
from resources.events import table_rows
from resources.model_version import CHALLENGER, CHAMPION
from resources.registry import Registry
from resources.trainer import TrainingError, TrainingPostponedError
from resources.training_folder import write_spent
from resources.training_spec import Done, TrainingSpec, training_folder, write_spec
from resources.tuning_seed import KindSeed
from trainers.limits import Stop
from trainers.train import attempt

MODEL = "hallucination_detector"
WHOLE = ["requested", "training", "trained", "passed", "registered", "promoted"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


@pytest.fixture
def house(tmp_path: Path, database: Path) -> DeskHouse:
    return DeskHouse(tmp_path, database)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()
    yield made
    made.close()


def test_a_candidate_that_proves_itself_goes_live_and_scores(house: DeskHouse) -> None:
    candidate = house.ask()
    done = house.work()
    assert done.troubles == [] and done.promoted == {MODEL}
    assert house.states(candidate) == WHOLE and str(house.work()) == "nothing is to be trained, judged or registered"
    champion = house.registry.by_alias(MODEL, CHAMPION)
    assert champion is not None and champion.tags["candidate"] == candidate
    [row] = table_rows(house.store, DETECTORS)
    assert row["is_adopted"] and row["model_version"] == champion.version and row["n_labels"] == 400


@pytest.mark.parametrize("failpoint", ["tuning.trained", "tuning.registered", "tuning.champion"])
def test_a_kill_between_two_steps_is_made_good_by_the_next_pass(
    failpoint: str, house: DeskHouse, killer: Killer, tmp_path: Path
) -> None:
    candidate = house.ask()
    assert killer.killed(worked, tmp_path, failpoint=failpoint)
    before = house.states(candidate)
    assert before == WHOLE[: {"tuning.trained": 2, "tuning.registered": 4, "tuning.champion": 5}[failpoint]]
    seconds = (training_folder(house.store.state, candidate) / "done.json").stat().st_mtime_ns
    assert house.work().troubles == [] and house.states(candidate) == WHOLE
    assert (training_folder(house.store.state, candidate) / "done.json").stat().st_mtime_ns == seconds, "trained once"
    assert len(house.registry.versions(MODEL)) == 1 and house.registry.by_alias(MODEL, CHAMPION) is not None
    assert len(table_rows(house.store, DETECTORS)) == 1


def test_a_night_that_dies_once_it_has_decided_asks_when_it_is_repeated(
    house: DeskHouse, killer: Killer, tmp_path: Path
) -> None:
    house.declare(min_new_pairs=100)
    assert killer.killed(decided, tmp_path, failpoint="tuning.decided")
    [row] = table_rows(house.store, TRIGGERS)
    assert row["fired"] and row["reason"] == "new_pairs" and house.ledger.rows == []
    assert "is to be trained" in decided(tmp_path) and "is to be trained" not in decided(tmp_path)
    assert len(table_rows(house.store, TRIGGERS)) == 1 and house.work().promoted == {MODEL}
    house.clock = WallClock(fixed_now="2026-11-11T03:00:00")
    assert "is to be trained" not in decided(tmp_path), "one candidate for one dataset"


def test_of_two_nights_at_once_one_trains_and_the_other_says_so(house: DeskHouse) -> None:
    house.ask()
    began, go_on, trained = threading.Event(), threading.Event(), []

    def slowly(spec: TrainingSpec, seed: KindSeed) -> Done:
        trained.append(spec.candidate)
        began.set()
        assert go_on.wait(60)
        return train(spec, seed)

    first: list[Pass] = []
    other = threading.Thread(target=lambda: first.append(house.desk.work(slowly)))
    other.start()
    assert began.wait(60)
    second = house.desk.work(slowly)
    go_on.set()
    other.join()
    assert str(second) == "another pass is at work: it does what there is to be done" and second.troubles == []
    assert len(trained) == 1 and first[0].promoted == {MODEL}


def test_while_the_registry_is_down_nothing_is_lost_and_the_retry_succeeds(house: DeskHouse) -> None:
    candidate = house.ask()
    up, house.registry = house.registry, Registry.of(house.store.state, "http://127.0.0.1:9")
    done = house.work()
    assert house.states(candidate) == ["requested", "training", "trained"], "training does not need it"
    assert done.promoted == set() and all("does not answer" in trouble for trouble in done.troubles) and done.troubles
    house.registry = up
    assert house.work().troubles == [] and house.states(candidate) == WHOLE


def test_what_waits_for_a_person_goes_live_on_the_night_after_the_approval(house: DeskHouse) -> None:
    house.declare(promotion="approval")
    candidate = house.ask()
    done = house.work()
    assert house.states(candidate)[-1] == "registered" and "a person has to approve" in str(done)
    waiting = house.registry.by_alias(MODEL, CHALLENGER)
    assert waiting is not None and waiting.status == "waiting" and house.registry.by_alias(MODEL, CHAMPION) is None
    assert house.work().promoted == set(), "asking twice is no approval"
    subject = f"tuning/{MODEL}/{candidate}"
    approvals = ApprovalDesk(house.store, house.registry, house.seeds, house.clock)
    approvals.decide(subject, "approve", "ada", "read the card", "0" * 64)
    assert house.work().promoted == set(), "other content was approved"
    house.clock = WallClock(fixed_now="2026-11-10T04:00:00")
    replace(approvals, clock=house.clock).decide(subject, "approve", "ada", "read the card")
    assert house.work().promoted == {MODEL} and house.states(candidate) == WHOLE
    assert house.registry.by_alias(MODEL, CHALLENGER) is None, "it waits no more"


@pytest.mark.parametrize("both", [False, True])
def test_a_newer_candidate_does_not_push_out_one_that_a_person_approved_unless_it_is_approved_later(
    both: bool, house: DeskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.declare(promotion="approval")
    older = house.ask()
    house.work()
    approvals = ApprovalDesk(house.store, house.registry, house.seeds, house.clock)
    house.clock = WallClock(fixed_now="2026-11-10T04:00:00")
    replace(approvals, clock=house.clock).decide(f"tuning/{MODEL}/{older}", "approve", "ada", "read the card")
    newer = house.ask(train=390)
    if both:
        with monkeypatch.context() as night:
            night.setattr(TuningSteps, "promoted", lambda *_: None)  # It is killed before.
            house.work()
        house.clock = WallClock(fixed_now="2026-11-10T05:00:00")
        replace(approvals, clock=house.clock).decide(f"tuning/{MODEL}/{newer}", "approve", "ada", "this one, rather")
    assert house.work().promoted == {MODEL}
    promoted, retired = (newer, older) if both else (older, newer)
    assert (house.states(promoted)[-1], house.states(retired)[-1]) == ("promoted", "retired")
    assert house.registry.by_alias(MODEL, CHALLENGER) is None


def test_an_alias_that_somebody_moved_back_is_followed_and_not_undone(house: DeskHouse) -> None:
    first = house.ask()
    house.work()
    champion = house.registry.by_alias(MODEL, CHAMPION)
    assert champion is not None
    house.registry.drop_alias(MODEL, CHAMPION)
    assert "champion no more" in str(house.work()) and house.states(first)[-1] == "retired"
    assert house.registry.by_alias(MODEL, CHAMPION) is None, "a pass does not put it back"
    house.registry.set_alias(MODEL, CHAMPION, champion.version)
    assert "champion again" in str(house.work()) and house.states(first)[-1] == "promoted"


def test_a_training_that_fails_says_why_and_may_be_asked_for_again(house: DeskHouse) -> None:
    house.declare(limits={"hours": 2, "usd": 5, "usd_per_hour": 2}, budget_usd_a_month=20)
    candidate = house.ask()

    def broken(spec: TrainingSpec, seed: KindSeed) -> Done:
        write_spent(write_spec(house.store.state, spec).parent, 1800.0)
        raise TrainingError("the machine went away")

    assert house.desk.work(broken).troubles == [f"candidate {candidate} (detector) failed: the machine went away"]
    assert house.states(candidate) == ["requested", "training", "failed"]
    assert house.ledger.spent_usd("detector", house.clock.now().date()) == 1, "what failed is paid, too"
    assert house.ask() == candidate and house.work().promoted == {MODEL}
    assert house.ledger.newest[candidate]["training_seconds"] > 1800, "of all its attempts"


def test_what_another_process_trains_stays_in_training_and_so_does_what_was_interrupted(house: DeskHouse) -> None:
    candidate = house.ask()

    def busy(spec: TrainingSpec, seed: KindSeed) -> Done:
        raise TrainingPostponedError("another process trains it")

    told = f"candidate {candidate} (detector) stays training: another process trains it"
    assert house.desk.work(busy).troubles == [told] and house.states(candidate) == ["requested", "training"]

    def shut_down(spec: TrainingSpec, seed: KindSeed) -> Done:
        path = write_spec(house.store.state, spec)
        return attempt(spec, path, lambda: Stop("interrupted", "it was asked to stop by SIGTERM"), lambda message: None)

    done = house.desk.work(shut_down)
    assert done.troubles == [] and "was interrupted (it was asked to stop by SIGTERM; step 0)" in str(done)
    assert house.states(candidate) == ["requested", "training"]
    assert house.work().promoted == {MODEL} and house.states(candidate) == WHOLE


def test_a_measurement_that_hangs_is_not_begun_anew_every_night(house: DeskHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = house.ask()

    def hangs(*given: Any) -> Verdict:
        raise JudgementOverdueError("generators were not measured within 2 hours")

    monkeypatch.setattr(GateDesk, "judge", hangs)
    [trouble] = house.work().troubles
    assert trouble.endswith("failed: generators were not measured within 2 hours")
    assert house.states(candidate)[-1] == "failed" and house.work().steps == []


def test_a_seed_that_cannot_be_read_is_told_of_its_kind_and_ends_no_pass(house: DeskHouse) -> None:
    (house.seeds / "probes.yml").write_text("endpoints: 3\n", encoding="utf-8")
    [trouble] = house.desk.decide().troubles
    assert trouble.startswith("detector: probes.yml")


def test_a_cancelled_candidate_is_not_trained_and_one_in_training_is_told_to_stop(house: DeskHouse) -> None:
    candidate = house.ask()
    with pytest.raises(TuningDeskError, match="no candidate"):
        house.desk.cancel("f" * 16, "ada")
    assert house.desk.cancel(candidate, "ada") == f"{candidate} is cancelled"
    assert house.work().steps == [] and house.ledger.newest[candidate]["reason"] == "ada cancelled it"
    house.ask()

    def stopped(spec: TrainingSpec, seed: KindSeed) -> Done:
        assert house.desk.cancel(spec.candidate, "ben") == f"{spec.candidate} is told to stop"
        return train(spec, seed)

    assert house.desk.work(stopped).steps == [f"{candidate} was stopped: ben cancelled it"]
    assert house.states(candidate)[-2:] == ["training", "cancelled"]


def test_who_was_refused_goes_live_on_no_later_night(house: DeskHouse) -> None:
    house.declare(promotion="approval")
    candidate = house.ask()
    house.work()
    subject = f"tuning/{MODEL}/{candidate}"
    ApprovalDesk(house.store, house.registry, house.seeds, house.clock).decide(subject, "refuse", "ada", "it flatters")
    house.declare(promotion="automatic")
    assert house.work().promoted == set() and house.states(candidate)[-1] == "rejected"
    [version] = house.registry.versions(MODEL)
    assert version.status == "rejected" and version.reason == "ada refused it: it flatters" and version.aliases == ()
    assert house.work().promoted == set() and house.registry.by_alias(MODEL, CHAMPION) is None


def test_a_candidate_whose_dataset_retention_took_is_cancelled(house: DeskHouse) -> None:
    candidate = house.ask()
    house.ledger.step(candidate, "training")
    row: Mapping[str, Any] = house.ledger.newest[candidate]
    assert row["state"] == "training"
    (house.store.state / "datasets" / "detector" / row["dataset_version"]).rename(house.store.state / "elsewhere")
    done = house.work()
    assert done.troubles == [] and "its dataset is gone" in str(done) and house.states(candidate)[-1] == "cancelled"
