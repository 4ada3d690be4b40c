"""The ways into MongoDB that the ingest bench compares; one is run by

    python -m nocturne.bench.ingest_ways WAY TOPIC DATABASE RECORDS

in a process of its own, with the servers' addresses in its environment. It prints the seconds.
"""

import gc
import json
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection

from nocturne.bench.ingest_records import (
    FlatTrack,
    bench_topic,
    make_documents,
    make_empty,
    require_whole,
)
from nocturne.errors import ServiceUnavailable
from nocturne.settings import load_settings
from nocturne.store.collections import connect
from nocturne.store.records import NEWEST
from nocturne.stream.connection import KafkaConfig, kafka_config
from nocturne.stream.ingest import Ingest

Document = dict[str, Any]
Operation = Callable[[Document], InsertOne[Document] | ReplaceOne[Document]]
BATCH = 2000
MESSAGE_SECONDS = 20


@dataclass(frozen=True)
class Trial:
    """The first records of a topic are to come into an empty collection."""

    config: KafkaConfig
    topic: str
    collection: Collection[Document]
    records: int


def run_ours(trial: Trial) -> float:
    """The product's path, whole: contract, order of records, offsets, dead letters."""
    ingest = Ingest(
        config=trial.config,
        topic=bench_topic(trial.topic),
        contract=FlatTrack,
        collection=trial.collection,
        rule=NEWEST,
        group=f"bench-{uuid.uuid4().hex}",
        run_id="bench",
        max_refused_share=0,
    )
    started = perf_counter()
    ingest.run()
    return perf_counter() - started


def run_naive(trial: Trial) -> float:
    """One message, one `insert_one`; the clock starts when the first message is there."""
    with closing(open_plain_consumer(trial)) as consumer:
        message = take_message(consumer)
        started = perf_counter()
        insert_message(trial, message)
        for _ in range(trial.records - 1):
            insert_message(trial, take_message(consumer))
        return perf_counter() - started


def open_plain_consumer(trial: Trial) -> Consumer:
    """At the topic's beginning, with the defaults: offsets are committed by the clock."""
    consumer = Consumer({**trial.config, "group.id": f"bench-{uuid.uuid4().hex}"})
    found = consumer.list_topics(trial.topic, MESSAGE_SECONDS).topics[trial.topic]
    consumer.assign(
        [TopicPartition(trial.topic, part, OFFSET_BEGINNING) for part in found.partitions]
    )
    return consumer


def take_message(consumer: Consumer) -> Message:
    message = consumer.poll(MESSAGE_SECONDS)
    if message is None or message.error():
        raise ServiceUnavailable(f"Kafka gave no message in {MESSAGE_SECONDS} s.")
    return message


def insert_message(trial: Trial, message: Message) -> None:
    document = json.loads(message.value() or b"")
    trial.collection.insert_one({"_id": document.pop("track_id"), **document})


def run_bulk_floor(trial: Trial) -> float:
    """Nothing but repeatable writes of documents that lie in memory."""
    return write_bulks(trial, lambda found: ReplaceOne({"_id": found["_id"]}, found, upsert=True))


def run_insert_floor(trial: Trial) -> float:
    """The same with writes that fail when they are done again."""
    return write_bulks(trial, InsertOne)


def write_bulks(trial: Trial, operation: Operation) -> float:
    documents = list(make_documents(trial.records))
    # So many objects would slow the garbage collector, and the floor with it.
    gc.freeze()
    started = perf_counter()
    for begin in range(0, len(documents), BATCH):
        operations = [operation(document) for document in documents[begin : begin + BATCH]]
        trial.collection.bulk_write(operations, ordered=False)
    return perf_counter() - started


WAYS = {
    "ours": run_ours,
    "naive": run_naive,
    "bulk_floor": run_bulk_floor,
    "insert_floor": run_insert_floor,
}


def main(way: str, topic: str, database: str, records: str) -> None:
    settings = load_settings()
    with connect(settings) as client:
        collection = make_empty(client[database], validated=way == "ours")
        seconds = WAYS[way](Trial(kafka_config(settings), topic, collection, int(records)))
        require_whole(collection, int(records))
    sys.stdout.write(json.dumps({"records": int(records), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
