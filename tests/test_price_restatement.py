"""The cost ledger restates: a corrected price book reaches the days that it speaks of, by all that it changes and no more,
and what was billed is counted whether the answer was any good or not.

Which tables and days are computed anew is proven in tests/test_reopening.py; here it is the amounts, from landed files
to what readers see.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core import core_house, day
from house import House, price, request

DAYS = ("11-01", "11-02", "11-03", "11-04")


def usd(text: str) -> Decimal:
    return Decimal(text)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Four days of one request each of the models `large` (2 USD per million input tokens) and `small` (1 USD)."""
    house = core_house(tmp_path)
    house.set_prices([price("large", 2.0), price("small", 1.0)])
    house.deliver(
        "a.jsonl",
        [
            request(f"{model}-{d}", f"2026-{d}T10:00:00Z", request_model=model)
            for d in DAYS
            for model in ("large", "small")
        ],
    )
    house.night()
    return house


def costs(house: House) -> dict[tuple[date, str], Decimal]:
    """What readers see: list price by day and model."""
    rows = house.ask("select day, model, sum(list_amount) from cost.charges group by day, model")
    return {(day_, model): amount for day_, model, amount in rows}


def restated(house: House, measure: str = "list_amount") -> list[tuple[Any, ...]]:
    """(day, model, before, after) of the charges' restatements, in the order in which they were made, classes summed."""
    return house.ask(
        f"""
        select day, split_part(grouping, '|', 4) as model, sum(before), sum(after)
        from logs.restatements
        where table_name = 'cost.charges' and measure = '{measure}' and cause = 'cost.prices'
        group by day, model, restated_at
        order by restated_at, day, model
        """
    )


def test_a_corrected_list_price_reprices_its_days_and_says_before_and_after_by_day_and_model(house: House) -> None:
    before = costs(house)
    assert before[day("11-02"), "large"] == usd("0.0028")  # 1,000 tokens in at 2 USD, 100 out at 8 USD per million
    corrected = [
        price("large", 2.0, until="2026-11-02"),
        price("large", 3.0, since="2026-11-02", until="2026-11-04"),
        price("large", 2.0, since="2026-11-04"),
        price("small", 1.0),
    ]
    house.set_prices(corrected)
    house.night()
    after = costs(house)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {(day("11-02"), "large"), (day("11-03"), "large")}
    assert restated(house) == [(d, "large", usd("0.0028"), usd("0.0042")) for d in (day("11-02"), day("11-03"))]
    # Every later table says the same sums, and the record explains the whole difference.
    for table in ("cost.request_costs", "cost.cost_15min"):
        total = house.ask(f"select day, sum(list_amount) from {table} group by day order by day")
        assert total == [(day(d), after[day(d), "large"] + after[day(d), "small"]) for d in DAYS]
    explained = sum(row[3] - row[2] for row in restated(house))
    assert sum(after.values()) - sum(before.values()) == explained
    assert house.is_quiet()

    # The correction was wrong: the ledger goes back, and keeps that it went.
    house.set_prices([price("large", 2.0), price("small", 1.0)])
    house.night()
    assert costs(house) == before
    there, back = (usd("0.0028"), usd("0.0042")), (usd("0.0042"), usd("0.0028"))
    assert [row[2:] for row in restated(house)] == [there, there, back, back]
    assert house.is_quiet()


def test_a_price_that_ends_tomorrow_leaves_every_day_alone(house: House) -> None:
    before, number = costs(house), house.publisher.current_number()
    house.set_prices([price("large", 2.0, until="2026-11-10"), price("large", 9.0, since="2026-11-10"), price("small", 1.0)])
    assert house.night() == {}
    assert costs(house) == before
    assert restated(house) == []
    # Readers get the new price book, and nothing else.
    assert house.publisher.current_number() == number + 1
    assert house.ask("select count(*) from cost.prices where valid_from = timestamp '2026-11-10'") == [(2,)]


def test_a_model_that_gets_a_price_late_is_restated_from_unknown_and_not_from_zero(house: House) -> None:
    house.deliver("new.jsonl", [request("n", "2026-11-03T11:00:00Z", request_model="new")])
    house.night()
    assert costs(house)[day("11-03"), "new"] is None
    house.set_prices([price("large", 2.0), price("small", 1.0), price("new", 4.0)])
    house.night()
    assert costs(house)[day("11-03"), "new"] == usd("0.0056")
    found = house.ask(
        "select grouping, measure, before, after from logs.restatements "
        "where table_name = 'cost.charges' and measure in ('rows', 'list_amount') and grouping like '%|new' "
        "and cause like 'cost.%' order by all"
    )
    assert found == [
        ("USD|output|acme|new", "list_amount", None, usd("0.0016")),
        ("USD|output|acme|new", "rows", None, 1),
        ("USD|uncached_input|acme|new", "list_amount", None, usd("0.004")),
        ("USD|uncached_input|acme|new", "rows", None, 1),
        # The charges without an amount, and without a currency, are gone.
        ("|output|acme|new", "rows", 1, None),
        ("|uncached_input|acme|new", "rows", 1, None),
    ]


def test_what_was_billed_is_counted_whether_it_failed_or_not_and_an_own_cache_costs_nothing(tmp_path: Path) -> None:
    house = core_house(tmp_path)
    house.set_prices([price("large", 2.0)])
    at = "2026-11-03T10:00:00Z"
    unmeasured = {"uncached_input_tokens": None, "output_tokens": None}
    house.deliver(
        "a.jsonl",
        [
            request("good", at),
            request("timed-out", at, error_class="infrastructure", error_code="timeout"),
            request("failed-midway", at, error_class="provider", http_status=500, output_tokens=None, is_billed=True),
            request("refused", at, error_class="client", http_status=400, **unmeasured),
            request("failed-and-billed", at, error_class="provider", is_billed=True, **unmeasured),
            request("waived", at, error_class="provider", is_billed=False),
            request("cached", at, response_cache_hit=True),
            request("provider-cached", at, uncached_input_tokens=0, cache_read_tokens=1000),
        ],
    )
    house.night()
    found = {
        request_id: (state, list_amount, known)
        for request_id, state, list_amount, known in house.ask(
            "select request_id, state, list_amount, priced_list_amount from cost.request_costs"
        )
    }
    whole, nothing = usd("0.0028"), usd("0")
    assert found == {
        "good": ("priced", whole, whole),
        "timed-out": ("priced", whole, whole),
        # What it answered before it failed was billed, and nobody counted it: the whole is not known.
        "failed-midway": ("partly_priced", None, usd("0.002")),
        "refused": ("not_billed", nothing, nothing),
        "failed-and-billed": ("unpriced", None, None),
        "waived": ("not_billed", nothing, nothing),
        "cached": ("not_billed", nothing, nothing),
        # A provider's cache is not an own cache: the model has no rate for it, so its cost is not known, and not 0.
        "provider-cached": ("partly_priced", None, usd("0.0008")),
    }
    # The failures are in the day's sum, and in no success.
    assert house.ask("select sum(list_amount), sum(requests) from cost.cost_15min") == [(usd("0.0084"), 8)]
