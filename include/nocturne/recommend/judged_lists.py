"""What a version listed for listeners when it was judged, kept beside its tables, so that the next
version can be compared with it listener by listener.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pymongo.database import Database

from nocturne.models.evaluation import Scorer, rank
from nocturne.models.gates import FEWEST_JUDGED, Limits
from nocturne.models.interactions import Interactions
from nocturne.models.pairing import Judged, Paired, pair
from nocturne.models.splits import Split
from nocturne.store.versions import JUDGED_LISTS, of_version

Document = dict[str, Any]
# Of a library that has since been replaced by nine tenths, ten tracks are still listed.
DEPTH = 100
MOST_LISTENERS = 1000


def list_judged(liked: Interactions, split: Split, scorer: Scorer) -> list[Document]:
    """Rows without a version: for each judged listener `items`, `held_out` and `heard`, all ids.

    Of many listeners those of the lowest hashes of their names, so that two nights judge the same.
    """
    heard = liked.to_matrix(split.train | split.validation)
    held_out = liked.to_matrix(split.test)
    users = choose_listeners(liked, np.flatnonzero(np.diff(held_out.indptr)))
    top = rank(scorer, users, heard, DEPTH)
    names = np.array(liked.items, dtype=object)
    return [
        {
            "user_id": liked.users[user],
            "items": names[listed[listed >= 0]].tolist(),
            "held_out": names[held_out[user].indices].tolist(),
            "heard": names[heard[user].indices].tolist(),
        }
        for user, listed in zip(users.tolist(), top, strict=True)
    ]


def choose_listeners(liked: Interactions, users: Any) -> Any:
    """At most MOST_LISTENERS of the users, in their order."""
    hashes = pd.util.hash_array(np.array(liked.users, dtype=object)[users], categorize=False)
    return np.sort(users[np.argsort(hashes, kind="stable")[:MOST_LISTENERS]])


def name_rows(version: str, rows: list[Document]) -> Iterator[Document]:
    for row in rows:
        yield {"_id": f"{version}/{row['user_id']}", "version": version, **row}


def read_judged(database: Database[Document], version: str) -> dict[str, Judged]:
    """By listener; nothing for a version of before these lists were kept, or without taste."""
    return {
        row["user_id"]: Judged(
            row["items"], frozenset(row["held_out"]), frozenset(row["heard"])
        )
        for row in database[JUDGED_LISTS].find(of_version(version))
    }  # fmt: skip


def read_track_ids(database: Database[Document], version: str) -> frozenset[str]:
    found = database["similar_tracks"].find(of_version(version), ["track_id"])
    return frozenset(row["track_id"] for row in found)


@dataclass(frozen=True)
class Comparison:
    """A candidate beside its champion: `overlap` is the share of their tracks that are in both."""

    paired: Paired | None = None
    overlap: float = 1.0


def compare_versions(
    database: Database[Document], model: Document, champion: Document | None, limits: Limits
) -> Comparison:
    """How both rank the tracks of both for the listeners of both, and how much is in both."""
    if champion is None:
        return Comparison()
    names = (model["_id"], champion["_id"])
    own, others = (read_track_ids(database, name) for name in names)
    overlap = len(own & others) / max(len(own | others), 1)
    ours, theirs = (read_judged(database, name) for name in names)
    paired = pair(ours, theirs, own & others, FEWEST_JUDGED, limits.max_ranking_drop)
    return Comparison(paired, overlap)
