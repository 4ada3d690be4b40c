"""Libraries of any size for benches: tracks with planted groups, listeners with planted tastes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from bson.int64 import Int64
from numpy.typing import NDArray
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from nocturne.audio.names import feature_set
from nocturne.nights import night_of
from nocturne.store.collections import FEATURES_PER_TRACK, ensure_collections

Document = dict[str, Any]
Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]
SEED = 20261121
GROUPS = 12
HIDDEN_DIRECTIONS = 24
SKEWED_SHARE = 1 / 3
TRACKS_PER_ARTIST = 8
LISTENING_DAYS = 14
LISTENS_PER_LISTENER = 100
FEWEST_LISTENERS = 100
# FMA's tracks, and a million listens to them.
FULL_TRACKS, FULL_LISTENS = 106_574, 1_000_000
# Of a listener's listens: to the favourite group, to the second, to any.
TASTE = (0.6, 0.2, 0.2)
POPULARITY_EXPONENT = 0.8
ACTIONS = ("listen", "like", "skip", "hide")
# Of tracks of the listener's two groups, and of others.
ACTION_SHARES = ((0.84, 0.12, 0.035, 0.005), (0.66, 0.04, 0.25, 0.05))
WRITE_BATCH = 2000


@dataclass(frozen=True)
class Size:
    """How much a library holds; everything else follows from it and the seed."""

    tracks: int
    listens: int
    listeners: int
    sample_rate: int = 22050


@dataclass(frozen=True)
class Listens:
    """One entry a listen; `action` is a place in ACTIONS, `at_ms` counts from the first day."""

    user: Numbers
    track: Numbers
    action: Numbers
    at_ms: Numbers


def scale(tracks: int) -> Size:
    """In FULL_LISTENS' proportion, and as many listeners as give each LISTENS_PER_LISTENER."""
    listens = round(tracks * FULL_LISTENS / FULL_TRACKS)
    return Size(tracks, listens, max(FEWEST_LISTENERS, listens // LISTENS_PER_LISTENER))


def fill_library(database: Database[Document], collection: str, size: Size, last_day: date) -> None:
    """An empty database's tracks and listens; the last listens are at the end of `last_day`'s
    night.
    """
    ensure_collections(database, collection)
    end = night_of(last_day).end
    write_all(database[collection], make_tracks(size, end))
    write_all(database["listens"], make_listens(size, end))


def write_all(collection: Collection[Document], documents: Iterator[Document]) -> None:
    quick = collection.with_options(write_concern=WriteConcern(w=1))
    batch: list[Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == WRITE_BATCH:
            quick.insert_many(batch, ordered=False)
            batch = []
    if batch:
        quick.insert_many(batch, ordered=False)


def name_track(number: int) -> str:
    return f"{number:07}"


def find_group(tracks: Numbers) -> Numbers:
    return tracks % GROUPS


def make_features(size: Size) -> Iterator[Floats]:
    """Batches of (tracks, FEATURES_PER_TRACK): a centre for each group, hidden directions that
    tracks share, noise; a third of the columns are lognormal.
    """
    rng = np.random.default_rng([SEED, 0])
    centres = rng.normal(size=(GROUPS, HIDDEN_DIRECTIONS)) * 1.5
    loadings = rng.normal(size=(HIDDEN_DIRECTIONS, FEATURES_PER_TRACK))
    skewed = rng.random(FEATURES_PER_TRACK) < SKEWED_SHARE
    units = 10.0 ** rng.uniform(-2, 3, FEATURES_PER_TRACK)
    for start in range(0, size.tracks, WRITE_BATCH):
        numbers = np.arange(start, min(start + WRITE_BATCH, size.tracks))
        draw = np.random.default_rng([SEED, 1, start])
        hidden = centres[find_group(numbers)] + draw.normal(size=(len(numbers), HIDDEN_DIRECTIONS))
        values = hidden @ loadings / HIDDEN_DIRECTIONS**0.5
        values += 0.5 * draw.normal(size=values.shape)
        values[:, skewed] = np.exp(values[:, skewed])
        yield values * units


def make_tracks(size: Size, end: datetime) -> Iterator[Document]:
    number = 0
    for batch in make_features(size):
        for row in batch:
            yield make_track(number, row, size.sample_rate, end)
            number += 1


def make_track(number: int, features: Floats, sample_rate: int, end: datetime) -> Document:
    digest = hashlib.sha256(features.tobytes()).hexdigest()
    return {
        "_id": name_track(number),
        "metadata": {
            "title": f"Title {number}",
            "artist_name": f"Artist {number // TRACKS_PER_ARTIST}",
            "top_genre_title": f"Genre {number % GROUPS}",
            "listens": number * 7919 % 10_007,
        },
        "features": features.tolist(),
        "feature_set": feature_set(sample_rate),
        "audio_sha256": digest,
        "content_sha256": digest,
        "run_id": "bench",
        "source": {"as_of": end, **make_source("tracks.features", number, end)},
    }


def make_source(topic: str, number: int, end: datetime) -> Document:
    return {"sent_at": end, "partition": 0, "offset": Int64(number), "topic": topic}


def draw_listens(size: Size) -> Listens:
    """Zipf's popularity within a group, tastes over groups, actions by whether taste is met."""
    rng = np.random.default_rng([SEED, 2])
    user = np.arange(size.listens) % size.listeners
    favourite = rng.integers(0, GROUPS, size.listeners)
    second = (favourite + rng.integers(1, GROUPS, size.listeners)) % GROUPS
    kind = rng.choice(3, size.listens, p=TASTE)
    anything = rng.integers(0, GROUPS, size.listens)
    group = np.choose(kind, [favourite[user], second[user], anything])
    track = draw_tracks(rng, group, size.tracks)
    met = (find_group(track) == favourite[user]) | (find_group(track) == second[user])
    wanted, unwanted = (draw_actions(rng, size.listens, shares) for shares in ACTION_SHARES)
    action = np.where(met, wanted, unwanted)
    at_ms = rng.integers(0, LISTENING_DAYS * 86_400_000, size.listens)
    return Listens(user, track, action, at_ms)


def draw_tracks(rng: np.random.Generator, group: Numbers, tracks: int) -> Numbers:
    """A track of each group; those with lower numbers are more popular."""
    places = -(-tracks // GROUPS)
    popularity = np.arange(1, places + 1) ** -POPULARITY_EXPONENT
    rising = np.cumsum(popularity) / popularity.sum()
    place = np.minimum(np.searchsorted(rising, rng.random(len(group))), places - 1)
    return (place * GROUPS + group) % tracks


def draw_actions(rng: np.random.Generator, count: int, shares: tuple[float, ...]) -> Numbers:
    return rng.choice(len(ACTIONS), count, p=shares)


def make_listens(size: Size, end: datetime) -> Iterator[Document]:
    listens = draw_listens(size)
    columns = (listens.user, listens.track, listens.action, listens.at_ms)
    begin = end - timedelta(days=LISTENING_DAYS)
    for number, (user, track, action, at_ms) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        yield {
            "_id": f"listen-{number:08}",
            "user_id": f"listener-{user:06}",
            "track_id": name_track(track),
            "action": ACTIONS[action],
            "at": begin + timedelta(milliseconds=at_ms),
            "ms_played": 30_000,
            "source": make_source("user_activity", number, end),
        }
