from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.models.taste import (
    EVERY_PART,
    FactorScorer,
    Taste,
    list_names,
    place_factors,
    read_taste,
    weigh,
    write_taste,
)

count = st.integers(0, 50)


@given(plays=count, likes=count, skips=count, hides=count)
def test_liking_raises_a_weight_and_refusing_lowers_it(plays, likes, skips, hides):
    weight = weigh(plays, likes, skips, hides)
    assert weigh(plays + 1, likes, skips, hides) > weight
    assert weigh(plays, likes + 1, skips, hides) > weigh(plays + 1, likes, skips, hides)
    assert weigh(plays, likes, skips + 1, hides) < weight
    assert weigh(plays, likes, skips, hides + 1) < weigh(plays, likes, skips + 1, hides)


def test_a_weight_by_hand():
    """log(1 + 2 plays + 3 · 1 like) - 0.5 · 1 skip."""
    assert weigh(2, 1, 1, 0) == pytest.approx(np.log(6) - 0.5)
    assert weigh(0, 0, 0, 0) == 0
    assert weigh(np.array([0, 1]), 0, np.array([1, 2]), 0).tolist() == pytest.approx(
        [-0.5, np.log(2) - 1]
    )


@pytest.mark.parametrize(("dealings", "wanted"), [
    ((1, 0, 1, 0), True),
    ((1, 0, 2, 0), False),
    ((5, 0, 0, 1), False),
    ((0, 1, 2, 0), True),
    ((0, 0, 1, 0), False),
])  # fmt: skip
def test_who_wants_a_track(dealings, wanted):
    """As the module says: two skips undo one play, one hide undoes five."""
    assert (weigh(*dealings) > 0) is np.bool_(wanted)


def test_names_are_sorted_whatever_the_order_of_the_rows():
    ratings = pd.DataFrame({"user": ["b", "a", "b"], "item": ["9", "10", "10"]})
    assert list_names(ratings) == (["a", "b"], ["10", "9"])
    assert list_names(ratings[::-1]) == list_names(ratings)


def test_a_score_is_the_product_of_factors():
    scorer = FactorScorer(np.array([[1, 0], [2, 1]], np.float32), np.eye(2, dtype=np.float32) * 3)
    assert scorer.score(np.array([1, 0, 1])).tolist() == [[6, 3], [3, 0], [6, 3]]


def test_factors_are_placed_by_number_and_the_rest_is_zeros():
    placed = place_factors([(2, [1.0, 2.0]), (0, [3.0, 4.0])], 4, 2)
    assert placed.tolist() == [[3, 4], [0, 0], [1, 2], [0, 0]]
    assert placed.dtype == np.float32
    assert place_factors([], 0, 5).shape == (0, 5)


@pytest.fixture
def ratings(tmp_path) -> Path:
    file = tmp_path / "ratings.parquet"
    columns = {"user": ["u2", "u1"], "item": ["b", "a"], "weight": [1.0, -1.0]}
    pd.DataFrame({**columns, "part": ["train", "negative"]}).to_parquet(file, index=False)
    return file


def test_taste_is_read_as_it_was_written(tmp_path, ratings):
    random = np.random.default_rng(0)
    judged, final = (
        tuple(random.normal(size=(2, 3)).astype(np.float32) for _ in range(2)) for _ in range(2)
    )
    folder = tmp_path / "taste"
    folder.mkdir()
    write_taste(folder, ratings, Taste(["u1", "u2"], ["a", "b"], judged, final), {"chosen": {}})
    taste, report = read_taste(folder)
    assert (taste.users, taste.items, report) == (["u1", "u2"], ["a", "b"], {"chosen": {}})
    for found, meant in zip((*taste.judged, *taste.final), (*judged, *final), strict=True):
        np.testing.assert_array_equal(found, meant, strict=True)
    assert (folder / "ratings.parquet").read_bytes() == ratings.read_bytes()


def test_the_parts_are_those_that_splits_know():
    assert EVERY_PART == ("train", "validation", "test", "negative")
