"""Recorded exchanges with real providers, from file to price: each is accounted for, counted and charged as it was billed.

The bodies are those that a public test suite recorded; they are read where they lie, and the tests skip where they are
not. Counts and prices are checked against `usage` read in Python and against genai-prices' own reading of the bodies.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import house as harness
import pytest
from genai_prices import Usage, calc_price, extract_usage
from house import House, selected
from recordings import Exchange, exchanges, final_body, input_tokens, output_tokens

from resources.contracts import REPO
from resources.sources import Source

RECORDINGS = REPO.parent / "shared" / "data" / "pydantic_ai_cassettes"
FIRST = datetime(2026, 11, 9)  # UTC, without a zone, as readers see times
TOLERANCE_USD = Decimal("1e-9")
INPUT = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "audio_input_tokens",
    "audio_cache_read_tokens", "image_input_tokens",
)  # fmt: skip
CALLS = ("/chat/completions", "/responses", "/responses/compact", "/messages", "/invoke")
OUTPUT = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded exchanges are not beside the checkout")

Recorded = dict[tuple[str, int], Exchange]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Every exchange by source and line number."""
    found: Recorded = {}
    for exchange in exchanges(RECORDINGS):
        number = 1 + sum(source == exchange.source for source, _ in found)
        found[exchange.source, number] = exchange
    return found


@pytest.fixture(scope="module")
def night(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One night over all recordings, each a second after the one before; Anthropic's bodies hold no time."""
    house = House(tmp_path_factory.mktemp("night"), contracts_=selected("cost.request_costs", "governance.accounting"))
    house.set_shipped_prices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "SOURCES", {name: Source(name, name) for name in ("openai", "anthropic")})
        for source in ("openai", "anthropic"):
            lines = [e.envelope(ts=_ts(n).isoformat()) for (s, n), e in recorded.items() if s == source]
            house.deliver("recordings.jsonl", lines, source)
        house.night()
        yield house


def _ts(number: int) -> datetime:
    return FIRST + timedelta(seconds=number)


def _rows(house: House, sql: str) -> list[dict[str, Any]]:
    columns = [name for name, *_ in house.ask(f"describe {sql}")]
    return [dict(zip(columns, row, strict=True)) for row in house.ask(sql)]


def _total(row: dict[str, Any], classes: tuple[str, ...]) -> int | None:
    counts = [row[name] for name in classes if row[name] is not None]
    return sum(counts) if counts else None


def _fate(exchange: Exchange) -> str:
    """What should become of a recording, told from its URL and method alone."""
    if exchange.host in ("demo-endpoints.pydantic.workers.dev",) or ":generateContent" in exchange.path:
        return "quarantined"  # An echo server, and Gemini's own shape: neither format's.
    if exchange.path.endswith(("/count_tokens", "/count-tokens", "/responses/input_tokens")):
        return "token_count"
    if exchange.method == "POST" and exchange.path.endswith(CALLS):
        return "landed" if (exchange.request.get("temperature") or 0) >= 0 else "quarantined"
    if exchange.method == "GET" and "/responses/resp_" in exchange.path:
        return "landed"
    return "not_a_model_call"


def _bills(exchange: Exchange) -> list[dict[str, Any]]:
    """The answer's body, then one for each iteration that its usage leaves out (advice of another model)."""
    body = final_body(exchange)
    beside = [i for i in (body.get("usage") or {}).get("iterations") or [] if i["type"] != "message"]
    return [body, *({"model": i.get("model", body["model"]), "usage": i} for i in beside)]


def _library_price(exchange: Exchange, body: dict[str, Any], at: datetime) -> Decimal | None:
    """What genai-prices makes of a provider's body; None where its catalogue has no price."""
    asked = exchange.request if isinstance(exchange.request, dict) else {}
    body = {"model": asked.get("model"), **body}  # A compaction does not name its model.
    usage = dict(body["usage"])
    if "completion_tokens" in usage:
        usage["completion_tokens"] = output_tokens(usage)  # The library counts no reasoning that stands beside the output.
    flavor = "chat" if "completion_tokens" in usage else "responses" if "input_tokens_details" in usage else "default"
    if exchange.host.endswith("amazonaws.com"):
        flavor = "anthropic"
    if exchange.host == "openrouter.ai":
        flavor = "default"
    provider = "azure" if exchange.host.endswith("azure.com") else None
    where = {"provider_id": provider} if provider else {"provider_api_url": exchange.url}
    extracted = extract_usage({**body, "usage": usage}, api_flavor=flavor, **where)
    # Searches are no charge class of the house yet (docs/decisions/0006).
    counts = {name: count for name, count in vars(extracted.usage).items() if name != "web_searches" and count is not None}
    bought = {"service_tier": body["service_tier"]} if body.get("service_tier") else None
    try:
        priced = calc_price(
            Usage(**counts), body["model"], genai_request_timestamp=at.replace(tzinfo=UTC), price_context=bought, **where
        )
    except LookupError:
        return None
    return priced.total_price


