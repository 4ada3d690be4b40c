import numpy as np
import pytest

from nocturne.errors import BadInput
from nocturne.recommend import exact
from nocturne.recommend.exact import (
    PLAIN_UP_TO,
    find_candidates,
    rank_candidates,
    require_unit_rows,
    rounding_error,
    score_pairs,
    search_exact,
    search_rows,
)
from nocturne.recommend.exact_kernels import score_candidates


def make_rows(tracks, dims=16, seed=0):
    """Unit rows in groups, with copies, near copies and rows of zeros among them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, dims))
    rows = centres[rng.integers(0, 20, tracks)] + rng.normal(size=(tracks, dims)) / 2
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float32)
    rows[::37] = rows[0]
    rows[1::31] = rows[1] + rng.normal(scale=1e-7, size=(len(rows[1::31]), dims))
    rows[2::211] = 0
    return rows


def search_pair_by_pair(vectors, row, count):
    closeness = [round(sum(products), 6) + 0.0 for products in (vectors * vectors[row]).tolist()]
    ranked = sorted((-score, other) for other, score in enumerate(closeness) if other != row)
    return [other for _, other in ranked[:count]], [-score for score, _ in ranked[:count]]


def test_many_tracks_equal_pair_by_pair():
    vectors = make_rows(PLAIN_UP_TO + 500)
    indices, scores = search_exact(vectors, 20)
    for row in [0, 37, 1, 32, 2, 1024, len(vectors) - 1]:
        expected = search_pair_by_pair(vectors.astype(np.float64), row, 20)
        assert (indices[row].tolist(), scores[row].tolist()) == expected


def test_candidates_and_comparing_all_lead_to_the_same_bytes(monkeypatch):
    vectors = make_rows(3000)
    expected = search_rows(vectors, np.arange(3000), 10)
    for block_rows in (64, 1000, 3000, 4096):
        monkeypatch.setattr(exact, "PLAIN_UP_TO", 0)
        monkeypatch.setattr(exact, "BLOCK_ROWS", block_rows)
        indices, scores = search_exact(vectors, 10)
        assert np.array_equal(indices, expected[0])
        assert np.array_equal(scores, expected[1])


@pytest.mark.parametrize("pairs", [1, 700, 12_345])
def test_chunks_have_no_seams(monkeypatch, pairs):
    vectors = make_rows(300)
    expected = search_exact(vectors, 7)
    monkeypatch.setattr(exact, "PAIRS_AT_A_TIME", pairs)
    found = search_exact(vectors, 7)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_without_the_certificate_copies_would_be_lost():
    """33 near copies in a thousand tracks: more ties than candidates."""
    vectors = make_rows(1000)
    candidates, lowest = find_candidates(vectors, 16)
    indices, scores = rank_candidates(vectors, candidates, 10)
    whole, _ = search_rows(vectors, np.arange(1000), 10)
    wrong = (indices != whole).any(axis=1)
    unsure = scores[:, -1] <= lowest + 5e-7 + rounding_error(vectors)
    assert wrong.any()
    assert not (wrong & ~unsure).any()
    assert unsure.mean() < 0.2


def test_candidates_are_the_nearest_others():
    vectors = make_rows(200)[3:37]
    candidates, lowest = find_candidates(vectors, 9)
    closeness = vectors @ vectors.T
    np.fill_diagonal(closeness, -9)
    assert np.allclose(lowest, np.sort(closeness, axis=1)[:, -9], atol=1e-6)
    for row, others in enumerate(candidates):
        assert row not in others
        assert len(set(others.tolist())) == 9
        assert closeness[row, others].min() == pytest.approx(lowest[row], abs=1e-6)


def test_numpy_and_the_kernel_add_in_one_order():
    vectors = make_rows(400, dims=64).astype(np.float64)
    others = np.random.default_rng(1).integers(0, 400, (400, 30))
    own = np.repeat(np.arange(400), 30)
    in_numpy = score_pairs(vectors.T.copy(), own, others.ravel()).reshape(400, 30)
    assert score_candidates(vectors, others).tobytes() == in_numpy.tobytes()


def test_a_float32_product_is_within_the_bound():
    vectors = make_rows(500, dims=64)
    wide = vectors.astype(np.float64)
    assert np.abs(vectors @ vectors.T - wide @ wide.T).max() < rounding_error(vectors) < 1e-5


def test_no_track_and_one_have_no_neighbours():
    for tracks in (0, 1):
        indices, scores = search_exact(np.ones((tracks, 1), np.float32), 5)
        assert indices.shape == scores.shape == (tracks, 0)


def test_rows_of_other_lengths_are_refused():
    vectors = make_rows(10)
    require_unit_rows(vectors)
    vectors[[3, 7]] *= 2
    with pytest.raises(BadInput, match=r"2 of 10 vectors .* row 3 \(2\)"):
        search_exact(vectors, 3)
    vectors[3] = np.nan
    with pytest.raises(BadInput, match=r"row 3 \(nan\)"):
        search_exact(vectors, 3)
