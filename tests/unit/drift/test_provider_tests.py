"""Golden prompts against themselves: what is a change of the provider, what is none, and what cannot be said yet."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from probe_traffic import LAST, NIGHTS, NO_TESTS, Change, answers, judged, stretch

from assets.drift.paired import WINDOW_NIGHTS, paired
from assets.drift.provider_tests import FACTS, MEASURES, provider_tests
from resources.contracts import contracts


def row(found: pl.DataFrame, metric: str, **where: Any) -> dict[str, Any]:
    [only] = found.filter(pl.col("metric") == metric, **where).to_dicts()
    return only


def alarms(found: pl.DataFrame) -> list[str]:
    return sorted(found.filter("is_alarm")["metric"])


def test_a_quiet_night_has_all_its_rows_and_no_alarm() -> None:
    found = judged(answers(1))
    assert set(found["metric"]) == {*MEASURES, *FACTS} and alarms(found) == []
    assert set(found["status"]) == {"full", "fact"}
    assert found.columns == [column.name for column in contracts()["drift.provider_tests"].columns]
    score = row(found, "score")
    assert (score["n"], score["n_reference"], score["prompts"], score["reference_days"]) == (180, 3360, 20, 56)


@pytest.mark.parametrize(
    ("change", "metric", "effect", "said"),
    [
        (Change(score=0.2), "score", -0.2, "main: scores changed by -"),
        (Change(lost_prompts=3), "score", -0.15, "p00"),
        (Change(length=1.3), "answer_characters", np.log(1.3), "main: answers' lengths changed by +3"),
        (Change(length=0.7), "answer_characters", np.log(0.7), "main: answers' lengths changed by -"),
        (Change(latency=2.0), "latency_ms", np.log(2.0), "main: answers' times changed by +"),
        (Change(latency=0.4), "latency_ms", np.log(0.4), "main: answers' times changed by -"),
        (Change(refusal=0.15), "refusal", 0.15, "main: refusals changed by +1"),
        (Change(new_words=0.7), "known_answer", -0.5, "main: answers known word for word changed by -"),
        (Change(model="small"), "answered_model", 1.0, "main answers as small; before: large"),
        (Change(tokens=7), "input_tokens", 1.0, "main counts the tokens of the same prompts otherwise: p00 20 -> 27"),
    ],
)
def test_a_change_is_an_alarm_of_its_size(change: Change, metric: str, effect: float, said: str) -> None:
    found = judged(answers(3, noisy=False, change=change))
    assert alarms(found) == [metric]
    alarm = row(found, metric)
    assert alarm["effect"] == pytest.approx(effect, abs=0.25 * abs(effect))
    assert said in alarm["title"] and alarm["severity"] == "ticket"
    assert alarm["window_first_day"] == LAST - timedelta(days=2)


def test_a_new_fingerprint_is_told_and_is_no_alarm() -> None:
    found = judged(answers(1, change=Change(fingerprint="fp_2")))
    told = row(found, "system_fingerprint")
    assert (told["effect"], told["seen_before"], told["seen_after"], told["is_alarm"]) == (1.0, "fp_1", "fp_2", False)
    assert alarms(found) == []


def test_one_odd_night_is_no_change() -> None:
    quiet = answers(2, noisy=False)
    odd = answers(2, noisy=False, change=Change(score=0.5), changed_nights=2)
    night = LAST - timedelta(days=1)
    rows = pl.concat([quiet.filter(pl.col("day") != night), odd.filter(pl.col("day") == night)])
    score = row(judged(rows), "score")
    assert score["effect"] < -0.05 and score["is_alarm"] is False


def test_many_nights_make_no_trifle_an_alarm() -> None:
    found = judged(answers(1, noisy=False, change=Change(length=1.05)))
    length = row(found, "answer_characters")
    assert length["p"] < 0.01 and length["effect"] == pytest.approx(np.log(1.05), abs=0.03) and alarms(found) == []


def test_an_edited_prompt_or_setting_is_no_change_of_the_provider() -> None:
    rows = answers(3, noisy=False, change=Change(score=0.4, model="small", tokens=9))
    is_new = pl.col("day") > LAST - timedelta(days=3)
    edited = rows.with_columns(series=pl.when(is_new).then(pl.lit("s2")).otherwise("series"))
    found = judged(edited)
    assert alarms(found) == [] and set(found["status"]) == {"not_enough_data"}
    of_one = pl.when(pl.col("prompt") == "p05").then(pl.lit("s2")).otherwise("series")
    one = rows.with_columns(series=pl.when(is_new).then(of_one).otherwise("series"))
    assert row(judged(one), "score")["prompts"] == 19 and "score" in alarms(judged(one))


def test_another_model_asked_for_begins_anew() -> None:
    rows = answers(1, change=Change(model="small"))
    asked = pl.when(pl.col("day") > LAST - timedelta(days=3)).then(pl.lit("small")).otherwise("asked_model")
    assert alarms(judged(rows.with_columns(asked_model=asked))) == []


def test_questions_without_an_answer_enter_no_comparison() -> None:
    rows = answers(4, noisy=False)
    failed = (pl.col("repeat") == 1) & (pl.col("day") > LAST - timedelta(days=3))
    nulls = {name: pl.when(failed).then(None).otherwise(name) for name in ("score", "is_refusal", "latency_ms", "model")}
    broken = rows.with_columns(error_class=pl.when(failed).then(pl.lit("timeout")).otherwise("error_class"), **nulls)
    found = judged(broken)
    assert row(found, "score")["n"] == 120 and alarms(found) == []


def test_a_night_without_answers_is_not_judged() -> None:
    rows = answers(4, change=Change(score=0.4)).filter(pl.col("day") != LAST)
    found = judged(rows)
    assert {row(found, name)["status"] for name in (*MEASURES, *FACTS)} == {"not_enough_data"}
    assert found["p"].null_count() == found.height and alarms(found) == []
    assert judged(rows.filter(pl.col("day") < LAST - timedelta(days=2))).is_empty()


def test_a_prompt_without_expectations_has_no_score_and_all_else() -> None:
    rows = answers(1).with_columns(score=pl.lit(None, pl.Float64))
    found = judged(rows)
    assert (row(found, "score")["status"], row(found, "score")["n"]) == ("not_enough_data", 0)
    assert row(found, "answer_characters")["status"] == "full"


@pytest.mark.parametrize(
    ("nights", "status"), [(56, "full"), (42, "full"), (41, "provisional"), (28, "provisional"), (27, "weak"), (7, "weak")]
)
def test_few_reference_nights_are_said_to_be_few(nights: int, status: str) -> None:
    found = judged(answers(3, noisy=False, change=Change(score=0.3), nights=nights + 3))
    score = row(found, "score")
    assert (score["status"], score["reference_days"], score["is_alarm"]) == (status, nights, True)
    assert (score["statistic"] is None) == (status == "weak")


def test_six_nights_are_not_enough_and_say_nothing() -> None:
    score = row(judged(answers(3, change=Change(score=0.5), nights=9)), "score")
    assert (score["status"], score["p"], score["q"], score["effect"], score["is_alarm"]) == (
        "not_enough_data", None, None, None, False,
    )  # fmt: skip


def test_nights_under_an_alarm_are_no_reference_so_that_a_lasting_change_stays_one() -> None:
    rows = answers(5, noisy=False, change=Change(score=0.3), nights=NIGHTS + 20, changed_nights=20)
    nights = stretch(rows, 20)
    loud = [row(night, "score")["is_alarm"] for night in nights]
    assert loud[2:] == [True] * 18
    # The 17 changed nights before the window have left the reference, and the quiet ones of the first alarms' windows.
    assert 56 - 17 - 2 <= row(nights[-1], "score")["reference_days"] <= 56 - 17
    assert row(nights[-1], "score")["effect"] == pytest.approx(-0.3, abs=0.05)


def test_a_new_model_is_told_for_three_nights_and_is_then_known() -> None:
    rows = answers(5, change=Change(model="small"), nights=NIGHTS + 6, changed_nights=6)
    assert [row(night, "answered_model")["is_alarm"] for night in stretch(rows, 6)] == [True] * 3 + [False] * 3


def test_two_models_behind_one_name_are_no_news_when_their_shares_change_places() -> None:
    rng = np.random.default_rng(3)
    rows = answers(1)
    mixed = rows.with_columns(model=pl.Series(np.where(rng.random(rows.height) < 0.5, "a", "b")))
    found = row(judged(mixed), "answered_model")
    assert found["effect"] < 0.1 and found["is_alarm"] is False


def test_endpoints_are_judged_apart_and_corrected_together() -> None:
    rows = pl.concat([answers(1), answers(3, noisy=False, change=Change(score=0.3), endpoint="other")])
    found = judged(rows)
    assert found.filter("is_alarm").select("endpoint", "metric").rows() == [("other", "score")]
    alone = row(judged(rows.filter(pl.col("endpoint") == "other")), "score")
    assert row(found, "score", endpoint="other")["q"] > alone["q"] > 0


def test_a_constant_measure_is_quiet_until_it_changes_by_more_than_a_trifle() -> None:
    mean = np.ones((20, NIGHTS))
    none = np.zeros(NIGHTS, dtype=bool)
    same = paired(mean, none, 0.05)
    assert (same.effect, same.p) == (0.0, 1.0)
    mean[0, -WINDOW_NIGHTS:] = 0.0
    lost = paired(mean, none, 0.05)
    assert lost.effect == pytest.approx(-0.05) and lost.p < 0.001 and lost.shift[0] == -1.0


def test_the_permutation_test_counts_each_way_to_choose_three_nights() -> None:
    rng = np.random.default_rng(7)
    nights = rng.standard_normal(12)
    found = paired(np.tile(nights, (5, 1)), np.zeros(12, dtype=bool), 0.05)
    off = [abs(np.mean([nights[i] for i in chosen]) - nights.mean()) for chosen in combinations(range(12), 3)]
    assert found.status == "weak"
    assert found.p == pytest.approx(np.mean(np.array(off) >= abs(nights[-3:].mean() - nights.mean()) - 1e-12))


def test_hard_and_easy_prompts_that_are_missing_on_some_nights_do_not_look_like_a_change() -> None:
    mean = np.tile(np.linspace(0, 1, 20)[:, None], (1, NIGHTS))
    mean[:8, -2] = np.nan
    mean[15:, ::5] = np.nan
    assert paired(mean, np.zeros(NIGHTS, dtype=bool), 0.05).effect == pytest.approx(0.0, abs=1e-12)


def test_no_rows_are_no_tests() -> None:
    nothing = provider_tests(date(2026, 11, 9), answers(1).clear(), NO_TESTS)
    assert nothing.is_empty() and nothing.width == len(contracts()["drift.provider_tests"].columns)
