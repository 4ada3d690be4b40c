import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nocturne.recommend import similar
from nocturne.recommend.similar import find_neighbours, standardise


def find_by_brute_force(track_ids, features, count):
    """Track by track, pair by pair, in float64, as the docstrings define it."""
    columns = []
    for column in np.asarray(features, dtype=float).T:
        spread = column.std() if len(set(column)) > 1 else 0.0
        columns.append((column - column.mean()) / spread if spread else np.zeros(len(column)))
    rows = np.array(columns).T
    found = {}
    for own, row in zip(track_ids, rows, strict=True):
        scores = []
        for other, candidate in zip(track_ids, rows, strict=True):
            lengths = np.sqrt(row @ row) * np.sqrt(candidate @ candidate)
            score = round(float(row @ candidate / lengths), 6) if lengths else 0.0
            scores.append((-score, other))
        nearest = sorted(pair for pair in scores if pair[1] != own)[:count]
        found[own] = ([other for _, other in nearest], [-score for score, _ in nearest])
    return found


def found_by_us(track_ids, features, count):
    return {
        row.track_id: (row.track_ids, row.scores)
        for row in find_neighbours(track_ids, np.asarray(features, dtype=float), count)
    }


def random_columns(generator, tracks, columns):
    """Columns of different magnitudes, as hertz and decibels are."""
    return generator.normal(size=(tracks, columns)) * 10.0 ** generator.integers(-4, 5, columns)


def random_library(tracks):
    generator = np.random.default_rng(0)
    ids = [str(number) for number in generator.permutation(10 * tracks)[:tracks]]
    return ids, random_columns(generator, tracks, 12)


@pytest.mark.parametrize("tracks", [2, 3, 40])
def test_equals_brute_force(tracks):
    ids, features = random_library(tracks)
    expected = find_by_brute_force(ids, features, 10)
    found = found_by_us(ids, features, 10)
    assert list(found) == sorted(ids)
    for track_id, (others, scores) in expected.items():
        assert found[track_id][0] == others
        assert found[track_id][1] == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 2, 7, 39, 40, 41])
def test_chunks_have_no_seams(monkeypatch, chunk_rows):
    ids, features = random_library(40)
    whole = found_by_us(ids, features, 5)
    monkeypatch.setattr(similar, "CHUNK_ROWS", chunk_rows)
    assert found_by_us(ids, features, 5) == whole


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
    """Few values make many equal tracks, constant columns and zero rows."""
    ids, features = library
    found = found_by_us(ids, features, count)
    assert sorted(found) == sorted(ids)
    for track_id, (others, scores) in found.items():
        assert track_id not in others
        assert len(set(others)) == len(others) == min(count, len(ids) - 1)
        ranked = list(zip([-score for score in scores], others, strict=True))
        assert ranked == sorted(ranked)
        assert scores == pytest.approx(
            find_by_brute_force(ids, features, count)[track_id][1], abs=1.1e-6
        )
    shuffled = list(zip(ids, features, strict=True))
    seed.shuffle(shuffled)
    assert found_by_us(*zip(*shuffled, strict=True), count) == found


def test_ties_are_broken_by_track_id_as_text():
    ids = ["9", "10", "2", "far"]
    found = found_by_us(ids, [[1, 2], [1, 2], [1, 2], [-3, 0]], 2)
    assert found["2"] == (["10", "9"], [1.0, 1.0])
    assert found["9"] == (["10", "2"], [1.0, 1.0])
    assert found["far"][0] == ["10", "2"]


def test_a_small_library_gives_all_others():
    ids, features = random_library(4)
    for track_id, (others, _) in found_by_us(ids, features, 20).items():
        assert set(others) == set(ids) - {track_id}


@pytest.mark.parametrize("tracks", [0, 1])
def test_a_track_alone_has_no_neighbours(tracks):
    found = found_by_us(["a"][:tracks], np.ones((tracks, 3)), 5)
    assert found == {"a": ([], [])} if tracks else found == {}


def test_a_constant_column_changes_nothing():
    ids, features = random_library(30)
    for value in (0.0, 0.1, 1e-9, 12345.678):
        constant = np.full((30, 1), value)
        assert found_by_us(ids, np.hstack([constant, features]), 9) == found_by_us(ids, features, 9)


@pytest.mark.parametrize("tracks", [3, 10, 33, 1000])
def test_columns_are_standardised_and_constant_ones_become_exactly_zero(tracks):
    generator = np.random.default_rng(1)
    varied = random_columns(generator, tracks, 20)
    constant = np.tile(random_columns(generator, 1, 50), (tracks, 1))
    result = standardise(np.hstack([varied, constant]))
    np.testing.assert_allclose(result[:, :20].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(result[:, :20].std(axis=0), 1, rtol=1e-12)
    assert not result[:, 20:].any()


def test_tracks_that_are_all_alike_are_at_cosine_zero():
    found = found_by_us(["c", "a", "b"], np.full((3, 4), 0.1), 2)
    assert found == {"a": (["b", "c"], [0.0, 0.0]), "b": (["a", "c"], [0.0, 0.0]),
                     "c": (["a", "b"], [0.0, 0.0])}  # fmt: skip


def test_a_track_at_the_mean_is_at_cosine_zero_from_everything():
    found = found_by_us(["low", "mean", "high"], [[-1, -2], [0, 0], [1, 2]], 2)
    assert found["mean"] == (["high", "low"], [0.0, 0.0])
    assert found["low"] == (["mean", "high"], [0.0, -1.0])


def test_no_score_is_a_negative_zero():
    found = found_by_us(list("abcd"), [[1, 1], [1, -1], [-1, 1], [-1, -1]], 3)
    for _, scores in found.values():
        assert "-0.0" not in map(str, scores)
