import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics.pairwise import cosine_similarity

from nocturne.models import baselines
from nocturne.models.baselines import Ease, ItemKnn, Popularity, Random

# Three users (rows) and four items; nobody has the last item.
TRAIN = csr_matrix([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=np.float64)
ALL = np.arange(3)


def make_train(users, items, seed=0):
    return csr_matrix((np.random.default_rng(seed).random((users, items)) < 0.3).astype(np.float64))


def ease_as_published(train, l2):
    """Steck 2019, algorithm 1: B = P / -diag(P), its diagonal 0; scores X B."""
    x = train.toarray()
    p = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    b = p / -np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


def test_popularity_is_the_number_of_listeners():
    assert Popularity(TRAIN).score(ALL[:2]).tolist() == [[3, 1, 1, 0], [3, 1, 1, 0]]


def test_popularity_counts_listeners_not_plays():
    assert Popularity(TRAIN * 9).score(ALL[:1]).tolist() == [[3, 1, 1, 0]]


def test_random_depends_on_seed_and_user_alone():
    one = Random(50, seed=1)
    scores = one.score(np.array([4, 7]))
    assert (scores[1] == one.score(np.array([7]))[0]).all()
    assert (scores[0] != scores[1]).all()
    assert (scores != Random(50, seed=2).score(np.array([4, 7]))).all()
    assert ((scores >= 0) & (scores < 1)).all()
    assert one.score(np.array([], dtype=np.intp)).shape == (0, 50)


def test_item_knn_by_hand():
    """Cosines: items 0 and 1, and 0 and 2: 1/√3; 1 and 2: 0.

    With one neighbour, of the equal cosines of item 0 the lower index is kept: 1. User 0 has 0 and
    1: item 0 scores by 1, item 1 by 0, item 2 by its neighbour 0. User 1 has 0 and 2: item 0 has
    no neighbour among them.
    """
    near = 1 / 3**0.5
    assert ItemKnn(TRAIN, 1).score(ALL) == pytest.approx(
        np.array([[near, near, near, 0], [0, near, near, 0], [0, near, near, 0]])
    )


@pytest.mark.parametrize("chunk_rows", [3, 500])
def test_item_knn_keeps_the_nearest_of_all(monkeypatch, chunk_rows):
    monkeypatch.setattr(baselines, "CHUNK_ROWS", chunk_rows)
    train = make_train(20, 11)
    cosines = cosine_similarity(train.T)
    np.fill_diagonal(cosines, -1)
    for item, row in enumerate(cosines):
        nearest = sorted(range(11), key=lambda other: (-round(row[other], 9), other))
        row[nearest[4:]] = 0
        assert row[item] == 0
    found = ItemKnn(train, 4).cosines.toarray()
    np.testing.assert_allclose(np.sort(found), np.sort(cosines), atol=1e-9)
    scores = ItemKnn(train, 11).score(np.arange(20))
    full = cosine_similarity(train.T) - np.eye(11)
    np.testing.assert_allclose(scores, train @ full, atol=1e-9)


@pytest.mark.parametrize(("users", "items"), [(12, 40), (40, 12), (20, 20)])
@pytest.mark.parametrize("l2", [0.5, 80.0])
def test_ease_is_that_of_the_paper_from_either_side(monkeypatch, users, items, l2):
    monkeypatch.setattr(baselines, "CHUNK_ROWS", 5)
    train = make_train(users, items)
    ease = Ease(train, l2)
    assert ease.dual == (users < items)
    assert ease.items_left_out == 0
    chosen = np.array([3, 0, 7])
    expected = ease_as_published(train, l2)[chosen]
    np.testing.assert_allclose(ease.score(chosen), expected, atol=1e-9)


def test_ease_above_its_limit_is_of_the_most_popular_items(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_SIDE", 8)
    train = make_train(12, 40)
    listeners = np.asarray(train.sum(axis=0)).ravel()
    kept = sorted(sorted(range(40), key=lambda item: (-listeners[item], item))[:8])
    ease = Ease(train, 2.0)
    assert ease.items_left_out == 32
    expected = np.zeros((12, 40))
    expected[:, kept] = ease_as_published(train[:, kept], 2.0)
    np.testing.assert_allclose(ease.score(np.arange(12)), expected, atol=1e-9)


def test_ease_scores_an_item_that_nobody_has_0():
    assert Ease(TRAIN, 1.0).score(ALL)[:, 3].tolist() == [0, 0, 0]
