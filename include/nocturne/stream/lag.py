"""What topics hold, and how far groups are behind."""

from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from nocturne.stream.connection import (
    REQUEST_SECONDS,
    KafkaConfig,
    explaining,
    open_admin,
)
from nocturne.stream.offsets import Extent, measure_topic
from nocturne.stream.topics import Topic


@dataclass(frozen=True)
class TopicStatus:
    """A topic as the brokers have it; `lag` is by group, in offsets, as `held` is.

    A transaction takes an offset too, so a topic that letters were fed back to, or a dead-letter
    topic, holds somewhat fewer records than offsets.
    """

    name: str
    purpose: str
    partitions: int
    retention_days: int
    held: int
    lag: dict[str, int]
    dead_letters_held: int


def describe_topic(config: KafkaConfig, topic: Topic) -> TopicStatus:
    """Raises ServiceUnavailable or BadInput naming the brokers."""
    admin = open_admin(config)
    with explaining(config, f"describing {topic.name}"):
        extent = measure_topic(admin, topic.name)
        return TopicStatus(
            name=topic.name,
            purpose=topic.purpose,
            partitions=len(extent.end),
            retention_days=topic.retention_days,
            held=count_held(extent),
            lag=measure_lags(admin, extent),
            dead_letters_held=count_held(measure_topic(admin, topic.dead_letter)),
        )


def count_held(extent: Extent) -> int:
    return sum(extent.end.values()) - sum(extent.first.values())


def measure_lags(admin: AdminClient, extent: Extent) -> dict[str, int]:
    """The lag of every group that has ever committed an offset of the topic."""
    groups = admin.list_consumer_groups(request_timeout=REQUEST_SECONDS).result().valid
    lags = {group.group_id: measure_lag(admin, extent, group.group_id) for group in groups}
    return {group: lag for group, lag in sorted(lags.items()) if lag is not None}


def measure_lag(
    admin: AdminClient, extent: Extent, group: str, seconds: float = REQUEST_SECONDS
) -> int | None:
    """How many offsets a group has not read; None if it has never committed any."""
    parts = [TopicPartition(extent.topic, part) for part in extent.end]
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, parts)], request_timeout=seconds
    )
    found = asked[group].result().topic_partitions
    read: dict[int, int] = {part.partition: part.offset for part in found if part.offset >= 0}
    if not read:
        return None
    return sum(end - read.get(part, extent.first[part]) for part, end in extent.end.items())
