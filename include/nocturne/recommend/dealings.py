"""Dealings: what each listener has done with each track up to a moment, in one row.

They are what tastes are found from, and what decides which tracks a listener is not shown.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymongo.database import Database

from nocturne.models.interactions import Interactions
from nocturne.models.splits import FEWEST_ITEMS, Split, split_by_lots
from nocturne.models.taste import NEGATIVE, TEST, TRAIN, VALIDATION, list_names, weigh
from nocturne.stream.messages import EARLIEST

Document = dict[str, Any]
ACTIONS = {"plays": "listen", "likes": "like", "skips": "skip", "hides": "hide"}
COLUMNS = ["user", "item", *ACTIONS, "last_at"]


def read_dealings(
    database: Database[Document], before: datetime, items: Iterable[str]
) -> pd.DataFrame:
    """Events before a moment on known items, counted by listener and item, in their order; what is
    stored from the time when no clock was right is left alone.

    Columns: user, item, how many plays, likes, skips, hides, and `last_at`, the last of them.
    """
    counts = {
        name: {"$sum": {"$cond": [{"$eq": ["$action", action]}, 1, 0]}}
        for name, action in ACTIONS.items()
    }
    pair = {"user": "$user_id", "item": "$track_id"}
    steps: list[Document] = [
        {"$match": {"at": {"$gte": EARLIEST, "$lt": before}}},
        {"$group": {"_id": pair, **counts, "last_at": {"$max": "$at"}}},
        {"$replaceWith": {"$mergeObjects": ["$_id", "$$ROOT"]}},
        {"$unset": "_id"},
    ]
    found = pd.DataFrame(database["listens"].aggregate(steps, allowDiskUse=True), columns=COLUMNS)
    known = found.loc[found["item"].isin(set(items))].astype({"user": "string", "item": "string"})
    known["last_at"] = pd.to_datetime(known["last_at"], utc=True)
    return known.sort_values(["user", "item"], ignore_index=True)


def merge_copies(dealings: pd.DataFrame, copies: dict[str, str]) -> pd.DataFrame:
    """What was done with a copy was done with the track that stands for it."""
    if not dealings["item"].isin(copies).any():
        return dealings
    items = dealings["item"].map(lambda item: copies.get(item, item)).astype("string")
    pairs = dealings.assign(item=items).groupby(["user", "item"], as_index=False, sort=True)
    merged: pd.DataFrame = pairs.agg({**dict.fromkeys(ACTIONS, "sum"), "last_at": "max"})
    return merged[COLUMNS]


def to_ratings(dealings: pd.DataFrame) -> pd.DataFrame:
    """Ratings for train_taste: weights, the positive ones split 8:1:1 by listener."""
    weights = weigh(*(dealings[name] for name in ACTIONS)).astype("float64")
    ratings = dealings[["user", "item"]].assign(weight=weights)
    positive = (weights > 0).to_numpy()
    liked = to_interactions(ratings[positive], *list_names(ratings))
    ratings["part"] = NEGATIVE
    ratings.loc[positive, "part"] = name_parts(liked)
    rated: pd.DataFrame = ratings[weights != 0].reset_index(drop=True)
    return rated


def name_parts(liked: Interactions) -> NDArray[np.object_]:
    """The part of each; all train while nobody has liked enough for anything to be held out.

    Listener and track alone draw the lot, so that the next night holds out the same of those that
    are still there, and two nights can be compared.
    """
    parts = np.full(len(liked.user), TRAIN, dtype=object)
    if np.bincount(liked.user, minlength=1).max() >= FEWEST_ITEMS:
        split = split_by_lots(liked, draw_lots(liked))
        parts[split.validation], parts[split.test] = VALIDATION, TEST
    return parts


def draw_lots(liked: Interactions) -> NDArray[Any]:
    pairs = pd.DataFrame(
        {
            "user": np.array(liked.users, dtype=object)[liked.user],
            "item": np.array(liked.items, dtype=object)[liked.item],
        }
    )
    return np.asarray(pd.util.hash_pandas_object(pairs, index=False))


def to_interactions(ratings: pd.DataFrame, users: list[str], items: list[str]) -> Interactions:
    """The ratings, which are sorted by user and item, over these sorted names."""
    return Interactions(
        users=users,
        items=items,
        user=find_places(ratings["user"], users),
        item=find_places(ratings["item"], items),
        weight=ratings["weight"].to_numpy(dtype=np.float64),
        at=None,
        zero_counts=0,
        columns={},
    )


def find_places(names: Iterable[str], known: list[str]) -> NDArray[np.intp]:
    """The places of names in a list that contains them, each once."""
    places = {name: place for place, name in enumerate(known)}
    return np.array([places[name] for name in names], dtype=np.intp)


def to_split(ratings: pd.DataFrame) -> Split:
    """Which rows are in which part, as `to_ratings` has named them."""
    part = ratings["part"].to_numpy()
    return Split(train=part == TRAIN, validation=part == VALIDATION, test=part == TEST)


def hash_rows(table: pd.DataFrame) -> str:
    """SHA-256 of what a table's rows say, in their order."""
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(rows.tobytes()).hexdigest()
