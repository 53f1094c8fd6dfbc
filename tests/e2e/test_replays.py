"""An incident's requests asked again of a candidate: only those that may be used, compared, and no words kept in tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from eval_house import asked, words_on_disk
from house import price
from killing import REPO
from label_house import LabelHouse, answered
from probe_target import KEY, Provider, provider

from assets.release.replays import farthest, measures, table
from assets.service.incidents import opening
from pipelines.release import replay
from pipelines.release.replay_desk import REPLAYS, ReplayDesk, ReplayError, Wanted
from pipelines.service.incident_desk import INCIDENTS
from resources.eval_answers import EvalAnswers
from resources.events import append, table_rows
from resources.release_seed import RELEASE_FILE

NOON = datetime(2026, 11, 9, 12, tzinfo=UTC)
INCIDENT = "2026-11-10-1"


class ReplayHouse(LabelHouse):
    """At 09:00 UTC of 10 November; 9 November had an incident of the feature chat."""

    def __init__(self, root: Path):
        super().__init__(root, "2026-11-10T09:00:00", ("cost.request_costs",))
        self.set_prices([price("large", 1.0)])

    def name_endpoint(self, base_url: str, model: str = "large", **runs: Any) -> None:
        endpoint = {"base_url": base_url, "model": model, "provider": "acme", "key_env": "EVAL_KEY", "timeout_s": 5}
        told = {"endpoints": {"main": {**endpoint, "requests_per_minute": 6000}}, "runs": {"at_once": 1, **runs}}
        (self.seeds / RELEASE_FILE).write_text(yaml.safe_dump(told), encoding="utf-8")

    def replays(self) -> ReplayDesk:
        desk = ReplayDesk(self.store, self.seeds, {"EVAL_KEY": KEY}, self.clock, sleep=lambda seconds: None)
        desk.embedder = self.embedder
        return desk

    def fill(self) -> None:
        def said(name: str, hour: int = 11, **more: Any) -> dict[str, Any]:
            words = {"prompt_text": f"May I return hat {name}?", "output_text": "I'm sorry, I can't help with that."}
            facts = {"feature": "chat", "latency_ms": 900, "prompt_version": "v1"}
            found: dict[str, Any] = answered(name, hour, **{**words, **facts, **more})
            return found

        records = [said(f"r{i}") for i in range(6)]
        records += [said("x1", may_train=False), said("x2", may_label=False), said("x3", feature="search")]
        self.take("day.jsonl", [*records, said("x4", 15)])
        window = {"evidence_from": NOON.replace(hour=11), "evidence_to": NOON, "feature": "chat", "severity": "ticket"}
        append(self.store, INCIDENTS, lambda there: [opening(there, self.now, self.now, "it declines", "ana", **window)])


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = lambda body: "Yes, hats can be returned within 30 days."
        yield running


@pytest.fixture
def house(tmp_path: Path, at: Provider) -> ReplayHouse:
    made = ReplayHouse(tmp_path / "house")
    made.fill()
    made.name_endpoint(at.base_url)
    return made


def test_requests_of_the_evidence_that_may_be_used_are_asked_once_and_compared(house: ReplayHouse, at: Provider) -> None:
    done = house.replays().replay(Wanted("main", INCIDENT))
    assert {row["request_id"] for row in done.rows} == {f"r{i}" for i in range(6)}
    assert sorted(asked(body) for body in at.got) == sorted(f"May I return hat r{i}?" for i in range(6))
    assert done.left_out == {"may not be used": 2}
    for row in done.rows:
        assert (row["logged_refuses"], row["candidate_refuses"], row["logged_version"]) == (True, False, "v1")
        assert row["logged_cost_usd"] > row["candidate_cost_usd"] > 0 and -1 <= row["similarity"] < 0.7
        assert (row["day"], row["incident"], row["logged_latency_ms"]) == (date(2026, 11, 9), INCIDENT, 900)
    changed = {one.name: one for one in measures(done.rows)}
    assert (changed["refuses"].logged, changed["refuses"].candidate, changed["refuses"].n) == (1.0, 0.0, 6)
    assert changed["refuses"].difference is not None and changed["refuses"].difference.high < 0
    assert changed["support"].n == 0 and "| support | - |" in table(measures(done.rows), done.rows)
    assert len(farthest(done.rows, 2)) == 2
    again = house.replays().replay(Wanted("main", INCIDENT))
    assert again.replay_id == done.replay_id and again.asked == 0 and len(at.got) == 6


def test_what_was_not_answered_has_no_row_and_is_asked_by_the_next(house: ReplayHouse, at: Provider) -> None:
    at.plan = [400, 400]
    first = house.replays().replay(Wanted("main", INCIDENT))
    assert len(first.rows) == 4 and first.left_out["bad_request"] == 2
    assert len(house.replays().replay(Wanted("main", INCIDENT)).rows) == 6 and len(at.got) == 8


def test_a_replay_that_is_killed_goes_on_where_it_was(house: ReplayHouse, at: Provider) -> None:
    environment = {**os.environ, "NOCTURNE_FAILPOINT": "evals.replayed", "EVAL_KEY": KEY}
    environment["PYTHONPATH"] = f"{REPO}{os.pathsep}{REPO / 'tests'}{os.pathsep}{REPO / 'tests' / 'e2e'}"
    worker = [sys.executable, "-W", "ignore", str(Path(__file__)), str(house.root)]
    assert subprocess.run(worker, env=environment, check=False).returncode == -signal.SIGKILL
    assert len(table_rows(house.store, REPLAYS)) == 6
    assert house.replays().replay(Wanted("main", INCIDENT)).asked == 0 and len(at.got) == 6


def test_no_words_reach_a_table_and_answers_lie_under_the_day_of_their_request(house: ReplayHouse, at: Provider) -> None:
    at.say = lambda body: "qzreplayedzq"
    house.replays().replay(Wanted("main", INCIDENT))
    assert b"qzreplayedzq" not in words_on_disk(house.root)
    assert EvalAnswers(house.store.state).days() == [date(2026, 11, 9)]


def test_what_cannot_be_asked_again_says_why(house: ReplayHouse) -> None:
    with pytest.raises(ReplayError, match="there is no incident 2026-01-01-1"):
        house.replays().replay(Wanted("main", "2026-01-01-1"))
    with pytest.raises(ReplayError, match="say which requests"):
        house.replays().replay(Wanted("main"))
    night = datetime(2026, 11, 9, 3, tzinfo=UTC)
    with pytest.raises(ReplayError, match="nothing can be asked again: no request lies there"):
        house.replays().replay(Wanted("main", first=night, last=night))


@pytest.mark.parametrize("wanted", [{"requests": 0}, {"requests": 101}, {"repeats": 0}])
def test_a_replay_of_none_or_of_all_there_is_is_refused(wanted: dict[str, int]) -> None:
    with pytest.raises(ReplayError, match="requests are from 1 to 100, repeats 1 or more"):
        Wanted("main", INCIDENT, **wanted)


def test_a_replay_ends_at_the_bound_of_money_and_says_so(house: ReplayHouse, at: Provider) -> None:
    # An answer costs 0.000024 USD.
    house.name_endpoint(at.base_url, usd_a_run=0.00003)
    done = house.replays().replay(Wanted("main", INCIDENT))
    assert len(at.got) == len(done.rows) == 2
    assert "2 asked now, for 0.000048 USD" in str(done) and str(done).endswith(": usd_a_run (0.00003) is spent")


def test_an_endpoint_that_does_not_answer_is_left_alone(house: ReplayHouse, at: Provider) -> None:
    at.plan = [400] * 6
    done = house.replays().replay(Wanted("main", INCIDENT))
    assert len(at.got) == 5 and done.why == "5 questions in a row got no answer"


def test_an_answer_of_a_model_without_a_price_costs_as_the_one_asked_for_and_else_is_told(
    house: ReplayHouse, at: Provider
) -> None:
    at.extra = {"model": "large-by-another-name"}
    done = house.replays().replay(Wanted("main", INCIDENT))
    assert all(row["candidate_cost_usd"] > 0 for row in done.rows) and done.blind_spot is None
    house.name_endpoint(at.base_url, model="nobody-knows")
    told = str(house.replays().replay(Wanted("main", INCIDENT)))
    assert "6 answers have no price: the bound cannot hold them" in told


def test_a_random_part_is_the_same_each_time_and_words_are_shown_to_whoever_asks(
    house: ReplayHouse, at: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    options = replay._parser().parse_args(["main", "--incident", INCIDENT, "--requests", "3", "--show", "1"])
    assert replay.run(house.replays(), options) == 0
    told = capsys.readouterr().out
    assert "3 beyond the limit" in told and "> now: Yes, hats can be returned" in told and "> then: I'm sorry" in told
    house.replays().replay(Wanted("main", INCIDENT, requests=3))
    assert len(at.got) == 3


if __name__ == "__main__":
    house_ = ReplayHouse(Path(sys.argv[1]))
    house_.replays().replay(Wanted("main", INCIDENT))
