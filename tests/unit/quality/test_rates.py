"""quality.rates: which labels and scores make a rate, and what leaves it alone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from judged_days import DAY, Row, answer, drawn, judge, rate_of, rate_table, said
from quality_nights import calibrated

from assets.quality.judged import VERDICTS
from assets.quality.rate_scopes import LARGEST
from resources.contracts import contracts


def night(count: int, rate: float, seed: int = 1) -> tuple[list[Row], dict[str, bool]]:
    """Answers with a calibrated score, and which of them are made up."""
    made = calibrated(np.random.default_rng(seed), count, rate)
    names = [f"{n:05}" for n in range(count)]
    answers = [answer(name, p_hallucinated=float(f)) for name, f in zip(names, made.score, strict=True)]
    return answers, dict(zip(names, (made.verdict == 1).tolist(), strict=True))


def test_the_rate_of_a_drawn_night_holds_the_truth_by_score_and_labels() -> None:
    answers, truth = night(3000, 0.15)
    frame = drawn(answers, 200, rho=0.5)
    table = rate_table(frame, judge(frame, lambda row: truth[row["request_id"]]))
    found = rate_of(table)
    assert table.columns == [column.name for column in contracts()["quality.rates"].columns]
    assert (found["method"], found["n_responses"], found["n_scored"], found["n_drawn"], found["n_labelled"]) == (
        "difference", 3000, 3000, 200, 200,
    )  # fmt: skip
    assert found["low"] <= np.mean(list(truth.values())) <= found["high"] and found["high"] - found["low"] < 0.12
    assert found["rho"] > 0.2 and 0 < found["lambda_used"] <= 1
    assert found["n_effective"] > 200, "a useful score is worth labels"
    assert found["sensitivity"] is None, "nobody was judged twice: nothing is corrected"


def test_a_targeted_label_never_moves_a_rate() -> None:
    answers, truth = night(400, 0.2)
    frame = drawn(answers, 60)
    labels = judge(frame, lambda row: truth[row["request_id"]])
    targeted = [said(row, hallucinated=True) for row in frame if not row["is_drawn"]]
    assert len(targeted) == 340
    assert rate_table(frame, [*labels, *targeted]).equals(rate_table(frame, labels))


def test_a_late_draw_counts_by_its_own_probability() -> None:
    """20 of 200 were drawn and are right; 20 of 40 that came late are all made up: 40 of 240, not half."""
    first = drawn([answer(f"a{n:03}") for n in range(200)], 20)
    both = drawn([answer(f"b{n:03}") for n in range(40)], 200, there=first)
    by_name = {row["request_id"]: row for row in both}
    assert all(by_name[row["request_id"]] == row for row in first), "no probability that was given changes"
    late = [row for row in both if row["draw"] == 2]
    for place, row in enumerate(late):
        row |= {"inclusion_probability": 0.5, "is_drawn": place < 20, "is_random": place < 20}
    found = rate_of(rate_table(both, judge(both, lambda row: row["draw"] == 2)))
    assert (found["n_responses"], found["n_labelled"], found["method"]) == (240, 40, "classical")
    assert found["rate"] == pytest.approx(40 / 240, abs=1e-6)


def test_what_may_not_be_labelled_is_counted_and_in_no_rate() -> None:
    answers = [answer(f"a{n:02}", feature="chat") for n in range(50)]
    hidden = [answer(f"h{n:02}", feature="chat", may_label=False, p_hallucinated=0.99) for n in range(7)]
    frame = drawn([*answers, *hidden], 20)
    table = rate_table(
        frame, [*judge(frame, lambda row: row["request_id"] < "a25"), *(said(row, hallucinated=True) for row in frame[-7:])]
    )
    for found in (rate_of(table), rate_of(table, scope="feature", feature="chat")):
        assert (found["n_excluded"], found["n_responses"], found["n_scored"], found["n_labelled"]) == (7, 50, 0, 20)
        assert found["high"] < 0.9


def test_a_week_gives_each_day_the_weight_of_its_answers_and_not_of_its_labels() -> None:
    """200 answers a day. On the first all 40 drawn are judged and right; on the second 24 of 40, and all are made up."""
    yesterday = DAY - timedelta(days=1)
    early = drawn([answer(f"a{n:03}") for n in range(200)], 40, day=yesterday)
    late = drawn([answer(f"b{n:03}") for n in range(200)], 40)
    labels = judge(early, lambda _: False) + judge(late, lambda _: True)[:24]
    week = rate_of(rate_table([*early, *late], labels), window_days=7)
    assert (week["n_days"], week["n_responses"], week["n_drawn"], week["n_labelled"]) == (2, 400, 80, 64)
    assert week["rate"] == pytest.approx(0.5)
    assert week["low"] < 0.45 < 0.55 < week["high"]


def test_a_day_that_hardly_anybody_has_judged_is_not_yet_in_the_week() -> None:
    yesterday = DAY - timedelta(days=1)
    early = drawn([answer(f"a{n:03}") for n in range(200)], 40, day=yesterday)
    late = drawn([answer(f"b{n:03}") for n in range(300)], 40)
    of_early = judge(early, lambda row: row["request_id"] < "a100")
    before = rate_of(rate_table(early, of_early), window_days=7)
    for labelled in (0, 3):
        table = rate_table([*early, *late], of_early + judge(late, lambda _: True)[:labelled])
        week = rate_of(table, window_days=7)
        assert {name: week[name] for name in before} == before
        today = rate_of(table)
        assert (today["n_responses"], today["n_labelled"], today["n_days"]) == (300, labelled, 1)
        assert today["method"] == ("exact" if labelled else "no_labels")


def test_a_day_leaves_the_week_and_stays_in_the_month() -> None:
    old = drawn([answer(f"a{n:02}") for n in range(60)], 30, day=DAY - timedelta(days=7))
    table = rate_table(old, judge(old, lambda row: row["request_id"] < "a20"))
    assert set(table["window_days"]) == {30}
    assert rate_of(table, window_days=30)["n_labelled"] == 30


def test_what_nobody_judged_has_no_rate_and_is_not_nought() -> None:
    frame = drawn([answer(f"a{n:02}", feature="chat" if n % 2 else None) for n in range(40)], 20)
    labels = [
        label
        for row, label in zip((r for r in frame if r["is_drawn"]), judge(frame, lambda _: False), strict=True)
        if row["feature"]
    ]
    table = rate_table(frame, labels)
    for found in (rate_of(table, "toxic"), rate_of(table, scope="feature", feature=None)):
        assert (found["method"], found["n_labelled"]) == ("no_labels", 0) and found["n_responses"] >= 20
        assert {found[name] for name in ("rate", "low", "high", "n_effective", "rho", "lambda_used")} == {None}
    assert set(table["verdict"]) == set(VERDICTS), "no verdict is left out"
    assert rate_of(table, scope="feature", feature="chat")["rate"] == 0


def test_scopes_add_up_to_all_and_a_small_one_has_a_row_once_it_is_judged() -> None:
    """50 models of 10 answers each and less: 20 have a row by size, and those of which a drawn answer was judged."""
    answers = [
        answer(
            f"{m:02}-{n:03}",
            model=f"m{m:02}",
            feature=("chat", "mail", None)[m % 3],
            tenant=f"t{m % 4}",
            may_label=n != 3 or None,
        )
        for m in range(50)
        for n in range(10 if m < 25 else 5)
    ]
    for row in answers[::9]:
        row["may_label"] = False
    frame = drawn(answers, 60)
    labels = judge(frame, lambda row: row["request_id"].endswith("1"))[:30]
    table = rate_table(frame, labels).filter(window_days=7, verdict="hallucinated")
    whole = rate_of(table, window_days=7)
    counts = ["n_responses", "n_drawn", "n_labelled", "n_excluded"]
    for scope in ("feature", "tenant", "prompt_version", "retrieval"):
        assert table.filter(scope=scope).select(counts).sum().row(0, named=True) == {name: whole[name] for name in counts}
    models = table.filter(scope="model")
    judged = {row["model"] for row in frame if row["request_id"] in {label["request_id"] for label in labels}}
    assert judged <= set(models["model"]) and len(models) > LARGEST > len(models) - len(judged)
    assert models["n_labelled"].sum() == 30
    unjudged = models.filter(n_labelled=0)
    assert unjudged["method"].unique().to_list() == ["no_labels"]


def test_a_good_verdict_takes_the_score_the_other_way_round_and_a_stranger_does_without() -> None:
    answers, truth = night(2000, 0.3)
    frame = drawn(answers, 200)
    rng = np.random.default_rng(3)
    labels = [
        said(
            row, hallucinated=truth[row["request_id"]], grounded=not truth[row["request_id"]], toxic=bool(rng.random() < 0.3)
        )
        for row in frame
        if row["is_drawn"]
    ]
    table = rate_table(frame, labels)
    made_up, grounded, toxic = (rate_of(table, verdict) for verdict in ("hallucinated", "grounded", "toxic"))
    assert made_up["method"] == grounded["method"] == "difference"
    assert grounded["rho"] == pytest.approx(made_up["rho"], abs=1e-6)
    assert grounded["rate"] == pytest.approx(1 - made_up["rate"], abs=0.01)
    assert (toxic["method"], toxic["lambda_used"]) == ("classical", 0) and abs(toxic["rho"]) < 0.2


@pytest.mark.parametrize(("wrong", "method"), [(0.1, "difference"), (0.42, "too_noisy")])
def test_what_raters_get_wrong_is_taken_out_or_no_rate_is_given(wrong: float, method: str) -> None:
    """A fifth is made up; people who are wrong one time in ten would make it a quarter."""
    rng = np.random.default_rng(4)
    truth = {f"a{n:04}": bool(rng.random() < (0.02 if n % 2 else 0.4)) for n in range(1200)}
    # The score tells two bands apart in which the truth differs, and nothing else.
    frame = drawn([answer(name, p_hallucinated=0.1 if int(name[1:]) % 2 else 0.6) for name in truth], 700)
    labels = [
        said(row, annotator, hallucinated=truth[row["request_id"]] ^ bool(rng.random() < wrong))
        for row in frame
        if row["is_drawn"]
        for annotator in ("ana", "bea", "cyd")
    ]
    found = rate_of(rate_table(frame, labels))
    assert (found["method"], found["n_labelled"]) == (method, 700)
    if method == "too_noisy":
        assert found["sensitivity"] + found["specificity"] < 1.5
        assert found["rate"] is found["low"] is found["high"] is None
        return
    assert found["sensitivity"] == pytest.approx(0.9, abs=0.05) and found["specificity"] == pytest.approx(0.9, abs=0.05)
    assert found["low"] <= np.mean(list(truth.values())) <= found["high"] and found["rater_error"] > 0


def test_answers_are_told_apart_by_the_best_document_that_was_found() -> None:
    scores: dict[str, list[float | None]] = {
        "low": [0.2, 0.49], "middle": [0.2, 0.5], "high": [0.75, None], "none": [None], "other": [17.0, 0.3],
    }  # fmt: skip
    names = [*scores, "missed"]
    frame = drawn([answer(name, feature="search") for name in names] + [answer("chat", feature="chat")], 7)
    found = [{"day": DAY, "request_id": name, "retrieval_score": score} for name, given in scores.items() for score in given]
    yesterdays = [{"day": DAY - timedelta(days=1), "request_id": "missed", "retrieval_score": 1.0}]
    table = rate_table(frame, judge(frame, lambda row: row["request_id"] in ("missed", "low")), [*found, *yesterdays])
    rows = table.filter(scope="retrieval", verdict="hallucinated", window_days=1)
    assert dict(rows.select("retrieval", "rate").iter_rows()) == {
        "low_score": 1, "middle_score": 0, "high_score": 0, "no_score": 0, "other_scale": 0, "nothing_found": 1,
        "no_search": 0,
    }  # fmt: skip
    assert table.filter(scope="retrieval", window_days=30).is_empty()


def test_a_rate_below_a_percent_has_the_exact_interval_of_the_random_part_until_there_are_positives() -> None:
    """0.5 % are made up. The rare stratum brings likely ones into the draw, and weights say how many they stand for."""
    covered, seen = 0, []
    for seed in range(12):
        answers, truth = night(4000, 0.005, seed)
        frame = drawn(answers, 200, rho=0.4)
        found = rate_of(rate_table(frame, judge(frame, lambda row: truth[row["request_id"]])))  # noqa: B023
        is_random = sum(row["is_random"] for row in frame)
        if found["method"] == "exact":
            assert found["n_effective"] == pytest.approx(is_random)
        covered += found["low"] <= np.mean(list(truth.values())) <= found["high"]
        seen.append(sum(truth[row["request_id"]] for row in frame if row["is_drawn"]))
    assert covered >= 10
    assert np.mean(seen) > 3, "a plain draw of 200 would see one"


def test_no_frame_is_no_row() -> None:
    assert rate_table([], []).is_empty()
    assert rate_table([], []).schema["rate"] == pl.Float64
