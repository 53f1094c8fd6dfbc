"""Public questions and documents through indexes of both kinds. Their vectors are of words alone (latent semantic analysis),
for speed: what the packaged embedder makes of them is measured by `python -m benchmarks.retrieval`."""

from __future__ import annotations

import numpy as np
import pytest

from assets.retrieval.ranking import QrelsError, difference, estimate, measured
from benchmarks.retrieval_sets import SHARED, Judged, vaswani, xquad
from resources.faiss_index import FLAT, VectorIndex, build, exact, recalls, tune
from resources.live_index import Point, Vectors

KINDS = (FLAT, "IVF128,PQ12x4fs,RFlat")


@pytest.fixture(scope="module")
def physics() -> Judged:
    if not (SHARED / "vaswani_npl").is_dir():
        pytest.skip("the Vaswani collection is not beside the checkout (../shared/data/vaswani_npl)")
    return vaswani()


@pytest.fixture(scope="module")
def vectors(physics: Judged) -> tuple[Vectors, Vectors]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, min_df=3, stop_words="english")
    documents = words.fit_transform(physics.documents.values())
    reduced = TruncatedSVD(48, random_state=1, n_iter=1).fit(documents)
    found = [np.asarray(reduced.transform(one)) for one in (documents, words.transform(physics.queries.values()))]
    unit = [one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-9) for one in found]
    return np.asarray(unit[0], np.float32), np.asarray(unit[1], np.float32)


@pytest.fixture(scope="module")
def indexes(vectors: tuple[Vectors, Vectors]) -> dict[str, VectorIndex]:
    documents = vectors[0]
    return {kind: build(kind, documents.shape[1], len(documents), lambda rows: documents[rows], 1) for kind in KINDS}


def runs(index: VectorIndex, point: Point, physics: Judged, queries: Vectors) -> dict[str, list[str]]:
    names = list(physics.documents)
    _, found = index.search(queries, 10, point)
    return {query: [names[id_] for id_ in row] for query, row in zip(physics.queries, found, strict=True)}


def test_the_sets_are_whole(physics: Judged) -> None:
    assert (len(physics.documents), len(physics.queries), sum(map(len, physics.qrels.values()))) == (11_429, 93, 2_083)
    assert set().union(*physics.qrels.values()) <= physics.documents.keys()
    assert physics.qrels.keys() == physics.queries.keys()
    for language in ("en", "hi"):
        assert (len(xquad(language).documents), len(xquad(language).queries)) == (240, 1_190)


def test_lists_of_codes_find_what_comparing_with_all_finds(
    physics: Judged, vectors: tuple[Vectors, Vectors], indexes: dict[str, VectorIndex]
) -> None:
    documents, queries = vectors
    flat, codes = (indexes[kind] for kind in KINDS)
    asked = np.vstack([documents[::40], queries])
    truth, _ = exact(asked, [(flat.ids, documents)], 10, 1)
    point = tune(codes, asked[: -len(queries)], truth[: -len(queries)], 0.99).point
    assert point.nprobe < 128
    recall = estimate(recalls(codes.search(queries, 10, point)[0], truth[-len(queries) :]))
    assert recall.high > 0.985
    whole, some = (measured(runs(one, point, physics, queries), physics.qrels) for one in (flat, codes))
    assert estimate(whole["ndcg"]).low > 0.1, "fifty times what chance finds"
    change = difference(some["ndcg"], whole["ndcg"])
    assert change.value > -0.02 and change.low > -0.05


def test_judgments_whose_ids_are_written_otherwise_are_no_bad_score(
    physics: Judged, vectors: tuple[Vectors, Vectors], indexes: dict[str, VectorIndex]
) -> None:
    found = runs(indexes[FLAT], Point(), physics, vectors[1])
    with pytest.raises(QrelsError, match="93 of 93 judged queries have no ranking, such as 'MT01'"):
        measured(found, {f"MT{int(query):02}": grades for query, grades in physics.qrels.items()})
    with pytest.raises(QrelsError, match="1 of 94 judged queries have no ranking, such as '94'"):
        measured(found, {**physics.qrels, "94": {"1": 1}})
