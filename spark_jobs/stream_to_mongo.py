"""Copy a topic of flat tracks into a collection as Spark does it: the peer of the ingest bench.

    spark-submit spark_jobs/stream_to_mongo.py --topic TOPIC --database DATABASE \
        --collection COLLECTION --checkpoint FOLDER

Reads what the topic holds now with Structured Streaming and writes it with the MongoDB connector's
sink (addresses from the settings), replacing documents by id. Prints how many records came in how
many seconds from the first batch's start to the last one's end, which leaves Spark's own start
out, and the records per second of the fastest batch.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, from_json
from pyspark.sql.streaming.query import StreamingQuery

from nocturne.job_exit import run_main
from nocturne.settings import Settings, load_settings

SCHEMA = (
    "schema int, track_id string, as_of timestamp, run_id string, title string,"
    " artist_name string, album_title string, genre string, listens bigint,"
    " duration_seconds double, audio_sha256 string, features array<double>"
)
TASKS = 8
"""Four for each of two cores: three partitions of a topic would leave one core idle at the end."""


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", required=True, help="topic to read")
    parser.add_argument("--database", required=True, help="database to write into")
    parser.add_argument("--collection", required=True, help="collection to write into")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder for Spark's offsets")
    parser.add_argument(
        "--most-per-batch", type=int, default=0, help="records of a micro-batch; 0: all there are"
    )
    parser.add_argument(
        "--write-batch", type=int, default=512, help="documents of a bulk write (the connector's)"
    )
    return parser.parse_args(argv)


def parse_messages(messages: DataFrame) -> DataFrame:
    """Kafka's rows → documents: `value` by SCHEMA, `track_id` as `_id`."""
    record = from_json(col("value").cast("string"), SCHEMA)
    fields = messages.select(record.alias("record")).select("record.*")
    return fields.drop("schema").withColumnRenamed("track_id", "_id")


def read_topic(
    spark: SparkSession, settings: Settings, topic: str, most_per_batch: int
) -> DataFrame:
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("minPartitions", TASKS)
    )
    if most_per_batch:
        reader.option("maxOffsetsPerTrigger", most_per_batch)
    return reader.load()


def write_documents(
    documents: DataFrame, settings: Settings, arguments: argparse.Namespace
) -> StreamingQuery:
    """As the connector is fastest: unordered bulk writes, acknowledged by a majority."""
    return (
        documents.writeStream.format("mongodb")
        .option("connection.uri", settings.mongo_uri)
        .option("database", arguments.database)
        .option("collection", arguments.collection)
        .option("writeConcern.w", "majority")
        .option("ordered", False)
        .option("maxBatchSize", arguments.write_batch)
        .option("checkpointLocation", f"file://{arguments.checkpoint.absolute()}")
        .outputMode("append")
        .trigger(availableNow=True)
        .start()
    )


def sum_up(batches: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What the batches say of themselves, as the module's docstring has it."""
    first, last = (datetime.fromisoformat(batches[place]["timestamp"]) for place in (0, -1))
    return {
        "records": sum(batch["numInputRows"] for batch in batches),
        "batches": len(batches),
        "seconds": (last - first).total_seconds() + seconds_of(batches[-1]),
        "fastest": max(batch["numInputRows"] / seconds_of(batch) for batch in batches),
    }


def seconds_of(batch: Mapping[str, Any]) -> float:
    return float(batch["durationMs"]["triggerExecution"]) / 1000


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> dict[str, float]:
    settings = load_settings()
    messages = read_topic(spark, settings, arguments.topic, arguments.most_per_batch)
    query = write_documents(parse_messages(messages), settings, arguments)
    query.awaitTermination()
    return sum_up(query.recentProgress)


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    spark = SparkSession.builder.appName("stream_to_mongo").getOrCreate()
    try:
        report = run_job(spark, arguments)
    finally:
        spark.stop()
    print(json.dumps(report))


if __name__ == "__main__":
    run_main(main)
