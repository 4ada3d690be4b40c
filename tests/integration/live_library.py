"""A small published library, and listeners who do things with it."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from confluent_kafka import TopicPartition
from streams import send, wait_until

from nocturne.live.desk import Desk
from nocturne.live.memory import Memory
from nocturne.live.published import Published
from nocturne.live.recommender import LiveRecommender
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import note_version, open_candidate, publish, write_table
from nocturne.stream.connection import open_admin, open_consumer
from nocturne.stream.offsets import measure_topic
from nocturne.stream.topics import RECOMMENDATIONS, USER_ACTIVITY, ensure_topics

VERSION = "2026-11-19.aaaaaaaaaaaa"
TRACKS = [f"{number:03}" for number in range(40)]
NEIGHBOURS = 8
RECENT = timedelta(days=3)


def store_tracks(database, track_ids=TRACKS):
    """Bare tracks, without what their validator wants; two of each artist."""
    database.drop_collection("tracks")
    database["tracks"].insert_many(
        {
            "_id": track_id,
            "metadata": {
                "title": f"Title {track_id}",
                "artist_name": f"Artist {int(track_id) // 2}",
                "top_genre_title": f"Genre {int(track_id) % 3}",
            },
            "features": [0.5] * 518,
        }
        for track_id in track_ids
    )


def publish_library(database, version=VERSION, track_ids=TRACKS, listeners=()):
    """The neighbours of a track are those that follow it; anybody's list begins at the first
    track, the listeners' at the 10th, 11th, …
    """
    ensure_collections(database)
    store_tracks(database, track_ids)
    candidate = {"data_date": version[:10], "run_id": "run-1", "state": "checked", "inputs": {}}
    open_candidate(database, version, candidate)
    similar = [
        {
            "_id": f"{version}/{own}",
            "version": version,
            "track_id": own,
            "cluster": place % 3,
            "similar": list_items(track_ids, place + 1, NEIGHBOURS, "close in timbre"),
        }
        for place, own in enumerate(track_ids)
    ]
    starts = {"": 0} | {user_id: 10 + place for place, user_id in enumerate(sorted(listeners))}
    lists = [
        {
            "_id": f"{version}/{user_id}",
            "version": version,
            "user_id": user_id,
            "basis": "taste",
            "items": list_items(track_ids, start, 12, "popular with other listeners"),
        }
        for user_id, start in starts.items()
    ]
    tables = {"similar_tracks": similar, "for_you": lists}
    noted = {name: write_table(database, name, version, rows) for name, rows in tables.items()}
    note_version(database, version, {"tables": noted})
    assert publish(database.client, database.name, version)
    return version


def list_items(track_ids, start, count, reason):
    chosen = [track_ids[(start + step) % len(track_ids)] for step in range(count)]
    return [
        {"track_id": one, "score": 1 - place / 100, "cluster": 0, "reason": reason, "because": None}
        for place, one in enumerate(chosen)
    ]


def open_desk(database):
    return Desk(Published(database, "tracks"), Memory(database, RECENT), RECENT)


def make_recommender(kafka, database):
    return LiveRecommender(kafka, database, open_desk(database))


def make_user():
    """Of one test: topics are shared by all."""
    return f"user-{uuid.uuid4().hex[:8]}"


def make_event(user_id, track_id, action="listen", **changes):
    event = {
        "schema": 1,
        "event_id": str(uuid.uuid4()),
        "user_id": user_id,
        "track_id": track_id,
        "action": action,
        "at": datetime.now(UTC).isoformat(),
        "ms_played": 1000,
    }
    return event | changes


def send_events(kafka, *events):
    ensure_topics(kafka, (USER_ACTIVITY, RECOMMENDATIONS))
    send(kafka, USER_ACTIVITY, *((e["user_id"].encode(), json.dumps(e).encode()) for e in events))


class Topic:
    """What was sent to listeners, in order, as everybody who reads what is committed sees it."""

    def __init__(self, kafka):
        ensure_topics(kafka, (USER_ACTIVITY, RECOMMENDATIONS))
        self.consumer = open_consumer(kafka, "reader")
        ends = measure_topic(open_admin(kafka), RECOMMENDATIONS.name).end
        parts = [TopicPartition(RECOMMENDATIONS.name, part, end) for part, end in ends.items()]
        self.consumer.assign(parts)
        self.found = []

    def read(self, *user_ids):
        """The lists of these listeners, as far as they have come since the test began."""
        for message in self.consumer.consume(1000, 0.1):
            if message.error() is None:
                self.found.append(json.loads(message.value()))
        return [made for made in self.found if made["user_id"] in user_ids]

    def wait_for(self, user_id, count, seconds=30):
        wait_until(lambda: len(self.read(user_id)) >= count, seconds)
        return self.read(user_id)


def shown_ids(made):
    return [track["track_id"] for track in made["tracks"]]
