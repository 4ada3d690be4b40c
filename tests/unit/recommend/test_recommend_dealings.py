import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.models.taste import weigh
from nocturne.recommend.dealings import (
    COLUMNS,
    find_places,
    hash_rows,
    name_parts,
    to_interactions,
    to_ratings,
    to_split,
)


def deal(rows):
    """Dealings from (user, item, plays, likes, skips, hides), as MongoDB's are."""
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    table = table.astype({"user": "string", "item": "string"})
    return table.sort_values(["user", "item"], ignore_index=True)


def draw_dealings(seed, users=6, items=25):
    random = np.random.default_rng(seed)
    pairs = np.argwhere(random.random((users, items)) < 0.5)
    rows = [(f"u{u}", f"i{i:02}", *random.integers(0, 4, 4).tolist()) for u, i in pairs]
    return deal([row for row in rows if any(row[2:])])


@given(st.integers(0, 10**6))
def test_ratings_are_weights_each_in_one_part(seed):
    dealings = draw_dealings(seed)
    ratings = to_ratings(dealings)
    assert list(ratings.columns) == ["user", "item", "weight", "part"]
    both = dealings.merge(ratings, on=["user", "item"], how="left")
    weights = weigh(both["plays"], both["likes"], both["skips"], both["hides"])
    assert both["weight"].isna().tolist() == (weights == 0).tolist()
    rated = both[weights != 0]
    assert rated["weight"].tolist() == weights[weights != 0].tolist()
    assert ((rated["weight"] < 0) == (rated["part"] == "negative")).all()
    for _, own in rated[rated["weight"] > 0].groupby("user"):
        tenth = max(len(own) // 10, 1) if len(own) >= 3 else 0
        parts = own["part"].value_counts()
        assert parts.get("test", 0) == parts.get("validation", 0) == tenth


def test_with_too_little_to_hold_out_everything_is_learnt_from():
    ratings = to_ratings(deal([("u", "a", 1, 0, 0, 0), ("u", "b", 1, 0, 0, 0)]))
    assert ratings["part"].tolist() == ["train", "train"]
    disliked = to_ratings(deal([("u", item, 0, 0, 1, 0) for item in "abcd"]))
    assert disliked["part"].tolist() == ["negative"] * 4


def test_nobody_has_done_anything():
    ratings = to_ratings(deal([]))
    assert (len(ratings), list(ratings.columns)) == (0, ["user", "item", "weight", "part"])
    assert ratings["weight"].dtype == np.float64


def test_parts_depend_on_what_is_liked_alone():
    """A skip of a track that was never played changes no listener's parts."""
    dealings = draw_dealings(3)
    parts = to_ratings(dealings)
    more = deal([*dealings.itertuples(index=False, name=None), ("u0", "zz", 0, 0, 3, 0)])
    both = parts.merge(to_ratings(more), on=["user", "item"])
    assert (both["part_x"] == both["part_y"]).all()


def test_ratings_become_interactions_over_given_names():
    ratings = pd.DataFrame({"user": ["a", "c"], "item": ["y", "x"], "weight": [1.5, 2.5]})
    found = to_interactions(ratings, ["", "a", "b", "c"], ["w", "x", "y"])
    assert found.to_matrix(np.ones(2, bool), weighted=True).toarray().tolist() == [
        *([0, 0, 0], [0, 0, 1.5]),
        *([0, 0, 0], [0, 2.5, 0]),
    ]
    assert name_parts(found).tolist() == ["train", "train"]


def test_the_split_is_that_of_the_parts():
    split = to_split(pd.DataFrame({"part": ["test", "train", "validation", "train"]}))
    assert split.train.tolist() == [False, True, False, True]
    assert split.validation.tolist() == [False, False, True, False]
    assert split.test.tolist() == [True, False, False, False]


def test_places_are_those_in_the_list():
    places = find_places(["b", "a", "b"], ["a", "b", "c"])
    assert (places.tolist(), places.dtype) == ([1, 0, 1], np.intp)
    assert find_places([], ["a"]).shape == (0,)
    with pytest.raises(KeyError):
        find_places(["d"], ["a"])


def test_a_hash_tells_every_change_of_a_table():
    dealings = draw_dealings(1).assign(last_at=pd.Timestamp("2026-11-19", tz="UTC"))
    found = {hash_rows(dealings), hash_rows(dealings[1:]), hash_rows(dealings[::-1])}
    for column in COLUMNS:
        changed = dealings.copy()
        other = {"user": "v", "item": "z", "last_at": pd.Timestamp("2026-11-18", tz="UTC")}
        changed.loc[0, column] = other.get(column, 77)
        found.add(hash_rows(changed))
    assert len(found) == 3 + len(COLUMNS)
    assert hash_rows(dealings.reset_index(drop=True).copy()) in found
    assert hash_rows(dealings) == hash_rows(dealings.set_axis(range(5, 5 + len(dealings))))
