"""What counts as approved: the newest decision on exactly this content, and of two of one moment the refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assets.governance.approvals import APPROVE, REFUSE, decision_on, is_approved

SUBJECT, DIGEST = "tuning/embedder/0123456789abcdef", "a" * 64
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def row(decision: str, minute: int = 0, subject: str = SUBJECT, digest: str = DIGEST) -> dict[str, Any]:
    said = {"subject": subject, "subject_digest": digest, "decision": decision, "actor": "ada", "reason": "read"}
    return {"recorded_at": NOON + timedelta(minutes=minute), **said}


def test_nobody_said_anything() -> None:
    assert not is_approved([], SUBJECT, DIGEST) and decision_on([], SUBJECT, DIGEST) is None


def test_other_content_under_the_same_name_is_not_approved() -> None:
    assert is_approved([row(APPROVE)], SUBJECT, DIGEST)
    assert not is_approved([row(APPROVE)], SUBJECT, "b" * 64)
    assert not is_approved([row(APPROVE)], "tuning/embedder/fedcba9876543210", DIGEST)


def test_a_refusal_wins_over_an_earlier_approval_and_one_of_the_same_moment() -> None:
    assert not is_approved([row(APPROVE), row(REFUSE, minute=5)], SUBJECT, DIGEST)
    assert not is_approved([row(REFUSE), row(APPROVE)], SUBJECT, DIGEST)
    assert is_approved([row(REFUSE), row(APPROVE, minute=5)], SUBJECT, DIGEST), "a mind may change"


def test_a_refusal_of_other_content_does_not_count() -> None:
    assert is_approved([row(APPROVE), row(REFUSE, minute=5, digest="b" * 64)], SUBJECT, DIGEST)


@given(st.lists(st.tuples(st.sampled_from([APPROVE, REFUSE]), st.integers(0, 3)), max_size=6), st.randoms())
def test_in_which_order_rows_are_read_does_not_matter(decisions: list[tuple[str, int]], chance: Any) -> None:
    rows = [row(decision, minute) for decision, minute in decisions]
    mixed = chance.sample(rows, len(rows))
    assert is_approved(mixed, SUBJECT, DIGEST) == is_approved(rows, SUBJECT, DIGEST)
    if is_approved(rows, SUBJECT, DIGEST):
        newest = max(minute for _, minute in decisions)
        assert (APPROVE, newest) in decisions and (REFUSE, newest) not in decisions
