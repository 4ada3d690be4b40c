"""Dead letters: messages that broke a rule, set aside once each, listed, fed back.

A letter is known by where its message stood and by its bytes. Before somebody writes letters of a
partition, it takes the partition's transactional id, which ends the transactions of whoever had
it, and reads which letters are there. So no crash, replay or second consumer doubles a letter.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from confluent_kafka import KafkaException, Message

from nocturne.errors import NocturneError
from nocturne.stream.connection import KafkaConfig, explain_failure, open_admin, open_consumer
from nocturne.stream.headers import Header, headers_of, say_sent_first, sent_first_ms
from nocturne.stream.offsets import measure_topic
from nocturne.stream.reading import position_of, read_ranges
from nocturne.stream.topics import Topic
from nocturne.stream.transactions import close_producer, open_transactional, transaction

log = logging.getLogger(__name__)
HEADERS = ("topic", "partition", "offset", "rule", "error", "run_id")
# What was wrong fits into this much of a header, whatever the message holds.
ERROR_CHARACTERS = 1000
Identity = tuple[int, bytes]


@dataclass(frozen=True)
class Poison:
    """A message that broke a rule."""

    message: Message
    rule: str
    error: str


def identify(offset: int, key: bytes | None, value: bytes | None) -> Identity:
    """What makes a letter of a partition itself: the offset and a digest of the bytes.

    A topic that is made anew begins again at offset 0, with other bytes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (key, value):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    return offset, digest.digest()


class DeadLetters:
    """Sets the poison of a topic aside. Use as a context manager."""

    def __init__(self, config: KafkaConfig, topic: Topic, run_id: str) -> None:
        self.config = config
        self.topic = topic
        self.run_id = run_id
        self.writers: dict[int, PartitionWriter] = {}

    def __enter__(self) -> "DeadLetters":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self.writers.values():
            writer.close()

    def bury(self, poison: Iterable[Poison]) -> None:
        """Write the letters that are not there yet, those of a partition all or none.

        Raises ServiceUnavailable or BadInput; burying the same again is safe then.
        """
        by_partition: dict[int, list[Poison]] = defaultdict(list)
        for item in poison:
            by_partition[position_of(item.message)[0]].append(item)
        for partition, items in by_partition.items():
            try:
                self.writer_of(partition).write(items, self.run_id)
            except KafkaException as error:
                if writer := self.writers.pop(partition, None):
                    writer.close()
                doing = f"writing to {self.topic.dead_letter}"
                raise explain_failure(error, self.config, doing) from error

    def writer_of(self, partition: int) -> "PartitionWriter":
        if partition not in self.writers:
            self.writers[partition] = PartitionWriter(self.config, self.topic, partition)
        return self.writers[partition]


class PartitionWriter:
    """The only writer of the dead letters of one partition."""

    def __init__(self, config: KafkaConfig, topic: Topic, partition: int) -> None:
        self.name = topic.dead_letter
        self.partition = partition
        self.producer = open_transactional(config, f"{self.name}/{partition}")
        try:
            self.there = set(self.read_identities(config))
        except BaseException:
            self.close()
            raise

    def read_identities(self, config: KafkaConfig) -> Iterator[Identity]:
        for letter in read_letters(config, self.name, {self.partition}):
            yield identify(letter.offset, letter.key, letter.value)

    def write(self, poison: list[Poison], run_id: str) -> None:
        new = {}
        for item in poison:
            identity = identify(
                position_of(item.message)[1], item.message.key(), item.message.value()
            )
            if identity not in self.there:
                new[identity] = item
        if not new:
            return
        describe_poison(self.name, list(new.values()))
        with transaction(self.producer):
            for item in new.values():
                self.send(item, run_id)
        self.there |= new.keys()

    def send(self, poison: Poison, run_id: str) -> None:
        message = poison.message
        values = (
            message.topic(),
            *position_of(message),
            poison.rule,
            poison.error[:ERROR_CHARACTERS],
            run_id,
        )
        texts = [str(value).encode(errors="backslashreplace") for value in values]
        ours = list(zip(HEADERS, texts, strict=True))
        self.producer.produce(
            self.name,
            message.value(),
            message.key(),
            self.partition,
            headers=[*say_sent_first(headers_of(message), message.timestamp()[1]), *ours],
        )

    def close(self) -> None:
        close_producer(self.producer)


def describe_poison(name: str, poison: list[Poison]) -> None:
    first = poison[0]
    log.warning(
        "%s: %d more, the first from partition %d, offset %d, %s: %s",
        name,
        len(poison),
        *position_of(first.message),
        first.rule,
        first.error[:ERROR_CHARACTERS],
    )


@dataclass(frozen=True)
class Letter:
    """A dead letter: the message as it was, and what was wrong with it."""

    partition: int
    position: int
    topic: str
    offset: int
    rule: str
    error: str
    run_id: str
    sent_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]

    @property
    def sent_at(self) -> datetime | None:
        """When the message was sent first; None if the sender's clock was in no year."""
        try:
            return datetime.fromtimestamp(self.sent_at_ms / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None


def read_letters(
    config: KafkaConfig,
    name: str,
    partitions: set[int] | None = None,
    start: dict[int, int] | None = None,
) -> Iterator[Letter]:
    """The letters of a dead-letter topic, of all or some partitions, from the first or `start`."""
    extent = measure_topic(open_admin(config), name)
    if missing := (partitions or set()) - extent.first.keys():
        raise NocturneError(
            f"{name} has no partition {min(missing)}: its topic has grown and it has not."
            " `./nocturne topics` lets it grow too."
        )
    ranges = {
        part: (max(first, (start or {}).get(part, first)), extent.end[part])
        for part, first in extent.first.items()
        if partitions is None or part in partitions
    }
    with closing(open_consumer(config, f"{name}.reader")) as consumer:
        for batch in read_ranges(consumer, name, ranges):
            letters = map(parse_letter, batch.messages)
            yield from (letter for letter in letters if letter is not None)


def decode(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def parse_letter(message: Message) -> Letter | None:
    """None for what somebody else has written into the dead-letter topic."""
    partition, position = position_of(message)
    headers, sent_first = headers_of(message), sent_first_ms(message)
    ours = {name: decode(value) for name, value in headers[-len(HEADERS) :]}
    if tuple(ours) != HEADERS or not ours["offset"].isdecimal():
        log.warning(
            "%s[%d] holds at offset %d what is no dead letter: its headers do not say where it"
            " comes from", message.topic(), partition, position,
        )  # fmt: skip
        return None
    return Letter(
        partition=partition,
        position=position,
        topic=ours["topic"],
        offset=int(ours["offset"]),
        rule=ours["rule"],
        error=ours["error"],
        run_id=ours["run_id"],
        sent_at_ms=message.timestamp()[1] if sent_first is None else sent_first,
        key=message.key(),
        value=message.value(),
        headers=tuple(headers[: -len(HEADERS)]),
    )
