import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic

from nocturne.errors import BadInput, ServiceUnavailable
from nocturne.stream import topics
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration


def declare(**changes):
    return Topic(f"test.{uuid.uuid4().hex}", "of one test", **changes)


@pytest.fixture
def admin(kafka):
    return AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})


def wait_for(expected, look):
    """A broker learns somewhat later of what another has done, or it itself as controller."""
    deadline = time.monotonic() + 20
    while (found := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


def wait_for_partitions(admin, topic, *expected):
    """Of the topic and its dead letters."""
    wait_for(expected, lambda: (count(admin, topic.name), count(admin, topic.dead_letter)))


def wait_for_limits(admin, topic, **others):
    """As declared for the topic and its dead letters; `others` are of the topic alone."""
    declared = topic.configs()
    declared[topic.name] |= {name.replace("_", "."): value for name, value in others.items()}

    def look():
        return {name: read_config(admin, name, names) for name, names in declared.items()}

    wait_for(declared, look)


def read_config(admin, topic_name, names):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic_name)
    config = admin.describe_configs([resource])[resource].result()
    return {name: config[name].value for name in names}


def make_by_hand(admin, name, partitions, **config):
    [made] = admin.create_topics([NewTopic(name, partitions, config=config)]).values()
    made.result()
    wait_for(partitions, lambda: count(admin, name))


def count(admin, name):
    found = admin.list_topics(timeout=20).topics
    return len(found[name].partitions) if name in found else 0


def test_topics_are_created_as_declared_and_once(kafka, admin):
    wanted = (declare(partitions=5, retention_days=7), declare(largest_message_bytes=5000))
    ensure_topics(kafka, wanted)
    ensure_topics(kafka, wanted)
    wait_for_partitions(admin, wanted[0], 5, 5)
    wait_for_partitions(admin, wanted[1], 3, 3)
    for topic in wanted:
        wait_for_limits(admin, topic)


def test_many_topics_are_there_at_once_when_they_are_needed(kafka):
    """Brokers learn of a topic only some milliseconds after it was made."""
    for _ in range(5):
        ensure_topics(kafka, (declare(partitions=10),))


def test_tasks_that_begin_together_do_not_disturb_each_other(kafka, admin):
    topic = declare()
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(ensure_topics, kafka, (topic,)) for _ in range(4)]:
            made.result()
    wait_for_partitions(admin, topic, 3, 3)


def test_a_topic_that_somebody_else_grows_meanwhile_has_grown(kafka, admin, monkeypatch):
    def grow_late(*arguments):
        monkeypatch.undo()
        ensure_topics(kafka, (wanted,))
        topics.grow_topics(*arguments)

    topic = declare(partitions=2)
    wanted = replace(topic, partitions=4)
    ensure_topics(kafka, (topic,))
    wait_for_partitions(admin, topic, 2, 2)
    monkeypatch.setattr(topics, "grow_topics", grow_late)
    ensure_topics(kafka, (wanted,))
    wait_for_partitions(admin, topic, 4, 4)


def test_a_missing_dead_letter_topic_is_added(kafka, admin):
    topic = declare()
    make_by_hand(admin, topic.name, 4)
    ensure_topics(kafka, (topic,))
    wait_for_partitions(admin, topic, 4, 4)


def test_the_limits_of_a_topic_that_exists_are_altered_and_nothing_else(kafka, admin):
    topic = declare()
    make_by_hand(admin, topic.name, 3, **{"segment.bytes": "2000000", "retention.ms": "1000000"})
    for days, largest in ((7, 5000), (100, 2_000_000)):
        changed = replace(topic, retention_days=days, largest_message_bytes=largest)
        ensure_topics(kafka, (changed,))
        wait_for_partitions(admin, topic, 3, 3)
        wait_for_limits(admin, changed, segment_bytes="2000000")


def test_a_topic_grows_to_the_declaration_with_its_dead_letters(kafka, admin):
    topic = declare(partitions=2)
    ensure_topics(kafka, (topic,))
    wait_for_partitions(admin, topic, 2, 2)
    ensure_topics(kafka, (replace(topic, partitions=5),))
    wait_for_partitions(admin, topic, 5, 5)


def test_a_topic_that_somebody_grew_keeps_its_partitions_and_its_dead_letters_follow(kafka, admin):
    topic = declare(partitions=2)
    ensure_topics(kafka, (topic,))
    wait_for_partitions(admin, topic, 2, 2)
    admin.create_partitions([NewPartitions(topic.name, 4)])[topic.name].result()
    wait_for_partitions(admin, topic, 4, 2)
    ensure_topics(kafka, (topic,))
    wait_for_partitions(admin, topic, 4, 4)


def test_what_the_brokers_refuse_is_named(kafka):
    with pytest.raises(BadInput, match=r"127\.0\.0\.1:\d+ failed while creating topic no/name"):
        ensure_topics(kafka, (Topic("no/name", "a name that Kafka does not take"),))


def test_a_broker_that_is_away_is_named_in_time(free_port, monkeypatch):
    monkeypatch.setattr(topics, "CREATE_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    start = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=f"127.0.0.1:{free_port}"):
        ensure_topics(away)
    assert time.monotonic() - start < 10
