import numpy as np
import pytest

from nocturne.errors import BadInput
from nocturne.recommend.approximate import drop_own, measure_recall, search_approximate
from nocturne.recommend.exact import search_exact


def make_groups(tracks, groups=40, dims=16):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, dims))
    rows = centres[rng.integers(0, groups, tracks)] + rng.normal(size=(tracks, dims)) / 3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_most_of_the_nearest_are_found_and_the_recall_says_how_many():
    vectors = make_groups(4000)
    indices, scores, recall = search_approximate(vectors, 10)
    exact_indices, exact_scores = search_exact(vectors, 10)
    pairs = zip(indices, exact_indices, strict=True)
    found = np.mean([len(np.intersect1d(*pair)) / 10 for pair in pairs])
    assert recall > 0.9
    assert recall == pytest.approx(found, abs=0.02)
    same = indices == exact_indices
    assert np.array_equal(scores[same], exact_scores[same])


def test_the_answer_is_the_same_again():
    vectors = make_groups(2000)
    one, other = search_approximate(vectors, 10), search_approximate(vectors, 10)
    assert one[0].tobytes() == other[0].tobytes()
    assert one[1].tobytes() == other[1].tobytes()


def test_no_track_is_in_its_own_list_and_none_is_twice():
    vectors = make_groups(1000)
    vectors[::9] = vectors[0]
    indices, scores, _ = search_approximate(vectors, 10)
    for row, others in enumerate(indices.tolist()):
        assert row not in others
        assert len(set(others)) == 10
    assert (np.diff(scores, axis=1) <= 0).all()


def test_few_tracks_are_all_found():
    vectors = make_groups(12)
    indices, scores, recall = search_approximate(vectors, 20)
    exact_indices, exact_scores = search_exact(vectors, 20)
    assert np.array_equal(indices, exact_indices)
    assert np.array_equal(scores, exact_scores)
    assert recall == 1


def test_recall_counts_what_is_as_near_as_the_last_exact_one():
    vectors = make_groups(300)
    _, scores = search_exact(vectors, 4)
    assert measure_recall(vectors, scores) == 1
    scores[:, 3] = -1
    assert measure_recall(vectors, scores) == 0.75


def test_a_row_goes_from_its_own_list_or_the_last_of_the_list_does():
    near = np.array([[0, 1, 2], [2, 0, 1], [0, 1, 3]])
    assert drop_own(near).tolist() == [[1, 2], [2, 0], [0, 1]]


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(BadInput, match="length"):
        search_approximate(2 * make_groups(100), 5)
