"""The topics: one declaration, from which they are created and described."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from nocturne.stream.connection import KafkaConfig, explain_failure, open_admin

CREATE_SECONDS = 30
# A dead letter is a message of the largest size and the headers that say what was wrong with it.
DEAD_LETTER_HEADROOM_BYTES = 100_000
# Long enough to notice, to mend, and to feed back.
DEAD_LETTER_RETENTION_DAYS = 90
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic of the pipeline; `retention_days` says how far back a replay can reach.

    A message may be larger than `largest_message_bytes` on its way, if it was compressed; it is
    a dead letter then.
    """

    name: str
    purpose: str
    partitions: int = 3
    retention_days: int = 30
    largest_message_bytes: int = 1_000_000

    @property
    def dead_letter(self) -> str:
        """Where what nobody can read goes: from each partition to the one of the same number."""
        return f"{self.name}.dead-letter"

    def configs(self) -> dict[str, dict[str, str]]:
        """What the brokers are told, for the topic and its dead letters."""
        largest = self.largest_message_bytes
        return {
            self.name: describe_limits(self.retention_days, largest),
            self.dead_letter: describe_limits(
                max(self.retention_days, DEAD_LETTER_RETENTION_DAYS),
                largest + DEAD_LETTER_HEADROOM_BYTES,
            ),
        }


TRACKS_FEATURES = Topic("tracks.features", "metadata and audio features of a track, by track id")
USER_ACTIVITY = Topic("user_activity", "what listeners did with tracks, by listener id")
RECOMMENDATIONS = Topic("recommendations", "the three tracks a listener is shown, by listener id")
TOPICS = (TRACKS_FEATURES, USER_ACTIVITY, RECOMMENDATIONS)


def describe_limits(retention_days: int, largest_bytes: int) -> dict[str, str]:
    """The brokers' clock dates every message: what retention and windows of time go by must not be
    what a stranger's clock says.
    """
    return {
        "retention.ms": str(retention_days * DAY_MS),
        "max.message.bytes": str(largest_bytes),
        "message.timestamp.type": "LogAppendTime",
    }


def ensure_topics(config: KafkaConfig, topics: tuple[Topic, ...] = TOPICS) -> None:
    """Create the topics that are missing, each with its dead-letter topic, and bring those that
    exist to the declaration; one that has more partitions than declared keeps them.

    Raises ServiceUnavailable or BadInput naming the brokers.
    """
    admin = open_admin(config)
    wanted = {name: topic for topic in topics for name in topic.configs()}
    present = list_partitions(admin, config)
    # A dead-letter topic follows its topic, whoever made that grow.
    counts = {
        name: max(topic.partitions, present.get(topic.name, 0)) for name, topic in wanted.items()
    }
    missing = wanted.keys() - present.keys()
    create_topics(admin, config, {name: (wanted[name], counts[name]) for name in missing})
    small = {name: count for name, count in counts.items() if present.get(name, count) < count}
    grow_topics(admin, config, small)
    alter_limits(admin, config, {name: wanted[name] for name in wanted.keys() - missing})


def list_partitions(admin: AdminClient, config: KafkaConfig) -> dict[str, int]:
    """The number of partitions of every topic that there is."""
    try:
        found = admin.list_topics(timeout=CREATE_SECONDS).topics
    except KafkaException as error:
        raise explain_failure(error, config, "listing its topics") from error
    return {name: len(topic.partitions) for name, topic in found.items()}


def create_topics(
    admin: AdminClient, config: KafkaConfig, wanted: dict[str, tuple[Topic, int]]
) -> None:
    """-1 leaves the replication to the brokers' default."""
    new = [
        NewTopic(name, partitions, -1, config=topic.configs()[name])
        for name, (topic, partitions) in wanted.items()
    ]
    if new:
        settle(
            admin.create_topics(new, **timeouts()).items(),
            config,
            "creating topic",
            KafkaError.TOPIC_ALREADY_EXISTS,
        )


def timeouts() -> dict[str, Any]:
    return {"operation_timeout": CREATE_SECONDS, "request_timeout": CREATE_SECONDS}


def grow_topics(admin: AdminClient, config: KafkaConfig, counts: dict[str, int]) -> None:
    growing = [NewPartitions(name, count) for name, count in counts.items()]
    if growing:
        asked = admin.create_partitions(growing, **timeouts())
        settle(asked.items(), config, "adding partitions to topic", KafkaError.INVALID_PARTITIONS)


def alter_limits(admin: AdminClient, config: KafkaConfig, wanted: dict[str, Topic]) -> None:
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in topic.configs()[name].items()
            ],
        )
        for name, topic in wanted.items()
    ]
    if resources:
        altered = admin.incremental_alter_configs(resources)
        settle(
            ((resource.name, done) for resource, done in altered.items()),
            config,
            "setting the limits of topic",
        )


def settle(
    requests: Iterable[tuple[str, Future[Any]]], config: KafkaConfig, doing: str, *done: int
) -> None:
    """Wait for requests; the error codes `done` mean that somebody else has done the work."""
    for name, request in requests:
        try:
            request.result()
        except KafkaException as error:
            if error.args[0].code() not in done:
                raise explain_failure(error, config, f"{doing} {name}") from error
