"""What `make nightly` says at its end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from house import House, request

from pipelines.nightly import Night
from pipelines.summary import _notes, _usd
from resources.warehouse import open_published


def test_days_before_the_table_at_the_end_are_told_not_passed_over(house: House) -> None:
    """Whoever lands an old log would think that most of it is lost."""
    lines = [request("r1", "2026-06-08T10:00:00Z"), request("r2", "2026-11-08T10:00:00Z")]
    house.deliver("a.jsonl", lines)
    house.night()
    con = open_published(house.publisher.door)
    try:
        recent = {"since": date(2026, 10, 10), "last": date(2026, 11, 8)}
        notes = _notes(con, Night(), recent)
        assert "1 earlier days have requests, from 2026-06-08 on: select * from governance.accounting" in notes
        assert not any("earlier days" in note for note in _notes(con, Night(), recent | {"since": date(2026, 1, 1)}))
    finally:
        con.close()


def test_what_is_not_shown_is_counted(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z")])
    for number in range(7):
        house.deliver(f"{number}.txt", [])
    house.night()
    con = open_published(house.publisher.door)
    try:
        landed = {
            "files_landed": 1, "files_copy": 0, "files_refused": 7, "files_unchanged": 0, "unread_keys": {},
            "passed_over": [], "still_written": [], "undeclared": ["gatway", "billing", "a.csv"],
        }  # fmt: skip
        notes = _notes(con, Night(landed=landed), {"since": date(2026, 1, 1), "last": date(2026, 11, 8)})
    finally:
        con.close()
    assert sum(note.startswith("refused: ") for note in notes) == 5
    assert "refused 2 more: select path, reason from logs.files where state = 'refused'" in notes
    declare = "in the landing folder belongs to no source; declare it in warehouse/seeds/sources.yml"
    assert f"gatway {declare}, or rename it to gateway" in notes
    assert f"billing {declare}" in notes
    assert "a.csv in the landing folder belongs to no source; move it into the sub-folder of one" in notes


def test_a_cost_that_is_not_zero_is_not_shown_as_zero() -> None:
    assert [_usd(cost) for cost in (None, Decimal(0), Decimal("0.0042"), Decimal("0.01"), Decimal("1234.5"))] == [
        "-", "0.00", "< 0.01", "0.01", "1,234.50",
    ]  # fmt: skip
