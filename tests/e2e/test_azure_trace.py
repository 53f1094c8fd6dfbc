"""A real trace, as its publisher wrote it, from file to answer. Skips where the public data set is not at hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import house as harness
import pytest
from house import House, selected

from resources.contracts import REPO
from resources.sources import load

TRACE = REPO.parent / "shared" / "data" / "azure_llm_2023" / "data" / "AzureLLMInferenceTrace_conv.csv"


@pytest.mark.skipif(not TRACE.exists(), reason="the Azure LLM inference trace of 2023 is not beside the checkout")
def test_the_azure_trace_lands_whole_and_is_priced_with_its_declared_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, contracts_=selected("cost.unit_costs_daily", "cost.cost_daily", "governance.accounting"))
    monkeypatch.setattr(harness, "SOURCES", load())
    house.set_shipped_prices()
    landing = house.landing / "azure_llm_2023"
    landing.mkdir(parents=True)
    (landing / TRACE.name).symlink_to(TRACE)
    assert house.land().files == []  # A link is not a delivery.
    (landing / TRACE.name).unlink()
    (landing / TRACE.name).write_bytes(TRACE.read_bytes())
    house.night()

    counts = house.ask("select lines, lines_header, lines_read, lines_refused, records, records_landed from logs.files")
    assert counts == [(19_367, 1, 19_366, 0, 19_366, 19_366)]
    assert house.ask("select requests, duplicates, is_settled from governance.accounting") == [(19_366, 0, True)]

    (totals,) = house.ask("select sum(uncached_input_tokens), sum(output_tokens), min(ts), max(ts) from logs.requests")
    lines = [line.split(",") for line in TRACE.read_text(encoding="utf-8").splitlines()[1:]]
    tokens_in, tokens_out = (sum(int(line[column]) for line in lines) for column in (1, 2))
    assert totals[:2] == (tokens_in, tokens_out)

    # gpt-4 cost 30 USD per million tokens in and 60 out on that day.
    expected = (Decimal(30) * tokens_in + Decimal(60) * tokens_out) / 1_000_000
    costs = house.ask("select provider, model, sum(list_amount), sum(requests) from cost.cost_daily group by all")
    assert costs == [("azure", "gpt-4", expected, 19_366)]
    (share,) = house.ask("select usd_per_1000_requests from cost.unit_costs_daily where scope = 'all'")
    assert share[0] == pytest.approx(float(expected) / 19.366)
