"""What must be stored and set aside after the fault bench, and what is."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from nocturne.stream.connection import KafkaConfig, open_admin, open_consumer
from nocturne.stream.dead_letters import read_letters
from nocturne.stream.offsets import measure_topic
from nocturne.stream.reading import position_of, read_ranges
from nocturne.stream.topics import Topic

Document = dict[str, Any]
Place = tuple[int, int]


@dataclass(frozen=True)
class Expected:
    """By event the place of the record that must stay; and the places of the poison."""

    events: dict[str, Place]
    poison: set[Place]
    records: int


@dataclass(frozen=True)
class Verdict:
    """`lost`: events without a document and poison without a letter. `duplicated`: documents that
    no event explains or that come from a later record of their event, and letters beyond the
    first of a message.
    """

    lost: int
    duplicated: int
    letters: int


def expect(config: KafkaConfig, topic: Topic, events: Mapping[bytes, str]) -> Expected:
    """What the topic as it is must lead to; `events` are the ids of the good values."""
    extent = measure_topic(open_admin(config), topic.name)
    ranges = {part: (first, extent.end[part]) for part, first in extent.first.items()}
    first_sent: dict[str, tuple[int, int, int]] = {}
    poison, records = set(), 0
    with closing(open_consumer(config, "fault-bench-verdict")) as consumer:
        for batch in read_ranges(consumer, topic.name, ranges):
            records += len(batch.messages)
            for message in batch.messages:
                place = position_of(message)
                # A stranger's key makes poison of a good value.
                event_id = events.get((message.key() or b"") + (message.value() or b""))
                if event_id is None:
                    poison.add(place)
                    continue
                sent = (message.timestamp()[1], *place)
                first_sent[event_id] = min(first_sent.get(event_id, sent), sent)
    return Expected({name: sent[1:] for name, sent in first_sent.items()}, poison, records)


def judge(
    config: KafkaConfig, topic: Topic, collection: Collection[Document], expected: Expected
) -> Verdict:
    sources = {item["_id"]: item["source"] for item in collection.find({}, {"source": 1})}
    stored = {name: (source["partition"], source["offset"]) for name, source in sources.items()}
    letters = Counter(
        (letter.partition, letter.offset) for letter in read_letters(config, topic.dead_letter)
    )
    unexplained = [name for name, place in stored.items() if expected.events.get(name) != place]
    stray = letters - Counter(dict.fromkeys(expected.poison, 1))
    return Verdict(
        lost=len(expected.events.keys() - stored.keys()) + len(expected.poison - letters.keys()),
        duplicated=len(unexplained) + stray.total(),
        letters=letters.total(),
    )


def hash_collection(collection: Collection[Document]) -> str:
    """A hash of every byte of every document."""
    raw = collection.with_options(CodecOptions(document_class=RawBSONDocument))
    digest = hashlib.sha256()
    for document in raw.find().sort("_id"):
        digest.update(document.raw)
    return digest.hexdigest()
