"""Kafka transactions: all of it or nothing, by one writer at a time."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from nocturne.stream.connection import KafkaConfig
from nocturne.stream.produce import open_producer

TRANSACTION_SECONDS = 30


def open_transactional(config: KafkaConfig, transactional_id: str) -> Producer:
    """A producer whose id nobody else has from now on; whatever the last one left is settled."""
    producer = open_producer(
        config,
        {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
            "delivery.timeout.ms": TRANSACTION_SECONDS * 1000,
            # What other producers compressed well must not become too large on its way here.
            "compression.type": "zstd",
            "message.max.bytes": 1_000_000_000,
        },
    )
    producer.init_transactions(TRANSACTION_SECONDS)
    return producer


def close_producer(producer: Producer) -> None:
    """What it has not committed is ended by whoever takes its id, so it need not say that it
    could not: after a failure the warning would hide it.
    """
    producer.purge()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        producer.close()


@contextmanager
def transaction(producer: Producer) -> Iterator[Producer]:
    """All that is produced inside comes to be seen at once, or, after an exception, never: the
    producer is of no use then, and the next one of its id ends what it has begun.
    """
    producer.begin_transaction()
    yield producer
    producer.commit_transaction(TRANSACTION_SECONDS)
