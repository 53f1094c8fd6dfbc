"""Files that the real LiteLLM writes with the documented callback, from the call to the answer.

LiteLLM runs in a process of its own against a server on the loopback interface; nothing else is reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import house as harness
import pytest
from genai_prices import Usage, calc_price
from house import House, selected
from model_server import model_server

from resources.contracts import REPO
from resources.sources import Source

GUIDE = REPO / "docs" / "formats" / "litellm.md"
CALLS = REPO / "tests" / "litellm_calls.py"
GPT = "gpt-4o-2024-08-06"
CLAUDE = "claude-sonnet-4-5-20250929"
WHOLE = {"input_tokens": 2000, "cache_read_tokens": 1024, "output_tokens": 300, "output_reasoning_tokens": 128}
CLAUDES = {
    "input_tokens": 1110, "cache_read_tokens": 1000, "cache_write_tokens": 100, "cache_write_5m_tokens": 60,
    "cache_write_1h_tokens": 40, "output_tokens": 7,
}  # fmt: skip


def _list_price(model: str, provider: str, **usage: int) -> Decimal:
    return calc_price(Usage(**usage), model, provider_id=provider).total_price


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A night over what the calls of tests/litellm_calls.py left in the landing folder."""
    root = tmp_path_factory.mktemp("litellm")
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{GUIDE.name} shows no callback"
    callback = root / "nocturne_callback.py"
    callback.write_text(found[1], encoding="utf-8")
    night = House(root, datetime.now(UTC) + timedelta(days=2), selected("cost.request_costs", "governance.accounting"))
    night.set_shipped_prices()
    landing = night.landing / "litellm"
    with model_server() as url:
        done = subprocess.run(
            [sys.executable, str(CALLS), str(callback), str(landing), url],
            env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "SOURCES", {"litellm": Source("litellm", "litellm", keep_attributes=("beta", "channel"))})
        night.night()
    return night


def _requests(house: House, columns: str) -> dict[str, tuple[Any, ...]]:
    """Columns by the name under which tests/litellm_calls.py made the call; the unnamed by what they are."""
    rows = house.ask(f"select request_id, {columns} from logs.requests order by ts")
    return {request_id.removeprefix("chatcmpl-"): tuple(rest) for request_id, *rest in rows}


def test_every_call_lands_once_and_the_file_in_progress_is_not_taken(house: House) -> None:
    counts = house.ask("select files, lines, records, records_landed, records_quarantined from (select count(*) as files, "
                       "sum(lines) as lines, sum(records) as records, sum(records_landed) as records_landed, "
                       "sum(records_quarantined) as records_quarantined from logs.files)")  # fmt: skip
    # 17 calls; one answer asks for two tools.
    assert counts == [(1, 17, 19, 19, 0)]
    assert house.ask("select requests, duplicates, is_settled from governance.accounting where requests > 0") == [
        (17, 0, True)
    ]
    assert list((house.landing / ".litellm.open").iterdir()) == []


def test_the_real_usage_is_priced_as_genai_prices_prices_it(house: House) -> None:
    rows = house.ask(
        "select r.provider, r.model, c.list_amount, count(*) from logs.requests r join cost.request_costs c "
        "using (request_id) where r.error_class is null group by all"
    )
    assert {(provider, model, amount): n for provider, model, amount, n in rows} == {
        ("openai", GPT, _list_price(GPT, "openai", input_tokens=10, output_tokens=20)): 1,  # the mocked answer
        ("openai", GPT, _list_price(GPT, "openai", **WHOLE)): 5,  # caller, streamed, tools, cached, routed
        ("openai", GPT, Decimal(0)): 1,  # the hit of LiteLLM's own cache
        ("anthropic", CLAUDE, _list_price(CLAUDE, "anthropic", **CLAUDES)): 2,  # by completion and by messages
        (
            "openai", "text-embedding-3-small",
            _list_price("text-embedding-3-small", "openai", input_tokens=5, output_tokens=0),
        ): 1,
    }  # fmt: skip


def test_cached_tokens_are_not_counted_twice_for_either_provider(house: House) -> None:
    named = _requests(
        house,
        "uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, "
        "reasoning_tokens",
    )
    assert named["caller"] == named["streamed"] == (976, 1024, None, None, 172, 128)
    claudes = house.ask(
        f"select uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens "
        f"from logs.requests where model = '{CLAUDE}'"
    )
    assert claudes == [(10, 1000, 60, 40, 7)] * 2


def test_whose_failure_it_was_and_what_the_provider_really_answered(house: House) -> None:
    failures = house.ask(
        "select error_code, http_status, error_class, is_billed, uncached_input_tokens, reported_cost_usd, finish_reason "
        "from logs.requests where error_class is not null order by ts"
    )
    unmeasured = (None, None, None, "error")
    assert failures == [
        ("RateLimitError", 429, "provider", *unmeasured),
        ("ContextWindowExceededError", 400, "model", *unmeasured),
        ("AuthenticationError", 401, "client", *unmeasured),
        ("InternalServerError", 500, "provider", *unmeasured),
        ("Timeout", None, "infrastructure", *unmeasured),
        ("InternalServerError", None, "infrastructure", *unmeasured),
        ("InternalServerError", None, "infrastructure", *unmeasured),  # the first choice of the router
    ]


def test_a_fallback_shares_its_trace_with_what_failed(house: House) -> None:
    rows = house.ask(
        "select array_agg(route order by ts), array_agg(error_class order by ts) from logs.requests "
        "where trace_id is not null group by trace_id having count(*) > 1"
    )
    assert rows == [(["first", "second"], ["infrastructure", None])]


def test_what_the_caller_said_and_how_it_went(house: House) -> None:
    named = _requests(
        house, "tenant, team, feature, temperature, top_p, max_output_tokens, service_tier, finish_reason, attributes"
    )
    tenant, *said = named["caller"]
    assert tenant is not None
    assert said == ["search", "weather", 0.2, 0.9, 50, "default", "stop", '{"beta":true,"channel":"web"}']
    timing = _requests(house, "latency_ms, time_to_first_token_ms, response_cache_hit")
    latency, first_token, _ = timing["streamed"]
    assert 50 <= latency < 60_000 and 0 < first_token < latency
    assert timing["caller"][1] is None
    (hit,) = [name for name in timing if name.startswith("cached_cache_hit")]
    assert (timing[hit][2], timing["cached"][2]) == (True, None)
    late = house.ask("select latency_ms from logs.requests where error_code = 'Timeout'")
    assert 250 <= late[0][0] < 10_000


def test_each_tool_that_the_answer_asks_for_is_a_record(house: House) -> None:
    rows = house.ask(
        "select request_id, record_id, tool_name, arguments_fingerprint from logs.tool_calls order by record_number"
    )
    assert [row[:3] for row in rows] == [
        ("chatcmpl-tools", "call_ulm", "weather"), ("chatcmpl-tools", "call_bonn", "weather"),
    ]  # fmt: skip
    assert len({row[3] for row in rows}) == 2
