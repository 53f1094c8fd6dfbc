"""From rows of drift.profiles to rows of drift.drift_tests: what drifts is found, what cannot be asked is said to be so."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from drift_traffic import NIGHTS, embeddings

from assets.drift import drift_tests as table
from assets.drift.family_arrays import LOG_STEP, families

DAY = date(2026, 11, 5)
DAYS = [DAY - timedelta(days=NIGHTS - 1 - i) for i in range(NIGHTS)]
PROFILE = {
    "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "family": pl.String, "metric": pl.String,
    "bin": pl.String, "n": pl.Int64, "value_sum": pl.Float64, "unmeasured": pl.Int64,
}  # fmt: skip
NO_TESTS = pl.DataFrame(
    schema={
        "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "family": pl.String, "metric": pl.String,
        "window_first_day": pl.Date, "is_alarm": pl.Boolean,
    }
)  # fmt: skip


def drift_tests(day: date, profiles: pl.DataFrame, tests: pl.DataFrame) -> pl.DataFrame:
    """Of profiles alone: where no words are kept there is no profile of texts."""
    return table.drift_tests(day, profiles, profiles.clear(), tests)


def profile(family: str, metric: str, by_day: list[dict[str, int]], segment: str = "") -> pl.DataFrame:
    """Rows of one metric: for each of the 59 days, how many rows a bin has."""
    rows = [
        (day, "feature" if segment else "all", segment, family, metric, name, n, None, None)
        for day, bins in zip(DAYS, by_day, strict=True)
        for name, n in bins.items()
    ]
    return pl.DataFrame(rows, PROFILE, orient="row")


def binned(values: np.ndarray) -> dict[str, int]:
    """Values in the bins of sql/_macros: log_bin."""
    bins, counts = np.unique(np.ceil(np.log(values) / LOG_STEP).astype(int), return_counts=True)
    return {str(b): int(n) for b, n in zip(bins, counts, strict=True)}


def shares(rng: np.random.Generator, odds: dict[str, float], n: int = 1000) -> dict[str, int]:
    p = np.array(list(odds.values())) * np.exp(0.03 * rng.standard_normal(len(odds)))
    return dict(zip(odds, map(int, rng.multinomial(n, p / p.sum())), strict=True))


def languages(seed: int, *, changed: dict[str, float] | None = None, n: int = 1000, segment: str = "") -> pl.DataFrame:
    """A categorical metric whose last three nights are `changed`."""
    rng = np.random.default_rng(seed)
    odds = {"en": 0.7, "de": 0.2, "fr": 0.09, "xx": 0.01}
    days = [shares(rng, changed if changed and i >= NIGHTS - 3 else odds, n) for i in range(NIGHTS)]
    return profile("categorical", "prompt_language", days, segment)


def row(found: pl.DataFrame, **key: str) -> dict[str, object]:
    return found.row(by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in key.items()), named=True)


def test_a_language_that_takes_over_is_an_alarm_and_its_quiet_neighbours_are_none() -> None:
    quiet = [languages(i, segment=f"s{i}") for i in range(8)]
    switched = languages(99, changed={"en": 0.5, "de": 0.4, "fr": 0.09, "xx": 0.01}, segment="switched")
    found = drift_tests(DAY, pl.concat([*quiet, switched]), NO_TESTS)
    assert found.filter("is_alarm")["segment"].to_list() == ["switched"]
    alarm = row(found, segment="switched")
    assert (alarm["status"], alarm["reference_days"], alarm["n"], alarm["n_reference"]) == ("full", 56, 3000, 56_000)
    assert alarm["window_first_day"] == date(2026, 11, 3)
    assert alarm["effect"] == pytest.approx(0.16, abs=0.03)


def test_a_value_that_was_never_seen_is_an_alarm() -> None:
    days = [languages(i, segment=f"s{i}") for i in range(8)]
    new = languages(99, changed={"en": 0.6, "de": 0.2, "fr": 0.09, "xx": 0.01, "tlh": 0.1}, segment="new")
    found = drift_tests(DAY, pl.concat([*days, new]), NO_TESTS)
    assert found.filter("is_alarm")["segment"].to_list() == ["new"]


def test_longer_prompts_are_an_alarm_of_their_size_in_standard_deviations() -> None:
    rng = np.random.default_rng(5)
    rows = []
    for segment in range(8):
        shift = np.where((np.arange(NIGHTS) >= NIGHTS - 3) & (segment == 3), 0.4, 0.0) + 0.04 * rng.standard_normal(NIGHTS)
        rows.append(
            profile("numeric", "input_tokens", [binned(np.exp(6 + rng.normal(s, 1, 1500))) for s in shift], f"s{segment}")
        )
    found = drift_tests(DAY, pl.concat(rows), NO_TESTS)
    assert found.filter("is_alarm")["segment"].to_list() == ["s3"]
    assert row(found, segment="s3")["effect"] == pytest.approx(0.4, abs=0.08)


def test_zeros_are_a_value_and_more_of_them_are_seen() -> None:
    rng = np.random.default_rng(6)
    rows = []
    for segment in range(8):
        days = []
        for i in range(NIGHTS):
            zeros = 800 if segment == 3 and i >= NIGHTS - 3 else rng.binomial(1000, 0.5)
            days.append({"": int(zeros), **binned(np.exp(6 + rng.normal(0, 1, 1000 - zeros)))})
        rows.append(profile("numeric", "cached_input_tokens", days, f"s{segment}"))
    assert drift_tests(DAY, pl.concat(rows), NO_TESTS).filter("is_alarm")["segment"].to_list() == ["s3"]


def test_an_embedding_is_one_test_of_features_and_clusters() -> None:
    rng = np.random.default_rng(7)
    surge = np.where(np.arange(NIGHTS) >= NIGHTS - 3, 0.15, 0.0)
    n = np.full((6, NIGHTS), 800)
    quiet, surging = embeddings(rng, n, "normal"), embeddings(rng, n[:1], "normal", surge)
    quiet.profiles[2], quiet.clusters[2] = surging.profiles[0], surging.clusters[0]  # type: ignore[index]
    rows = []
    for name, of in (("rff", quiet.profiles), ("cluster", quiet.clusters)):
        test, day, at = (x.ravel() for x in np.indices(of.shape))  # type: ignore[union-attr]
        value = of.ravel()  # type: ignore[union-attr]
        rows.append(
            pl.DataFrame(
                {
                    "day": np.array(DAYS, dtype="datetime64[D]")[day], "segment_kind": "feature",
                    "segment": np.char.add("s", test.astype(str)), "family": "embedding",
                    "metric": f"prompt_embedding.{name}", "bin": at.astype(str),
                    "n": np.full(value.size, 800) if name == "rff" else value,
                    "value_sum": value * 800 if name == "rff" else np.full(value.size, np.nan), "unmeasured": None,
                }
            ).cast(PROFILE)
        )  # fmt: skip
    found = drift_tests(DAY, pl.concat(rows), NO_TESTS)
    assert found["metric"].unique().to_list() == ["prompt_embedding"]
    assert found.filter("is_alarm")["segment"].to_list() == ["s2"]
    assert 0.08 < row(found, segment="s2")["effect"] < 0.2  # type: ignore[operator]
    assert row(found, segment="s2")["floor"] == 0.04


def test_what_cannot_be_asked_is_not_enough_data() -> None:
    one = {"en": 1}
    some = {"en": 60, "de": 40}
    cases = {
        "one_row_a_day": [one] * NIGHTS,
        "vanished": [some] * (NIGHTS - 3) + [{}] * 3,
        "empty_last_night": [some] * (NIGHTS - 1) + [{}],
        "born_today": [{}] * (NIGHTS - 1) + [some],
        "thirteen_days": [{}] * 43 + [some] * 16,
    }
    rows = [profile("categorical", "finish_reason", days, name) for name, days in cases.items()]
    nulls = profile("categorical", "finish_reason", [{"": 0}] * NIGHTS, "all_null").with_columns(
        bin=pl.lit(None, pl.String), n=pl.lit(0, pl.Int64), unmeasured=pl.lit(100, pl.Int64)
    )
    found = drift_tests(DAY, pl.concat([*rows, nulls, *(languages(i, segment=f"s{i}") for i in range(5))]), NO_TESTS)
    for name in [*cases, "all_null"]:
        answer = row(found, segment=name)
        assert answer["status"] == "not_enough_data", name
        assert [answer[c] for c in ("effect", "z", "p", "q", "night_z")] == [None] * 5, name
        assert answer["is_alarm"] is False
    assert row(found, segment="all_null")["n"] == 0
    assert set(found.filter(pl.col("segment").str.len_chars() == 2)["status"]) == {"full"}


@pytest.mark.parametrize(
    ("days", "status"), [(56, "full"), (42, "full"), (41, "provisional"), (28, "provisional"), (27, "weak"), (14, "weak")]
)
def test_few_reference_days_are_said_to_be_few(days: int, status: str) -> None:
    quiet = pl.concat([languages(i, segment=f"s{i}") for i in range(8)])
    drifted = languages(99, changed={"en": 0.2, "de": 0.7, "fr": 0.09, "xx": 0.01}, segment="switched")
    rows = pl.concat([quiet, drifted]).filter(pl.col("day") > DAY - timedelta(days=days + 3))
    found = drift_tests(DAY, rows, NO_TESTS)
    assert set(found["status"]) == {status}
    assert set(found["reference_days"]) == {days}
    assert found.filter("is_alarm")["segment"].to_list() == ["switched"]


def test_days_under_an_alarm_are_no_reference() -> None:
    rows = pl.concat([languages(i, segment=f"s{i}") for i in range(8)])
    alarm = {"segment_kind": "feature", "segment": "s1", "family": "categorical", "metric": "prompt_language"}
    alarms = pl.DataFrame(
        [
            {"day": DAY - timedelta(days=ago), **alarm, "window_first_day": DAY - timedelta(days=ago + 2), "is_alarm": loud}
            for ago, loud in ((10, True), (11, True), (20, False), (60, True), (57, True))
        ],
        NO_TESTS.schema,
    )
    found = drift_tests(DAY, rows, alarms)
    assert row(found, segment="s1")["reference_days"] == 56 - 4 - 2
    assert row(found, segment="s2")["reference_days"] == 56


def test_a_lasting_change_stays_an_alarm_while_its_days_are_no_reference() -> None:
    changed = {"en": 0.5, "de": 0.4, "fr": 0.09, "xx": 0.01}
    rng = np.random.default_rng(3)
    before = {"en": 0.7, "de": 0.2, "fr": 0.09, "xx": 0.01}
    days = [shares(rng, changed if i >= NIGHTS - 20 else before) for i in range(NIGHTS)]
    quiet = [languages(i, segment=f"s{i}") for i in range(8)]
    rows = pl.concat([profile("categorical", "prompt_language", days, "s"), *quiet])
    alarms = pl.DataFrame(
        [
            {
                "day": DAY - timedelta(days=ago), "segment_kind": "feature", "segment": "s", "family": "categorical",
                "metric": "prompt_language", "window_first_day": DAY - timedelta(days=ago + 2), "is_alarm": True,
            }
            for ago in range(1, 18)
        ],
        NO_TESTS.schema,
    )  # fmt: skip
    remembered, forgotten = drift_tests(DAY, rows, alarms), drift_tests(DAY, rows, NO_TESTS)
    assert row(remembered, segment="s")["is_alarm"] is True
    assert row(remembered, segment="s")["effect"] > row(forgotten, segment="s")["effect"]  # type: ignore[operator]


def test_constant_columns_are_quiet_until_they_change() -> None:
    same = [{"stop": 500}] * NIGHTS
    changes = [{"stop": 500}] * (NIGHTS - 3) + [{"stop": 250, "length": 250}] * 3
    numbers = [{"700": 500}] * NIGHTS
    rows = [
        profile("categorical", "finish_reason", same, "same"),
        profile("categorical", "finish_reason", changes, "changes"),
        profile("numeric", "max_tokens", numbers, "same"),
        profile("numeric", "max_tokens", numbers[:-3] + [{"800": 500}] * 3, "changes"),
    ]
    alone = drift_tests(DAY, pl.concat(rows), NO_TESTS)
    assert set(alone.filter(pl.col("family") == "numeric")["status"]) == {"not_enough_data"}, "nothing to learn from"
    rng = np.random.default_rng(8)
    for i in range(8):
        rows += [
            languages(i, segment=f"s{i}"),
            profile("numeric", "input_tokens", [binned(np.exp(rng.normal(6, 1, 500))) for _ in DAYS], f"s{i}"),
        ]
    found = drift_tests(DAY, pl.concat(rows), NO_TESTS)
    loud = found.filter("is_alarm").sort("family").select("family", "segment").rows()
    assert loud == [("categorical", "changes"), ("numeric", "changes")]
    assert row(found, family="numeric", segment="same")["effect"] == 0
    assert set(found["status"]) == {"full"}


def test_constant_columns_make_nothing_else_look_unusual() -> None:
    varied = pl.concat([languages(i, segment=f"s{i}") for i in range(8)])
    constant = pl.concat([profile("categorical", "tier", [{"default": 500}] * NIGHTS, f"s{i}") for i in range(30)])
    alone = drift_tests(DAY, varied, NO_TESTS)
    among = drift_tests(DAY, pl.concat([varied, constant]), NO_TESTS).filter(pl.col("metric") == "prompt_language")
    assert among.drop("q").equals(alone.drop("q"))


def test_no_rows_are_no_tests_and_a_strange_family_is_refused() -> None:
    assert drift_tests(DAY, pl.DataFrame(schema=PROFILE), NO_TESTS).height == 0
    with pytest.raises(ValueError, match="family 'colour'"):
        drift_tests(DAY, languages(1).with_columns(family=pl.lit("colour")), NO_TESTS)


def test_the_same_rows_in_another_order_are_the_same_tests() -> None:
    rows = pl.concat([languages(i, segment=f"s{i}") for i in range(6)])
    assert drift_tests(DAY, rows, NO_TESTS).equals(drift_tests(DAY, rows.sample(fraction=1, shuffle=True, seed=1), NO_TESTS))


def test_a_segment_that_rests_at_weekends_is_tested_from_wednesday_on() -> None:
    rows = pl.concat([languages(i, segment=f"s{i}") for i in range(8)])
    rows = rows.filter((pl.col("segment") != "s3") | (pl.col("day").dt.weekday() <= 5))
    thursday = row(drift_tests(DAY, rows, NO_TESTS), segment="s3")
    assert (thursday["status"], thursday["reference_days"]) == ("provisional", 40)
    tuesday = row(drift_tests(DAY - timedelta(days=2), rows, NO_TESTS), segment="s3")
    assert tuesday["status"] == "not_enough_data"


def test_a_feature_sent_in_any_order_of_components_is_the_same_mean() -> None:
    """Rows of random features are placed by their component's number, not by where they stand."""
    rng = np.random.default_rng(9)
    traffic = embeddings(rng, np.full((3, NIGHTS), 300), "normal")
    test, day, at = (x.ravel() for x in np.indices(traffic.profiles.shape))
    rff = pl.DataFrame(
        {
            "day": np.array(DAYS, dtype="datetime64[D]")[day], "segment_kind": "feature", "segment": test.astype(str),
            "family": "embedding", "metric": "prompt_embedding.rff", "bin": at.astype(str), "n": np.full(at.size, 300),
            "value_sum": traffic.profiles.ravel() * 300, "unmeasured": None,
        }
    ).cast(PROFILE)  # fmt: skip
    clusters = rff.filter(pl.col("bin") == "0").with_columns(metric=pl.lit("prompt_embedding.cluster"))
    rows = pl.concat([rff, clusters])
    ((_, family),) = families(DAY, rows.sample(fraction=1, shuffle=True, seed=2), NO_TESTS)
    np.testing.assert_allclose(family.profiles, traffic.profiles, atol=1e-12)
    assert np.array_equal(family.n, traffic.n)
    assert family.clusters is not None
    assert np.array_equal(family.clusters.sum(axis=2), traffic.n)


def test_features_without_clusters_are_refused_for_they_could_never_be_an_alarm() -> None:
    row = {"day": DAY, "segment_kind": "all", "segment": "", "family": "embedding", "bin": "0", "n": 30, "value_sum": 1.0}
    features = pl.DataFrame([{**row, "metric": "prompt_embedding.1234.rff", "unmeasured": None}]).cast(PROFILE)
    with pytest.raises(ValueError, match=r"prompt_embedding\.1234\.rff has features of 1 days without counts of clusters"):
        drift_tests(DAY, features, NO_TESTS)


def test_a_change_that_only_profiles_of_texts_show_is_an_alarm() -> None:
    answers = pl.concat([languages(i, segment=f"s{i}") for i in range(4)]).with_columns(metric=pl.lit("output_refuses"))
    turned = (pl.col("segment") == "s3") & (pl.col("day") > DAY - timedelta(days=3)) & (pl.col("bin") == "en")
    answers = answers.with_columns(bin=pl.when(turned).then(pl.lit("new")).otherwise(pl.col("bin")))
    found = table.drift_tests(DAY, languages(9), answers, NO_TESTS)
    assert found.filter("is_alarm").select("segment", "metric").rows() == [("s3", "output_refuses")]
