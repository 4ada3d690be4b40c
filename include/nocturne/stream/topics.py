"""The topics: one declaration, from which they are created."""

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nocturne.errors import ServiceUnavailable
from nocturne.stream.connection import KafkaConfig, brokers, client_config

CREATE_SECONDS = 30
# A dead letter is a message of the largest size and the headers that say what was wrong with it.
DEAD_LETTER_HEADROOM_BYTES = 100_000
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic of the pipeline; `retention_days` says how far back a replay can reach."""

    name: str
    purpose: str
    partitions: int = 3
    retention_days: int = 30
    largest_message_bytes: int = 1_000_000

    @property
    def dead_letter(self) -> str:
        return f"{self.name}.dead-letter"


TRACKS_FEATURES = Topic("tracks.features", "metadata and audio features of a track, by track id")
TOPICS = (TRACKS_FEATURES,)


def ensure_topics(config: KafkaConfig, topics: tuple[Topic, ...] = TOPICS) -> None:
    """Create the topics that are missing, each with its dead-letter topic.

    Raises ServiceUnavailable naming the brokers if they do not answer.
    """
    admin = AdminClient(client_config(config))
    wanted = [new for topic in topics for new in describe_topics(topic)]
    creations = admin.create_topics(
        wanted, operation_timeout=CREATE_SECONDS, request_timeout=CREATE_SECONDS
    )
    for name, creation in creations.items():
        try:
            creation.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ServiceUnavailable(
                    f"Topic {name} could not be created at {brokers(config)}: {error.args[0].str()}"
                ) from error


def describe_topics(topic: Topic) -> list[NewTopic]:
    """The topic and its dead-letter topic; -1 leaves the replication to the brokers' default."""
    retention = {"retention.ms": str(topic.retention_days * DAY_MS)}
    largest = topic.largest_message_bytes
    limit = {"max.message.bytes": str(largest)}
    raised_limit = {"max.message.bytes": str(largest + DEAD_LETTER_HEADROOM_BYTES)}
    return [
        NewTopic(topic.name, topic.partitions, -1, config=retention | limit),
        NewTopic(topic.dead_letter, 1, -1, config=retention | raised_limit),
    ]
