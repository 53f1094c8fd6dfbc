"""Tables of texts: references that stand still, topics of the right reference, profiles that add up."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from assets.drift.family import FEWEST_ROWS
from assets.drift.style import STYLES, styles
from assets.drift.text_clusters import FEWEST_TEXTS, text_clusters
from assets.drift.text_profiles import text_profiles
from assets.drift.text_sketch import features, packed, unpacked
from assets.drift.text_topics import text_topics
from assets.drift.text_vectors import text_vectors
from assets.drift.verdict_words import distinctive, verdict_words

DAY = date(2026, 3, 1)
MIDDLES = np.random.default_rng(1).standard_normal((3, 32))
NO_CLUSTERS = pl.DataFrame(
    schema={
        "day": pl.Date, "part": pl.String, "embedder": pl.String, "reference": pl.String, "fitted_day": pl.Date,
        "cluster": pl.Int64, "n": pl.Int64, "centre": pl.String,
    }
)  # fmt: skip


def sample(n: int, day: date = DAY, part: str = "prompt", seed: int = 0, text: str = "words") -> pl.DataFrame:
    """Rows of drift.text_sample, of three topics in turn; `feature` is chat or search."""
    return pl.DataFrame(
        {
            "day": day, "request_id": [f"{day}-{seed}-{i:04}" for i in range(n)], "user_token": None,
            "part": part, "text": text,
            "feature": ["chat" if i % 2 else "search" for i in range(n)], "model": "m", "tenant": None,
            "inclusion_probability": 1.0,
        },
        schema_overrides={"user_token": pl.String, "tenant": pl.String},
    )  # fmt: skip


def embedded(texts: pl.DataFrame, embedder: str = "aaaaaaaa", seed: int = 0) -> pl.DataFrame:
    """Rows of drift.text_vectors for a sample: each text near the middle of one of three topics."""
    rng = np.random.default_rng(seed)

    def embed(some: list[str]) -> tuple[np.ndarray, str]:
        vectors = MIDDLES[np.arange(len(some)) % 3] + 0.3 * rng.standard_normal((len(some), 32))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), embedder

    days = [text_vectors(day[0], of_day, embed) for day, of_day in texts.group_by("day", maintain_order=True)]
    return pl.concat(days)


def test_clusters_are_found_once_and_carried_on() -> None:
    first = text_clusters(DAY, embedded(sample(300)), NO_CLUSTERS)
    assert first["n"].sum() == 300
    assert first["fitted_day"].unique().to_list() == [DAY]
    tomorrow = DAY + timedelta(days=1)
    second = text_clusters(tomorrow, embedded(sample(300, tomorrow), seed=9), first)
    assert second.drop("day").equals(first.drop("day"))
    # Days without enough texts, or without any, lose nothing: the newest day of four weeks is what is carried on.
    later = DAY + timedelta(days=20)
    assert text_clusters(later, embedded(sample(5, later)), pl.concat([first, second])).drop("day").equals(first.drop("day"))


def test_texts_of_three_days_together_may_be_enough() -> None:
    texts = pl.concat([sample(FEWEST_TEXTS // 3 + 1, DAY - timedelta(days=ago)) for ago in (2, 1, 0)])
    vectors = embedded(texts)
    assert text_clusters(DAY, vectors.filter(pl.col("day") > DAY - timedelta(days=2)), NO_CLUSTERS).is_empty()
    assert text_clusters(DAY, vectors, NO_CLUSTERS).height > 0


def test_another_embedder_begins_another_reference_and_the_first_is_not_forgotten() -> None:
    first = text_clusters(DAY, embedded(sample(300)), NO_CLUSTERS)
    changed = text_clusters(DAY, embedded(sample(300), embedder="bbbbbbbb"), first)
    assert set(changed["embedder"]) == {"aaaaaaaa", "bbbbbbbb"}
    assert changed["reference"].n_unique() == 2
    texts, vectors = sample(40), embedded(sample(40), embedder="bbbbbbbb")
    topics = text_topics(DAY, texts, vectors, changed)
    assert set(topics["reference"]) == set(changed.filter(pl.col("embedder") == "bbbbbbbb")["reference"])
    back = text_clusters(DAY + timedelta(days=1), embedded(sample(300, DAY + timedelta(days=1))), changed)
    assert back.filter(pl.col("embedder") == "aaaaaaaa").drop("day").equals(first.drop("day"))


def test_without_clusters_texts_have_styles_and_no_topic() -> None:
    answers = sample(40, part="output", text="I'm sorry, but I can't help with that.")
    topics = text_topics(DAY, answers, embedded(answers), NO_CLUSTERS)
    assert topics["cluster"].null_count() == topics["reference"].null_count() == 40
    assert topics["refuses"].all()
    assert text_profiles(DAY, embedded(answers), topics, sizes()).filter(pl.col("family") == "embedding").is_empty()


def sizes(requests: int = 100) -> pl.DataFrame:
    """What drift.profiles says of the segments' sizes."""
    rows = [("all", "", requests), ("feature", "chat", requests), ("feature", "search", requests), ("model", "m", requests)]
    schema = {"segment_kind": pl.String, "segment": pl.String, "n": pl.Int64}
    return pl.DataFrame(rows, schema, orient="row").with_columns(metric=pl.lit("error_class"))


