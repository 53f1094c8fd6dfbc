"""Pictures of changes: what they show is what the rows say, and they can be drawn whatever the rows hold."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import altair
import numpy as np
import polars as pl
import pytest

from assets.drift.family_arrays import LOG_STEP
from assets.drift.pictures import (
    AFTER,
    ALARM,
    BEFORE,
    INK,
    LINES,
    bands,
    bars,
    effect_over_time,
    line,
    picture,
    quantiles_over_time,
    shares_over_time,
    styled,
)
from resources.charts import markdown_image, svg

DAY = date(2026, 11, 20)
CHANGE = {
    "day": DAY, "change_id": "c", "segment_kind": "feature", "segment": "chat", "family": "categorical",
    "metric": "prompt_language", "change_since_day": DAY - timedelta(days=2), "status": "full", "floor": 0.05, "n": 5400,
}  # fmt: skip
NUMERIC = {**CHANGE, "family": "numeric", "metric": "latency_ms"}
EACH_FAMILY = [CHANGE, NUMERIC, {**CHANGE, "family": "embedding"}]


def nights_of(nights: int = 59, effect: float | None = 0.02) -> pl.DataFrame:
    rows = [
        {"day": DAY - timedelta(days=ago), "effect": effect, "night_effect": effect, "floor": 0.05, "is_alarm": ago == 0}
        for ago in range(nights)
    ]
    return pl.DataFrame(rows, schema_overrides={"effect": pl.Float64, "night_effect": pl.Float64})


def profiles_of(**shares: tuple[int, int]) -> pl.DataFrame:
    """Bins with (n a day before, n a day since), over 10 days of which 3 are in the window."""
    rows = [
        {"day": DAY - timedelta(days=ago), "bin": name, "n": since if ago < 3 else before}
        for ago in range(10)
        for name, (before, since) in shares.items()
    ]
    return pl.DataFrame(rows).filter(pl.col("n") > 0)


LANGUAGES = profiles_of(en=(90, 50), de=(10, 50), fr=(0, 2))


def drawn(spec: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(svg(spec if "$schema" in spec else styled(spec)))


def words(picture_: ElementTree.Element) -> str:
    return " | ".join(picture_.itertext())


def test_bars_are_the_shares_before_the_change_and_in_the_window() -> None:
    shares = {(r["name"], r["when"]): r["share"] for r in bars(CHANGE, LANGUAGES)["data"]["values"]}
    assert shares == {
        ("en", "before"): 0.9, ("en", "after"): 0.4902, ("de", "before"): 0.1, ("de", "after"): 0.4902,
        ("fr", "before"): 0.0, ("fr", "after"): 0.01961,
    }  # fmt: skip


def test_names_that_differ_at_their_end_or_in_their_middle_have_a_bar_and_a_line_each() -> None:
    names = ("customer-support-prompt-v12", "customer-support-prompt-v13", "customer-assist-prompt-v13")
    versions = profiles_of(**dict(zip(names, ((90, 10), (10, 50), (0, 40)), strict=True)))
    shown = [row["name"] for row in bars(CHANGE, versions)["data"]["values"] if row["when"] == "after"]
    assert sorted(shown) == ["customer-…prompt-v12", "customer-…prompt-v13 (1)", "customer-…prompt-v13 (2)"]
    days = [(row["day"], row["name"]) for row in shares_over_time(CHANGE, versions)["data"]["values"]]
    assert len(days) == len(set(days)) == 20
    assert "customer-…prompt-v13 (2)" in words(drawn(picture(CHANGE, nights_of(), versions)))


def test_many_categories_leave_a_bar_for_the_others_so_that_the_bars_add_up() -> None:
    many = bars(CHANGE, profiles_of(**{f"v{at}": (at, 30 - at) for at in range(1, 30)}))["data"]["values"]
    assert {r["name"] for r in many} > {"21 others"} and len(many) == 18
    assert sum(r["share"] for r in many if r["when"] == "after") == pytest.approx(1, abs=1e-3)


def test_days_without_a_category_are_days_on_which_its_share_is_zero() -> None:
    layer = shares_over_time({**CHANGE, "family": "embedding"}, LANGUAGES.with_columns(bin=pl.col("bin").replace("fr", "7")))
    values = layer["data"]["values"]
    assert {r["name"] for r in values} == {"cluster de"}, "what hardly rose did not grow"
    grown = shares_over_time(CHANGE, profiles_of(en=(90, 50), de=(0, 50)))["data"]["values"]
    assert [r["share"] for r in grown] == [0.0] * 7 + [0.5] * 3


def test_a_median_is_within_a_percent_of_the_values_median_and_zero_is_zero() -> None:
    values = np.random.default_rng(4).lognormal(6, 1, 4001)
    level, n = np.unique(np.ceil(np.log(values) / LOG_STEP).astype(int), return_counts=True)
    counted = profiles_of(**{str(at): (int(count), int(count)) for at, count in zip(level, n, strict=True)})
    row = quantiles_over_time(NUMERIC, counted)["data"]["values"][0]
    for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        assert row[name] == pytest.approx(np.quantile(values, share, method="inverted_cdf"), rel=0.011)
    zeros = quantiles_over_time(NUMERIC, profiles_of(**{"": (60, 60), "300": (40, 40)}))["data"]["values"][0]
    assert (zeros["p10"], zeros["p50"], zeros["p90"]) == (0.0, 0.0, pytest.approx(math.exp(300 * LOG_STEP) * 0.99, rel=1e-3))


def test_a_distribution_says_how_many_were_zero_and_is_not_squeezed_by_one_huge_value() -> None:
    counted = profiles_of(**{"": (100, 50), "300": (500, 450), "310": (400, 500), "1700": (1, 0)})
    spec = bands(NUMERIC, counted)
    assert "zero: 10.0% -> 5.0%" in spec["title"]
    assert max(r["x"] for r in spec["data"]["values"]) < 1000


def test_a_picture_names_the_change_its_size_and_how_sure_it_is() -> None:
    shown = words(drawn(picture({**CHANGE, "status": "weak"}, nights_of(), LANGUAGES)))
    for word in ("prompt_language of feature chat, since 2026-11-18", "n = 5,400 in three days (weak)", "Jensen-Shannon"):
        assert word in shown


@pytest.mark.parametrize("change", EACH_FAMILY, ids=lambda c: c["family"])
def test_vega_lite_knows_every_word_of_a_picture(change: dict[str, Any]) -> None:
    altair.HConcatChart.from_dict(picture(change, nights_of(), profiles_of(**{"12": (10, 10), "13": (0, 9)})))


@pytest.mark.parametrize("change", EACH_FAMILY, ids=lambda c: c["family"])
@pytest.mark.parametrize(
    ("nights", "effect", "profiles"),
    [
        (59, None, profiles_of(**{"12": (10, 10)})),
        (1, 0.2, profiles_of(**{"12": (0, 10)})),
        (59, 0.2, profiles_of(**{"": (5, 9)})),
        (0, None, profiles_of(**{"12": (1, 1)}).clear()),
    ],
    ids=["no effect", "a new metric", "nothing but zeros", "no rows"],
)
def test_thin_rows_are_drawn_as_well(
    change: dict[str, Any], nights: int, effect: float | None, profiles: pl.DataFrame
) -> None:
    tests = nights_of(1, effect).clear() if nights == 0 else nights_of(nights, effect)
    spec = picture(change, tests, profiles)
    drawn(spec)


def test_a_name_is_text_in_a_picture_whatever_it_holds() -> None:
    hostile = {**CHANGE, "segment": "</text><script>a()//"}
    profiles = LANGUAGES.with_columns(bin=pl.col("bin").replace("de", '"><img src=x onerror=y>'))
    root = drawn(picture(hostile, nights_of(), profiles))
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags <= {"svg", "g", "path", "text", "line", "rect", "defs", "clipPath"}
    assert "</text><script>a()//" in words(root)


def test_a_line_shows_its_nights_in_the_page_itself_and_no_name_breaks_out_of_it() -> None:
    nights = nights_of(9).with_columns(night_effect=pl.when(pl.col("is_alarm")).then(0.4).otherwise(0.01))
    shown = line({**CHANGE, "segment": "a`b\n# c" * 300}, nights)
    first, _, second = shown.partition("\n\n")
    assert second.startswith(f"`{'·' * 50}{'▁' * 8}█` night by night up to 0.4 Jensen-Shannon distance, floor 0.05")
    assert first.count("`") == 2 and "\n" not in first
    assert len(shown) < 1000, "the UI folds what is longer"
    assert line(CHANGE, nights.clear()).count("·") == 59


def test_words_and_marks_are_seen_on_a_light_page_and_on_a_dark_one() -> None:
    """The contrast that WCAG asks of words (4.5, rounded) and of marks (3), on white and on the UI's dark ground."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(one: str, other: str) -> float:
        dark, light = sorted((luminance(one), luminance(other)))
        return (light + 0.05) / (dark + 0.05)

    for ground in ("#ffffff", "#030615"):
        assert contrast(INK, ground) > 4.45
        assert [colour for colour in (BEFORE, AFTER, ALARM, *LINES) if contrast(colour, ground) < 3] == []


def test_the_same_rows_are_the_same_picture() -> None:
    shuffled = LANGUAGES.sample(fraction=1, shuffle=True, seed=1)
    assert svg(picture(CHANGE, nights_of(), LANGUAGES)) == svg(picture(CHANGE, nights_of(), shuffled))


def test_what_is_no_chart_and_what_would_be_fetched_are_errors() -> None:
    with pytest.raises(ValueError):
        svg({"mark": "no such mark", "data": {"values": [{}]}})
    with pytest.raises(ValueError):
        svg({"mark": "point", "data": {"url": "http://127.0.0.1:9/x.json"}, "encoding": {"x": {"field": "x"}}})


def test_an_image_in_markdown_is_one_image_whatever_stands_in_its_words() -> None:
    image = markdown_image(styled(effect_over_time(CHANGE, nights_of())), "a ](http://x) `b`\nc")
    assert image.startswith("![a (http://x) bc](data:image/svg+xml;base64,") and image.endswith(")")
    assert image.count("\n") == 0
