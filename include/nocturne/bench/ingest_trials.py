"""The trials of the ingest bench: each way in a process of its own, into an emptied collection."""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

from nocturne.bench.ingest_records import make_empty, produce_messages, require_whole
from nocturne.bench.watched import Ended, run_watched
from nocturne.settings import PROJECT, Settings
from nocturne.stack.jars import jar_paths, pyspark_folder
from nocturne.stack.java import ensure_java
from nocturne.stack.stack import settings_environment
from nocturne.store.collections import connect
from nocturne.stream.connection import kafka_config

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
        """Bring the first records of a topic of so many into MongoDB, one of WAYS."""
        module = "nocturne.bench.ingest_ways"
        arguments = (way, self.fill_topic(of), self.name, str(records))
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
            }
            command = [*self.spark_submit(), *(text for pair in arguments.items() for text in pair)]
            ended = run_watched(command, self.spark_environment())
            require_whole(collection, of)
        return ended

    def fill_topic(self, records: int) -> str:
        topic = f"{self.name}.{records}"
        if records not in self.filled:
            self.say(f"sending {records} records to Kafka")
            produce_messages(kafka_config(self.settings), topic, records)
            self.filled.add(records)
        return topic

    def spark_submit(self) -> list[str]:
        settings = self.settings
        jars = [
            path for name in ("spark", "streaming") for path in jar_paths(settings.runtime, name)
        ]
        return [
            str(pyspark_folder() / "bin/spark-submit"),
            *("--master", settings.spark_master, "--driver-memory", settings.spark_driver_memory),
            *("--conf", "spark.ui.enabled=false", "--jars", ",".join(map(str, jars))),
            str(PROJECT / "spark_jobs/stream_to_mongo.py"),
        ]

    def environment(self) -> dict[str, str]:
        """Addresses go this way: a password must not stand on a command line."""
        return {**os.environ, **settings_environment(self.settings)}

    def spark_environment(self) -> dict[str, str]:
        return {
            **self.environment(),
            "JAVA_HOME": str(ensure_java().parents[1]),
            "SPARK_HOME": str(pyspark_folder()),
            "PYSPARK_PYTHON": sys.executable,
        }

    def clear(self) -> None:
        with connect(self.settings) as client:
            client.drop_database(self.name)
