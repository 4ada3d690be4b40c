"""How Kafka clients are configured for a connection, and what their failures mean."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable
from nocturne.settings import Settings

log = logging.getLogger(__name__)
KafkaConfig = Mapping[str, str | int | float | bool]
CONSUMER_ONLY = ("group.id", "auto.offset.reset", "enable.auto.commit", "session.timeout.ms")
REQUEST_SECONDS = 20
COMPLAINT_SECONDS = 20
# No retry mends these: a login or a right is missing, or offsets are not there any more.
PERMANENT = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
}
OFFSETS_ARE_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
# How much is fetched ahead, over all partitions: the bound of a consumer's memory.
PREFETCH_KILOBYTES = 32 * 1024
# Of the levels of syslog.
ONLY_CRITICAL = 2


def kafka_config(settings: Settings) -> KafkaConfig:
    """The connection to the brokers that the settings name."""
    return {"bootstrap.servers": settings.kafka_bootstrap}


def brokers(config: KafkaConfig) -> str:
    return str(config["bootstrap.servers"])


def client_config(config: KafkaConfig) -> dict[str, Any]:
    """What producers and administrators understand of a connection: addresses and security."""
    common = {name: value for name, value in config.items() if name not in CONSUMER_ONLY}
    return {"log_level": ONLY_CRITICAL, **common, "logger": log, "error_cb": Complaints()}


class Complaints:
    """What a client says of its connections, but not each of its many attempts to mend them."""

    def __init__(self) -> None:
        self.said_at: float | None = None

    def __call__(self, error: KafkaError) -> None:
        if self.said_at is None or monotonic() - self.said_at > COMPLAINT_SECONDS:
            self.said_at = monotonic()
            log.warning("Kafka: %s", error.str())


def note_commit(error: KafkaError | None, _: list[TopicPartition]) -> None:
    if error is not None and error.code() != KafkaError._NO_OFFSET:
        log.info("Kafka: the group did not take the offsets: %s", error.str())


def tuning_of(config: KafkaConfig) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name in CONSUMER_ONLY}


def open_admin(config: KafkaConfig) -> AdminClient:
    return AdminClient(client_config(config))


def open_consumer(config: KafkaConfig, group: str) -> Consumer:
    """A consumer that commits nothing by itself, and fails where an offset is not there any more.

    Whatever `auto.offset.reset` a connection has would jump over what was lost, without a word.
    The end of a partition comes as an event: records alone do not tell it, for transactions and
    compaction leave offsets without one.
    """
    return Consumer(
        {
            "queued.max.messages.kbytes": PREFETCH_KILOBYTES,
            # The default, a second, would starve a fast reader each time the queue was full.
            "fetch.queue.backoff.ms": 10,
            "session.timeout.ms": 10_000,
            # A topic that has grown is noticed this soon.
            "topic.metadata.refresh.interval.ms": 30_000,
            **client_config(config),
            **tuning_of(config),
            "on_commit": note_commit,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            # A rebalance takes and gives all partitions: `read_group` counts on it.
            "partition.assignment.strategy": "range",
        }
    )


@contextmanager
def explaining(config: KafkaConfig, doing: str) -> Iterator[None]:
    """Kafka's failures as ours, naming the brokers and what was going on."""
    try:
        yield
    except KafkaException as error:
        raise explain_failure(error, config, doing) from error


def explain_failure(error: KafkaException, config: KafkaConfig, doing: str) -> NocturneError:
    """A failure of Kafka as one of ours: ServiceUnavailable if a retry may mend it."""
    cause = error.args[0]
    what = f"Kafka at {brokers(config)} failed while {doing}: {cause.str()}"
    if cause.code() in OFFSETS_ARE_GONE:
        return BadInput(
            f"{what}. Retention has removed records before they were read;"
            " start again: it tells which, and how to go on."
        )
    if cause.code() in PERMANENT:
        return BadInput(f"{what}. Mend the login, the rights or the name, then run it again.")
    return ServiceUnavailable(what)
