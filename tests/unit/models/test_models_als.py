import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from nocturne.models import als
from nocturne.models.als import fit_factors
from nocturne.models.taste import Setting

SETTING = Setting(rank=5, alpha=2.0, regularisation=0.3)


def draw_weights(rows=40, columns=30, seed=0):
    """A fifth of the cells: two in three positive, the others negative."""
    random = np.random.default_rng(seed)
    known = random.random((rows, columns)) < 0.2
    return csr_matrix(known * random.choice([0.5, 2.0, -1.0], (rows, columns)))


def cost(weights, users, items, setting):
    """Hu, Koren and Volinsky's, over all cells; MLlib's scale of the regularisation."""
    dense = weights.toarray()
    confidence = 1 + setting.alpha * np.abs(dense)
    errors = confidence * ((dense > 0) - users @ items.T) ** 2
    liked = dense > 0
    norms = (liked.sum(1) * (users**2).sum(1)).sum() + (liked.sum(0) * (items**2).sum(1)).sum()
    return errors.sum() + setting.regularisation * norms


def test_the_factors_of_a_listener_are_the_best_there_are():
    """By calculus: the gradient of the cost is zero, and any step away costs."""
    weights = draw_weights()
    users, items = (side.astype(float) for side in fit_factors(weights, SETTING, 3, 1))
    best = cost(weights, users, items, SETTING)
    random = np.random.default_rng(4)
    for _ in range(20):
        away = users + random.normal(0, 0.01, users.shape)
        assert cost(weights, away, items, SETTING) > best


def test_each_iteration_costs_less():
    weights = draw_weights()
    costs = [
        cost(weights, *fit_factors(weights, SETTING, count, 1), SETTING) for count in range(1, 6)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1] * 1.01


def test_blocks_and_threads_change_nothing(monkeypatch):
    weights = draw_weights()
    whole = fit_factors(weights, SETTING, 3, 1)
    monkeypatch.setattr(als, "MOST_CELLS", SETTING.rank * 30)
    with threadpool_limits(1):
        cut = fit_factors(weights, SETTING, 3, 1)
    for one, other in zip(whole, cut, strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    again = fit_factors(weights, SETTING, 3, 1)
    assert [side.tobytes() for side in again] == [side.tobytes() for side in cut]


def test_every_row_is_solved_once_whatever_its_length(monkeypatch):
    monkeypatch.setattr(als, "MOST_CELLS", 300)
    lengths = np.random.default_rng(0).integers(0, 90, 200)
    positive = np.minimum(lengths, 3)
    blocks = list(als.cut_blocks(lengths, positive, 5))
    assert sorted(np.concatenate(blocks)) == np.flatnonzero(positive).tolist()
    assert all(len(block) * 5 * lengths[block].max() <= 300 or len(block) == 1 for block in blocks)


def test_who_likes_nothing_has_zeros():
    weights = csr_matrix(np.array([[1.0, 0, 2], [0, 0, -1], [0, 0, 0]]))
    users, items = fit_factors(weights, SETTING, 2, 1)
    assert users.any(axis=1).tolist() == [True, False, False]
    assert items.any(axis=1).tolist() == [True, False, True]
    assert (users.dtype, items.dtype) == (np.float32, np.float32)
