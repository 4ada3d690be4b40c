import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nocturne.models.taste import FactorScorer
from nocturne.recommend import scorers
from nocturne.recommend.scorers import ContentScorer, FilledScorer, average_tracks, find_relatives


def draw_directions(tracks, dims=6, seed=0):
    rows = np.random.default_rng(seed).normal(size=(tracks, dims)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_mean_track_by_hand():
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    weights = csr_matrix([[3.0, 4.0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0.5]])
    assert average_tracks(weights, vectors).tolist() == [
        pytest.approx([0.6, 0.8]), [0, 0], [0, 0], [-1, 0]
    ]  # fmt: skip


def test_content_is_the_cosine_with_the_mean_track():
    vectors = draw_directions(20)
    weights = csr_matrix(np.random.default_rng(1).random((3, 20)))
    scores = ContentScorer(average_tracks(weights, vectors), vectors).score(np.array([2, 0]))
    means = (weights @ vectors)[[2, 0]]
    cosines = means @ vectors.T / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)


@pytest.mark.parametrize("known", [[True, True], [False, False]])
def test_there_are_no_relatives_if_all_or_none_are_known(known):
    assert find_relatives(draw_directions(2), np.array(known)) is None


@given(st.integers(0, 10**6), st.integers(2, 30), st.sampled_from([1, 3, 1024]))
def test_a_new_track_takes_after_the_nearest_known_ones(seed, tracks, tracks_at_a_time):
    random = np.random.default_rng(seed)
    vectors = draw_directions(tracks, seed=seed)
    known = random.permutation(tracks) < random.integers(1, tracks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorers, "TRACKS_AT_A_TIME", tracks_at_a_time)
        relatives = find_relatives(vectors, known)
    shares = relatives.toarray()
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    assert (shares >= 0).all()
    assert not shares[~known].any(), "an unknown track lends nothing"
    np.testing.assert_array_equal(shares[:, known], np.eye(tracks)[:, known])
    for new in np.flatnonzero(~known):
        closeness = np.where(known, vectors @ vectors[new], -np.inf)
        nearest = set(np.argsort(-closeness)[: min(10, known.sum())])
        assert set(np.flatnonzero(shares[:, new])) == nearest


def test_a_track_far_from_all_takes_after_them_equally():
    vectors = np.array([[1, 0], [1, 0], [-1, 0]], np.float32)
    shares = find_relatives(vectors, np.array([True, True, False])).toarray()
    assert shares[:, 2].tolist() == pytest.approx([0.5, 0.5, 0])


def test_filling_changes_new_tracks_alone():
    vectors = draw_directions(9)
    known = np.arange(9) % 3 > 0
    factors = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    factors[~known] = 0
    users = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    inner, relatives = FactorScorer(users, factors), find_relatives(vectors, known)
    some = np.array([4, 1])
    filled = FilledScorer(inner, relatives).score(some)
    np.testing.assert_allclose(filled[:, known], inner.score(some)[:, known], rtol=1e-6)
    assert filled[:, ~known].all()
    mapped = FactorScorer(users, relatives.T @ factors).score(some)
    np.testing.assert_allclose(filled, mapped, rtol=1e-4, atol=1e-6)


def test_the_twin_of_a_track_scores_like_it():
    """Among equally far others: shares go by closeness."""
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 2, 0]]
    known = np.array([True, True, True, False])
    inner = FactorScorer(np.ones((1, 1), np.float32), np.array([[5], [1], [2], [0]], np.float32))
    filled = FilledScorer(inner, find_relatives(vectors, known)).score(np.array([0]))
    assert filled[0].tolist() == pytest.approx([5, 1, 2, 5], abs=1e-4)
