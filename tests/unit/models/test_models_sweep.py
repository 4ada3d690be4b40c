import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from nocturne.models.sweep import SEEDS, fit_seed, sweep_ks


@pytest.fixture(scope="module")
def blobs():
    """Three of 30 points in five dimensions, and where each point belongs."""
    random = np.random.default_rng(5)
    own = np.repeat(np.arange(3), 30)
    return 8 * np.eye(3, 5)[own] + random.normal(0, 1, (90, 5)), own


def test_every_k_has_a_fit_from_every_seed(blobs):
    points, own = blobs
    swept = sweep_ks(points, range(2, 5))
    assert list(swept) == [2, 3, 4]
    for k, fits in swept.items():
        assert tuple(fit.seed for fit in fits) == SEEDS
        assert {len(fit.centres) for fit in fits} == {k}
        for fit in fits:
            squared = ((points - fit.centres[fit.labels]) ** 2).sum()
            assert fit.distortion == pytest.approx(squared)
    tightest = min(swept[3], key=lambda fit: fit.distortion)
    assert adjusted_rand_score(own, tightest.labels) == 1.0


def test_again_gives_the_same_bytes(blobs):
    points, _ = blobs
    one, other = (fit_seed(points, 3, SEEDS[0]) for _ in range(2))
    assert one.centres.tobytes() == other.centres.tobytes()
    assert one.distortion == other.distortion


def test_fewer_contents_than_clusters_leave_clusters_empty():
    fit = fit_seed(np.repeat(np.eye(3), 4, axis=0), 5, 0)
    assert fit.centres.shape == (5, 3)
    assert len(set(fit.labels.tolist())) == 3
    assert fit.distortion == pytest.approx(0)
