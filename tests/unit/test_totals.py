"""What the UI shows of a day's sums: the largest first, money by currency, and no Markdown out of a log."""

from __future__ import annotations

from decimal import Decimal

from assets.totals import largest, totals
from resources.contracts import contracts

CHARGES, REQUESTS = contracts()["cost.charges"], contracts()["logs.requests"]


def test_dollars_and_euros_are_never_added_up() -> None:
    groups = {
        "USD|output|openai|large": {"rows": "2", "list_amount": "1.5", "contracted_amount": "1.25"},
        "USD|output|openai|small": {"rows": "1", "list_amount": "0.5", "contracted_amount": "0.25"},
        "EUR|output|acme|large": {"rows": "1", "list_amount": "7"},
    }
    assert totals(CHARGES, groups) == {
        "list_amount_usd": Decimal("2.0"), "contracted_amount_usd": Decimal("1.50"), "list_amount_eur": Decimal(7),
    }  # fmt: skip


def test_the_largest_ten_come_first_and_what_was_not_measured_comes_last_and_is_no_zero() -> None:
    groups = {f"acme|m{n:02}": {"rows": "1", "input_tokens": "1", "output_tokens": str(n)} for n in range(11)}
    shown = largest(REQUESTS, groups).splitlines()
    assert shown[0] == "| provider | model | input_tokens | output_tokens |"
    assert shown[2] == "| `acme` | `m10` | 1 | 10 |"
    assert len(shown) == 2 + 10 + 2 and shown[-1] == "the largest 10 of 11"
    unmeasured = largest(REQUESTS, {"acme|a": {"rows": "1"}, "acme|b": {"rows": "1", "output_tokens": "0"}}).splitlines()
    assert unmeasured[2:] == ["| `acme` | `b` | – | 0 |", "| `acme` | `a` | – | – |"]


def test_a_model_name_is_no_picture_that_the_browser_fetches() -> None:
    [*_, row] = largest(REQUESTS, {"acme|`![x](http://elsewhere/y.png)\n": {"rows": "1", "output_tokens": "3"}}).splitlines()
    assert row == "| `acme` | `'![x](http://elsewhere/y.png)` | – | 3 |"
