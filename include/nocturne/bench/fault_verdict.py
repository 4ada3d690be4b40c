"""What must be stored and set aside after the fault bench, and what is."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from confluent_kafka import Message
from pymongo.collection import Collection

from nocturne.bench.fault_messages import Sent
from nocturne.stream.connection import KafkaConfig, open_admin, open_consumer
from nocturne.stream.dead_letters import read_letters
from nocturne.stream.offsets import measure_topic
from nocturne.stream.reading import position_of, read_ranges
from nocturne.stream.topics import Topic

Document = dict[str, Any]
Place = tuple[int, int]


@dataclass(frozen=True)
class Expected:
    """By event the place of the record that must stay; and the places of the poison.

    `missing` counts messages that were sent and do not stand in the topic, `surplus` those that
    stand there more often than they were sent.
    """

    events: dict[str, Place]
    poison: set[Place]
    records: int
    missing: int
    surplus: int


@dataclass(frozen=True)
class Verdict:
    """`lost`: messages that never reached the topic, events of the topic without a document, and
    poison without a letter. `duplicated`: messages that the topic has more often than they were
    sent, documents that no event explains or that come from a later record of their event, and
    letters beyond the first of a message.
    """

    lost: int
    duplicated: int
    letters: int


def expect(config: KafkaConfig, topic: Topic, messages: Sequence[Sent]) -> Expected:
    """What must come of the messages that were sent, now that the topic is as it is."""
    # A stranger's key makes poison of a good value.
    events = {sent.key + sent.value: sent.event_id for sent in messages if sent.event_id}
    sent_often = Counter(sent.key + sent.value for sent in messages)
    first_sent: dict[str, tuple[int, int, int]] = {}
    poison: set[Place] = set()
    found: Counter[bytes] = Counter()
    for message in read_topic(config, topic):
        place = position_of(message)
        body = (message.key() or b"") + (message.value() or b"")
        found[body] += 1
        event_id = events.get(body)
        if event_id is None:
            poison.add(place)
            continue
        sent = (message.timestamp()[1], *place)
        first_sent[event_id] = min(first_sent.get(event_id, sent), sent)
    return Expected(
        events={name: sent[1:] for name, sent in first_sent.items()},
        poison=poison,
        records=found.total(),
        missing=(sent_often - found).total(),
        surplus=(found - sent_often).total(),
    )


def read_topic(config: KafkaConfig, topic: Topic) -> Iterator[Message]:
    """All that the topic holds now."""
    extent = measure_topic(open_admin(config), topic.name)
    ranges = {part: (first, extent.end[part]) for part, first in extent.first.items()}
    with closing(open_consumer(config, "fault-bench-verdict")) as consumer:
        for batch in read_ranges(consumer, topic.name, ranges):
            yield from batch.messages


def judge(
    config: KafkaConfig, topic: Topic, collection: Collection[Document], expected: Expected
) -> Verdict:
    sources = {item["_id"]: item["source"] for item in collection.find({}, {"source": 1})}
    stored = {name: (source["partition"], source["offset"]) for name, source in sources.items()}
    letters = Counter(
        (letter.partition, letter.offset) for letter in read_letters(config, topic.dead_letter)
    )
    unstored = expected.events.keys() - stored.keys()
    unexplained = [name for name, place in stored.items() if expected.events.get(name) != place]
    stray = letters - Counter(dict.fromkeys(expected.poison, 1))
    return Verdict(
        lost=expected.missing + len(unstored) + len(expected.poison - letters.keys()),
        duplicated=expected.surplus + len(unexplained) + stray.total(),
        letters=letters.total(),
    )


def hash_collection(collection: Collection[Document]) -> str:
    """A hash of every byte of every document."""
    raw = collection.with_options(CodecOptions(document_class=RawBSONDocument))
    digest = hashlib.sha256()
    for document in raw.find().sort("_id"):
        digest.update(document.raw)
    return digest.hexdigest()
