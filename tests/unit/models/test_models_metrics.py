import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import ndcg_score
from sklearn.metrics.pairwise import cosine_distances

from nocturne.errors import NocturneError
from nocturne.models import metrics

# One list of four with hits at ranks 1 and 3; three items were held out.
HITS = np.array([[True, False, True, False]])
RELEVANT = np.array([3])

# Train of four users (rows) and five items: listeners 4, 2, 1, 1, 0.
TRAIN = csr_matrix([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0]])


def value(values):
    (only,) = values
    return float(only)


def test_accuracy_by_hand():
    assert value(metrics.precision(HITS)) == 2 / 4
    assert value(metrics.recall(HITS, RELEVANT)) == 2 / 3
    assert value(metrics.hit_rate(HITS)) == 1
    assert value(metrics.reciprocal_rank(HITS)) == 1 / 1
    # Precision at rank 1 is 1/1, at rank 3 it is 2/3; three were to be found.
    assert value(metrics.average_precision(HITS, RELEVANT)) == pytest.approx((1 + 2 / 3) / 3)
    # 1/log2(2) + 1/log2(4) of 1/log2(2) + 1/log2(3) + 1/log2(4): 1.5 of 2.1309297536.
    assert value(metrics.ndcg(HITS, RELEVANT)) == pytest.approx(0.7039180890, abs=1e-9)


def test_no_list_can_have_more_hits_than_places():
    """Seven held out, two places, both hits: NDCG and MAP are perfect, recall is not."""
    hits, relevant = np.array([[True, True]]), np.array([7])
    assert value(metrics.ndcg(hits, relevant)) == pytest.approx(1)
    assert value(metrics.average_precision(hits, relevant)) == 1
    assert value(metrics.recall(hits, relevant)) == 2 / 7


def test_a_list_without_hits_is_worth_nothing():
    hits, relevant = np.zeros((1, 5), dtype=bool), np.array([2])
    for metric in (metrics.precision, metrics.hit_rate, metrics.reciprocal_rank):
        assert value(metric(hits)) == 0
    for metric in (metrics.recall, metrics.ndcg, metrics.average_precision):
        assert value(metric(hits, relevant)) == 0


def test_hits_are_found_and_missing_places_are_none():
    """User 0 has held out 1 and 3, user 1 the last item, 3, which -1 must not be taken for."""
    held_out = csr_matrix([[0, 1, 0, 1], [0, 0, 0, 1]])
    top = np.array([[3, 0, 1], [0, -1, -1]])
    assert metrics.find_hits(top, held_out).tolist() == [[True, False, True], [False] * 3]


@st.composite
def rankings(draw):
    """Scores of items that all differ, which of them were held out, and k."""
    items = draw(st.integers(2, 12))
    scores = draw(st.permutations(range(items)))
    held_out = draw(st.sets(st.integers(0, items - 1), min_size=1))
    return np.array(scores), sorted(held_out), draw(st.integers(1, items))


@given(rankings())
def test_ndcg_is_that_of_scikit_learn(ranking):
    scores, held_out, k = ranking
    gains = np.zeros(len(scores))
    gains[held_out] = 1
    top = np.argsort(-scores)[None, :k]
    hits = metrics.find_hits(top, csr_matrix(gains))
    expected = ndcg_score(gains[None], scores[None], k=k)
    assert value(metrics.ndcg(hits, np.array([len(held_out)]))) == pytest.approx(expected, abs=1e-9)


@given(rankings())
def test_accuracy_is_what_the_definitions_say(ranking):
    """Written out with sets and loops, as in RecBole's documentation of its metrics."""
    scores, held_out, k = ranking
    top = np.argsort(-scores)[:k].tolist()
    row = np.zeros(len(scores))
    row[held_out] = 1
    hits, relevant = metrics.find_hits(np.array([top]), csr_matrix(row)), np.array([len(held_out)])
    found = set(top) & set(held_out)
    ranks = [rank for rank, item in enumerate(top, 1) if item in held_out]
    precisions = [len(set(top[:rank]) & set(held_out)) / rank for rank in ranks]
    assert value(metrics.precision(hits)) == pytest.approx(len(found) / k)
    assert value(metrics.recall(hits, relevant)) == pytest.approx(len(found) / len(held_out))
    assert value(metrics.hit_rate(hits)) == float(bool(found))
    assert value(metrics.reciprocal_rank(hits)) == (1 / min(ranks) if ranks else 0)
    expected = sum(precisions) / min(k, len(held_out))
    assert value(metrics.average_precision(hits, relevant)) == pytest.approx(expected)


def test_coverage_and_gini_by_hand():
    """Five items are listed 3, 1, 0, 0 and 0 times: sorted 0 0 0 1 3.

    Gini is (-4·0 - 2·0 + 0·0 + 2·1 + 4·3) / (5 · 4) = 14/20.
    """
    listings = metrics.count_listings(np.array([[0, 1], [0, -1], [0, -1]]), 5)
    assert listings.tolist() == [3, 1, 0, 0, 0]
    assert metrics.coverage(listings) == 2 / 5
    assert metrics.gini(listings) == pytest.approx(0.7)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_gini_is_half_the_mean_difference_over_the_mean(counts):
    """Gini's own definition, over all pairs."""
    listings = np.array(counts)
    differences = np.abs(listings[:, None] - listings).mean()
    assert metrics.gini(listings) == pytest.approx(differences / (2 * listings.mean()), abs=1e-9)


def test_gini_at_its_ends():
    assert metrics.gini(np.array([7, 7, 7, 7])) == 0
    assert metrics.gini(np.array([0, 0, 9, 0])) == 1 - 1 / 4
    with pytest.raises(NocturneError, match="No list has an item"):
        metrics.gini(np.zeros(3, dtype=int))


def test_novelty_by_hand():
    """Of four users 4, 2, 1, 1 and none have the items: 0, 1, 2 and 2 bits; none counts as one."""
    information = metrics.self_information(TRAIN)
    assert information.tolist() == [0, 1, 2, 2, 2]
    top = np.array([[0, 1, 2], [4, 3, -1], [-1, -1, -1]])
    assert metrics.novelty(top, information).tolist() == [1, 2, 0]


def test_diversity_by_hand():
    """Cosines of the items' listeners: 0 and 1 share 2 of 4 and 2: 2/√8; 0 and 2 share 1: 1/√4; 1
    and 2 none; item 4 has no listeners, so it is at 0 from all."""
    top = np.array([[0, 1, 2], [0, 4, -1], [3, -1, -1], [-1, -1, -1]])
    expected = [1 - (2 / 8**0.5 + 1 / 2 + 0) / 3, 1, 0, 0]
    assert metrics.diversity(top, csr_matrix(TRAIN.T)) == pytest.approx(expected)


def test_diversity_is_the_mean_of_scikit_learn_s_distances(monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK_LISTS", 7)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, 4))
    top = np.array([generator.permutation(30)[:6] for _ in range(20)])
    distances = cosine_distances(features)
    expected = [distances[np.ix_(row, row)].sum() / (6 * 5) for row in top]
    np.testing.assert_allclose(metrics.diversity(top, csr_matrix(features)), expected, atol=1e-9)
