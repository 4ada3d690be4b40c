"""Producing with every delivery checked."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from nocturne.errors import ServiceUnavailable
from nocturne.stream.connection import KafkaConfig, brokers, client_config
from nocturne.stream.headers import Header

# Librdkafka gives up on a message after this long, and so do we.
DELIVERY_SECONDS = 120
# The topics have limits of their own, which brokers enforce; this is only to be above them all.
LARGEST_MESSAGE_BYTES = 10_000_000
SHOWN_ERRORS = 3
# Librdkafka asks for the id that makes it idempotent at once, and then every half second: with a
# connection by then, the first message need not wait for the second time.
CONNECT_SECONDS = 0.05


def open_producer(config: KafkaConfig, changes: dict[str, Any]) -> Producer:
    """A producer that neither loses, doubles nor reorders what it sends."""
    producer = Producer(
        {
            **client_config(config),
            "enable.idempotence": True,
            "compression.type": "lz4",
            "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
            "message.max.bytes": LARGEST_MESSAGE_BYTES,
            **changes,
        }
    )
    producer.poll(CONNECT_SECONDS)
    return producer


class CheckedProducer:
    """An idempotent producer that knows what became of every message.

    Use as a context manager: leaving it waits for all deliveries and raises ServiceUnavailable,
    with the count and the first errors, if one was not acknowledged by all replicas.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self.brokers = brokers(config)
        self.producer = open_producer(config, {})
        self.delivered = 0
        self.failures: list[str] = []
        self.refused = 0

    def __enter__(self) -> "CheckedProducer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            # Left open, it would go on looking for its brokers until the process ends.
            self.producer.purge()
            self.producer.close()

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[Header] = ()
    ) -> None:
        """Queue a message, waiting while the local queue is full."""
        while True:
            try:
                self.producer.produce(
                    topic, value, key, headers=list(headers), on_delivery=self.note_delivery
                )
            except BufferError:
                self.producer.poll(0.5)
                continue
            except KafkaException as error:
                self.note_failure(topic, key, error.args[0])
            self.producer.poll(0)
            return

    def note_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.note_failure(message.topic(), message.key(), error)

    def note_failure(self, topic: str | None, key: bytes | None, error: KafkaError) -> None:
        self.refused += 1
        if len(self.failures) < SHOWN_ERRORS:
            self.failures.append(f"{topic} {key!r}: {error.str()}")

    def flush(self) -> None:
        waiting = self.producer.flush(DELIVERY_SECONDS)
        if waiting or self.refused:
            raise ServiceUnavailable(
                f"{self.refused + waiting} messages were not delivered to Kafka at"
                f" {self.brokers} ({self.delivered} were). {'; '.join(self.failures)}"
            )
