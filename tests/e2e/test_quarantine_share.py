"""A source that changes its shape: most of what it delivers is in quarantine, and the night says so and fails."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from house import House, request

from assets.logs.assets import deliveries
from assets.logs.quarantine_share import MIN_RECORDS, too_much
from pipelines.nightly import main
from resources.sources import SourceError, parse

GOOD = [request(f"r{n}", "2026-11-08T10:00:00Z") for n in range(57)]
BAD = [request(f"b{n}", "2026-11-08T10:00:00Z", output_tokens="many") for n in range(2)]
LIMIT = 0.05


def judged(house: House, limit: float = LIMIT) -> list[str]:
    found = deliveries(house.store, house.now - timedelta(days=1))
    return list(too_much(found, dict.fromkeys(("gateway", "replacing"), limit)))


def test_the_share_counts_records_and_lines_that_are_none_and_the_limit_itself_is_allowed(house: House) -> None:
    house.deliver("a.jsonl", [*GOOD, *BAD, "no json"])
    house.land()
    assert judged(house) == []
    house.deliver("b.jsonl", ["no json either"])
    house.land()
    (said,) = judged(house)
    assert said.startswith("gateway: 6.6% of the 61 records that arrived on 2026-11-10 are in quarantine (limit 5.0%), ")
    assert "most for bad_type in output_tokens (expected a whole number" in said
    assert "make check-source FILE=... SOURCE=gateway" in said and "quarantine_limit" in said
    assert judged(house, limit=0.07) == []


def test_a_few_bad_records_of_a_few_are_no_share(house: House) -> None:
    house.deliver("a.jsonl", ["no json"] * (MIN_RECORDS - 1))
    house.land()
    assert judged(house) == []


def test_a_mended_extract_in_its_place_ends_the_alarm(house: House) -> None:
    house.deliver("a.jsonl", [*GOOD, *BAD * 9], "replacing")
    house.land()
    assert len(judged(house)) == 1
    house.deliver("a.jsonl", GOOD, "replacing")
    house.land()
    assert judged(house) == []


def test_a_copy_is_not_counted_again_and_days_and_sources_stand_for_themselves(house: House) -> None:
    for name in ("a.jsonl", "copy.jsonl"):
        house.deliver(name, [*GOOD, *BAD * 9])
    house.deliver("b.jsonl", GOOD, "replacing")
    house.land()
    house.now += timedelta(days=1)
    house.deliver("c.jsonl", [request("late", "2026-11-09T10:00:00Z")])
    house.land()
    counted = deliveries(house.store, house.now - timedelta(days=1))
    found = {(d.source, d.day.day): (d.records, d.quarantined) for d in counted}
    assert found == {("gateway", 10): (75, 18), ("gateway", 11): (1, 0), ("replacing", 10): (57, 0)}
    assert len(judged(house)) == 1
    house.now += timedelta(days=1)
    assert judged(house) == [], "the day before yesterday has been told twice"


def test_a_source_that_was_taken_out_of_the_seed_is_not_judged(house: House) -> None:
    house.deliver("a.jsonl", BAD * 20)
    house.land()
    assert too_much(deliveries(house.store, house.now - timedelta(days=1)), {"other": 0.0}) == {}


@pytest.mark.parametrize("wrong", [-0.1, 1.1, "much", True, None])
def test_a_limit_that_is_no_share_is_refused(wrong: object) -> None:
    with pytest.raises(SourceError, match="quarantine_limit is a share from 0 to 1"):
        parse({"sources": {"gateway": {"format": "canonical", "quarantine_limit": wrong}}})


def test_the_night_fails_with_a_sentence_and_publishes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in (("HOME", "home"), ("DATA", "data"), ("LANDING", "landing")):
        monkeypatch.setenv(f"NOCTURNE_{name}", str(tmp_path / folder))
    monkeypatch.setenv("NOCTURNE_SETTLE_SECONDS", "0")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    gateway = tmp_path / "landing" / "gateway"
    gateway.mkdir(parents=True)
    (gateway / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*GOOD, *BAD * 9]))
    (gateway / "link.jsonl").symlink_to("/etc/passwd")

    monkeypatch.setenv("NOCTURNE_NOW", "2026-11-10T03:00:00")
    assert main(["--no-sample", "--no-validation"]) == 1
    said = capsys.readouterr().out
    assert "FAILED gateway: 24.0% of the 75 records that arrived on 2026-11-10 are in quarantine (limit 5.0%)" in said
    assert "passed over in the landing folder, as no files (links, pipes …): 1, such as gateway/link.jsonl" in said
    assert "2026-11-08 │       57" in said

    monkeypatch.setenv("NOCTURNE_NOW", "2026-11-12T03:00:00")
    assert main(["--no-sample", "--no-validation"]) == 0