def test_every_recording_is_landed_ignored_or_quarantined(night: House, recorded: Recorded) -> None:
    landed = set(night.ask("select distinct source, ts from logs.landed"))
    bad = set(night.ask("select source, line_number from logs.quarantine"))
    fates = {key: _fate(exchange) for key, exchange in recorded.items()}
    assert landed == {(source, _ts(number)) for (source, number), fate in fates.items() if fate == "landed"}
    assert bad == {key for key, fate in fates.items() if fate == "quarantined"}
    for source in ("openai", "anthropic"):
        left_out = Counter(fate for (s, _), fate in fates.items() if s == source and fate not in ("landed", "quarantined"))
        (ignored,) = night.ask(f"select ignored_by_reason from logs.files where source = '{source}'")
        assert json.loads(ignored[0]) == left_out
    assert night.ask("select is_settled from governance.accounting") == [(True,)]


def test_token_classes_add_up_to_what_the_provider_counted(night: House, recorded: Recorded) -> None:
    rows = _rows(night, "select * from logs.landed where record_kind = 'request' order by source, ts, record_number")
    by_line: dict[tuple[str, datetime], list[dict[str, Any]]] = {}
    for row in rows:
        by_line.setdefault((row["source"], row["ts"]), []).append(row)
    compared = 0
    for (source, number), exchange in recorded.items():
        if _fate(exchange) != "landed":
            continue
        found = by_line[source, _ts(number)]
        bills = _bills(exchange)
        assert len(found) == len(bills), exchange.name
        for row, bill in zip(found, bills, strict=True):
            usage = bill.get("usage")
            expected = (input_tokens(usage), output_tokens(usage)) if usage else (None, None)
            assert (_total(row, INPUT), _total(row, OUTPUT)) == expected, exchange.name
            assert all(row[name] is None or row[name] >= 0 for name in INPUT + OUTPUT), exchange.name
            compared += usage is not None
    assert compared > 370


def test_a_request_costs_what_genai_prices_makes_of_its_body(night: House, recorded: Recorded) -> None:
    costs = _rows(
        night,
        "select r.source, r.ts, r.parent_id, r.model, c.state, c.list_amount, c.lead_charge_class, r.request_id "
        "from logs.requests as r inner join cost.request_costs as c using (request_id)",
    )
    priced, unpriced = 0, Counter[tuple[str, str]]()
    for cost in costs:
        number = int((cost["ts"] - FIRST).total_seconds())
        exchange = recorded[cost["source"], number]
        bills = _bills(exchange)
        bill = next(b for b in bills[1:] if b["model"] == cost["model"]) if "/" in cost["request_id"] else bills[0]
        if not bill.get("usage"):
            assert cost["state"] in ("not_billed", "unpriced"), exchange.name
            continue
        expected = _library_price(exchange, bill, cost["ts"])
        if expected is None or cost["state"] == "unpriced":
            unpriced[exchange.host, cost["model"]] += 1
            assert (cost["state"], cost["list_amount"], expected or 0) == ("unpriced", None, 0), exchange.name
            continue
        assert abs(cost["list_amount"] - expected) <= TOLERANCE_USD, (exchange.name, cost, expected)
        priced += 1
    assert priced > 340
    assert dict(unpriced) == {("api.cerebras.ai", "qwen-3-coder-480b"): 2}  # The catalogue has the name, and no rate.


def test_a_polled_answer_is_one_request_and_its_last_word_counts(night: House, recorded: Recorded) -> None:
    """Background answers are fetched again and again under one id: queued, in progress, completed."""
    ids: dict[str, list[Exchange]] = {}
    for exchange in recorded.values():
        body = final_body(exchange)
        if body.get("object") == "response" and _fate(exchange) == "landed":
            ids.setdefault(body["id"], []).append(exchange)
    polled = {i: [final_body(e) for e in deliveries] for i, deliveries in ids.items() if len(deliveries) > 1}
    assert any(body["status"] == "queued" for bodies in polled.values() for body in bodies)
    rows = {row["request_id"]: row for row in _rows(night, "select * from logs.requests where source = 'openai'")}
    for request_id, bodies in polled.items():
        is_done = any(body["status"] == "completed" for body in bodies)
        assert (rows[request_id]["is_complete"] is None, rows[request_id]["output_tokens"] is not None) == (is_done, is_done)
