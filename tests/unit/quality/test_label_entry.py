"""One entry of a label file: who said it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assets.quality.label_entry import Fault, Said, read_entry

NOW = datetime(2026, 11, 10, tzinfo=UTC)


def entry(annotator: str) -> Said | Fault | None:
    return read_entry({"request_id": "r1", "annotator": annotator, "hallucinated": "yes"}, [], [], NOW)


@pytest.mark.parametrize("spelling", ["ana l", "Ana L", "  ANA   L ", "ana\u200b l", "\u202eana l"])
def test_a_person_is_one_annotator_however_the_name_is_typed(spelling: str) -> None:
    said = entry(spelling)
    assert isinstance(said, Said)
    assert said.annotator == "ana l"


def test_a_name_that_nobody_sees_is_none() -> None:
    assert entry("\u200b\u202e") == Fault("missing", "annotator", "who judged")
