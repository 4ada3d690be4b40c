import numpy as np
import pandas as pd
import pytest

from nocturne.models.tuning import judge_factors

ONE = np.ones((1, 1), np.float32)
"""One listener; then an item's only factor is its score."""


def rate(*rows):
    """Ratings from (user, item, part)."""
    return pd.DataFrame(rows, columns=["user", "item", "part"])


def score_items(*scores):
    return np.array(scores, np.float32)[:, None]


def test_ndcg_by_hand():
    """Items 0 to 4 fall in score; 0 was heard, 1 and 3 are held out: ranks 1 and 3 of 1 2 3 4."""
    ratings = rate((0, 0, "train"), (0, 1, "validation"), (0, 3, "validation"))
    ideal = 1 + 1 / np.log2(3)
    found = (1 + 1 / np.log2(4)) / ideal
    assert judge_factors(ratings, ONE, score_items(5, 4, 3, 2, 1)) == pytest.approx(found)


def test_only_the_first_ten_count():
    scores = score_items(*range(12, 0, -1))
    for item, expected in ((9, 1 / np.log2(11)), (10, 0.0)):
        found = judge_factors(rate((0, item, "validation")), ONE, scores)
        assert found == pytest.approx(expected)


def test_it_is_the_mean_over_those_of_whom_something_is_held_out():
    ratings = rate((0, 0, "validation"), (1, 0, "train"), (2, 1, "validation"))
    users = np.ones((3, 1), np.float32)
    assert judge_factors(ratings, users, score_items(2, 1)) == pytest.approx(
        (1 + 1 / np.log2(3)) / 2
    )


def test_test_rows_and_what_was_refused_are_ranked_like_any_other_item():
    """Nobody may learn from the test part, not even by its items being left out."""
    held_out = rate((0, 3, "validation"))
    scores = score_items(5, 4, 3, 2)
    alone = judge_factors(held_out, ONE, scores)
    for part in ("test", "negative"):
        beside = pd.concat([held_out, rate((0, 0, part), (0, 1, part))])
        assert judge_factors(beside, ONE, scores) == alone
    heard = pd.concat([held_out, rate((0, 0, "train"), (0, 1, "train"))])
    assert judge_factors(heard, ONE, scores) > alone


def test_nothing_held_out_is_worth_nothing():
    assert judge_factors(rate((0, 0, "train")), ONE, score_items(1, 2)) == 0.0
