import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.errors import BadInput, Misuse
from nocturne.models.interactions import gather
from nocturne.models.splits import split_by_time, split_by_user


def listen(counts, at=None):
    """User u has counts[u] items."""
    rows = [(f"u{u:03}", f"i{i:03}") for u, count in enumerate(counts) for i in range(count)]
    users, items = zip(*rows, strict=True)
    return gather(users, items, np.ones(len(rows)), at)


def sizes(split, interactions):
    """How many items of each user are in train, validation and test."""
    users = len(interactions.users)
    parts = (split.train, split.validation, split.test)
    return [
        tuple(row)
        for row in np.transpose([np.bincount(interactions.user[p], minlength=users) for p in parts])
    ]


def test_each_user_is_split_8_1_1():
    """A tenth is rounded down, but is one at least; two items are not split."""
    interactions = listen([1, 2, 3, 10, 19, 20, 50])
    assert sizes(split_by_user(interactions, 0), interactions) == [
        (1, 0, 0), (2, 0, 0), (1, 1, 1), (8, 1, 1), (17, 1, 1), (16, 2, 2), (40, 5, 5),
    ]  # fmt: skip


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 2**32))
def test_every_interaction_is_in_exactly_one_part(counts, seed):
    interactions = listen([3, *counts])
    split = split_by_user(interactions, seed)
    parts = split.train.astype(int) + split.validation + split.test
    assert parts.tolist() == [1] * len(interactions.user)


def test_a_seed_gives_one_split_and_another_seed_another():
    interactions = listen([30] * 5)
    one, same, other = (split_by_user(interactions, seed) for seed in (1, 1, 2))
    assert (one.test == same.test).all()
    assert (one.validation == same.validation).all()
    assert (one.test != other.test).any()


def test_every_item_is_as_likely_to_be_held_out():
    """10 items, 1 held out, 2,000 users: each item 200 times, give or take 5 standard deviations"""
    interactions = listen([10] * 2000)
    split = split_by_user(interactions, 0)
    for part in (split.test, split.validation):
        times = np.bincount(interactions.item[part], minlength=10)
        assert np.abs(times - 200).max() < 5 * np.sqrt(2000 * 0.1 * 0.9)


def test_nothing_to_hold_out_is_refused():
    with pytest.raises(BadInput, match="No user has 3 items or more"):
        split_by_user(listen([1, 2, 2]), 0)


def test_time_is_cut_at_80_and_90_percent():
    at = np.array([5, 1, 4, 2, 3, 10, 9, 8, 7, 6])
    split = split_by_time(listen([10], at))
    assert sorted(at[split.train]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (at[split.validation].tolist(), at[split.test].tolist()) == ([9], [10])


@pytest.mark.parametrize(
    ("at", "parts"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 9, 9, 10], (7, 2, 1)),  # the first cut is at 9
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 9], (8, 0, 2)),  # both are
        ([1, 2, 3, 3, 3, 3, 3, 3, 3, 10], (2, 7, 1)),
        ([1, 2, 3], (1, 1, 1)),
    ],
)
def test_equal_times_stay_together_on_the_later_side(at, parts):
    split = split_by_time(listen([len(at)], np.array(at)))
    assert tuple(int(p.sum()) for p in (split.train, split.validation, split.test)) == parts


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60))
def test_no_part_is_older_than_the_one_before(times):
    at = np.array([-1, *times])
    interactions = listen([len(at)], at)
    try:
        split = split_by_time(interactions)
    except BadInput:
        return  # too many are equal
    assert (split.train ^ split.validation ^ split.test).all()
    assert at[split.train].max() < at[~split.train].min()
    assert at[split.test].min() > at[~split.test].max()


def test_times_that_cannot_be_cut_are_refused():
    for at in ([7, 7, 7], [1, 2], [1]):
        different = f"{len(at)} interactions with {len(set(at))} different timestamps"
        with pytest.raises(BadInput, match=different):
            split_by_time(listen([len(at)], np.array(at)))
    with pytest.raises(Misuse, match="needs timestamps"):
        split_by_time(listen([3]))
