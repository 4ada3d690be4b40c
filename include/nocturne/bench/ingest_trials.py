"""The trials of the ingest bench: each way in a process of its own, into a collection made anew."""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

from nocturne.bench.ingest_records import make_empty, produce_messages, require_whole
from nocturne.bench.watched import Ended, run_watched
from nocturne.settings import Settings
from nocturne.stack.spark import submit
from nocturne.stack.stack import settings_environment
from nocturne.store.collections import connect
from nocturne.stream.connection import kafka_config
from nocturne.stream.reading import BATCH

SPARK_BATCHES = 4
"""The first pays for Spark's compilers; the fastest of the others is Spark when it is warm."""


@dataclass(frozen=True)
class Trials:
    """Servers to fill, and names on them that nobody else has: `name` is the database's."""

    settings: Settings
    name: str
    say: Callable[[str], None]
    filled: set[int] = field(default_factory=set)

    def run(self, way: str, records: int, of: int) -> Ended:
        """Bring the first records of a topic of so many into MongoDB by one of WAYS."""
        module = "nocturne.bench.ingest_ways"
        arguments = (way, self.fill_topic(of), self.name, str(records), str(of))
        return run_watched([sys.executable, "-m", module, *arguments], self.environment())

    def run_spark(self, of: int) -> Ended:
        """Bring a topic into MongoDB as Spark does it."""
        topic = self.fill_topic(of)
        with connect(self.settings) as client, tempfile.TemporaryDirectory() as checkpoint:
            collection = make_empty(client[self.name], validated=False)
            arguments = {
                "--topic": topic,
                "--database": self.name,
                "--collection": collection.name,
                "--checkpoint": checkpoint,
                # Each partition rounds its share down.
                "--most-per-batch": str(-(-of // SPARK_BATCHES) + SPARK_BATCHES),
                "--write-batch": str(BATCH),
            }
            spark = submit(self.settings, "stream_to_mongo", arguments, ("spark", "streaming"))
            ended = run_watched(spark.command, {**self.environment(), **spark.environment})
            require_whole(collection, of)
        return ended

    def fill_topic(self, records: int) -> str:
        topic = f"{self.name}.{records}"
        if records not in self.filled:
            self.say(f"sending {records} records to Kafka")
            produce_messages(kafka_config(self.settings), topic, records)
            self.filled.add(records)
        return topic

    def environment(self) -> dict[str, str]:
        """Addresses go this way: a password must not stand on a command line."""
        return {**os.environ, **settings_environment(self.settings)}

    def clear(self) -> None:
        with connect(self.settings) as client:
            client.drop_database(self.name)
