import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nocturne.recommend import similar
from nocturne.recommend.similar import name_neighbours, search


def find_by_brute_force(track_ids, vectors, count):
    """Track by track, pair by pair, in float64, as the docstrings define it."""
    rows = np.asarray(vectors, dtype=np.float64)
    found = {}
    for own, row in zip(track_ids, rows, strict=True):
        scores = [
            (-round(float(sum(row * candidate)), 6), other)
            for other, candidate in zip(track_ids, rows, strict=True)
            if other != own
        ]
        nearest = sorted(scores)[:count]
        found[own] = ([other for _, other in nearest], [-score for score, _ in nearest])
    return found


def found_by_us(track_ids, vectors, count):
    """From tracks in the order of their ids, as a library is read."""
    if not len(track_ids):
        return {}
    order = sorted(range(len(track_ids)), key=list(track_ids).__getitem__)
    found = search(np.asarray(vectors, np.float32)[order], count)
    return {
        row.track_id: (row.track_ids, row.scores)
        for row in name_neighbours([track_ids[place] for place in order], found)
    }


def make_unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(np.float32)


def random_library(tracks):
    generator = np.random.default_rng(0)
    ids = [str(number) for number in generator.permutation(10 * tracks)[:tracks]]
    return ids, make_unit(generator.normal(size=(tracks, 12)))


@pytest.mark.parametrize("tracks", [2, 3, 40])
def test_equals_brute_force(tracks):
    ids, vectors = random_library(tracks)
    found = found_by_us(ids, vectors, 10)
    assert list(found) == sorted(ids)
    assert found == find_by_brute_force(ids, vectors, 10)


small_libraries = st.integers(1, 12).flatmap(
    lambda tracks: st.tuples(
        st.lists(
            st.text("0123456789ab:é", min_size=1, max_size=3),
            min_size=tracks,
            max_size=tracks,
            unique=True,
        ),
        st.lists(
            st.lists(st.integers(-2, 2), min_size=3, max_size=3),
            min_size=tracks,
            max_size=tracks,
        ),
    )
)


@settings(max_examples=60, deadline=None)
@given(library=small_libraries, count=st.integers(1, 15), seed=st.randoms(use_true_random=False))
def test_any_library_of_many_duplicates(library, count, seed):
    """Few values make many equal tracks and zero rows."""
    ids, rows = library
    vectors = make_unit(rows)
    found = found_by_us(ids, vectors, count)
    assert found == find_by_brute_force(ids, vectors, count)
    shuffled = list(zip(ids, vectors, strict=True))
    seed.shuffle(shuffled)
    assert found_by_us(*zip(*shuffled, strict=True), count) == found


def test_ties_are_broken_by_track_id_as_text():
    vectors = make_unit([[1, 2], [1, 2], [1, 2], [-3, 0]])
    found = found_by_us(["9", "10", "2", "far"], vectors, 2)
    assert found["2"] == (["10", "9"], [1.0, 1.0])
    assert found["9"] == (["10", "2"], [1.0, 1.0])
    assert found["far"][0] == ["10", "2"]


def test_a_small_library_gives_all_others():
    ids, vectors = random_library(4)
    for track_id, (others, _) in found_by_us(ids, vectors, 20).items():
        assert set(others) == set(ids) - {track_id}


@pytest.mark.parametrize("tracks", [0, 1])
def test_a_track_alone_has_no_neighbours(tracks):
    found = found_by_us(["a"][:tracks], np.ones((tracks, 1)), 5)
    assert found == ({"a": ([], [])} if tracks else {})


def test_tracks_that_are_all_alike_are_at_cosine_zero():
    found = found_by_us(["c", "a", "b"], np.zeros((3, 4)), 2)
    assert found == {"a": (["b", "c"], [0.0, 0.0]), "b": (["a", "c"], [0.0, 0.0]),
                     "c": (["a", "b"], [0.0, 0.0])}  # fmt: skip


def test_no_score_is_a_negative_zero():
    found = found_by_us(list("abcd"), make_unit([[1, 1], [1, -1], [-1, 1], [-1, -1]]), 3)
    for _, scores in found.values():
        assert "-0.0" not in map(str, scores)


def test_a_library_is_searched_exactly():
    _, vectors = random_library(40)
    found = search(vectors, 5)
    assert (found.way, found.recall) == ("exact", 1.0)
    assert found.indices.shape == found.scores.shape == (40, 5)


def test_a_large_library_is_searched_approximately_and_its_recall_is_known(monkeypatch):
    ids, vectors = random_library(3000)
    exact = search(vectors, 5)
    monkeypatch.setattr(similar, "EXACT_UP_TO", 2999)
    found = search(vectors, 5)
    assert found.way == "approximate"
    assert 0.5 < found.recall <= 1
    assert (found.scores >= exact.scores[:, -1:]).mean() == pytest.approx(found.recall, abs=0.03)
    rows = list(name_neighbours(ids, found))
    assert [row.track_id for row in rows] == ids
    assert rows[7].track_ids == [ids[place] for place in found.indices[7]]


def test_names_go_with_what_was_found():
    _, vectors = random_library(4)
    with pytest.raises(ValueError, match="shorter"):
        list(name_neighbours(["a", "b", "c", "d"], search(vectors[:3], 2)))
