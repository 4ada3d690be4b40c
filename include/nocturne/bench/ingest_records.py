"""What the ingest bench sends and stores: flat records like a track's, 1.5 kB each as JSON."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pydantic import Field
from pymongo.collection import Collection as Stored
from pymongo.database import Database

from nocturne.errors import NocturneError
from nocturne.store.collections import Collection, describe_source, describe_vector
from nocturne.stream.connection import KafkaConfig
from nocturne.stream.messages import Finite, Identifier, Long, Moment, Real, Record
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.reading import BATCH
from nocturne.stream.topics import Topic, ensure_topics

Document = dict[str, Any]
DOUBLES = 56
SEED = 20261120
OLDER = "what the night before called it"
AS_OF = datetime(2026, 11, 20, 2, tzinfo=UTC)
GENRES = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International")
TEXTS = ("_id", "run_id", "title", "artist_name", "album_title", "genre", "audio_sha256")
DECLARED = Collection(
    "flat_tracks",
    {
        **dict.fromkeys(TEXTS, "string"),
        "features": describe_vector(DOUBLES),
        "source": describe_source("as_of"),
    },
)


class FlatTrack(Record):
    """A value of the bench's topic, as strictly checked as those of the pipeline."""

    track_id: Identifier
    as_of: Moment
    run_id: str
    title: str
    artist_name: str
    album_title: str
    genre: str
    listens: Long
    duration_seconds: Real
    audio_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    features: list[Finite] = Field(min_length=DOUBLES, max_length=DOUBLES)

    def key(self) -> str:
        return self.track_id

    def to_document(self) -> Document:
        return {
            "_id": self.track_id,
            "run_id": self.run_id,
            "title": self.title,
            "artist_name": self.artist_name,
            "album_title": self.album_title,
            "genre": self.genre,
            "listens": self.listens,
            "duration_seconds": self.duration_seconds,
            "audio_sha256": self.audio_sha256,
            "features": self.features,
        }

    def precedence(self) -> Document:
        return {"as_of": self.as_of}

    def happened_at(self) -> datetime:
        return self.as_of


def make_messages(count: int) -> Iterator[Document]:
    """The same ones whenever they are made; more of them begin with those of fewer."""
    chance = random.Random(SEED)  # noqa: S311
    for number in range(count):
        yield {
            "schema": 1,
            "track_id": str(number),
            "as_of": AS_OF.isoformat(),
            "run_id": "scheduled__2026-11-20T02:00:00+00:00",
            "title": f"The {number}th song of the night, recorded live",
            "artist_name": f"The {number % 997} Wanderers",
            "album_title": f"Nocturnes, volume {number % 89}",
            "genre": GENRES[number % len(GENRES)],
            "listens": chance.randrange(1_000_000),
            "duration_seconds": chance.uniform(30, 600),
            "audio_sha256": f"{chance.getrandbits(256):064x}",
            "features": [chance.gauss(0, 1) for _ in range(DOUBLES)],
        }


def encode(message: Document) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def make_documents(count: int) -> Iterator[Document]:
    """What ingest makes of those messages, had all been in one partition."""
    for number, message in enumerate(make_messages(count)):
        record = FlatTrack.model_validate(message)
        source = {"sent_at": AS_OF, "partition": 0, "offset": number, "topic": "bench"}
        yield {**record.to_document(), "source": {**record.precedence(), **source}}


def bench_topic(name: str) -> Topic:
    return Topic(name, "of the ingest bench")


def produce_messages(config: KafkaConfig, name: str, count: int) -> None:
    """Fill a topic; what waits to be sent is bounded by the producer's queue."""
    ensure_topics(config, (bench_topic(name),))
    with CheckedProducer(config) as producer:
        for message in make_messages(count):
            producer.send(name, message["track_id"].encode(), encode(message))


def make_empty(database: Database[Document], validated: bool) -> Stored[Document]:
    """The collection, new; ours is validated by MongoDB too, as those of the pipeline are."""
    validator = {"$jsonSchema": DECLARED.schema()} if validated else {}
    database.drop_collection(DECLARED.name)
    return database.create_collection(DECLARED.name, validator=validator)


def fill_with_older(collection: Stored[Document], count: int) -> None:
    """Documents of the ids of so many messages, as the night before has left them."""
    documents = make_documents(count)
    while batch := list(islice(documents, BATCH)):
        for document in batch:
            document["title"] = OLDER
            document["source"]["as_of"] = AS_OF - timedelta(days=1)
        collection.insert_many(batch, ordered=False)


def require_whole(collection: Stored[Document], records: int, older: int = 0) -> None:
    """Raises NocturneError unless the records are there, and so many older documents."""
    kept = collection.count_documents({"title": OLDER})
    found = collection.count_documents({}) - kept
    if (found, kept) != (records, older):
        raise NocturneError(
            f"{found} documents came of {records} records, {kept} of {older} older ones are left."
        )
