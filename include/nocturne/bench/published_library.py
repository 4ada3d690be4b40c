"""A published library of any size for benches: its tables are drawn, not computed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pymongo.database import Database

from nocturne.bench.catalogue_records import (
    GROUPS,
    SEED,
    Size,
    fill_library,
    find_group,
    name_track,
    write_all,
)
from nocturne.nights import last_complete_night
from nocturne.recommend.anybody import ANYBODY
from nocturne.store.versions import POINTER, PUBLISHED

Document = dict[str, Any]
ROW_LENGTH = 20


def publish_library(database: Database[Document], size: Size) -> None:
    """Tracks and listens as `fill_library` makes them, and a live version of them: the neighbours
    of a track are of its group, a listener's list is of any.

    All is as of last night, so that what listeners did lately is there to be read: how much of it
    there is must not depend on the day of the bench.
    """
    night = last_complete_night(datetime.now(UTC))
    version = f"{night.data_date}.benchbench00"
    fill_library(database, "tracks", size, night.start.date())
    write_all(database["similar_tracks"], make_similar(version, size))
    write_all(database["for_you"], make_lists(version, size))
    model = {
        "_id": version, "data_date": night.data_date, "run_id": "bench", "state": PUBLISHED,
        "inputs": {}, "as_of": night.end,
    }  # fmt: skip
    database["models"].insert_one(model)
    entry = {"version": version, "data_date": night.data_date, "seq": 1}
    database["live"].insert_one({"_id": POINTER, **entry})


def make_similar(version: str, size: Size) -> Iterator[Document]:
    rng = np.random.default_rng([SEED, 10])
    members = [np.arange(group, size.tracks, GROUPS) for group in range(GROUPS)]
    for number in range(size.tracks):
        group = int(find_group(np.array([number]))[0])
        near = rng.choice(members[group], ROW_LENGTH + 1)
        own = name_track(number)
        yield {
            "_id": f"{version}/{own}",
            "version": version,
            "track_id": own,
            "cluster": group,
            "similar": make_items(near[near != number], group),
        }


def make_lists(version: str, size: Size) -> Iterator[Document]:
    rng = np.random.default_rng([SEED, 11])
    for user_id in (ANYBODY, *map(name_listener, range(size.listeners))):
        chosen = rng.integers(size.tracks, size=ROW_LENGTH + 1)
        yield {
            "_id": f"{version}/{user_id}",
            "version": version,
            "user_id": user_id,
            "basis": "taste",
            "items": make_items(chosen, 0),
        }


def make_items(numbers: Any, cluster: int) -> list[Document]:
    """Different tracks, at most ROW_LENGTH."""
    different = list(dict.fromkeys(int(number) for number in numbers))[:ROW_LENGTH]
    return [
        {
            "track_id": name_track(number),
            "score": 1 - place / 100,
            "cluster": cluster,
            "because": None,
            "reason": "close in timbre",
        }
        for place, number in enumerate(different)
    ]


def name_listener(number: int) -> str:
    return f"listener-{number:06}"
