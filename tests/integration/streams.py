"""What the tests of streams share: topics of their own, sending, and reading everything back."""

import json
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from nocturne.bench.fault_verdict import hash_collection
from nocturne.store.records import NEWEST
from nocturne.stream.connection import open_consumer
from nocturne.stream.headers import say_sent_first
from nocturne.stream.ingest import Ingest
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.offsets import Progress, measure_topic
from nocturne.stream.topics import Topic, ensure_topics

GROUP = "test-group"


def make_topic(kafka, **changes):
    made = Topic(f"test.{uuid.uuid4().hex}", "of one test", **changes)
    ensure_topics(kafka, (made,))
    return made


def make_value(track_id, title="Food", day=20, **changes):
    message = {
        "schema": 1,
        "track_id": track_id,
        "as_of": f"2026-11-{day:02d}T02:00:00Z",
        "run_id": "run-1",
        "metadata": {"title": title},
        "audio_sha256": "ab" * 32,
        "feature_set": "fma518-v1-22050",
        "features": [0.5] * 518,
    }
    return json.dumps(message | changes).encode()


def send(kafka, topic, *messages, **how):
    """Send (key, value) pairs and wait until the broker has them; `timestamp` says when each was
    sent first, in milliseconds.

    By a plain producer: an idempotent one takes half a second to begin.
    """
    producer = Producer(
        {"bootstrap.servers": kafka["bootstrap.servers"], "message.max.bytes": 20_000_000}
        | ({"compression.type": how.pop("compression")} if "compression" in how else {})
    )
    failures = []
    if "timestamp" in how:
        how["headers"] = say_sent_first(how.get("headers", []), how.pop("timestamp"))
    for key, value in messages:
        producer.produce(
            topic.name, value, key, on_delivery=lambda error, _: failures.append(error), **how
        )
    assert producer.flush(20) == 0
    assert failures == [None] * len(messages)


def send_tracks(kafka, topic, track_ids, **changes):
    send(kafka, topic, *((name.encode(), make_value(name, **changes)) for name in track_ids))


def keep_times_of_sending(kafka, name):
    """As topics were before brokers dated messages: the sender's time stands."""
    entry = ConfigEntry(
        "message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    client = admin(kafka)
    for altered in client.incremental_alter_configs([resource]).values():
        altered.result()
    # The broker's log follows a moment later.
    deadline, asked = time.monotonic() + 20, ConfigResource(ResourceType.TOPIC, name)
    while describe(client, asked)["message.timestamp.type"].value != "CreateTime":
        assert time.monotonic() < deadline
    time.sleep(0.1)


def describe(client, resource):
    (described,) = client.describe_configs([resource]).values()
    return described.result()


def ids(count, start=0):
    return [str(number) for number in range(start, start + count)]


def make_ingest(kafka, topic, database, group=GROUP, limit=1.0, **changes):
    made = {
        "config": kafka,
        "topic": topic,
        "contract": TrackFeatures,
        "collection": database["tracks"],
        "rule": NEWEST,
        "group": group,
        "run_id": "run-1",
        "max_refused_share": limit,
    }
    return Ingest(**made | changes)


def run_ingest(kafka, topic, database, **changes):
    return make_ingest(kafka, topic, database, **changes).run()


def hash_stored(database, collection="tracks"):
    return hash_collection(database[collection])


def read_messages(kafka, name, isolation="read_committed"):
    """Every message of a topic."""
    plain = {"bootstrap.servers": kafka["bootstrap.servers"], "group.id": "reader"}
    consumer = Consumer(
        {**plain, "enable.auto.commit": False, "enable.partition.eof": True,
         "auto.offset.reset": "earliest", "isolation.level": isolation}
    )  # fmt: skip
    parts = [TopicPartition(name, part, 0) for part in measure(kafka, name).end]
    consumer.assign(parts)
    found, ended = [], 0
    while ended < len(parts):
        for message in consumer.consume(1000, 0.5):
            if message.error():
                ended += 1
            else:
                found.append(message)
    consumer.close()
    return found


def read_dead_letters(kafka, topic):
    return read_messages(kafka, topic.dead_letter)


def admin(kafka):
    return AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})


def measure(kafka, name):
    return measure_topic(admin(kafka), name)


def progress(database, topic, group=GROUP):
    return Progress(database, group, topic.name)


def remembered(database, topic, group=GROUP):
    """The offsets that MongoDB has, by partition; None where it has none."""
    name = progress(database, topic, group).name
    found = {part: database["offsets"].find_one(name(part)) for part in range(topic.partitions)}
    return {part: item and item["next_offset"] for part, item in found.items()}


def committed(kafka, topic, group=GROUP):
    consumer = open_consumer(kafka, group)
    parts = [TopicPartition(topic.name, part) for part in range(topic.partitions)]
    found = {part.partition: part.offset for part in consumer.committed(parts, timeout=20)}
    consumer.close()
    return found


def delete_records(kafka, topic, before):
    """What retention does: the records of every partition before an offset are gone."""
    parts = [TopicPartition(topic.name, part, before) for part in range(topic.partitions)]
    client = admin(kafka)  # it must live as long as its requests
    for deletion in client.delete_records(parts).values():
        deletion.result(20)


def wait_until(is_so, seconds=30):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be so in time"
        time.sleep(0.05)
