"""The ways into MongoDB that the ingest bench compares; one is run by

    python -m nocturne.bench.ingest_ways WAY TOPIC DATABASE RECORDS OF

in a process of its own, with the servers' addresses in its environment. It prints the seconds, and
those that the process computed in them: they tell more than the clock when others compute too.
"""

import gc
import json
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from time import perf_counter, process_time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection

from nocturne.bench.ingest_records import (
    FlatTrack,
    bench_topic,
    fill_with_older,
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
from nocturne.stream.reading import BATCH

Document = dict[str, Any]
Operation = Callable[[Document], InsertOne[Document] | ReplaceOne[Document]]
Store = Callable[[Collection[Document], Document], object]
MESSAGE_SECONDS = 20


@dataclass(frozen=True)
class Trial:
    """The first records of a topic are to come into a collection."""

    config: KafkaConfig
    topic: str
    collection: Collection[Document]
    records: int


@dataclass(frozen=True)
class Spent:
    """What a way took: by the clock, and computing in this process."""

    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self.clock, self.cpu = perf_counter(), process_time()

    def read(self) -> Spent:
        return Spent(perf_counter() - self.clock, process_time() - self.cpu)


@dataclass(frozen=True)
class Way:
    """A way into MongoDB: into an empty collection, or one that is full of older documents of the
    same ids; with MongoDB's validator on it or without.
    """

    run: Callable[[Trial], Spent]
    full: bool = False
    validated: bool = False


def run_ours(trial: Trial) -> Spent:
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
    watch = Stopwatch()
    ingest.run()
    return watch.read()


def run_naive(trial: Trial) -> Spent:
    """One message, one `insert_one`."""
    return store_one_by_one(trial, lambda collection, found: collection.insert_one(found))


def run_naive_full(trial: Trial) -> Spent:
    """One message, one `replace_one`: what a loop comes to when it runs every night."""
    return store_one_by_one(
        trial,
        lambda collection, found: collection.replace_one({"_id": found["_id"]}, found, upsert=True),
    )


def store_one_by_one(trial: Trial, store: Store) -> Spent:
    """The clock starts when the first message is there."""
    with closing(open_plain_consumer(trial)) as consumer:
        message = take_message(consumer)
        watch = Stopwatch()
        store(trial.collection, parse_message(message))
        for _ in range(trial.records - 1):
            store(trial.collection, parse_message(take_message(consumer)))
        return watch.read()


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


def parse_message(message: Message) -> Document:
    document = json.loads(message.value() or b"")
    return {"_id": document.pop("track_id"), **document}


def run_upserts(trial: Trial) -> Spent:
    """Nothing but writes that can be done again, of documents that lie in memory."""
    return write_bulks(trial, lambda found: ReplaceOne({"_id": found["_id"]}, found, upsert=True))


def run_insert_floor(trial: Trial) -> Spent:
    """The same with plain inserts, which fail when they are done again: the least it can cost."""
    return write_bulks(trial, InsertOne)


def write_bulks(trial: Trial, operation: Operation) -> Spent:
    documents = list(make_documents(trial.records))
    # So many objects would slow the garbage collector, and the floor with it.
    gc.freeze()
    watch = Stopwatch()
    for begin in range(0, len(documents), BATCH):
        operations = [operation(document) for document in documents[begin : begin + BATCH]]
        trial.collection.bulk_write(operations, ordered=False)
    return watch.read()


WAYS = {
    "ours": Way(run_ours, validated=True),
    "naive": Way(run_naive),
    "upserts": Way(run_upserts),
    "insert_floor": Way(run_insert_floor),
    "ours_full": Way(run_ours, full=True, validated=True),
    "naive_full": Way(run_naive_full, full=True),
    "upserts_full": Way(run_upserts, full=True),
}


def run_way(way: Way, trial: Trial, of: int) -> Spent:
    """Raises NocturneError unless the records, and no others, have come to stand there."""
    if way.full:
        fill_with_older(trial.collection, of)
    # What was written before is not to be on its way to disk meanwhile.
    trial.collection.database.client.admin.command("fsync")
    spent = way.run(trial)
    require_whole(trial.collection, trial.records, of - trial.records if way.full else 0)
    return spent


def main(name: str, topic: str, database: str, records: str, of: str) -> None:
    settings, way = load_settings(), WAYS[name]
    with connect(settings) as client:
        collection = make_empty(client[database], way.validated)
        trial = Trial(kafka_config(settings), topic, collection, int(records))
        spent = run_way(way, trial, int(of))
    sys.stdout.write(json.dumps({"records": int(records), **asdict(spent)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