def test_profiles_add_up_from_segments_to_all_and_say_how_many_were_not_looked_at() -> None:
    texts = sample(60)
    vectors = embedded(texts)
    clusters = text_clusters(DAY, embedded(sample(300)), NO_CLUSTERS)
    rows = text_profiles(DAY, vectors, text_topics(DAY, texts, vectors, clusters), sizes())
    reference = clusters["reference"][0]
    rff = rows.filter(pl.col("metric") == f"prompt_embedding.{reference}.rff")
    whole = rff.filter(pl.col("segment_kind") == "all").sort(pl.col("bin").cast(pl.Int64))
    parts = rff.filter(pl.col("segment_kind") == "feature").group_by("bin").agg(pl.col("n", "value_sum").sum())
    parts = parts.sort(pl.col("bin").cast(pl.Int64))
    assert (whole["n"] == 60).all() and (parts["n"] == 60).all()
    assert parts["value_sum"].to_numpy() == pytest.approx(whole["value_sum"].to_numpy(), abs=1e-5)
    assert whole["value_sum"].to_numpy() == pytest.approx(features(unpacked(vectors["vector"])).sum(axis=0), abs=1e-5)
    cluster = rows.filter(pl.col("metric") == f"prompt_embedding.{reference}.cluster")
    unmeasured = {kind: n for kind, n in cluster.filter(pl.col("bin").is_null()).group_by("segment_kind").agg(
        pl.col("unmeasured").sum()).rows()}  # fmt: skip
    assert cluster.group_by("segment_kind").agg(pl.col("n").sum()).sort("segment_kind").rows() == [
        ("all", 60), ("feature", 60), ("model", 60),
    ]  # fmt: skip
    assert unmeasured == {"all": 40, "feature": 140, "model": 40}
    assert rows.filter(pl.col("metric") == "prompt_embedder")["bin"].drop_nulls().unique().to_list() == ["aaaaaaaa"]


def test_a_segment_of_few_texts_has_clusters_and_no_features() -> None:
    texts = sample(2 * FEWEST_ROWS - 1)
    clusters = text_clusters(DAY, embedded(sample(300)), NO_CLUSTERS)
    vectors = embedded(texts)
    rows = text_profiles(DAY, vectors, text_topics(DAY, texts, vectors, clusters), sizes())
    of_features = rows.filter((pl.col("segment_kind") == "feature") & pl.col("metric").str.ends_with(".rff"))
    assert set(of_features["segment"]) == {"search"}
    of_clusters = rows.filter((pl.col("segment_kind") == "feature") & pl.col("metric").str.ends_with(".cluster"))
    assert set(of_clusters["segment"]) == {"chat", "search"}


