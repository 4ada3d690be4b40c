"""A consumer for the fault bench to kill: `python -m nocturne.bench.fault_consumer ARGUMENTS`."""

import json
import logging
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from nocturne.settings import Settings
from nocturne.store.collections import connect
from nocturne.store.records import FIRST
from nocturne.stream.connection import KafkaConfig
from nocturne.stream.ingest import Ingest
from nocturne.stream.listens import LISTENS
from nocturne.stream.messages import UserActivity
from nocturne.stream.topics import Topic

Document = dict[str, Any]
GROUP = "fault-bench"
# The least that brokers allow: a killed consumer's partitions wait so long for another.
SESSION_MS = 6000


def fault_topic(name: str) -> Topic:
    """Its limit is small, so that a long message is poison."""
    return Topic(name, "of the fault bench", largest_message_bytes=5000)


def fault_ingest(config: KafkaConfig, database: Database[Document], topic: Topic) -> Ingest:
    return Ingest(
        config={**config, "session.timeout.ms": SESSION_MS},
        topic=topic,
        contract=UserActivity,
        collection=database[LISTENS],
        rule=FIRST,
        group=GROUP,
        run_id="fault-bench",
        max_refused_share=0.1,
    )


def main(kafka: str, mongo: str, database: str, topic: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    client: MongoClient[Document] = connect(Settings(mongo_uri=mongo))
    with client:
        ingest = fault_ingest({"bootstrap.servers": kafka}, client[database], fault_topic(topic))
        report = ingest.follow(stopped)
    logging.getLogger(__name__).info("stopped: %s", json.dumps(asdict(report)))


if __name__ == "__main__":
    main(*sys.argv[1:])
