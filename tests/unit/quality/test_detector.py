"""The detector: what it makes of a row, how it is trained, and what it may not see of what it is measured by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from assets.quality.detector import FEATURES, HEURISTIC, DetectorError, from_json
from assets.quality.detector_training import (
    FEWEST_LABELS,
    SEED,
    TooFewLabelsError,
    auc,
    brier,
    folds,
    interval,
    trained,
)

COLUMNS = {
    "has_context": pl.Boolean, "support_mean": pl.Float64, "support_min": pl.Float64, "passage_support": pl.Float64,
    "copied": pl.Float64, "document_support": pl.Float64, "similarity_mean": pl.Float64, "similarity_min": pl.Float64,
    "question_similarity": pl.Float64, "coherence": pl.Float64, "citation_coverage": pl.Float64,
    "citation_correct": pl.Float64, "refuses": pl.Boolean,
    "hedges": pl.Boolean, "numbers": pl.Int64, "dates": pl.Int64, "names": pl.Int64, "unsupported_numbers": pl.Int64,
    "unsupported_dates": pl.Int64, "unsupported_names": pl.Int64, "sentences": pl.Int64, "answer_characters": pl.Int64,
}  # fmt: skip
ONES = np.ones


def world(n: int = 600, strength: float = 1.0, seed: int = 1) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Rows whose labels hang on support and invented numbers, three of a conversation; a fifth have no context."""
    rng = np.random.default_rng(seed)
    support = rng.normal(0.7, 0.15, n).clip(0, 1)
    invented = rng.poisson(0.4, n)
    labels = rng.random(n) < 1 / (1 + np.exp(1.2 - strength * (8 * (0.7 - support) + 1.5 * invented)))
    measured = rng.random(n) < 0.8
    columns = {
        "request_id": [f"r{i:04}" for i in range(n)], "has_context": measured,
        "support_mean": [float(x) if m else None for x, m in zip(support, measured, strict=True)],
        "unsupported_numbers": [int(x) if m else None for x, m in zip(invented, measured, strict=True)],
        "numbers": invented + 1, "sentences": rng.integers(1, 9, n), "answer_characters": rng.integers(20, 900, n),
    }  # fmt: skip
    missing = {name: pl.lit(None, kind) for name, kind in COLUMNS.items() if name not in columns}
    return pl.DataFrame(columns).with_columns(**missing), labels, [f"c{i // 3}" for i in range(n)]


def test_every_feature_is_a_column_of_the_contract() -> None:
    from resources.contracts import contracts

    assert set(FEATURES) == set(COLUMNS) < {column.name for column in contracts()["quality.scores"].columns}


def test_training_finds_what_labels_hang_on_and_says_how_well() -> None:
    rows, labels, groups = world()
    made = trained(rows, labels, groups)
    assert made.is_better and made.auc.low > 0.6
    assert made.auc.low <= made.auc.value <= made.auc.high and made.brier.value < made.brier_before
    other, truth, _ = world(4_000, seed=2)
    found = made.detector.probabilities(other)
    # What it promises of itself holds on rows that it never saw.
    assert auc(truth, found, ONES(4_000)) == pytest.approx(made.auc.value, abs=0.05)
    high, low = found > np.quantile(found, 0.8), found < np.quantile(found, 0.2)
    assert truth[high].mean() == pytest.approx(found[high].mean(), abs=0.08)
    assert truth[low].mean() == pytest.approx(found[low].mean(), abs=0.08)


def test_labels_that_hang_on_nothing_train_nothing_that_is_adopted() -> None:
    rows, _, groups = world()
    labels = np.random.default_rng(3).random(len(groups)) < 0.3
    made = trained(rows, labels, groups)
    assert made.auc.low < 0.5 and not made.is_better


def test_a_conversation_is_on_one_side_of_a_split() -> None:
    _, labels, groups = world()
    for train, test in folds(labels, groups, 5, SEED):
        assert not {groups[at] for at in train} & {groups[at] for at in test}
        assert len(train) + len(test) == len(groups)


def test_copies_within_a_conversation_do_not_make_a_detector_look_better() -> None:
    """Each conversation repeats one row with one coin's label: a split by rows would learn the coin by heart."""
    rng = np.random.default_rng(4)
    rows, _, _ = world(60)
    of_row = np.repeat(np.arange(60), 5)
    coins = rng.random(60) < 0.5
    many = rows[of_row].with_columns(request_id=pl.Series([f"r{i:04}" for i in range(300)]))
    made = trained(many, coins[of_row], [f"c{i}" for i in of_row])
    assert made.auc.value < 0.65 and not made.is_better


def test_the_same_labels_in_another_order_are_the_same_detector() -> None:
    rows, labels, groups = world(300)
    order = np.random.default_rng(5).permutation(300)
    again = trained(rows[order], labels[order], [groups[at] for at in order])
    assert again == trained(rows, labels, groups)


def test_too_few_labels_say_how_many_are_needed() -> None:
    rows, labels, groups = world(FEWEST_LABELS - 1)
    with pytest.raises(TooFewLabelsError, match=f"a detector needs {FEWEST_LABELS}"):
        trained(rows, labels, groups)
    rows, labels, groups = world(300)
    with pytest.raises(TooFewLabelsError, match="0 of them hallucinated"):
        trained(rows, np.zeros(300, bool), groups)


def test_a_detector_is_its_json() -> None:
    made = trained(*world(300)).detector
    again = from_json(made.name, made.to_json())
    assert again == made
    rows, _, _ = world(50, seed=9)
    assert (again.probabilities(rows) == made.probabilities(rows)).all()


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [("not json", "cannot be read"), ("{}", "cannot be read"), ("[1]", "cannot be read")],
)
def test_parameters_that_are_damaged_are_refused(parameters: str, fault: str) -> None:
    with pytest.raises(DetectorError, match=fault):
        from_json("trained-x", parameters)


def test_features_that_nobody_measures_are_refused() -> None:
    strange = replace(HEURISTIC, features=("mood", *HEURISTIC.features[1:]))
    with pytest.raises(DetectorError, match=r"\['mood'\], which quality.scores does not measure"):
        from_json("trained-x", strange.to_json())
    short = replace(HEURISTIC, means=HEURISTIC.means[1:])
    with pytest.raises(DetectorError, match="not as many means"):
        from_json("trained-x", short.to_json())


def test_what_is_not_measured_counts_as_usual() -> None:
    rows, _, _ = world(50)
    bare = rows.with_columns(pl.lit(None, pl.Float64).alias("support_mean"))
    middle = rows.with_columns(pl.lit(HEURISTIC.means[HEURISTIC.features.index("support_mean")]).alias("support_mean"))
    assert HEURISTIC.probabilities(bare) == pytest.approx(HEURISTIC.probabilities(middle))


def test_auc_counts_ties_as_half_and_weights_as_rows() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(6)
    labels, scores, weight = rng.random(200) < 0.3, rng.integers(0, 20, 200).astype(float), rng.random(200)
    assert auc(labels, scores, weight) == pytest.approx(roc_auc_score(labels, scores, sample_weight=weight))
    assert auc(labels, np.zeros(200), weight) == pytest.approx(0.5)


def test_an_interval_is_wider_where_rows_come_in_groups() -> None:
    rng = np.random.default_rng(7)
    labels, scores = rng.random(400) < 0.4, rng.random(400)
    apart = interval(brier, labels, scores, [str(i) for i in range(400)], ONES(400))
    copies = np.repeat(np.arange(100), 4)
    together = interval(brier, labels[copies], scores[copies], [str(i) for i in copies], ONES(400))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
