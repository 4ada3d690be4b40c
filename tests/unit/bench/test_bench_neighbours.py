"""The neighbours bench at a small size: what it compares, not how fast it is."""

import numpy as np
import pytest

from nocturne.bench import neighbours
from nocturne.bench.neighbours import (
    compare,
    is_identical,
    make_vectors,
    measure,
    search_flat,
    search_one_by_one,
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


def test_ratios_are_of_the_quickest_rounds_and_those_of_medians_stand_beside_them():
    found = compare({"ours": [2.0, 1.0, 9.0], "faiss": [5.0, 4.0, 2.5], "loop": [80.0, 60.0, 70.0]})
    assert (found["times_faiss"], found["speedup_over_loop"]) == (0.4, 60.0)
    assert found["of_medians"] == {"times_faiss": 0.5, "speedup_over_loop": 35.0}
    assert found["seconds"] == {"ours": 1.0, "faiss": 2.5, "loop": 60.0}
    assert found["median_seconds"] == {"ours": 2.0, "faiss": 4.0, "loop": 70.0}


def test_each_way_has_each_place_in_the_order_once(monkeypatch):
    order = []
    for name in ("search_exact", "search_flat", "search_one_by_one"):
        monkeypatch.setattr(neighbours, name, lambda *_, name=name: order.append(name))
    neighbours.time_ways(make_vectors(50), {}, print)
    rounds = [order[-9:-6], order[-6:-3], order[-3:]]
    names = {"search_exact", "search_flat", "search_one_by_one"}
    assert [set(turns) for turns in rounds] == [names] * 3
    assert [set(places) for places in zip(*rounds, strict=True)] == [names] * 3


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


def test_the_loop_finds_what_the_others_find():
    vectors = make_vectors(3000)
    tracks = np.array([0, 7, 2999])
    found = search_one_by_one(vectors, tracks, 20)
    _, scores = search_exact(vectors, 20)
    theirs = np.einsum("tnd,td->tn", vectors[found], vectors[tracks])
    assert theirs == pytest.approx(scores[tracks], abs=2e-6)
    assert not (found == tracks[:, np.newaxis]).any()