def test_a_day_without_texts_is_no_rows_and_asks_no_embedder() -> None:
    def refuse(texts: list[str]) -> tuple[np.ndarray, str]:
        raise AssertionError("nothing to embed")

    nothing = sample(300).clear()
    vectors = text_vectors(DAY, nothing, refuse)
    clusters = text_clusters(DAY, vectors, NO_CLUSTERS)
    topics = text_topics(DAY, nothing, vectors, clusters)
    assert vectors.is_empty() and clusters.is_empty() and topics.is_empty()
    assert text_profiles(DAY, vectors, topics, sizes()).is_empty()


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("Here you are:\n- one\n- two", "has_list"),
        ("1. one\n2. two", "has_list"),
        ("A dash - is no list - is it?", None),
        ("- a single line", None),
        ("```python\nprint(1)\n```", "has_code"),
        ("See https://example.com/a", "has_link"),
        ("I'm sorry, but I can't help with that.", "refuses"),
        ("I am unable to share this.", "refuses"),
        ("Das kann ich leider nicht; es tut mir leid.", "refuses"),
        ("Lo siento, pero no puedo ayudarte.", "refuses"),
        ("Your parcel arrives tomorrow." + " It is on its way." * 20 + " I cannot say more.", None),
        ("You can't return it after 30 days.", None),
        ("I'm not sure, but it may be on Monday.", "hedges"),
        ("As an AI, I do not sleep.", "hedges"),
        ("Je ne sais pas.", "hedges"),
    ],
)
def test_how_an_answer_is_written(text: str, is_so: str | None) -> None:
    found = pl.DataFrame({"text": [text]}).select(**styles(pl.col("text"))).row(0, named=True)
    assert [name for name in STYLES if found[name]] == ([is_so] if is_so else [])


def test_prompts_have_no_style() -> None:
    texts = sample(3, text="I'm sorry, I can't log in")
    topics = text_topics(DAY, texts, embedded(texts), NO_CLUSTERS)
    assert all(topics[name].null_count() == 3 for name in STYLES)


def test_words_that_many_texts_of_a_cluster_have_and_others_do_not() -> None:
    refunds = [f"where is the refund for order {chr(97 + i)}aaa" for i in range(20)]
    inside = pl.Series([*refunds, *["my name is Wilhelmina"] * 3])
    outside = pl.Series(["where is the parcel", "where is the invoice", "the parcel of order"] * 20)
    words = distinctive(inside, outside)
    assert words == ["for", "refund", "order"]
    assert distinctive(inside, outside.clear()) == distinctive(inside.clear(), outside) == []


def test_the_words_of_a_verdict_are_those_of_its_segment_and_its_cluster() -> None:
    texts = pl.concat([sample(60, text="refund please"), sample(60, text="parcel please", seed=1)])
    topics = texts.drop("text").with_columns(
        reference=pl.lit("12ab34cd"), cluster=pl.when(pl.col("request_id").str.contains("-0-")).then(7).otherwise(2)
    )
    verdicts = pl.DataFrame(
        {
            "segment_kind": ["feature", "feature", "all"], "segment": ["chat", "chat", ""],
            "family": ["embedding", "categorical", "embedding"],
            "metric": ["prompt_embedding.12ab34cd", "output_refuses", "prompt_embedding.ffffffff"],
            "grown_bin": ["7", "yes", "7"],
        }
    )  # fmt: skip
    assert verdict_words(DAY, verdicts, texts, topics).rows() == [
        (DAY, "all", "", "prompt_embedding.ffffffff", 7, 0, 0, None),
        (DAY, "feature", "chat", "prompt_embedding.12ab34cd", 7, 30, 30, "refund"),
    ]
    assert verdict_words(DAY, verdicts.clear(), texts, topics).is_empty()


def test_a_stored_vector_is_whole() -> None:
    vectors = unpacked(embedded(sample(4))["vector"])
    assert vectors.shape == (4, 32)
    assert packed(vectors) == embedded(sample(4))["vector"].to_list()
