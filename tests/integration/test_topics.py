import time
import uuid

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from nocturne.errors import ServiceUnavailable
from nocturne.stream import topics
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration


def read_config(kafka, name):
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result()
    return {key: entry.value for key, entry in config.items()}


def count_partitions(kafka, name):
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    return len(admin.list_topics(timeout=20).topics[name].partitions)


def test_topics_are_created_as_declared_and_once(kafka):
    wanted = (
        Topic(f"test.{uuid.uuid4().hex}", "one", partitions=5, retention_days=7),
        Topic(f"test.{uuid.uuid4().hex}", "two", largest_message_bytes=5000),
    )
    ensure_topics(kafka, wanted)
    ensure_topics(kafka, wanted)
    assert [count_partitions(kafka, topic.name) for topic in wanted] == [5, 3]
    assert [count_partitions(kafka, topic.dead_letter) for topic in wanted] == [1, 1]
    for name in (wanted[0].name, wanted[0].dead_letter):
        assert read_config(kafka, name)["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert read_config(kafka, wanted[1].name)["max.message.bytes"] == "5000"
    assert read_config(kafka, wanted[1].dead_letter)["max.message.bytes"] == "105000"


def test_a_missing_dead_letter_topic_is_added(kafka):
    topic = Topic(f"test.{uuid.uuid4().hex}", "without dead letters")
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    [made] = admin.create_topics(topics.describe_topics(topic)[:1]).values()
    made.result()
    ensure_topics(kafka, (topic,))
    assert count_partitions(kafka, topic.dead_letter) == 1


def test_what_the_brokers_refuse_is_named(kafka):
    with pytest.raises(
        ServiceUnavailable, match=r"Topic no/name could not be created.*127\.0\.0\.1"
    ):
        ensure_topics(kafka, (Topic("no/name", "a name that Kafka does not take"),))


def test_a_broker_that_is_away_is_named_in_time(free_port, monkeypatch):
    monkeypatch.setattr(topics, "CREATE_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    start = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=f"127.0.0.1:{free_port}"):
        ensure_topics(away)
    assert time.monotonic() - start < 10
