from dataclasses import replace

import numpy as np
import pytest

from nocturne.errors import Misuse
from nocturne.models.interactions import gather
from nocturne.models.splits import split_by_time, split_by_user
from nocturne.models.taste import weigh
from nocturne.offline import make_splits, to_ratings


@pytest.fixture
def interactions():
    user, item = np.nonzero(np.random.default_rng(0).random((5, 30)) < 0.6)
    counts = np.arange(len(user)) % 7 + 1.0
    return gather([f"u{u}" for u in user], [f"i{i:02}" for i in item], counts, np.arange(len(user)))


def masks(split):
    return np.stack([split.train, split.validation, split.test])


def test_random_splits_have_the_seeds_from_zero(interactions):
    splits = list(make_splits(interactions, "random", 3))
    assert len(splits) == 3
    for seed, split in enumerate(splits):
        np.testing.assert_array_equal(masks(split), masks(split_by_user(interactions, seed)))
    assert (masks(splits[0]) != masks(splits[1])).any()


def test_of_time_there_is_one_split_whatever_the_seeds(interactions):
    [split] = make_splits(interactions, "temporal", 3)
    np.testing.assert_array_equal(masks(split), masks(split_by_time(interactions)))


def test_another_split_is_misuse(interactions):
    with pytest.raises(Misuse, match=r"no split 'leave-one-out'; there are: random, temporal"):
        list(make_splits(interactions, "leave-one-out", 3))


def test_a_temporal_split_needs_times(interactions):
    with pytest.raises(Misuse, match="needs timestamps"):
        list(make_splits(replace(interactions, at=None), "temporal", 1))


def test_ratings_are_the_interactions_with_their_parts(interactions):
    split = split_by_user(interactions, 0)
    ratings = to_ratings(interactions, split)
    assert list(ratings.columns) == ["user", "item", "weight", "part"]
    assert ratings["user"].tolist() == [interactions.users[user] for user in interactions.user]
    assert ratings["item"].tolist() == [interactions.items[item] for item in interactions.item]
    assert ratings["weight"].tolist() == weigh(interactions.weight, 0, 0, 0).tolist()
    for name in ("train", "validation", "test"):
        assert (ratings["part"] == name).tolist() == getattr(split, name).tolist()
