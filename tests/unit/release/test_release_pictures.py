"""The picture of a release: each metric of both versions, drawn without a network, and the same in a table."""

from __future__ import annotations

from datetime import date
from typing import Any

from assets.release.pictures import TITLES, largest, line, picture
from resources.charts import svg
from resources.contracts import contracts

METRICS = contracts()["release.before_after"].column("metric").values


def row(metric: str, **more: Any) -> dict[str, Any]:
    said = {
        "day": date(2026, 11, 21), "feature": "support_chat", "environment": "prod", "prompt_version": "v94",
        "before_version": "v93", "metric": metric, "days_live": 2, "value_before": 0.1, "low_before": 0.08,
        "high_before": 0.12, "n_before": 4000, "value_after": 0.2, "low_after": 0.15, "high_after": 0.26, "n_after": 900,
        "difference": 0.1, "difference_low": 0.04, "difference_high": 0.16, "reading": "worse",
    }  # fmt: skip
    return said | more


def test_every_metric_of_the_contract_has_a_title_and_a_panel() -> None:
    assert set(TITLES) == set(METRICS)
    drawn = svg(picture([row(metric) for metric in METRICS]))
    assert all(title in drawn for title in TITLES.values())
    assert "v93" in drawn and "v94" in drawn


def test_what_is_not_known_is_drawn_without_a_bar_and_told_so() -> None:
    unknown = dict.fromkeys(("value_before", "low_before", "high_before", "difference", "difference_low", "difference_high"))
    rows = [row("latency_p95_ms", high_after=None, n_before=0, reading="not_known", **unknown)]
    assert "latency" in svg(picture(rows))
    told = "not known (n 0) | 0.0002 (n 900) | not known (not known to not known)"
    assert f"| latency, 95 % quantile, s | {told} | not known |" in line(rows)


def test_the_table_says_shares_in_percent() -> None:
    assert "| failed, % | 10 (n 4,000) | 20 (n 900) | 10 (4 to 16) | worse |" in line([row("failed_share")])


def test_a_name_cannot_break_the_table() -> None:
    assert "`a'b/c d`" in line([row("failed_share", feature="a`b|c\nd")])


def test_the_largest_releases_come_first() -> None:
    small = [row("failed_share", n_after=5, feature="a"), row("cost_usd", n_after=7, feature="a")]
    large = [row("failed_share", n_after=6), row("cost_usd", n_after=90)]
    assert [found[0]["feature"] for found in largest([*small, *large], 1)] == ["support_chat"]
    assert [len(found) for found in largest([*small, *large], 3)] == [2, 2]
