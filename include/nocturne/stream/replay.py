"""Feeding dead letters back to their topic, each once.

How far that has gone is the committed offset of a group of its own. It advances in the transaction
that sends the messages, so a replay that dies, or runs beside another, doubles none.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from nocturne.stream.connection import (
    REQUEST_SECONDS,
    KafkaConfig,
    explaining,
    open_admin,
    open_consumer,
)
from nocturne.stream.dead_letters import Letter, read_letters
from nocturne.stream.headers import say_sent_first
from nocturne.stream.offsets import is_settling, measure_topic
from nocturne.stream.topics import Topic
from nocturne.stream.transactions import (
    TRANSACTION_SECONDS,
    close_producer,
    open_transactional,
    transaction,
)

LETTERS_AT_ONCE = 500


def list_letters(config: KafkaConfig, topic: Topic) -> Iterator[tuple[Letter, bool]]:
    """Every letter of a topic, and whether it was fed back."""
    with open_replayer(config, topic) as consumer:
        replayed = find_replayed(consumer, config, topic)
        for letter in read_letters(config, topic.dead_letter):
            yield letter, letter.position < replayed.get(letter.partition, 0)


def replay_letters(config: KafkaConfig, topic: Topic) -> int:
    """Send the messages of letters that wait to their topic again, as they were; how many.

    A header keeps the time at which they were sent first, and with it their place among the records
    of their id; retention counts from now. Raises ServiceUnavailable or BadInput; what was not sent
    still waits then.
    """
    with open_replayer(config, topic) as consumer:
        # First the id, so that nobody else replays; then what is left.
        producer = open_transactional(config, f"{topic.dead_letter}.replay")
        try:
            start = find_replayed(consumer, config, topic)
            letters = read_letters(config, topic.dead_letter, start=start)
            sent = 0
            while some := list(islice(letters, LETTERS_AT_ONCE)):
                send_back(producer, consumer, topic, some)
                sent += len(some)
        finally:
            close_producer(producer)
    return sent


def send_back(producer: Producer, consumer: Consumer, topic: Topic, letters: list[Letter]) -> None:
    with transaction(producer):
        for letter in letters:
            headers: Any = say_sent_first(list(letter.headers), letter.sent_at_ms)
            producer.produce(topic.name, letter.value, letter.key, headers=headers)
        done = {letter.partition: letter.position + 1 for letter in letters}
        producer.send_offsets_to_transaction(
            [TopicPartition(topic.dead_letter, part, offset) for part, offset in done.items()],
            consumer.consumer_group_metadata(),
            TRANSACTION_SECONDS,
        )


def find_replayed(consumer: Consumer, config: KafkaConfig, topic: Topic) -> dict[int, int]:
    """By partition of the dead letters, the offset up to which they were fed back."""
    extent = measure_topic(open_admin(config), topic.dead_letter)
    parts = [TopicPartition(topic.dead_letter, part) for part in extent.first]
    found = ask_committed(consumer, parts)
    return {part.partition: part.offset for part in found if part.offset >= 0}


@retry(
    retry=retry_if_exception(is_settling),
    stop=stop_after_delay(REQUEST_SECONDS),
    wait=wait_fixed(0.2),
    reraise=True,
)
def ask_committed(consumer: Consumer, parts: list[TopicPartition]) -> list[TopicPartition]:
    """On brokers that had no group yet, its coordinator has to be found first."""
    return consumer.committed(parts, timeout=REQUEST_SECONDS)


@contextmanager
def open_replayer(config: KafkaConfig, topic: Topic) -> Iterator[Consumer]:
    name = f"{topic.dead_letter}.replay"
    with (
        explaining(config, f"replaying {topic.dead_letter}"),
        closing(open_consumer(config, name)) as consumer,
    ):
        yield consumer
