"""Reading a topic in batches: ranges of offsets to their end, or what a group is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from nocturne.errors import NocturneError, ServiceUnavailable
from nocturne.stream.connection import log

# A batch ends at whichever comes first. One write of so many documents costs MongoDB little more
# per document than one of many more, and the largest batch is some tens of megabytes.
BATCH = 2000
BATCH_BYTES = 16 * 1024 * 1024
CHUNK = 200
POLL_SECONDS = 1.0
# How long a batch waits for more to come.
LINGER_SECONDS = 0.02
STALL_SECONDS = 60
# The client goes on looking for its brokers by itself.
PASSING = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}


@dataclass
class Batch:
    """Messages of a topic, each partition in order; `offsets` are the next ones by partition."""

    messages: list[Message] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)


def read_ranges(
    consumer: Consumer, topic: str, ranges: Mapping[int, tuple[int, int]]
) -> Iterator[Batch]:
    """Batches from these ranges, nothing beyond; a range begins at its first offset and ends
    before its second.

    Raises ServiceUnavailable if nothing arrives for STALL_SECONDS.
    """
    left = {part: (start, end) for part, (start, end) in ranges.items() if start < end}
    consumer.assign([TopicPartition(topic, part, start) for part, (start, _) in left.items()])
    heard = monotonic()
    while left:
        batch = sort_batch(gather(consumer, sum(end - start for start, end in left.values())), left)
        for part, offset in batch.offsets.items():
            left[part] = (offset, left[part][1])
        done = [TopicPartition(topic, part) for part, (start, end) in left.items() if start >= end]
        if done:
            consumer.incremental_unassign(done)
        left = {part: (start, end) for part, (start, end) in left.items() if start < end}
        if batch.offsets:
            heard = monotonic()
            yield batch
        elif monotonic() - heard > STALL_SECONDS:
            raise ServiceUnavailable(f"Kafka gave nothing of {topic} for {STALL_SECONDS} s.")


def sort_batch(messages: list[Message], ranges: Mapping[int, tuple[int, int]]) -> Batch:
    """What belongs to the ranges, and how far it reaches into them; an event of a partition's end
    reaches over offsets that hold no record.
    """
    batch = Batch()
    for message in messages:
        if message.partition() not in ranges:
            continue
        partition, offset = position_of(message)
        end = ranges[partition][1]
        if message.error() is not None:
            batch.offsets[partition] = min(offset, end)
        elif offset < end:
            batch.messages.append(message)
            batch.offsets[partition] = offset + 1
        else:
            batch.offsets[partition] = end
    return batch


def read_group(
    consumer: Consumer,
    topic: str,
    start_at: Callable[[list[int]], Mapping[int, int]],
    let_go: Callable[[], None],
    stopped: Event,
    linger_seconds: float = LINGER_SECONDS,
) -> Iterator[Batch]:
    """Batches of the partitions that the group gives this consumer, until it is stopped.

    `start_at` tells the offsets to begin with in the partitions it is given; `let_go` is called
    before partitions go to another consumer. A batch may be empty; one that has begun waits
    `linger_seconds` for more.
    """
    mine: dict[int, tuple[int, int]] = {}
    no_end = 2**63 - 1

    def take(consumer: Consumer, parts: list[TopicPartition]) -> None:
        offsets = start_at([part.partition for part in parts]) if parts else {}
        mine.update({part.partition: (offsets[part.partition], no_end) for part in parts})
        begin = [TopicPartition(topic, part, start) for part, (start, _) in mine.items()]
        log.info("%s: reading %s", topic, mine)
        consumer.assign(begin)

    def give_back(_: Consumer, parts: list[TopicPartition]) -> None:
        let_go()
        for part in parts:
            mine.pop(part.partition, None)

    consumer.subscribe([topic], on_assign=take, on_revoke=give_back, on_lost=give_back)
    while not stopped.is_set():
        yield sort_batch(gather(consumer, BATCH, linger_seconds), mine)


def gather(consumer: Consumer, most: int, linger_seconds: float = LINGER_SECONDS) -> list[Message]:
    """The messages that are there, and events of ends; waits POLL_SECONDS for the first."""
    first = consumer.poll(POLL_SECONDS)
    found = [] if first is None else [first]
    size, most = sum(map(len, found)), min(most, BATCH)
    while found and len(found) < most and size < BATCH_BYTES:
        more = consumer.consume(min(CHUNK, most - len(found)), linger_seconds)
        if not more:
            break
        found += more
        size += sum(map(len, more))
    return [message for message in found if is_readable(message)]


def is_readable(message: Message) -> bool:
    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.fatal() or not (error.retriable() or error.code() in PASSING):
        raise KafkaException(error)
    log.warning("Kafka: %s; trying again", error.str())
    return False


def position_of(message: Message) -> tuple[int, int]:
    """Partition and offset, which every message that was read has."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise NocturneError("Kafka gave a message without partition or offset.")
    return partition, offset
