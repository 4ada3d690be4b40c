"""The neighbours bench at a small size: what it compares, not how fast it is."""

import numpy as np
import pytest

from nocturne.bench.neighbours import (
    compare,
    is_identical,
    make_vectors,
    measure,
    search_flat,
    time_loop,
)
from nocturne.recommend.exact import search_exact


def test_all_ways_find_the_same_and_are_timed():
    said = []
    found = measure(1000, said.append)
    assert found["identical"] is True
    assert found["times_faiss"] > 0
    assert found["speedup_over_loop"] > 0
    assert (found["tracks"], found["dims"], found["neighbours"]) == (1000, 64, 20)
    assert 0.8 < found["approximate_recall"] <= 1
    assert set(found["seconds"]) == {"ours", "faiss", "loop"}
    assert [len(rounds) for rounds in found["rounds"].values()] == [3, 3, 3]
    assert len(said) == 3


def test_ratios_are_of_medians():
    found = compare({"ours": [2.0, 1.0, 9.0], "faiss": [5.0, 4.0, 3.0], "loop": [80.0] * 3})
    assert (found["times_faiss"], found["speedup_over_loop"]) == (0.5, 40.0)


def test_the_tracks_are_the_same_each_time_and_lie_in_groups():
    vectors = make_vectors(500)
    assert vectors.tobytes() == make_vectors(500).tobytes()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(500))
    closeness = vectors @ vectors.T
    assert (closeness > 0.3).sum(axis=1).mean() > 2


def test_other_neighbours_are_noticed():
    vectors = make_vectors(300)
    _, scores = search_exact(vectors, 20)
    peers = search_flat(vectors, 20)
    assert is_identical(vectors, scores, peers)
    peers[17, 5] = int((vectors @ vectors[17]).argmin())
    assert not is_identical(vectors, scores, peers)


def test_the_loop_is_scaled_to_all_tracks():
    assert time_loop(make_vectors(3000), 20) > 0
