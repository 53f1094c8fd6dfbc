"""What `make nightly` says at its end."""

from __future__ import annotations

from datetime import date

from house import House, request

from pipelines.nightly import Night
from pipelines.summary import _notes
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
