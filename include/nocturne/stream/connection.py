"""How a Kafka client is configured for a connection."""

from collections.abc import Mapping

from confluent_kafka import Consumer

KafkaConfig = Mapping[str, str | int | float | bool]
CONSUMER_ONLY = ("group.id", "auto.offset.reset", "enable.auto.commit")


def brokers(config: KafkaConfig) -> str:
    return str(config["bootstrap.servers"])


def client_config(config: KafkaConfig) -> dict[str, str | int | float | bool]:
    """What producers and administrators understand of a connection: addresses and security."""
    return {name: value for name, value in config.items() if name not in CONSUMER_ONLY}


def open_consumer(config: KafkaConfig, group: str) -> Consumer:
    """A consumer that commits nothing by itself, and fails where an offset is not there any more.

    Whatever `auto.offset.reset` a connection has would jump over what was lost, without a word.
    """
    ours = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "error"}
    return Consumer({**config, **ours})
